import { PassThrough, Readable } from 'node:stream';
import test from 'ava';
import { askRendezvous } from '../../../src/cli/ask-rendezvous.ts';

async function answered(text: string): Promise<{ rendezvous: string | undefined; shown: string }> {
  const output = new PassThrough();
  const rendezvous = await askRendezvous({ input: Readable.from([text]), output });
  return { rendezvous, shown: String(output.read()) };
}

test('the creator of an overlay is told what meeting in a public DHT means, and is asked', async (t) => {
  const { rendezvous, shown } = await answered('y\n');
  t.is(rendezvous, 'mainline');
  t.regex(shown, /BitTorrent's public DHT.*published\nthere unencrypted.*\[y\/N\] $/s);
  t.is((await answered('NO\n')).rendezvous, 'none');
});

test('without an answer nothing is switched on', async (t) => {
  for (const text of ['\n', '']) t.is((await answered(text)).rendezvous, undefined);
});

test('an answer that is neither yes nor no is asked for again', async (t) => {
  const { rendezvous, shown } = await answered('perhaps\nyes\n');
  t.is(rendezvous, 'mainline');
  t.regex(shown, /yes or no\? \[y\/N\] $/);
});
