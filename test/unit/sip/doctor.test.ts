import { readFileSync } from 'node:fs';
import test from 'ava';
import { examineSip, proxyUri, type SipFacts } from '../../../src/sip/doctor.ts';

const HEALTHY: SipFacts = {
  ...{ adaptor: 'on', user: 'alice@home.example', overlay: 'home.example', interfaceName: 'idloc0', port: 5062 },
  proxies: ['sip:[2001:20::1]:5062', 'sip:198.18.0.1:5062'],
  ...{ isPortTaken: false, notListening: [], dns: 'asked', stub: '127.0.60.84:53' },
  phones: [{ contact: 'sip:alice@198.18.0.1:5060', leftMs: 30_000, lifetimeMs: 60_000 }],
  ...{ notes: [], clockOffsetS: 0, trunk: undefined, missingRelay: undefined },
};

const ids = (facts: Partial<SipFacts>): string[] =>
  examineSip({ ...HEALTHY, ...facts }).map(({ id, level }) => `${level} ${id}`);

test('of a host with a phone that is registered nothing is wrong', (t) => {
  t.deepEqual(ids({}), []);
});

const STATES = [
  ['error off', { adaptor: 'off' }],
  ['error off', { adaptor: 'no tun' }],
  ['error no-name', { user: null }],
  ['error port-taken', { isPortTaken: true, notListening: ['udp 198.18.0.1:5062'] }],
  ['error not-listening', { notListening: ['udp 198.18.0.1:5062'] }],
  ['error no-phone', { phones: [] }],
  ['error trunk', { trunk: { domain: 'sip.example.net', state: 'failed', why: '403 Forbidden' } }],
  ['error media-relay', { missingRelay: { neededBy: 'sip.trunk.media = "srtp"', addr: '127.0.0.1:6085' } }],
  ['warning resolver', { dns: 'not asked' }],
  ['warning dns-off', { dns: 'off', stub: undefined }],
  ['warning clock', { clockOffsetS: -90 }],
  ['warning expires', { phones: [{ contact: 'sip:a', leftMs: 5_000, lifetimeMs: 60_000 }] }],
] as const;

for (const [expected, facts] of STATES)
  test(`${expected}: ${JSON.stringify(facts)}`, (t) => {
    t.deepEqual(ids(facts), [expected]);
  });

const NOTES = [
  ['interface', 'warning wrong-interface'],
  ['unheard', 'error wrong-source'],
  ['session', 'warning wrong-sdp'],
  ['refused', 'error wrong-user'],
  ['gone', 'warning unregistered'],
] as const;

for (const [kind, expected] of NOTES)
  test(`what was noted of a phone (${kind}) is told for an hour`, (t) => {
    const note = { kind, phone: 'desk', detail: '192.168.1.7' };
    t.deepEqual(ids({ notes: [{ ...note, agoMs: 3_599_000 }] }), [expected]);
    t.deepEqual(ids({ notes: [{ ...note, agoMs: 3_600_000 }] }), []);
    const [finding] = examineSip({ ...HEALTHY, notes: [{ ...note, agoMs: 5 }] });
    t.true(finding?.what.includes('192.168.1.7'));
    t.is(finding?.agoMs, 5);
  });

test('docs/phones.md tells of each finding, and of no other', (t) => {
  const page = readFileSync(new URL('../../../docs/phones.md', import.meta.url), 'utf8');
  const [, section = ''] = page.split('## What is wrong: `idloc doctor sip`\n');
  const [table = ''] = section.split('\n## ');
  const told = [...table.matchAll(/^\| `([a-z-]+)` +\|/gm)].map(([, id]) => id ?? '').filter((id) => id !== 'id');
  const found = [...STATES.map(([expected]) => expected), ...NOTES.map(([, expected]) => expected)];
  t.deepEqual(told.sort(), [...new Set(found.map((text) => text.replace(/^\w+ /, '')))].sort());
});

test('errors come before warnings, what was seen last before what was seen first', (t) => {
  const notes = (['session', 'gone', 'refused'] as const).map((kind, i) => ({
    ...{ kind, phone: 'desk', detail: 'x', agoMs: 30 - i },
  }));
  t.deepEqual(ids({ notes, dns: 'not asked', phones: [] }), [
    'error no-phone',
    'error wrong-user',
    'warning resolver',
    'warning unregistered',
    'warning wrong-sdp',
  ]);
});

test('a proxy is a URI that phones take', (t) => {
  t.is(proxyUri('2001:20::1', 5062), 'sip:[2001:20::1]:5062');
  t.is(proxyUri('198.18.0.1', 5062), 'sip:198.18.0.1:5062');
});
