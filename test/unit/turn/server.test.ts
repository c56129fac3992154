import test from 'ava';
import { CHANNEL_LIFETIME_MS } from '../../../src/turn/constants.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { toStreamAddress } from '../../../src/base/stream-address.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { decodeStun, encodeStun } from '../../../src/stun/codec.ts';
import { longTermKey, verifyIntegrity } from '../../../src/stun/integrity.ts';
import type { StunAttributes, StunMessage } from '../../../src/stun/message.ts';
import {
  ALLOCATE_METHOD,
  CHANNEL_BIND_METHOD,
  CREATE_PERMISSION_METHOD,
  REFRESH_METHOD,
} from '../../../src/stun/message.ts';
import { TurnClient } from '../../../src/turn/turn-client.ts';
import {
  CHANNEL_REUSE_MS,
  MAX_CHALLENGES_PER_SECOND,
  MAX_PERMISSIONS,
  NONCE_MS,
} from '../../../src/turn/server/constants.ts';
import { TurnServer } from '../../../src/turn/server/turn-server.ts';
import { nextSent } from './turn-server.ts';

const REALM = 'example.org';
const SERVER = { address: '203.0.113.1', port: 6_084 };
const CLIENT = { address: '198.51.100.9', port: 4_000 };
const OTHER = { address: '198.51.100.9', port: 4_001 };
const PEER = { address: '198.51.100.20', port: 5_000 };
const USERS = [
  { name: 'alice', password: 'correct horse' },
  { name: 'bob', password: 'battery staple' },
];

/** A client that does as RFC 5389 says: MD5, MESSAGE-INTEGRITY. */
class Scene {
  readonly calls: string[] = [];
  now = 1_000;
  nonce = '';
  private count = 0;
  readonly server: TurnServer;

  constructor(options: { allocations?: number; passwordsOf?: (name: string) => string[] } = {}) {
    this.server = new TurnServer(
      {
        random: seededRandom(1),
        logger: silentLogger,
        ports: {
          open: (id) => this.calls.push(`open ${id}`) > 0,
          close: (id) => void this.calls.push(`close ${id}`),
          permit: (id, peer, channel) => void this.calls.push(`permit ${id} ${peer.address} ${channel}`),
        },
      },
      {
        ...{ realm: REALM, users: USERS, passwordsOf: () => [], allocations: 3, allocationsPerUser: 2, ...options },
        mayRelayAt: () => true,
        mayReach: (address) => !address.startsWith('10.'),
      },
    );
    this.server.setHosts([SERVER.address, '203.0.113.2']);
  }

  send(raw: Uint8Array, remote: SocketAddress = CLIENT, local: SocketAddress = SERVER): StunMessage | undefined {
    const answer = this.server.receive(decodeStun(raw), raw, local, remote, this.now);
    return answer === undefined ? undefined : decodeStun(answer);
  }

  challenge(remote: SocketAddress = CLIENT, local: SocketAddress = SERVER): StunMessage | undefined {
    const answer = this.send(this.raw(ALLOCATE_METHOD, { requestedTransport: 17 }), remote, local);
    this.nonce = answer?.attributes.nonce ?? this.nonce;
    return answer;
  }

  /** @returns the code; 0: success. */
  ask(method: number, attributes: StunAttributes, remote = CLIENT, { name, password } = USERS[0] ?? never()): number {
    this.challenge(remote);
    return this.code(method, attributes, remote, { name, password });
  }

  code(method: number, attributes: StunAttributes, remote = CLIENT, { name, password } = USERS[0] ?? never()): number {
    const key = longTermKey(name, REALM, password, 'md5');
    const full = { ...attributes, username: name, realm: REALM, nonce: this.nonce };
    const answer = this.send(this.raw(method, full, key), remote);
    return answer === undefined ? -1 : (answer.attributes.errorCode?.code ?? 0);
  }

  /** What the first user gets, by whatever way. */
  answer(
    method: number,
    attributes: StunAttributes,
    local: SocketAddress,
    remote: SocketAddress,
  ): StunMessage | undefined {
    this.challenge(remote, local);
    const { name, password } = USERS[0] ?? never();
    const full = { ...attributes, username: name, realm: REALM, nonce: this.nonce };
    return this.send(this.raw(method, full, longTermKey(name, REALM, password, 'md5')), remote, local);
  }

  private raw(method: number, attributes: StunAttributes, key?: Uint8Array): Uint8Array {
    const transactionId = (++this.count).toString(16).padStart(24, '0');
    return encodeStun({ class: 'request', method, transactionId, attributes }, key === undefined ? {} : { key });
  }
}

function never(): never {
  throw new Error('there is a user');
}

const ALLOCATE = { requestedTransport: 17 };

test('who brings no credentials is challenged, and gets nothing else', (t) => {
  const scene = new Scene();
  const answer = scene.challenge();
  t.is(answer?.attributes.errorCode?.code, 401);
  t.is(answer?.attributes.realm, REALM);
  t.deepEqual(
    answer?.attributes.passwordAlgorithms?.map(({ number }) => number),
    [2, 1],
  );
  t.deepEqual(scene.calls, []);
});

test('challenges are bounded in a second, whoever asks', (t) => {
  const scene = new Scene();
  let answered = 0;
  for (let i = 0; i < 10 * MAX_CHALLENGES_PER_SECOND; i++)
    if (scene.challenge({ address: '192.0.2.1', port: i + 1 }) !== undefined) answered += 1;
  t.is(answered, MAX_CHALLENGES_PER_SECOND);
});

test('a user with the right password gets an address, once for each of its own', (t) => {
  const scene = new Scene();
  t.is(scene.ask(ALLOCATE_METHOD, ALLOCATE), 0);
  t.is(scene.ask(ALLOCATE_METHOD, ALLOCATE), 437);
  t.is(scene.ask(REFRESH_METHOD, { lifetime: 0 }), 0);
  t.deepEqual(scene.calls, ['open 1', 'close 1']);
  t.is(scene.ask(REFRESH_METHOD, {}), 437);
});

test('a wrong password, a nonce of another address and a stale one open nothing', (t) => {
  const scene = new Scene();
  t.is(scene.ask(ALLOCATE_METHOD, ALLOCATE, CLIENT, { name: 'alice', password: 'guess' }), 401);
  t.is(scene.ask(ALLOCATE_METHOD, ALLOCATE, CLIENT, { name: 'mallory', password: '' }), 401);
  scene.challenge(OTHER);
  t.is(scene.code(ALLOCATE_METHOD, ALLOCATE, CLIENT), 438);
  scene.challenge();
  scene.now += NONCE_MS + 1;
  t.is(scene.code(ALLOCATE_METHOD, ALLOCATE), 438);
  t.deepEqual(scene.calls, []);
});

test('allocations are bounded, those of a user and all', (t) => {
  const scene = new Scene();
  const at = (port: number): SocketAddress => ({ address: CLIENT.address, port });
  t.is(scene.ask(ALLOCATE_METHOD, ALLOCATE, at(1)), 0);
  t.is(scene.ask(ALLOCATE_METHOD, ALLOCATE, at(2)), 0);
  t.is(scene.ask(ALLOCATE_METHOD, ALLOCATE, at(3)), 486);
  t.is(scene.ask(ALLOCATE_METHOD, ALLOCATE, at(4), USERS[1]), 0);
  t.is(scene.ask(ALLOCATE_METHOD, ALLOCATE, at(5), USERS[1]), 508);
});

test('an allocation that is not refreshed is over', (t) => {
  const scene = new Scene();
  t.is(scene.ask(ALLOCATE_METHOD, ALLOCATE), 0);
  t.is(scene.server.nextTimeout(), scene.now + 600_000);
  scene.now += 600_000;
  scene.server.handleTimeout(scene.now);
  t.deepEqual(scene.calls, ['open 1', 'close 1']);
  t.is(scene.server.nextTimeout(), undefined);
});

test('the client of a stream is told its true address, gets ours to which it came, and has it as long as the stream', (t) => {
  const scene = new Scene();
  const [local, remote] = [toStreamAddress({ address: '203.0.113.2', port: 443 }), toStreamAddress(CLIENT)];
  const ask = (method: number, attributes: StunAttributes): StunMessage | undefined =>
    scene.answer(method, attributes, local, remote);
  const { xorMappedAddress, xorRelayedAddress } = ask(ALLOCATE_METHOD, ALLOCATE)?.attributes ?? {};
  t.deepEqual(xorMappedAddress, CLIENT);
  t.is(xorRelayedAddress?.address, '203.0.113.2');
  // By UDP from the same address and port: another five-tuple.
  t.is(scene.ask(REFRESH_METHOD, {}), 437);
  t.is(ask(REFRESH_METHOD, {})?.class, 'success');
  scene.server.clientLeft(local, CLIENT);
  scene.server.clientLeft(SERVER, remote);
  t.deepEqual(scene.calls, ['open 1']);
  scene.server.clientLeft(local, remote);
  scene.server.clientLeft(local, remote);
  t.deepEqual(scene.calls, ['open 1', 'close 1']);
  t.is(scene.server.nextTimeout(), undefined);
  t.is(ask(REFRESH_METHOD, {})?.attributes.errorCode?.code, 437);
});

test('a flood of requests with forged sources keeps no client of a stream out', (t) => {
  const scene = new Scene();
  for (let i = 0; i < 10 * MAX_CHALLENGES_PER_SECOND; i++) scene.challenge({ address: '192.0.2.1', port: i + 1 });
  t.is(scene.challenge(), undefined);
  const local = toStreamAddress(SERVER);
  t.is(scene.answer(ALLOCATE_METHOD, ALLOCATE, local, toStreamAddress(CLIENT))?.class, 'success');
  let answered = 0;
  for (let i = 0; i < 10 * MAX_CHALLENGES_PER_SECOND; i++)
    if (scene.challenge(toStreamAddress({ address: '192.0.2.1', port: i + 1 }), local) !== undefined) answered += 1;
  t.true(answered <= MAX_CHALLENGES_PER_SECOND);
});

test('another user cannot touch an allocation', (t) => {
  const scene = new Scene();
  t.is(scene.ask(ALLOCATE_METHOD, ALLOCATE), 0);
  t.is(scene.ask(REFRESH_METHOD, { lifetime: 0 }, CLIENT, USERS[1]), 441);
  t.deepEqual(scene.calls, ['open 1']);
});

test('peers in networks that are not public, of another family, and of this host are refused', (t) => {
  const scene = new Scene();
  t.is(scene.ask(CREATE_PERMISSION_METHOD, { xorPeerAddress: PEER }), 437);
  t.is(scene.ask(ALLOCATE_METHOD, ALLOCATE), 0);
  const permit = (address: string): number =>
    scene.ask(CREATE_PERMISSION_METHOD, { xorPeerAddress: { address, port: 1 } });
  t.is(permit('10.0.0.1'), 403);
  t.is(permit('203.0.113.2'), 403);
  t.is(permit('2a00::1'), 443);
  t.is(permit(PEER.address), 0);
  t.is(
    scene.ask(CHANNEL_BIND_METHOD, { channelNumber: 0x4000, xorPeerAddress: { address: '10.0.0.1', port: 1 } }),
    403,
  );
  t.deepEqual(scene.calls, ['open 1', `permit 1 ${PEER.address} 0`]);
});

test('permissions are bounded', (t) => {
  const scene = new Scene();
  t.is(scene.ask(ALLOCATE_METHOD, ALLOCATE), 0);
  const permit = (i: number): number =>
    scene.ask(CREATE_PERMISSION_METHOD, { xorPeerAddress: { address: `198.51.100.${i}`, port: 1 } });
  for (let i = 0; i < MAX_PERMISSIONS; i++) {
    scene.now += 100;
    t.is(permit(i), 0);
  }
  t.is(permit(200), 508);
  t.is(permit(0), 0);
});

test('a channel keeps its peer and a peer its channel, until five minutes after it is over', (t) => {
  const scene = new Scene();
  t.is(scene.ask(ALLOCATE_METHOD, { ...ALLOCATE, lifetime: 3_600 }), 0);
  const bind = (channelNumber: number, xorPeerAddress: SocketAddress): number =>
    scene.ask(CHANNEL_BIND_METHOD, { channelNumber, xorPeerAddress });
  const second = { ...PEER, port: 5_001 };
  t.is(bind(0x3fff, PEER), 400);
  t.is(bind(0x5000, PEER), 400);
  t.is(bind(0x4000, PEER), 0);
  t.is(bind(0x4000, PEER), 0);
  t.is(bind(0x4000, second), 400);
  t.is(bind(0x4001, PEER), 400);
  t.is(bind(0x4001, second), 0);
  scene.now += CHANNEL_LIFETIME_MS + CHANNEL_REUSE_MS;
  t.is(bind(0x4000, second), 0);
});

test('what is not known is refused: another transport, another family', (t) => {
  const scene = new Scene();
  t.is(scene.ask(ALLOCATE_METHOD, {}), 400);
  t.is(scene.ask(ALLOCATE_METHOD, { requestedTransport: 6 }), 442);
  t.is(scene.ask(ALLOCATE_METHOD, { ...ALLOCATE, requestedAddressFamily: 2 }), 440);
  t.is(scene.ask(ALLOCATE_METHOD, { ...ALLOCATE, requestedAddressFamily: 1 }), 0);
});

const OWN_IPV6 = '2a00::1';
const PEER_IPV6 = { address: '2a00::20', port: 5_000 };
const DUAL = { ...ALLOCATE, additionalAddressFamily: 2 };

/** At a host with both families. */
function dualScene(options?: ConstructorParameters<typeof Scene>[0]): Scene {
  const scene = new Scene(options);
  scene.server.setHosts([SERVER.address, OWN_IPV6]);
  return scene;
}

test('a dual allocation has an address of each family, and a peer of either has its permission and channel at that of its own', (t) => {
  const scene = dualScene();
  const answer = scene.answer(ALLOCATE_METHOD, DUAL, SERVER, CLIENT)?.attributes;
  t.is(answer?.xorRelayedAddress?.address, SERVER.address);
  t.is(answer?.additionalRelayedAddress?.address, OWN_IPV6);
  const bind = (channelNumber: number, xorPeerAddress: SocketAddress): number =>
    scene.ask(CHANNEL_BIND_METHOD, { channelNumber, xorPeerAddress });
  t.is(scene.ask(CREATE_PERMISSION_METHOD, { xorPeerAddress: PEER_IPV6 }), 0);
  t.is(bind(0x4000, PEER), 0);
  // The client says nothing but the number.
  t.is(bind(0x4000, PEER_IPV6), 400);
  t.is(bind(0x4001, PEER_IPV6), 0);
  t.deepEqual(scene.calls, [
    ...['open 1', 'open 2', `permit 2 ${PEER_IPV6.address} 0`],
    ...[`permit 1 ${PEER.address} 16384`, `permit 2 ${PEER_IPV6.address} 16385`],
  ]);
});

test('of a dual allocation each address is refreshed and given back by its family, or both together', (t) => {
  const scene = dualScene();
  t.is(scene.ask(ALLOCATE_METHOD, DUAL), 0);
  t.is(scene.ask(ALLOCATE_METHOD, DUAL), 437);
  t.is(scene.ask(REFRESH_METHOD, { lifetime: 0, requestedAddressFamily: 2 }), 0);
  t.is(scene.ask(REFRESH_METHOD, { requestedAddressFamily: 2 }), 443);
  t.is(scene.ask(CREATE_PERMISSION_METHOD, { xorPeerAddress: PEER_IPV6 }), 443);
  t.is(scene.ask(CHANNEL_BIND_METHOD, { channelNumber: 0x4000, xorPeerAddress: PEER_IPV6 }), 443);
  t.is(scene.ask(REFRESH_METHOD, {}), 0);
  t.is(scene.ask(REFRESH_METHOD, { lifetime: 0 }), 0);
  t.is(scene.ask(ALLOCATE_METHOD, DUAL, OTHER), 0);
  t.is(scene.ask(REFRESH_METHOD, { lifetime: 0 }, OTHER), 0);
  t.deepEqual(scene.calls, [
    ...['open 1', 'open 2', 'close 2', 'close 1'],
    ...['open 3', 'open 4', 'close 3', 'close 4'],
  ]);
  t.is(scene.server.nextTimeout(), undefined);
});

test('where there is no IPv6 address, or no room for a second one, the IPv4 one is given and the reason said', (t) => {
  const missing = (scene: Scene): unknown => {
    const { xorRelayedAddress, additionalRelayedAddress, addressErrorCode } =
      scene.answer(ALLOCATE_METHOD, DUAL, SERVER, CLIENT)?.attributes ?? {};
    t.is(xorRelayedAddress?.address, SERVER.address);
    t.is(additionalRelayedAddress, undefined);
    return [addressErrorCode?.family, addressErrorCode?.code];
  };
  t.deepEqual(missing(new Scene()), [2, 440]);
  t.deepEqual(missing(dualScene({ allocations: 1 })), [2, 508]);
  // Of one user's number it is one.
  const scene = dualScene({ allocations: 5 });
  t.is(scene.ask(ALLOCATE_METHOD, DUAL), 0);
  t.is(scene.ask(ALLOCATE_METHOD, DUAL, OTHER), 0);
  t.is(scene.ask(ALLOCATE_METHOD, DUAL, { ...OTHER, port: 1 }), 486);
});

test('families are asked for as RFC 8656 s7.2 has it: one attribute of the two, IPv6 beside IPv4, and no reservation with both', (t) => {
  const scene = dualScene();
  t.is(scene.ask(ALLOCATE_METHOD, { ...DUAL, requestedAddressFamily: 1 }), 400);
  t.is(scene.ask(ALLOCATE_METHOD, { ...DUAL, additionalAddressFamily: 1 }), 400);
  t.is(scene.ask(ALLOCATE_METHOD, { ...DUAL, evenPort: true }), 400);
  t.is(scene.ask(ALLOCATE_METHOD, { ...ALLOCATE, requestedAddressFamily: 3 }), 440);
  t.is(scene.ask(ALLOCATE_METHOD, { ...ALLOCATE, requestedAddressFamily: 2 }), 0);
  t.is(scene.ask(CREATE_PERMISSION_METHOD, { xorPeerAddress: PEER }), 443);
  t.is(scene.ask(CREATE_PERMISSION_METHOD, { xorPeerAddress: PEER_IPV6 }), 0);
  const alone = new Scene();
  alone.server.setHosts([OWN_IPV6]);
  t.is(alone.ask(ALLOCATE_METHOD, ALLOCATE), 440);
  t.is(alone.ask(ALLOCATE_METHOD, DUAL), 440);
});

test('an even port is given, and none beside it reserved', (t) => {
  const scene = new Scene();
  t.is(scene.ask(ALLOCATE_METHOD, { ...ALLOCATE, evenPort: true }), 508);
  t.is(scene.ask(ALLOCATE_METHOD, { ...ALLOCATE, evenPort: false }), 0);
});

test('allocations at an address that this host has no more are over', (t) => {
  const scene = new Scene();
  t.is(scene.ask(ALLOCATE_METHOD, ALLOCATE), 0);
  scene.server.setHosts(['203.0.113.2']);
  t.deepEqual(scene.calls, ['open 1', 'close 1']);
});

test('our own client gets an address and a channel, by SHA-256', (t) => {
  const scene = new Scene();
  const [user = never()] = USERS;
  const client = new TurnClient({ random: seededRandom(2), logger: silentLogger, isWanted: () => true });
  client.setBases([CLIENT], scene.now);
  client.setServers([{ address: SERVER, username: user.name, password: user.password }], scene.now);
  const key = longTermKey(user.name, REALM, user.password, 'sha256');
  let vouched = 0;
  const carry = (): void => {
    for (let out = nextSent(client); out !== undefined; out = nextSent(client)) {
      const raw = scene.server.receive(decodeStun(out.data), out.data, SERVER, CLIENT, scene.now);
      if (raw === undefined) continue;
      const message = decodeStun(raw);
      if (message.integrity?.sha256 !== undefined && verifyIntegrity(raw, message, key)) vouched += 1;
      client.receive(message, raw, CLIENT, SERVER, scene.now);
    }
  };
  carry();
  const allocated = client.pollEvent();
  t.is(allocated?.type, 'allocated');
  t.false(client.open(allocated?.local ?? '', PEER, Uint8Array.of(1), scene.now));
  carry();
  t.is(client.pollEvent()?.type, 'bound');
  t.is(vouched, 2);
  client.close(scene.now);
  carry();
  t.is(scene.calls.at(-1), 'close 1');
});
