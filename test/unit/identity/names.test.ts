import test from 'ava';
import {
  isHostName,
  isMemberLabel,
  labelOfMachine,
  isOverlayName,
  isUserName,
  isUserOf,
} from '../../../src/identity/names.ts';

const LONGEST = 'a'.repeat(63);

test('a user is called by one label of a host name', (t) => {
  for (const good of ['alice', 'a', '4930123456', 'x-1', 'xn--mller-kva', LONGEST]) {
    t.true(isMemberLabel(good), good);
    t.true(isUserName(`${good}@home.example`), good);
    t.true(isHostName(`${good}.home.example`), good);
  }
  for (const bad of ['', 'a.b', 'my_host', 'dave.jones', '-a', 'a-', 'A', 'a b', '+49301', 'ä', `${LONGEST}a`, 'a\n']) {
    t.false(isMemberLabel(bad), bad);
    t.false(isUserName(`${bad}@home.example`), bad);
  }
});

test('an overlay has a name of at least two labels that is no address', (t) => {
  for (const good of ['home.example', 'home.internal', 'smith.home.arpa', 'a.b.c.d', '3com.com', '1.2.3.x4'])
    t.true(isOverlayName(good), good);
  for (const bad of [
    'com',
    '',
    'a..b',
    '.a.b',
    'a.b.',
    'A.b',
    '192.0.2.1',
    '1.2',
    'a.b ',
    'a_b.c',
    `${LONGEST}a.example`,
  ])
    t.false(isOverlayName(bad), bad);
});

test('a user of one overlay is none of another', (t) => {
  t.true(isUserOf('alice@home.example', 'home.example'));
  for (const user of ['alice@other.example', 'alice@x.home.example', '@home.example', 'alice', 'a@b@home.example'])
    t.false(isUserOf(user, 'home.example'), user);
});

test('the longest names fit the DNS', (t) => {
  const overlay = `${LONGEST}.${LONGEST}`;
  t.is(overlay.length, 127);
  t.true(isOverlayName(overlay));
  t.true(`_sip._udp.${LONGEST}.${overlay}`.length <= 253);
  t.false(isOverlayName(`${overlay}.ab`));
});

test("a machine's name that is no label is made one, and one that gives none is left out", (t) => {
  t.deepEqual(['saturn', 'My_Host.lan', '-x-', '__', '', 'ÄÖ', `${'a'.repeat(62)}_b`, 'a b'].map(labelOfMachine), [
    'saturn',
    'my-host',
    'x',
    undefined,
    undefined,
    undefined,
    'a'.repeat(62),
    'a-b',
  ]);
});
