import { readFileSync } from 'node:fs';
import test from 'ava';
import { linphoneSettings } from '../../../scripts/testbed/linphone.ts';
import { baresipAccount } from '../../../scripts/testbed/phone.ts';
import { twinkleProfile } from '../../../scripts/testbed/phones/twinkle.ts';

const page = readFileSync(new URL('../../../docs/phones.md', import.meta.url), 'utf8');
const addressOfRecord = 'alice@home.example';

/** Lines of the first block behind these words. */
function blockBehind(words: string): string[] {
  const [, behind] = page.split(words);
  const [, block = ''] = (behind ?? '').split('```');
  return block.trim().split('\n');
}

for (const [phone, words, written] of [
  ['linphonec', 'linphonec, in its configuration file:', linphoneSettings({ addressOfRecord, transport: 'udp' })],
  ['twinkle', 'twinkle, `~/.twinkle/alice.cfg`', twinkleProfile('alice', 'home.example')],
] as const)
  test(`docs/phones.md: ${phone} has these settings in the laboratory, where it is called and calls`, (t) => {
    const settings = blockBehind(words);
    t.true(settings.length >= 4);
    for (const line of settings) t.true(written.split('\n').includes(line), line);
  });

test('docs/phones.md: baresip has this account in the laboratory, and a choice of codecs beside it', (t) => {
  const [account = ''] = blockBehind('baresip, `accounts`, with `net_interface idloc0`');
  t.true(account.startsWith('<sip:alice@home.example>;regint='));
  t.true(baresipAccount({ addressOfRecord, registers: 'any' }).startsWith(`${account};`));
});
