import test from 'ava';
import dnsPacket from 'dns-packet';
import type { LookupAnswer, LookupKey, OverlayHost } from '../../../src/dns/name-lookup.ts';
import { encodeResponse, Rcode, type Response } from '../../../src/dns/message.ts';
import type { OwnSip } from '../../../src/dns/own-sip.ts';
import { OverlayZone, zonesOf } from '../../../src/dns/zone.ts';

const zone = new OverlayZone({ overlay: 'home.example', ipv4Prefix: '198.18.0.0/15' });
const bob: OverlayHost = { hit: '20010020000000000000000000000b0b', ipv4: '198.19.2.1', name: 'bob' };
const found: LookupAnswer = { status: 'found', hosts: [bob] };

function ask(name: string, type: string, answer: LookupAnswer = found): { response: Response; key?: LookupKey } {
  const verdict = zone.consider({ name, type, class: 'IN' });
  if (verdict.kind === 'lookup') return { response: verdict.respond(answer), key: verdict.key };
  if (verdict.kind === 'answer') return { response: verdict.response };
  throw new Error(`${name} ${type} is outside`);
}

test('a member has its HIT as AAAA and its claimed address as A, whatever the case of the name', (t) => {
  const { response, key } = ask('Bob.HOME.example', 'AAAA');
  t.deepEqual(key, { by: 'name', name: 'bob' });
  t.like(response.answers[0], { type: 'AAAA', name: 'Bob.HOME.example', data: '2001:20::b0b' });
  t.is(response.answers.length, 1);
  t.like(ask('bob.home.example', 'A').response.answers[0], { type: 'A', data: '198.19.2.1' });
});

test('a member without an IPv4 address has an empty A, with the SOA that says for how long', (t) => {
  const { response } = ask('bob.home.example', 'A', { status: 'found', hosts: [{ ...bob, ipv4: undefined }] });
  t.is(response.rcode, Rcode.NOERROR);
  t.deepEqual(response.answers, []);
  t.like(response.authorities[0], { type: 'SOA', name: 'home.example', data: { minimum: 5 } });
});

function hostsOf(count: number): OverlayHost[] {
  return Array.from({ length: count }, (_, i) => ({
    ...bob,
    hit: bob.hit.slice(0, -1) + i.toString(16),
    ipv4: `198.19.2.${i}`,
  }));
}

/** The answer as it goes out over UDP without EDNS. */
function datagram(name: string, type: string, response: Response): Uint8Array {
  const labels = name.split('.').map((label) => [label.length, ...Buffer.from(label)]);
  const questionBytes = Uint8Array.from([...labels.flat(), 0, 0, 1, 0, 1]);
  const query = { id: 1, opcode: 0, recursionDesired: true, question: { name, type, class: 'IN' }, questionBytes };
  return encodeResponse(query, response, undefined, 512);
}

test('all hosts of a user have their addresses under its name, in their order, eight at most', (t) => {
  for (const [type, addresses] of [
    ['AAAA', hostsOf(8).map((_, i) => `2001:20::b0${i}`)],
    ['A', hostsOf(8).map((_, i) => `198.19.2.${i}`)],
  ] as const)
    for (const [told, shown] of [
      [2, 2],
      [8, 8],
      [16, 8],
    ] as const) {
      const { response } = ask('bob.home.example', type, { status: 'found', hosts: hostsOf(told) });
      t.deepEqual(
        response.answers.map((record) => ('data' in record ? record.data : undefined)),
        addresses.slice(0, shown),
      );
    }
  const without = hostsOf(2).map((host, i) => (i === 0 ? { ...host, ipv4: undefined } : host));
  const { response } = ask('bob.home.example', 'A', { status: 'found', hosts: without });
  t.deepEqual(
    response.answers.map((record) => ('data' in record ? record.data : undefined)),
    ['198.19.2.1'],
  );
});

test('an answer has as many hosts as fit a datagram without EDNS, and never asks for TCP on their account', (t) => {
  for (const length of [1, 20, 40, 63])
    for (const [prefix, type] of [
      ['', 'AAAA'],
      ['', 'A'],
      ['', 'ANY'],
      ['_sip._udp.', 'SRV'],
    ] as const) {
      const name = `${prefix}${'x'.repeat(length)}.home.example`;
      const { response } = ask(name, type, { status: 'found', hosts: hostsOf(8) });
      const whole = datagram(name, type, response);
      t.is((whole[2] ?? 0) & 0x02, 0, `${name} ${type}`);
      t.true(whole.length <= 512);
      const records = (whole[7] ?? 0) + (whole[11] ?? 0);
      t.is(records, response.answers.length + response.additionals.length, 'nothing was left out');
      t.true(records >= 2, `${records} of ${name} ${type}`);
    }
});

test('SRV, NAPTR and PTR of a user with several hosts name the user once; its addresses stand beside SRV', (t) => {
  const several: LookupAnswer = { status: 'found', hosts: hostsOf(3) };
  const srv = ask('_sip._udp.bob.home.example', 'SRV', several).response;
  t.like(srv.answers, [{ type: 'SRV', data: { port: 5060, target: 'bob.home.example' } }]);
  t.is(srv.answers.length, 1);
  t.deepEqual(
    srv.additionals.map((record) => `${record.type} ${record.name}`),
    hostsOf(3).flatMap(() => ['AAAA bob.home.example', 'A bob.home.example']),
  );
  const naptr = ask('bob.home.example', 'NAPTR', several).response;
  t.is(naptr.answers.length, 1);
  t.like(naptr.answers[0], { data: { replacement: '_sip._udp.bob.home.example' } });
  const nibbles = Array.from(bob.hit).reverse().join('.');
  const pointers = ask(`${nibbles}.ip6.arpa`, 'PTR').response;
  t.like(pointers.answers, [{ type: 'PTR', data: 'bob.home.example' }]);
});

test('SIP over UDP is found by NAPTR, then SRV with the addresses beside it', (t) => {
  t.like(ask('bob.home.example', 'NAPTR').response.answers[0], {
    type: 'NAPTR',
    data: { flags: 's', services: 'SIP+D2U', replacement: '_sip._udp.bob.home.example' },
  });
  const { response, key } = ask('_sip._udp.bob.home.example', 'SRV');
  t.deepEqual(key, { by: 'name', name: 'bob' });
  t.like(response.answers[0], { type: 'SRV', data: { port: 5060, target: 'bob.home.example' } });
  t.deepEqual(
    response.additionals.map((record) => record.type),
    ['AAAA', 'A'],
  );
});

for (const name of [
  '_sip._tcp.bob',
  '_sips._tcp.bob',
  '_tcp.bob',
  '_udp.bob',
  '_sip._udp',
  '_sip._tcp',
  '_sips._tcp',
]) {
  test(`${name}.home.example is empty at once, without asking the overlay`, (t) => {
    const { response, key } = ask(`${name}.home.example`, 'SRV');
    t.is(key, undefined);
    t.is(response.rcode, Rcode.NOERROR);
    t.deepEqual(response.answers, []);
    t.is(response.authorities[0]?.type, 'SOA');
  });
}

for (const name of ['no_such.home.example', 'a.b.home.example', '_xmpp._tcp.bob.home.example', '-x.home.example']) {
  test(`${name} does not exist, without asking the overlay`, (t) => {
    const { response, key } = ask(name, 'A');
    t.is(key, undefined);
    t.is(response.rcode, Rcode.NXDOMAIN);
    t.is(response.authorities[0]?.type, 'SOA');
  });
}

test('the domain itself has a SOA and nothing else', (t) => {
  t.like(ask('home.example', 'SOA').response.answers[0], { type: 'SOA' });
  for (const type of ['A', 'AAAA', 'NAPTR', 'MX', 'UNKNOWN_65']) {
    const { response } = ask('home.example', type);
    t.is(response.rcode, Rcode.NOERROR);
    t.deepEqual(response.answers, []);
  }
});

const OWN_SIP: OwnSip = { port: 5062, addresses: ['2001:20::a11', '198.18.7.1'], tcp: true };

function askWith(sip: OwnSip | undefined, name: string, type: string): Response {
  const own = new OverlayZone({ overlay: 'home.example', ipv4Prefix: '198.18.0.0/15', ownSip: () => sip });
  const verdict = own.consider({ name, type, class: 'IN' });
  if (verdict.kind !== 'answer') throw new Error(`${name} ${type} is not answered at once`);
  return verdict.response;
}

test('the domain leads phones to the SIP proxy of their own host: NAPTR with UDP first, SRV with its port, IPv4 before both families', (t) => {
  const naptr = askWith(OWN_SIP, 'Home.example', 'NAPTR');
  t.like(naptr.answers, [
    { type: 'NAPTR', name: 'Home.example', data: { order: 10, flags: 's', services: 'SIP+D2U' } },
    { type: 'NAPTR', data: { order: 20, flags: 's', services: 'SIP+D2T', replacement: '_sip._tcp.home.example' } },
  ]);
  t.like(naptr.answers[0], { data: { replacement: '_sip._udp.home.example' } });
  for (const name of ['_sip._udp.home.example', '_SIP._tcp.home.example.']) {
    const { answers, additionals } = askWith(OWN_SIP, name, 'SRV');
    t.like(answers, [
      { type: 'SRV', name, data: { priority: 0, weight: 0, port: 5062, target: 'ipv4.proxy.home.example' } },
      { type: 'SRV', name, data: { priority: 1, weight: 0, port: 5062, target: 'home.example' } },
    ]);
    t.like(additionals, [
      { type: 'A', name: 'ipv4.proxy.home.example', data: '198.18.7.1' },
      { type: 'AAAA', name: 'home.example', data: '2001:20::a11' },
    ]);
  }
  t.like(askWith(OWN_SIP, 'ipv4.proxy.home.example', 'A').answers, [{ type: 'A', data: '198.18.7.1' }]);
  t.deepEqual(askWith(OWN_SIP, 'ipv4.proxy.home.example', 'AAAA'), askWith(OWN_SIP, 'home.example', 'MX'));
  t.like(askWith(OWN_SIP, 'home.example', 'AAAA').answers, [{ type: 'AAAA', data: '2001:20::a11' }]);
  t.like(askWith(OWN_SIP, 'home.example', 'A').answers, [{ type: 'A', data: '198.18.7.1' }]);
  const types = askWith(OWN_SIP, 'home.example', 'ANY').answers.map(({ type }) => type);
  t.deepEqual(types, ['SOA', 'AAAA', 'A', 'NAPTR', 'NAPTR']);
  t.like(askWith(OWN_SIP, 'home.example', 'SOA').answers, [{ type: 'SOA' }]);
  t.deepEqual(askWith(OWN_SIP, 'home.example', 'MX').answers, []);
});

test('what the SIP proxy does not offer is empty at once: TCP where it does not listen, TLS, a family without an address', (t) => {
  const empty = (sip: OwnSip | undefined, name: string, type: string): void => {
    const { rcode, answers, authorities } = askWith(sip, name, type);
    t.is(rcode, Rcode.NOERROR);
    t.deepEqual(answers, [], `${name} ${type}`);
    t.like(authorities, [{ type: 'SOA' }]);
  };
  const udpOnly = { ...OWN_SIP, tcp: false, addresses: ['2001:20::a11'] };
  empty(udpOnly, '_sip._tcp.home.example', 'SRV');
  empty(udpOnly, 'home.example', 'A');
  t.is(askWith(udpOnly, 'home.example', 'NAPTR').answers.length, 1);
  empty(OWN_SIP, '_sip._udp.home.example', 'A');
  for (const name of ['_sips._tcp', '_tcp', '_udp', '_sip._sctp']) empty(OWN_SIP, `${name}.home.example`, 'SRV');
  for (const sip of [undefined, { ...OWN_SIP, addresses: [] }])
    for (const [name, type] of [
      ['_sip._udp.home.example', 'SRV'],
      ['_sip._tcp.home.example', 'SRV'],
      ['home.example', 'NAPTR'],
      ['home.example', 'A'],
    ] as const)
      empty(sip, name, type);
});

test('a SIP proxy that one family reaches alone has one target, the domain, and no name for IPv4 without an IPv4 address', (t) => {
  for (const address of OWN_SIP.addresses) {
    const one = { ...OWN_SIP, addresses: [address] };
    const { answers, additionals } = askWith(one, '_sip._udp.home.example', 'SRV');
    t.like(answers, [{ data: { priority: 0, port: 5062, target: 'home.example' } }]);
    t.is(answers.length, 1);
    t.like(additionals, [{ name: 'home.example', data: address }]);
  }
  for (const sip of [{ ...OWN_SIP, addresses: ['2001:20::a11'] }, undefined])
    t.is(askWith(sip, 'ipv4.proxy.home.example', 'A').rcode, Rcode.NXDOMAIN);
});

test('the SIP proxy of this host changes nothing below members: their SRV leads to the phone, at 5060', (t) => {
  const own = new OverlayZone({ overlay: 'home.example', ipv4Prefix: '198.18.0.0/15', ownSip: () => OWN_SIP });
  const verdict = own.consider({ name: '_sip._udp.bob.home.example', type: 'SRV', class: 'IN' });
  if (verdict.kind !== 'lookup') throw new Error('the overlay is not asked');
  t.like(verdict.respond(found).answers, [{ data: { port: 5060, target: 'bob.home.example' } }]);
});

test('answers of the domain fit a datagram without EDNS, whatever its name', (t) => {
  const overlay = `${'o'.repeat(60)}.${'p'.repeat(59)}.example`;
  const own = new OverlayZone({ overlay, ipv4Prefix: '198.18.0.0/15', ownSip: () => OWN_SIP });
  for (const [name, type] of [
    [`_sip._tcp.${overlay}`, 'SRV'],
    [overlay, 'NAPTR'],
  ] as const) {
    const verdict = own.consider({ name, type, class: 'IN' });
    if (verdict.kind !== 'answer') throw new Error('not answered');
    const whole = datagram(name, type, verdict.response);
    t.is((whole[2] ?? 0) & 0x02, 0, `${type} is cut off`);
    t.is(verdict.response.answers.length, 1, 'UDP at least');
  }
});

test('a name that nobody claimed is NXDOMAIN, a lookup that failed is SERVFAIL', (t) => {
  t.is(ask('eve.home.example', 'A', { status: 'absent' }).response.rcode, Rcode.NXDOMAIN);
  t.is(ask('_sip._udp.eve.home.example', 'SRV', { status: 'absent' }).response.rcode, Rcode.NXDOMAIN);
  t.is(ask('eve.home.example', 'A', { status: 'failed', reason: 'no peer' }).response.rcode, Rcode.SERVFAIL);
});

test('a HIT and an overlay IPv4 address have the name of their host as PTR', (t) => {
  const nibbles = Array.from(bob.hit).reverse().join('.');
  const six = ask(`${nibbles.toUpperCase()}.IP6.ARPA`, 'PTR');
  t.deepEqual(six.key, { by: 'hit', hit: bob.hit });
  t.like(six.response.answers[0], { type: 'PTR', data: 'bob.home.example' });
  const four = ask('1.2.19.198.in-addr.arpa', 'PTR');
  t.deepEqual(four.key, { by: 'ipv4', address: '198.19.2.1' });
  t.like(four.response.answers[0], { type: 'PTR', data: 'bob.home.example' });
});

for (const [ipv4Prefix, zones] of [
  ['198.18.0.0/15', ['18.198.in-addr.arpa', '19.198.in-addr.arpa']],
  ['10.0.0.0/8', ['10.in-addr.arpa']],
  ['10.77.0.0/16', ['77.10.in-addr.arpa']],
  ['10.77.252.0/22', [252, 253, 254, 255].map((octet) => `${octet}.77.10.in-addr.arpa`)],
  ['10.77.1.4/30', [4, 5, 6, 7].map((octet) => `${octet}.1.77.10.in-addr.arpa`)],
] as const)
  test(`the zones of an overlay are its name, that of the HITs, and those of ${ipv4Prefix}`, (t) => {
    const wanted = ['home.example', '2.0.0.1.0.0.2.ip6.arpa', ...zones];
    t.deepEqual(zonesOf({ overlay: 'home.example', ipv4Prefix }), wanted);
  });

test('an address of a prefix without a whole octet for hosts has its name, too', (t) => {
  const small = new OverlayZone({ overlay: 'home.example', ipv4Prefix: '10.77.1.4/30' });
  const verdict = small.consider({ name: '5.1.77.10.in-addr.arpa', type: 'PTR', class: 'IN' });
  t.deepEqual(verdict.kind === 'lookup' && verdict.key, { by: 'ipv4', address: '10.77.1.5' });
  t.is(small.consider({ name: '8.1.77.10.in-addr.arpa', type: 'PTR', class: 'IN' }).kind, 'outside');
  t.is(small.consider({ name: '1.77.10.in-addr.arpa', type: 'PTR', class: 'IN' }).kind, 'outside');
});

test('the PTR of a user of 63 characters is well-formed; one that is no label of the DNS has none', (t) => {
  const nibbles = Array.from(bob.hit).reverse().join('.');
  const question = `${nibbles}.ip6.arpa`;
  for (const [name, expected] of [
    ['x'.repeat(63), `${'x'.repeat(63)}.home.example`],
    ['x'.repeat(64), undefined],
    ['a.b', undefined],
    ['my_host', undefined],
  ] as const) {
    const { response } = ask(question, 'PTR', { status: 'found', hosts: [{ ...bob, name }] });
    const decoded = dnsPacket.decode(Buffer.from(datagram(question, 'PTR', response)));
    const [answer] = decoded.answers ?? [];
    t.is(answer?.type === 'PTR' ? answer.data : undefined, expected, name);
    t.is(response.rcode, Rcode.NOERROR);
    t.is(decoded.authorities?.[0]?.type, expected === undefined ? 'SOA' : undefined);
  }
});

test('reverse names within the overlay that are no address do not leave the host', (t) => {
  t.is(ask('2.19.198.in-addr.arpa', 'PTR').response.rcode, Rcode.NOERROR);
  t.is(ask('x.2.19.198.in-addr.arpa', 'PTR').response.rcode, Rcode.NXDOMAIN);
  t.is(ask('1.1.2.19.198.in-addr.arpa', 'PTR').response.rcode, Rcode.NXDOMAIN);
  t.is(ask('0.2.0.0.1.0.0.2.ip6.arpa', 'PTR').response.rcode, Rcode.NOERROR);
  t.is(ask('z.2.0.0.1.0.0.2.ip6.arpa', 'PTR').response.rcode, Rcode.NXDOMAIN);
  t.is(ask('19.198.in-addr.arpa', 'SOA').response.answers[0]?.type, 'SOA');
});

for (const name of [
  'example',
  'xhome.example',
  'example.net',
  '198.in-addr.arpa',
  '1.2.20.198.in-addr.arpa',
  '3.0.0.1.0.0.2.ip6.arpa',
  '',
]) {
  test(`"${name}" is not ours`, (t) => {
    t.is(zone.consider({ name, type: 'A', class: 'IN' }).kind, 'outside');
  });
}

test('zone transfers and other classes are refused', (t) => {
  t.is(ask('home.example', 'AXFR').response.rcode, Rcode.REFUSED);
  const chaos = zone.consider({ name: 'bob.home.example', type: 'A', class: 'CH' });
  t.is(chaos.kind === 'answer' ? chaos.response.rcode : undefined, Rcode.REFUSED);
});
