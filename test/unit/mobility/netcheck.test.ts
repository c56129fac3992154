import test from 'ava';
import { mappingBehavior } from '../../../src/mobility/mapping-behavior.ts';
import { judgeNetwork, type NetworkFacts } from '../../../src/mobility/netcheck.ts';
import type { Reflexive } from '../../../src/mobility/sightings.ts';

const PORT = 6084;
const BASE = { address: '192.168.1.2', port: PORT };
const ONE = { address: '203.0.113.10', port: PORT };
const TWO = { address: '203.0.113.14', port: PORT };

function seen(server: { address: string; port: number }, port: number, base = BASE): Reflexive {
  return { base, server, mapped: { address: '198.51.100.7', port }, seenAt: 0 };
}

const nothing: NetworkFacts = {
  addresses: [BASE.address],
  port: PORT,
  reflexive: [],
  filtering: undefined,
  asked: [],
  answered: [],
  mapping: { state: 'none', external: undefined },
  nat64: [],
  relays: 0,
};
const answered = { asked: [ONE, TWO], answered: [ONE, TWO] };

test('the mapping is called as in RFC 5780, and not known where one server has told', (t) => {
  const other = { ...ONE, port: 3478 };
  t.is(mappingBehavior([]), 'unknown');
  t.is(mappingBehavior([seen(ONE, 1000)]), 'unknown');
  t.is(mappingBehavior([seen(ONE, 1000), seen(TWO, 1000)]), 'endpoint-independent');
  t.is(mappingBehavior([seen(ONE, 1000), seen(other, 1000)]), 'unknown');
  t.is(mappingBehavior([seen(ONE, 1000), seen(other, 1000), seen(TWO, 1001)]), 'address-dependent');
  t.is(mappingBehavior([seen(ONE, 1000), seen(other, 1002), seen(TWO, 1001)]), 'address-and-port-dependent');
  t.is(mappingBehavior([seen(ONE, 1000), seen(TWO, 1001)]), 'address-and-port-dependent');
  t.is(mappingBehavior([{ ...seen(ONE, 0), mapped: BASE }]), 'none');
  // A neighbour sees us in front of the NAT.
  t.is(mappingBehavior([{ ...seen({ address: '192.168.1.9', port: PORT }, 0), mapped: BASE }]), 'unknown');
});

test('a home NAT: what works is direct, a forwarded port is asked for', (t) => {
  const { kind, udp, ipv4, works, ask } = judgeNetwork({
    ...{ ...nothing, ...answered, relays: 1 },
    reflexive: [seen(ONE, 1000), seen(TWO, 1000)],
  });
  t.is(kind, 'a NAT that keeps one port for all peers, as most home routers do');
  t.deepEqual([udp, ipv4], ['works', 'private']);
  t.regex(works.join('\n'), /direct links with hosts without a NAT, and with hosts whose NAT keeps its port/);
  t.regex(works.join('\n'), /else through a relay, of which 1 is known/);
  t.regex(ask[0] ?? '', /PCP, NAT-PMP or UPnP in the router, or forward UDP port 6084/);
});

test('whom the NAT or the firewall lets in decides what works with hosts behind a symmetric NAT', (t) => {
  const home = { ...nothing, ...answered, reflexive: [seen(ONE, 1000), seen(TWO, 1000)] };
  const works = (filtering: NetworkFacts['filtering']): string => judgeNetwork({ ...home, filtering }).works.join('\n');
  t.regex(works('endpoint-independent'), /another port: direct too/);
  t.regex(works('address-dependent'), /another port: direct too/);
  t.regex(works('address-and-port-dependent'), /another port: through a relay/);
  const mapped = { address: '203.0.113.77', port: PORT };
  const open = [ONE, TWO].map((server) => ({ base: mapped, server, mapped, seenAt: 0 }));
  const without = (filtering: NetworkFacts['filtering']): string =>
    judgeNetwork({ ...nothing, ...answered, addresses: [mapped.address], reflexive: open, filtering }).works[0] ?? '';
  t.regex(without('endpoint-independent'), /every host: no firewall/);
  t.regex(without('address-and-port-dependent'), /whose NAT keeps its port: .* with others through a relay/);
});

test('a symmetric NAT: another mapping is asked for, and without a relay that is said', (t) => {
  const { kind, works, ask } = judgeNetwork({
    ...{ ...nothing, ...answered },
    reflexive: [seen(ONE, 1000), seen(TWO, 1001)],
  });
  t.regex(kind, /another port \(symmetric\)/);
  t.regex(works.join('\n'), /through a relay, but none is known/);
  t.true(ask.some((line) => line.includes('endpoint-independent mapping')));
});

test('a router that forwards a port: nothing is asked for, everything is direct', (t) => {
  const external = { address: '198.51.100.7', port: PORT };
  const { works, ask } = judgeNetwork({
    ...{ ...nothing, ...answered, mapping: { state: 'mapped', external } },
    reflexive: [seen(ONE, PORT), seen(TWO, PORT)],
  });
  t.regex(works.join('\n'), /direct links with every host that UDP gets out of/);
  t.deepEqual(ask, []);
});

test("a router that forwards a port of an address that is private itself, or a shared address: the provider's NAT is named, and no forwarding is asked for", (t) => {
  const external = { address: '100.64.2.16', port: PORT };
  const reflexive = [seen(ONE, 1000), seen(TWO, 1000)];
  const behindRouter = judgeNetwork({
    ...{ ...nothing, ...answered, reflexive, mapping: { state: 'mapped', external } },
  });
  const atOnce = judgeNetwork({
    ...{ ...nothing, ...answered, addresses: ['100.64.2.16'] },
    reflexive: reflexive.map((word) => ({ ...word, base: { address: '100.64.2.16', port: PORT } })),
  });
  t.is(atOnce.ipv4, 'shared');
  for (const { kind, ask } of [behindRouter, atOnce]) {
    t.regex(kind, /another one of the provider \(CGNAT\)/);
    t.regex(ask[0] ?? '', /from the provider/);
    t.false(ask.some((line) => line.includes('forward UDP port')));
  }
});

test('nobody answers: blocked when two were asked, not known with one or none', (t) => {
  const blocked = judgeNetwork({ ...nothing, asked: [ONE, TWO] });
  t.is(blocked.udp, 'blocked');
  t.regex(blocked.ask[0] ?? '', /let UDP out, from port 6084/);
  t.deepEqual(blocked.works, [
    'nobody who was asked on the Internet answers by UDP: links inside of this network, and with all others by TLS through a member that accepts it ([stream] listen)',
  ]);
  t.is(judgeNetwork({ ...nothing, asked: [ONE] }).udp, 'unknown');
  t.is(judgeNetwork(nothing).udp, 'unknown');
  t.is(judgeNetwork({ ...nothing, asked: [{ address: '192.168.1.9', port: PORT }] }).udp, 'unknown');
});

test('a host without IPv4: a NAT64 is named, and asked for where there is none', (t) => {
  const facts = { ...nothing, addresses: ['2001:db8::2'] };
  const without = judgeNetwork(facts);
  t.deepEqual([without.ipv4, without.ipv6], ['none', 'global']);
  t.regex(without.kind, /no NAT64/);
  t.true(without.ask.some((line) => line.includes('NAT64')));
  const { kind, works, ask } = judgeNetwork({ ...facts, nat64: ['64:ff9b::/96'] });
  t.is(kind, 'no IPv4; a NAT64 leads to IPv4 hosts');
  t.regex(works.join('\n'), /by the NAT64/);
  t.deepEqual(ask, []);
});

test('without a NAT nothing but IPv6 is asked for', (t) => {
  const base = { address: '203.0.113.66', port: PORT };
  const { kind, mapping, ask } = judgeNetwork({
    ...{ ...nothing, ...answered, addresses: [base.address] },
    reflexive: [ONE, TWO].map((server) => ({ base, server, mapped: base, seenAt: 0 })),
  });
  t.deepEqual([mapping, kind], ['none', 'no NAT: others see this host at its own address']);
  t.deepEqual(ask, ['IPv6']);
});
