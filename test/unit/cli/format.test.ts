import test from 'ava';
import { formatBytes, formatDuration, formatMs, table } from '../../../src/cli/format.ts';
import { formatPing } from '../../../src/cli/format-ping.ts';
import { formatResolve } from '../../../src/cli/format-resolve.ts';
import { formatNetcheck } from '../../../src/cli/format-netcheck.ts';
import { formatStatus } from '../../../src/cli/format-status.ts';
import { formatDoctor } from '../../../src/cli/format-doctor.ts';
import { exampleDoctor, exampleNetcheck, exampleStatus } from '../control/example-status.ts';

test('numbers are as short as they can be read', (t) => {
  t.deepEqual([0, 999, 1000, 1_234_567, 123_456_789, 999_999].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '1.2 MB',
    '123 MB',
    '1.0 MB',
  ]);
  t.deepEqual([0.4, 59, 61, 3600, 90_061].map(formatDuration), ['0 s', '59 s', '1 min 1 s', '1 h', '1 d 1 h']);
  t.deepEqual([null, 0.123, 24.16].map(formatMs), ['-', '0.12 ms', '24.2 ms']);
});

test('columns line up and end without blanks', (t) => {
  t.deepEqual(
    table([
      ['A', 'B'],
      ['long', ''],
    ]),
    ['A     B', 'long'],
  );
});

test('a status without links, name, address, TUN and DNS reads well too', (t) => {
  const text = formatStatus({ ...exampleStatus, links: [], name: null, ipv4: null, tun: null, dns: null, sip: null });
  t.regex(text, /^name +\(none\)$/m);
  t.regex(text, /^dns +off$/m);
  t.regex(text, /^sip +off$/m);
  t.regex(text, /no links$/);
});

test('a status is a block of facts, a line a link, and a line for each path of a link that has several', (t) => {
  t.deepEqual(formatStatus(exampleStatus).split('\n'), [
    'name     bob.home.example',
    'hit      2001:20::b0b',
    'ipv4     198.18.0.9',
    'overlay  home.example, joined as peer',
    'member   until 2027-01-01 12:00 UTC, renewed before',
    'listen   0.0.0.0:6084',
    'nat      endpoint-independent mapping, seen as 203.0.113.9:6084',
    'mapped   203.0.113.9:6084, by pcp',
    'meeting  mainline, 128 nodes known',
    'tun      idloc0, MTU 1400',
    'dns      127.0.60.84:53',
    'sip      port 5062, phones: 1; registered at sip.example.net',
    'agent    0.1.0, up 1 h 1 min, pid 42',
    '',
    'PHONE OF          CONTACT                  BY                        SINCE                UNTIL',
    'bob@home.example  sip:bob@198.18.0.9:5060  UDP from 198.18.0.9:5060  2026-01-01 12:00:00  2026-01-01 13:00:00',
    '',
    'LINK                STATE       PATH                                     RTT      LOSS   RX      TX     WHY',
    'alice.home.example  connected   srflx 10.0.0.2:6084 > 203.0.113.7:40001  24.1 ms  1.2 %  1.2 MB  890 B  both NATs keep their mapping',
    '2001:20::5          connecting  -                                        -        -      0 B     0 B',
    '',
    'PATHS OF            STATE    PATH                                UPLINK  RTT      LOSS',
    'alice.home.example  in use   10.0.0.2:6084 > 203.0.113.7:40001   wlan0   24.1 ms  0 %',
    'alice.home.example  suspect  10.64.0.9:6084 > 203.0.113.7:40001  wwan0   -        25 %',
  ]);
});

test('a status says what the interface lacks', (t) => {
  const { hit, ipv4, tun } = exampleStatus;
  const line = (changes: Partial<NonNullable<typeof tun>>): string | undefined =>
    /^tun .*$/m.exec(formatStatus({ ...exampleStatus, tun: tun && { ...tun, ...changes } }))?.[0];
  t.is(line({ addresses: [ipv4 ?? ''] }), `tun      idloc0, MTU 1400, without ${hit}`);
  t.is(line({ up: false, addresses: [] }), `tun      idloc0, MTU 1400, down, without ${hit} and ${ipv4 ?? ''}`);
});

test('a status says first what is wrong and what to do, and what the host is to its overlay', (t) => {
  const { membership } = exampleStatus;
  const revoked = { ...exampleStatus, state: 'revoked' as const, problem: 'revoked: do this' };
  const [first, ...rest] = formatStatus({ ...revoked, membership: { ...membership, state: 'revoked' } }).split('\n');
  t.is(first, 'problem  revoked: do this');
  t.true(rest.includes('member   revoked'));
  const shown = (changed: Partial<typeof membership>): string | undefined =>
    formatStatus({ ...exampleStatus, membership: { ...membership, ...changed } })
      .split('\n')
      .find((line) => line.startsWith('member'));
  t.is(shown({ state: 'renewing' }), 'member   until 2027-01-01 12:00 UTC, asks for a new certificate');
  t.is(shown({ state: 'renewing', lapsed: true }), 'member   guest, the certificate ended 2027-01-01 12:00 UTC');
  for (const state of ['invited', 'enrolling', 'left'] as const)
    t.is(shown({ state, expires: null }), `member   ${state}`);
});

test('a disk that is full is shown in the status, with what is not on it', (t) => {
  t.notRegex(formatStatus(exampleStatus), /^disk/m);
  const text = formatStatus({ ...exampleStatus, unwritten: ['certificate', 'records'] });
  t.regex(text, /^disk +cannot write \(certificate, records\): make room; tried every minute$/m);
});

test('a clock that is wrong is shown in the status', (t) => {
  const text = formatStatus({ ...exampleStatus, clock: { offsetS: -10_800, source: 'overlay' } });
  t.regex(text, /^clock +this host's is 3 h( 0 min)? fast: the overlay's time is used; set the clock$/m);
});

test('a relayed ping says so, and by whom: the name, or the HIT where none is known', (t) => {
  const path = { type: 'relay' as const, local: '[2001:20::c]:6084', remote: '[2001:20::b0b]:0' };
  const ping = { target: 'bob', hit: '2001:20::b0b', rttMs: [1], direct: false, why: 'no direct path answered' };
  for (const [name, shown] of [
    ['carol.home.example', 'carol.home.example'],
    [null, '2001:20::c'],
  ] as const) {
    const text = formatPing({ ...ping, path: { ...path, via: { hit: '2001:20::c', name } } });
    t.is(text.split('\n')[1], `path: relay by ${shown}, relayed: no direct path answered`);
  }
});

test('a ping shows the path, why, the set-up and the spread', (t) => {
  const text = formatPing({
    target: 'bob.home.example',
    hit: '2001:20::b0b',
    rttMs: [24.1, null, 25.3],
    path: { type: 'srflx', local: '10.0.0.2:6084', remote: '203.0.113.7:40001' },
    direct: true,
    why: 'both NATs keep their mapping',
    setup: { nameToHitMs: 12.3, hitToLinkMs: 81.5, firstPacketMs: 94 },
  });
  t.deepEqual(text.split('\n'), [
    'PING bob.home.example (2001:20::b0b)',
    'path: srflx 10.0.0.2:6084 > 203.0.113.7:40001, direct: both NATs keep their mapping',
    'set-up: name to HIT 12.3 ms, HIT to link 81.5 ms, first packet 94.0 ms',
    'seq=1 time=24.1 ms',
    'seq=2 lost',
    'seq=3 time=25.3 ms',
    '',
    '3 sent, 2 received, 33 % lost',
    'rtt min/avg/max = 24.10/24.70/25.30 ms',
  ]);
});

test('a ping says which hosts of the user it tried before the one that answers', (t) => {
  const text = formatPing({
    ...{ target: 'bob', hit: '2001:20::b0b', rttMs: [1], path: null, direct: true, why: 'no path' },
    unanswered: [{ hit: '2001:20::b0a', why: 'no answer within 10 s' }],
  });
  t.deepEqual(text.split('\n').slice(0, 2), [
    '2001:20::b0a does not answer: no answer within 10 s',
    'PING bob (2001:20::b0b)',
  ]);
});

const BOB = {
  hit: '2001:20::b0b',
  ipv4: '198.18.0.9',
  user: 'bob@home.example',
  saidBy: [{ responder: '2001:20::5', signer: '2001:20::b0b', ageS: 61 }],
};

test('a resolution shows the other hosts of the user, in the order in which they are tried', (t) => {
  const hosts = [
    { ...BOB, linked: true },
    { ...BOB, hit: '2001:20::b0a', linked: true },
    { ...BOB, hit: '2001:20::b09', ipv4: null, linked: false },
  ];
  const text = formatResolve({ target: 'bob', ...BOB, hosts, timings: { totalMs: 14.2 } });
  t.deepEqual(text.split('\n').slice(4, 7), [
    '3 hosts have this name; the others, in the order in which they are tried:',
    '2001:20::b0a  198.18.0.9  linked',
    '2001:20::b09  -',
  ]);
});

test('a resolution shows who said it', (t) => {
  const hosts = [{ ...BOB, linked: true }];
  const text = formatResolve({ target: 'bob', ...BOB, hosts, timings: { totalMs: 14.2 } });
  t.deepEqual(text.split('\n'), [
    'bob is 2001:20::b0b',
    'ipv4  198.18.0.9',
    'user  bob@home.example',
    'said by 2001:20::5, signed by the host itself 1 min 1 s ago',
    'took 14.2 ms',
  ]);
});

test('a path by TLS says so', (t) => {
  const path = { type: 'relay' as const, local: 'any', remote: '203.0.113.10:443', over: 'tls' as const };
  const ping = { target: 'carol', hit: '2001:20::c', rttMs: [1], direct: false, why: 'by TLS over TCP' };
  const text = formatPing({ ...ping, path });
  t.is(text.split('\n')[1], 'path: relay by TLS any > 203.0.113.10:443, relayed: by TLS over TCP');
});

test('a network is facts, what will work, and what to ask its owner for', (t) => {
  t.deepEqual(formatNetcheck(exampleNetcheck).split('\n'), [
    'nat        a NAT that keeps one port for all peers, as most home routers do; seen as 203.0.113.9:6084',
    'mapping    endpoint-independent',
    'filtering  not known: a STUN server with two addresses in the configuration could tell (RFC 5780)',
    'udp        works',
    'ipv4       a private address',
    'ipv6       none',
    'nat64      none',
    'forwarded  none: the router answers nothing',
    'relays     carol.home.example',
    'turn       2001:20::6',
    '',
    'WILL WORK',
    '- direct links with hosts without a NAT',
    '',
    'ASK THE OWNER OF THE NETWORK FOR',
    '- IPv6',
  ]);
  t.regex(formatNetcheck({ ...exampleNetcheck, udp: 'blocked' }), /blocked, as it seems: none of the 2/);
});

test('doctor says of each finding what is wrong, when it was seen, and what mends it', (t) => {
  t.is(
    formatDoctor(exampleDoctor),
    [
      'error: another program has port 5062',
      '  mend: end that program',
      'warning: baresip at [2001:20::b0b]:5060 (1 min 1 s ago)',
      '  mend: let it use idloc0',
    ].join('\n'),
  );
  t.is(formatDoctor({ topic: 'sip', findings: [] }), 'nothing wrong');
});
