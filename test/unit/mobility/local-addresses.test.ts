import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { MAX_BINDING_SERVERS } from '../../../src/mobility/constants.ts';
import { LocalAddresses } from '../../../src/mobility/local-addresses.ts';
import { answerBinding } from '../../../src/stun/binding-server.ts';
import { decodeStun } from '../../../src/stun/codec.ts';

const SERVER = { address: '203.0.113.1', port: 6084 };
const SECOND = { address: '203.0.113.2', port: 6084 };

function make(...hosts: string[]): LocalAddresses {
  const addresses = new LocalAddresses({ random: seededRandom(1), logger: silentLogger }, 6084);
  addresses.setHosts(hosts);
  return addresses;
}

/** Servers answer everything that was asked, through a NAT that maps as `map` says. */
function answerAll(
  addresses: LocalAddresses,
  now: number,
  map: (base: SocketAddress, server: SocketAddress) => SocketAddress,
): { moved: boolean }[] {
  const seen: { moved: boolean }[] = [];
  for (let at = now; at < now + 500; at += 20) {
    addresses.handleTimeout(at);
    for (let out = addresses.pollTransmit(); out !== undefined; out = addresses.pollTransmit()) {
      const answer = answerBinding(decodeStun(out.data), map(out.local, out.remote));
      if (answer !== undefined) addresses.receive(decodeStun(answer), out.local, out.remote, at);
    }
    for (let told = addresses.pollReflexive(at); told !== undefined; told = addresses.pollReflexive(at))
      seen.push({ moved: told.moved });
  }
  return seen;
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
    [{ moved: false }],
  );
  t.like(addresses.candidates[1], {
    type: 'srflx',
    address: { address: '198.51.100.1', port: 6084 },
    relatedAddress: { address: '10.0.0.2', port: 6084 },
  });
  t.true(addresses.complete);
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
  t.is(addresses.natMapping, 'none');
  addresses.ask([SERVER, SECOND], 1_000);
  answerAll(addresses, 1_000, () => ({ address: '198.51.100.1', port: 5 }));
  t.is(addresses.natMapping, 'endpoint-independent');
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
  addresses.ask([SERVER], 1_000);
  t.deepEqual(
    answerAll(addresses, 1_000, () => ({ address: '198.51.100.77', port: 5 })),
    [{ moved: true }],
  );
  t.true(addresses.complete);
  t.is(addresses.reflexive.length, 1);
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
