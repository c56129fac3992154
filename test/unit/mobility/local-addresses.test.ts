import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import {
  MAPPING_DOUBT_MS,
  MAX_BINDING_SERVERS,
  MAX_HOST_CANDIDATES,
  REFLEXIVE_REFRESH_MS,
} from '../../../src/mobility/constants.ts';
import { LocalAddresses } from '../../../src/mobility/local-addresses.ts';
import { answerBinding } from '../../../src/stun/binding-server.ts';
import { decodeStun } from '../../../src/stun/codec.ts';

const SERVER = { address: '203.0.113.1', port: 6084 };
const SECOND = { address: '203.0.113.2', port: 6084 };
const THIRD = { address: '203.0.113.3', port: 6084 };

function make(...hosts: string[]): LocalAddresses {
  const addresses = new LocalAddresses({ random: seededRandom(1), logger: silentLogger }, 6084);
  addresses.setHosts(hosts);
  return addresses;
}

/**
 * For half a second servers answer everything that was asked, through a NAT that maps as `map` says; undefined: no answer comes.
 * @returns how many answers there were, and when the NAT was seen to give other mappings, ms from `now` on.
 */
function answerAll(
  addresses: LocalAddresses,
  now: number,
  map: (base: SocketAddress, server: SocketAddress) => SocketAddress | undefined,
  forMs = 500,
): { told: number; movedAfter: number[] } {
  let count = 0;
  const movedAfter: number[] = [];
  for (let at = now; at < now + forMs; at += 20) {
    addresses.handleTimeout(at);
    for (let out = addresses.pollTransmit(); out !== undefined; out = addresses.pollTransmit()) {
      const mapped = map(out.local, out.remote);
      const answer = mapped === undefined ? undefined : answerBinding(decodeStun(out.data), mapped);
      if (answer !== undefined) addresses.receive(decodeStun(answer), out.local, out.remote, at);
    }
    while (addresses.pollReflexive(at) !== undefined) count += 1;
    if (addresses.takeMoved()) movedAfter.push(at - now);
  }
  return { told: count, movedAfter };
}

test('host candidates are there at once, reflexive ones after a server has told', (t) => {
  const addresses = make('10.0.0.2');
  t.deepEqual(
    addresses.candidates.map(({ type }) => type),
    ['host'],
  );
  t.false(addresses.complete);
  addresses.ask([SERVER], 0);
  t.deepEqual(
    answerAll(addresses, 0, ({ port }) => ({ address: '198.51.100.1', port })),
    { told: 1, movedAfter: [] },
  );
  t.like(addresses.candidates[1], {
    type: 'srflx',
    address: { address: '198.51.100.1', port: 6084 },
    relatedAddress: { address: '10.0.0.2', port: 6084 },
  });
  t.true(addresses.complete);
});

test('candidates that are the same as before are the same array, whatever servers tell again', (t) => {
  const addresses = make('10.0.0.2');
  const before = addresses.candidates;
  addresses.ask([SERVER], 0);
  answerAll(addresses, 0, (local) => local);
  t.is(addresses.candidates, before);
  addresses.ask([SERVER], 1_000);
  answerAll(addresses, 1_000, ({ port }) => ({ address: '198.51.100.1', port }));
  t.is(addresses.candidates.length, 2);
});

test('what a router sends on is a candidate as long as its base is ours, once, and our own address', (t) => {
  const addresses = make('10.0.0.2');
  const base = { address: '10.0.0.2', port: 6084 };
  const external = { address: '198.51.100.1', port: 20_001 };
  addresses.setForwarded({ base, external });
  t.like(addresses.candidates[1], { type: 'srflx', address: external, relatedAddress: base });
  t.true(addresses.isOwn(external));
  addresses.ask([SERVER], 0);
  answerAll(addresses, 0, () => external);
  t.is(addresses.candidates.length, 2);
  addresses.setHosts(['10.0.0.3']);
  t.is(addresses.candidates.length, 1);
  addresses.setForwarded(undefined);
  t.false(addresses.isOwn(external));
});

test('the kind of mapping is told by two servers', (t) => {
  const same = make('10.0.0.2');
  same.ask([SERVER], 0);
  answerAll(same, 0, () => ({ address: '198.51.100.1', port: 5 }));
  t.is(same.natMapping, 'unknown');
  same.ask([SERVER, SECOND], 1_000);
  answerAll(same, 1_000, () => ({ address: '198.51.100.1', port: 5 }));
  t.is(same.natMapping, 'endpoint-independent');

  const symmetric = make('10.0.0.2');
  symmetric.ask([SERVER, SECOND], 0);
  answerAll(symmetric, 0, (_base, { address }) => ({ address: '198.51.100.1', port: Number(address.at(-1)) }));
  t.is(symmetric.natMapping, 'address-and-port-dependent');

  const open = make('192.0.2.9');
  open.ask([SERVER], 0);
  answerAll(open, 0, (base) => base);
  t.is(open.natMapping, 'none');
  t.is(open.candidates.length, 1);
});

test('a neighbour that sees us in front of the NAT does not make it look symmetric', (t) => {
  const addresses = make('192.168.1.10');
  addresses.ask([{ address: '192.168.1.11', port: 6084 }], 0);
  answerAll(addresses, 0, (base) => base);
  t.is(addresses.natMapping, 'unknown');
  addresses.ask([SERVER, SECOND], 1_000);
  answerAll(addresses, 1_000, () => ({ address: '198.51.100.1', port: 5 }));
  t.is(addresses.natMapping, 'endpoint-independent');
});

test('behind a NAT that gives each server another mapping, also one for all its ports, we are seen nowhere', (t) => {
  for (const kind of ['address-dependent', 'address-and-port-dependent'] as const) {
    const addresses = make('10.0.0.2');
    addresses.ask([SERVER, { ...SERVER, port: 3479 }, SECOND], 0);
    const ofServer = ({ address, port }: SocketAddress): number =>
      Number(address.at(-1)) + (kind === 'address-dependent' ? 0 : port);
    answerAll(addresses, 0, (_base, server) => ({ address: '198.51.100.1', port: ofServer(server) }));
    t.is(addresses.natMapping, kind);
    t.deepEqual(addresses.whereSeen(), []);
  }
});

test('STUN servers of the configuration are asked without any peer, and leave room for one', (t) => {
  const addresses = make('10.0.0.2');
  addresses.setServers([SERVER, SECOND, { address: '203.0.113.3', port: 3478 }]);
  addresses.ask([], 0);
  answerAll(addresses, 0, () => ({ address: '198.51.100.1', port: 5 }));
  t.is(addresses.natMapping, 'endpoint-independent');
  addresses.ask([{ address: '203.0.113.9', port: 6084 }], 1_000);
  answerAll(addresses, 1_000, () => ({ address: '198.51.100.1', port: 5 }));
  t.deepEqual(addresses.reflexive.map(({ server }) => server.address).sort(), [
    '203.0.113.1',
    '203.0.113.2',
    '203.0.113.9',
  ]);
});

test('after a move what was seen from the old address is forgotten', (t) => {
  const addresses = make('10.0.0.2');
  addresses.ask([SERVER], 0);
  answerAll(addresses, 0, () => ({ address: '198.51.100.1', port: 5 }));
  t.true(addresses.setHosts(['10.0.0.9']));
  t.false(addresses.setHosts(['10.0.0.9']));
  t.deepEqual(addresses.reflexive, []);
  t.deepEqual(
    addresses.candidates.map(({ address }) => address.address),
    ['10.0.0.9'],
  );
});

test('another mapping of the same address is told as moved', (t) => {
  const addresses = make('10.0.0.2');
  addresses.ask([SERVER], 0);
  answerAll(addresses, 0, () => ({ address: '198.51.100.1', port: 5 }));
  addresses.doubt(900);
  t.false(addresses.complete);
  t.is(addresses.firstWordAt, undefined);
  addresses.ask([SERVER], 1_000);
  t.deepEqual(
    answerAll(addresses, 1_000, () => ({ address: '198.51.100.77', port: 5 })),
    { told: 1, movedAfter: [0] },
  );
  t.true(addresses.complete);
  t.is(addresses.firstWordAt, 1_000);
  t.is(addresses.reflexive.length, 1);
});

test('of two addresses the first one is the one that counts most, and is known when that one is seen', (t) => {
  const addresses = make('10.0.0.2', '10.0.3.9');
  addresses.ask([SERVER], 0);
  t.false(addresses.bestKnown);
  answerAll(addresses, 0, ({ address }) => (address === '10.0.0.2' ? OUTER : undefined));
  t.true(addresses.bestKnown);
  t.false(addresses.complete);
  addresses.doubt(900);
  t.false(addresses.bestKnown);
});

const OUTER = { address: '198.51.100.1', port: 5 };
const OTHER_OUTER = { address: '198.51.100.77', port: 5 };

/** Behind a NAT, as three servers have told, twice. */
function told(...hosts: string[]): LocalAddresses {
  const addresses = make(...hosts);
  for (const at of [0, REFLEXIVE_REFRESH_MS]) {
    addresses.ask([SERVER, SECOND, THIRD], at);
    answerAll(addresses, at, () => OUTER);
  }
  return addresses;
}

test('a server that tells another address each time moves nothing and makes no candidate: two others tell the same as before', (t) => {
  const addresses = told('10.0.0.2');
  for (let round = 2; round < 12; round++) {
    const now = round * REFLEXIVE_REFRESH_MS;
    addresses.ask([SERVER, SECOND, THIRD], now);
    const lie = { address: '192.0.2.66', port: 1_000 + round };
    const { movedAfter } = answerAll(
      addresses,
      now,
      (_base, { address }) => (address === SECOND.address ? lie : OUTER),
      4_500,
    );
    t.deepEqual(movedAfter, [], `round ${round}`);
    t.deepEqual(
      addresses.candidates.map(({ address }) => address.address),
      ['10.0.0.2', OUTER.address],
    );
    t.is(addresses.natMapping, 'endpoint-independent');
    t.false(addresses.isOwn(lie));
    t.deepEqual(addresses.reflexive.map(({ mapped }) => mapped.address).sort(), [
      lie.address,
      OUTER.address,
      OUTER.address,
    ]);
  }
});

test('one of two that tells another address is not followed as long as the other tells the same', (t) => {
  const addresses = make('10.0.0.2');
  for (const at of [0, REFLEXIVE_REFRESH_MS]) {
    addresses.ask([SERVER, SECOND], at);
    const moves = answerAll(
      addresses,
      at,
      (_base, { address }) => (at > 0 && address === SERVER.address ? OTHER_OUTER : OUTER),
      4_500,
    );
    t.deepEqual(moves, { told: 2, movedAfter: [] });
  }
  t.deepEqual(addresses.candidates.map(({ address }) => address.address).sort(), [
    '10.0.0.2',
    OUTER.address,
    OTHER_OUTER.address,
  ]);
});

test('a NAT that has restarted is followed as soon as two servers tell it, and what was told before counts no more', (t) => {
  const addresses = told('10.0.0.2');
  const now = 2 * REFLEXIVE_REFRESH_MS;
  addresses.ask([SERVER, SECOND, THIRD], now);
  const { movedAfter } = answerAll(addresses, now, (_base, { address }) =>
    address === THIRD.address ? undefined : OTHER_OUTER,
  );
  t.deepEqual(movedAfter, [20]);
  t.deepEqual(
    addresses.candidates.map(({ address }) => address.address),
    ['10.0.0.2', OTHER_OUTER.address],
  );
});

test('a NAT that has restarted is followed by the word of one server when the others are silent, after a second', (t) => {
  const addresses = told('10.0.0.2');
  const now = 2 * REFLEXIVE_REFRESH_MS;
  addresses.ask([SERVER, SECOND, THIRD], now);
  const { movedAfter } = answerAll(
    addresses,
    now,
    (_base, { address }) => (address === SERVER.address ? OTHER_OUTER : undefined),
    4_500,
  );
  t.deepEqual(movedAfter, [MAPPING_DOUBT_MS]);
});

test('a host with many addresses offers its reflexive ones too, and the addresses that they belong to', (t) => {
  const many = Array.from({ length: 20 }, (_, i) => `172.17.${i}.1`);
  const addresses = make(...many, '10.0.0.2');
  addresses.ask([SERVER], 0);
  answerAll(addresses, 0, ({ address }) => (address === '10.0.0.2' ? OUTER : undefined), 1_000);
  const { candidates } = addresses;
  t.like(candidates.at(-1), { type: 'srflx', address: OUTER, relatedAddress: { address: '10.0.0.2' } });
  const hosts = candidates.filter(({ type }) => type === 'host').map(({ address }) => address.address);
  t.deepEqual(hosts, [...many.slice(0, MAX_HOST_CANDIDATES - 1), '10.0.0.2']);
});

test('no more than a few servers are asked, and only from addresses of their family', (t) => {
  const addresses = make('10.0.0.2', '2001:db8::5');
  addresses.ask(
    [1, 2, 3, 4, 5].map((n) => ({ address: `203.0.113.${n}`, port: 6084 })),
    0,
  );
  const asked = new Set<string>();
  for (let at = 0; at < 1_000; at += 20) {
    addresses.handleTimeout(at);
    for (let out = addresses.pollTransmit(); out !== undefined; out = addresses.pollTransmit()) {
      asked.add(out.remote.address);
      t.is(out.local.address, '10.0.0.2');
    }
  }
  t.is(asked.size, MAX_BINDING_SERVERS);
});
