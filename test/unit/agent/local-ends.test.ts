import test from 'ava';
import { LocalEnds } from '../../../src/agent/local-ends.ts';

const OPTIONS = { port: 5064, address: undefined };

test('the address that leads to somebody is the one that the kernel sends from', async (t) => {
  const ends = new LocalEnds(OPTIONS);
  t.deepEqual(await ends.find({ address: '127.0.0.9', port: 5060 }), { address: '127.0.0.1', port: 5064 });
  t.is(ends.routeTo({ address: '127.0.0.9', port: 1 }), '127.0.0.1');
});

test('where no route leads there is no address', async (t) => {
  const ends = new LocalEnds(OPTIONS);
  // Refused by connect(2), as where the network is gone.
  const remote = { address: '255.255.255.255', port: 5060 };
  t.is(await ends.find(remote), undefined);
  t.is(ends.to(remote), undefined);
});
