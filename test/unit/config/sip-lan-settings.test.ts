import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { agentConfig } from '../../../src/config/agent-config.ts';
import { ConfigError } from '../../../src/config/errors.ts';
import type { SipSettings } from '../../../src/config/sip-settings.ts';

const path = '/etc/idloc/config.toml';
const sipOf = (text: string): SipSettings => agentConfig({ path, text }, {}).sip;
const lan = (...lines: string[]): string =>
  ['[sip.lan]', 'enable = true', 'address = "192.168.1.2"', ...lines, ''].join('\n');

test('phones on the LAN have port 5060, and rtpengine is on loopback, unless said otherwise; neither is there unless asked for', (t) => {
  const { callers, answeringMachine, ...settings } = sipOf(lan('users = { kitchen = "a b" }'));
  t.is(callers.callers, 'members');
  t.is(answeringMachine, '/run/idloc-voicemail.sock');
  t.is(sipOf('[sip]\nanswering_machine = "/run/other.sock"\n').answeringMachine, '/run/other.sock');
  t.deepEqual(settings, {
    ...{ enable: true, port: 5_062, rtpengine: { address: '127.0.0.1', port: 6_085 } },
    lan: { address: '192.168.1.2', port: 5_060, users: [{ name: 'kitchen', password: 'a b' }] },
  });
  t.is(sipOf('[sip.lan]\naddress = "192.168.1.2"\nusers = { kitchen = "a b" }\n').lan, undefined);
  t.deepEqual(sipOf('[sip]\nrtpengine = "[::1]:2223"\n').rtpengine, { address: '::1', port: 2_223 });
});

test('a password stands in the file, in another one, or is the hash that digest makes of it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'door');
  writeFileSync(file, 'in a file\n', { mode: 0o640 });
  const [sha256, md5] = ['A'.repeat(64), 'b'.repeat(32)];
  const users = `door = { password_file = "${file}" }\nhall = { sha256 = "${sha256}", md5 = "${md5}" }\nattic = { md5 = "${md5}" }`;
  t.deepEqual(sipOf(`${lan()}[sip.lan.users]\n${users}\n`).lan?.users, [
    { name: 'door', password: 'in a file' },
    { name: 'hall', ha1: { sha256: 'a'.repeat(64), md5 } },
    { name: 'attic', ha1: { sha256: undefined, md5 } },
  ]);
  chmodSync(file, 0o644);
  t.throws(() => sipOf(`${lan()}[sip.lan.users]\n${users}\n`), {
    instanceOf: ConfigError,
    message: /every user can read it/,
  });
  writeFileSync(file, 'two\nlines\n');
  chmodSync(file, 0o640);
  t.throws(() => sipOf(`${lan()}[sip.lan.users]\n${users}\n`), { instanceOf: ConfigError, message: /one line/ });
});

test('a configuration with passwords that every user can read is refused', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const open = join(folder, 'config.toml');
  const text = lan('users = { kitchen = "a b" }');
  writeFileSync(open, text);
  chmodSync(open, 0o644);
  t.throws(() => agentConfig({ path: open, text }, {}), { instanceOf: ConfigError, message: /chmod o=/ });
});

for (const [what, text, message] of [
  ['no address', '[sip.lan]\nenable = true\nusers = { a = "x" }\n', /sip\.lan\.address: /],
  ['a name for an address', '[sip.lan]\naddress = "box.lan"\n', /:2: sip\.lan\.address: /],
  ['every address', '[sip.lan]\naddress = "0.0.0.0"\n', /:2: sip\.lan\.address: /],
  ['loopback', '[sip.lan]\naddress = "127.0.0.1"\n', /:2: sip\.lan\.address: /],
  ['no users', lan(), /sip\.lan\.users: must have 1 to 64/],
  ['too many users', lan(`users = { ${Array.from({ length: 65 }, (_, i) => `u${i} = "x"`).join(', ')} }`), /1 to 64/],
  ['a colon in a name', lan('users = { "a:b" = "x" }'), /sip\.lan\.users/],
  ['an empty password', lan('users = { a = "" }'), /sip\.lan\.users/],
  ['a hash that is too short', lan('users = { a = { md5 = "ab" } }'), /sip\.lan\.users/],
  ['no hash at all', lan('users = { a = { } }'), /sip\.lan\.users/],
  ['an answering machine nowhere', '[sip]\nanswering_machine = "here"\n', /:2: sip\.answering_machine: .*socket/],
  ['rtpengine elsewhere', '[sip]\nrtpengine = "192.168.1.3:2223"\n', /:2: sip\.rtpengine: .*loopback/],
] as const)
  test(`refused: ${what}`, (t) => {
    t.throws(() => sipOf(text), { instanceOf: ConfigError, message });
  });
