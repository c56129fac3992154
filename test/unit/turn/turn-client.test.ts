import test from 'ava';
import { isAllocationAddress, toAllocationAddress } from '../../../src/base/allocation-address.ts';
import type { LogFields, Logger } from '../../../src/base/logger.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { TURN_SERVER_LOCAL_ADDRESS, toStreamAddress } from '../../../src/base/stream-address.ts';
import { decodeStun, encodeStun } from '../../../src/stun/codec.ts';
import { longTermKey } from '../../../src/stun/integrity.ts';
import { ALLOCATE_METHOD, CHANNEL_BIND_METHOD, DATA_METHOD, REFRESH_METHOD } from '../../../src/stun/message.ts';
import {
  CHANNEL_REFRESH_MS,
  LOST_RETRY_MS,
  MAX_CHANNELS,
  REQUEST_TIMEOUT_MS,
  RETRY_MS,
  STREAM_HEAD_START_MS,
  VERIFY_INTERVAL_MS,
} from '../../../src/turn/constants.ts';
import {
  TurnClient,
  type TurnEvent,
  type TurnServer as Service,
  type TurnTransmit,
} from '../../../src/turn/turn-client.ts';
import { nextSent, PASSWORD, REALM, RELAYED, RELAYED_IPV6, TurnServer, USER } from './turn-server.ts';

const SERVER = { address: '203.0.113.1', port: 3_478 };
const BASE = { address: '192.168.1.2', port: 6_084 };
const OTHER_BASE = { address: '10.0.0.2', port: 6_084 };
const PEER = { address: '198.51.100.20', port: 4_000 };
const LOCAL = toAllocationAddress(RELAYED);
const LOCAL_IPV6 = toAllocationAddress(RELAYED_IPV6);
const PEER_IPV6 = { address: '2001:db8::20', port: 4_000 };
const CHECK = Uint8Array.of(0, 1, 2);

/** The client and the server, and what passes between them. */
class Scene {
  readonly server = new TurnServer();
  readonly logged: { level: string; event: string; fields: LogFields }[] = [];
  readonly wanted = new Set<string>();
  readonly streams: Exclude<TurnTransmit, { type: 'send' }>[] = [];
  readonly events: TurnEvent[] = [];
  now = 1_000;
  sent = 0;
  reachable: (base: SocketAddress) => boolean = () => true;
  readonly client: TurnClient;

  constructor(seed = 1) {
    const note =
      (level: string) =>
      (event: string, fields: LogFields = {}): void => {
        this.logged.push({ level, event, fields });
      };
    const logger: Logger = { ...silentLogger, info: note('info'), warn: note('warn') };
    const isWanted = (_: string, peer: SocketAddress): boolean => this.wanted.has(peer.address);
    this.client = new TurnClient({ random: seededRandom(seed), logger, isWanted });
  }

  /** With these servers, each at an address of its own. */
  startWith(servers: readonly Service[]): void {
    this.client.setBases([BASE], this.now);
    this.client.setServers(servers, this.now);
    this.carry();
  }

  start(password = PASSWORD, bases = [BASE]): void {
    this.client.setBases(bases, this.now);
    this.client.setServers([{ address: SERVER, username: USER, password }], this.now);
    this.carry();
  }

  carry(): void {
    for (let out = this.client.pollTransmit(); out !== undefined; out = this.client.pollTransmit()) {
      if (out.type !== 'send') {
        this.streams.push(out);
        continue;
      }
      this.sent += 1;
      if (!this.reachable(out.local)) continue;
      const raw = this.server.answer(out.data);
      this.client.receive(decodeStun(raw), raw, out.local, out.remote, this.now);
    }
    for (let event = this.client.pollEvent(); event !== undefined; event = this.client.pollEvent())
      this.events.push(event);
  }

  /** Time goes on, with all that is due meanwhile. */
  advance(ms: number): void {
    const until = this.now + ms;
    for (let at = this.client.nextTimeout(); at !== undefined && at <= until; at = this.client.nextTimeout()) {
      this.now = Math.max(this.now, at);
      this.client.handleTimeout(this.now);
      this.carry();
    }
    this.now = until;
  }

  get types(): string[] {
    return this.events.map(({ type }) => type);
  }
}

test('an allocation is made with the credentials that the server asks for, and kept alive by refreshes', (t) => {
  const scene = new Scene();
  scene.start();
  t.is(scene.sent, 2);
  t.deepEqual(scene.client.allocations, [{ local: LOCAL, relayed: RELAYED, route: { base: BASE, server: SERVER } }]);
  t.true(isAllocationAddress(LOCAL));
  t.deepEqual(scene.types, ['allocated']);
  const [first, second] = scene.server.messages;
  t.is(first?.attributes.username, undefined);
  t.is(first?.integrity?.sha1, undefined);
  t.is(second?.attributes.requestedTransport, 17);
  scene.advance(3_600_000);
  const refreshes = scene.server.seen.filter(({ method }) => method === REFRESH_METHOD).length;
  t.is(refreshes, 6);
  t.deepEqual(scene.types, ['allocated']);
});

test('with a server of RFC 8489, SHA-256 is used and the user is a hash', (t) => {
  const scene = new Scene();
  scene.server.modern = true;
  scene.start();
  t.is(scene.client.allocations.length, 1);
  const { attributes } = scene.server.messages[1] ?? {};
  t.is(attributes?.username, undefined);
  t.is(attributes?.passwordAlgorithm?.number, 2);
  t.deepEqual(
    attributes?.passwordAlgorithms?.map(({ number }) => number),
    [9, 2, 1],
  );
});

test('a stale nonce is replaced by the new one, at once', (t) => {
  const scene = new Scene();
  scene.start();
  scene.server.nonce = 'second';
  scene.advance(540_000);
  t.is(scene.server.seen.filter(({ method }) => method === REFRESH_METHOD).length, 1);
  t.deepEqual(scene.types, ['allocated']);
});

test('a wrong password is said in one line, without it, and tried again later and later', (t) => {
  const scene = new Scene();
  scene.start('wrong password');
  t.is(scene.client.allocations.length, 0);
  t.is(scene.sent, 2);
  const reason = 'it does not take the user or the password';
  t.deepEqual(scene.logged, [
    { level: 'warn', event: 'turn.failed', fields: { addr: '203.0.113.1:3478', over: 'udp', reason, retryInS: 30 } },
  ]);
  scene.advance(RETRY_MS.least);
  t.is(scene.sent, 4);
  scene.advance(RETRY_MS.least);
  t.is(scene.sent, 4);
  scene.advance(RETRY_MS.least);
  t.is(scene.sent, 6);
  t.false(JSON.stringify(scene.logged).includes('wrong password'));
});

test('a server that does not answer is tried from each of our addresses, and the first that it answers to is kept', (t) => {
  const scene = new Scene();
  scene.reachable = ({ address }) => address === OTHER_BASE.address;
  scene.start(PASSWORD, [BASE, OTHER_BASE]);
  t.is(scene.client.allocations.length, 0);
  scene.advance(REQUEST_TIMEOUT_MS);
  t.deepEqual(scene.client.allocations[0]?.route.base, OTHER_BASE);
  t.is(scene.sent, 6 + 2);
});

test('an allocation that an earlier run of this host has left there is ended first', (t) => {
  const scene = new Scene();
  scene.server.allocated = true;
  scene.start();
  t.is(scene.client.allocations.length, 1);
  t.deepEqual(
    scene.server.seen.map(({ method, lifetime }) => [method, lifetime]),
    [
      [ALLOCATE_METHOD, undefined],
      [REFRESH_METHOD, 0],
      [ALLOCATE_METHOD, undefined],
    ],
  );
});

test('a channel is bound when the first datagram is to go to a peer, which then comes again', (t) => {
  const scene = new Scene();
  scene.start();
  t.false(scene.client.open(LOCAL, PEER, CHECK, scene.now));
  scene.carry();
  const bound = scene.events.find(({ type }) => type === 'bound');
  t.like(bound, { local: LOCAL, peer: PEER, held: CHECK, route: { base: BASE, server: SERVER } });
  t.true(scene.client.open(LOCAL, PEER, CHECK, scene.now));
  t.is(scene.sent, 3);
  t.false(scene.client.open(toAllocationAddress(SERVER), PEER, CHECK, scene.now));
});

test('a channel is bound anew with its number while it is wanted, let go then, and has its number when it is wanted again', (t) => {
  const scene = new Scene();
  scene.start();
  scene.wanted.add(PEER.address);
  scene.client.open(LOCAL, PEER, CHECK, scene.now);
  scene.carry();
  scene.advance(2 * CHANNEL_REFRESH_MS + 1);
  t.is(scene.server.seen.filter(({ method }) => method === CHANNEL_BIND_METHOD).length, 3);
  scene.wanted.clear();
  scene.advance(CHANNEL_REFRESH_MS);
  t.deepEqual(scene.types, ['allocated', 'bound', 'unbound']);
  t.false(scene.client.open(LOCAL, PEER, CHECK, scene.now));
  scene.carry();
  t.deepEqual(scene.types, ['allocated', 'bound', 'unbound', 'bound']);
  t.is(scene.server.channels.size, 1);
});

test('what the server refuses for one peer is not asked again at once, and leaves the others alone', (t) => {
  const scene = new Scene();
  scene.start();
  scene.server.fail = { method: CHANNEL_BIND_METHOD, code: 403, times: 1 };
  for (let i = 0; i < 3; i++) {
    t.false(scene.client.open(LOCAL, PEER, CHECK, scene.now));
    scene.carry();
  }
  t.is(scene.sent, 3);
  const other = { ...PEER, port: 4_001 };
  scene.client.open(LOCAL, other, CHECK, scene.now);
  scene.carry();
  t.true(scene.client.open(LOCAL, other, CHECK, scene.now));
});

test('more peers than some have no channel', (t) => {
  const scene = new Scene();
  scene.start();
  for (let port = 1; port <= MAX_CHANNELS + 10; port++) scene.client.open(LOCAL, { ...PEER, port }, CHECK, scene.now);
  scene.carry();
  t.is(scene.server.channels.size, MAX_CHANNELS);
  t.is(new Set(scene.server.channels.values()).size, MAX_CHANNELS);
});

test('an allocation that the server has forgotten is made anew', (t) => {
  const scene = new Scene();
  scene.start();
  scene.server.allocated = false;
  scene.advance(600_000);
  t.deepEqual(scene.types, ['allocated', 'ended', 'allocated']);
  t.is(scene.logged.filter(({ level }) => level === 'warn').length, 1);
});

test('in doubt the server is asked at once, not again and again, and what it has lost is made anew', (t) => {
  const scene = new Scene();
  scene.start();
  scene.client.open(LOCAL, PEER, CHECK, scene.now);
  scene.carry();
  scene.advance(VERIFY_INTERVAL_MS);
  for (let i = 0; i < 3; i++) scene.client.verify(scene.now);
  scene.carry();
  t.is(scene.server.seen.filter(({ method }) => method === REFRESH_METHOD).length, 1);
  scene.server.allocated = false;
  scene.advance(VERIFY_INTERVAL_MS);
  scene.client.verify(scene.now);
  scene.carry();
  scene.advance(LOST_RETRY_MS);
  t.deepEqual(scene.types, ['allocated', 'bound', 'unbound', 'ended', 'allocated']);
});

test('a server over UDP that was away for up to half a minute serves again within 2.3 s of its return', (t) => {
  for (let away = 500; away <= 30_000; away += 700) {
    const scene = new Scene();
    scene.start();
    scene.advance(VERIFY_INTERVAL_MS);
    scene.reachable = () => false;
    scene.client.verify(scene.now);
    scene.carry();
    scene.advance(away);
    scene.server.allocated = false;
    scene.reachable = () => true;
    scene.advance(2_300);
    t.deepEqual(scene.types, ['allocated', 'ended', 'allocated'], `${away} ms`);
  }
});

test('when the address that it was made from is gone, another one is made from what is left', (t) => {
  const scene = new Scene();
  scene.start();
  scene.server.allocated = false;
  scene.client.setBases([OTHER_BASE], scene.now);
  scene.carry();
  t.deepEqual(scene.types, ['allocated', 'ended', 'allocated']);
  t.deepEqual(scene.client.allocations[0]?.route.base, OTHER_BASE);
  scene.client.setBases([], scene.now);
  scene.carry();
  t.deepEqual(scene.client.allocations, []);
  t.is(scene.client.nextTimeout(), undefined);
});

test('at the end the server is told', (t) => {
  const scene = new Scene();
  scene.start();
  scene.client.close(scene.now);
  scene.carry();
  t.false(scene.server.allocated);
  t.deepEqual(scene.client.allocations, []);
  scene.client.close(scene.now);
  t.is(scene.client.nextTimeout(), undefined);
});

test('what a peer sends without a channel is taken out of the indication, from the server alone', (t) => {
  const scene = new Scene();
  scene.start();
  const indication = decodeStun(
    encodeStun({
      class: 'indication',
      method: DATA_METHOD,
      transactionId: '00'.repeat(12),
      attributes: { xorPeerAddress: PEER, data: CHECK },
    }),
  );
  t.deepEqual(scene.client.unwrap(indication, BASE, SERVER), { local: LOCAL, peer: PEER, data: CHECK });
  t.is(scene.client.unwrap(indication, BASE, PEER), undefined);
  t.is(scene.client.unwrap(indication, OTHER_BASE, SERVER), undefined);
});

test('an answer without the right integrity is passed over, and one from elsewhere too', (t) => {
  const scene = new Scene();
  scene.client.setBases([BASE], scene.now);
  scene.client.setServers([{ address: SERVER, username: USER, password: PASSWORD }], scene.now);
  const first = nextSent(scene.client);
  const challenge = scene.server.answer(first?.data ?? CHECK);
  scene.client.receive(decodeStun(challenge), challenge, BASE, PEER, scene.now);
  t.is(scene.client.pollTransmit(), undefined);
  scene.client.receive(decodeStun(challenge), challenge, BASE, SERVER, scene.now);
  const request = decodeStun(nextSent(scene.client)?.data ?? CHECK);
  const forged = (key?: Uint8Array): Uint8Array =>
    encodeStun(
      { ...request, class: 'success', attributes: { xorRelayedAddress: RELAYED, lifetime: 600 } },
      key === undefined ? {} : { key },
    );
  for (const raw of [forged(), forged(longTermKey(USER, REALM, 'guess', 'md5'))])
    scene.client.receive(decodeStun(raw), raw, BASE, SERVER, scene.now);
  t.deepEqual(scene.client.allocations, []);
  const right = forged(longTermKey(USER, REALM, PASSWORD, 'md5'));
  scene.client.receive(decodeStun(right), right, BASE, SERVER, scene.now);
  t.is(scene.client.allocations.length, 1);
});

test('somebody who cuts SHA-256 out of the challenge gets no request that is worth less', (t) => {
  const scene = new Scene();
  scene.server.modern = true;
  scene.client.setBases([BASE], scene.now);
  scene.client.setServers([{ address: SERVER, username: USER, password: PASSWORD }], scene.now);
  const request = decodeStun(nextSent(scene.client)?.data ?? CHECK);
  const { attributes, ...rest } = decodeStun(scene.server.challenge(request, 401));
  const { realm = '', nonce = '', errorCode = { code: 401, reason: '' } } = attributes;
  const raw = encodeStun({ ...rest, attributes: { realm, nonce, errorCode } });
  scene.client.receive(decodeStun(raw), raw, BASE, SERVER, scene.now);
  t.is(scene.client.pollTransmit(), undefined);
});

const OTHER_SERVER = { address: '203.0.113.2', port: 443 };
const OVER_UDP: Service = { address: SERVER, username: USER, password: PASSWORD };
const TLS = { name: 'turn.example.org', authorities: '' };
const OVER_TLS: Service = { ...OVER_UDP, address: OTHER_SERVER, stream: { tls: TLS } };
const OVER_TCP: Service = { ...OVER_TLS, stream: { tls: null } };
const STREAM = { address: TURN_SERVER_LOCAL_ADDRESS, port: BASE.port };
const REMOTE = toStreamAddress(OTHER_SERVER);

test('a server over TLS is dialed when none over UDP has answered in a second, and its address is one of ours', (t) => {
  const scene = new Scene();
  scene.reachable = ({ address }) => address === TURN_SERVER_LOCAL_ADDRESS;
  scene.startWith([OVER_TLS, OVER_UDP]);
  scene.advance(STREAM_HEAD_START_MS - 1);
  t.deepEqual(scene.streams, []);
  scene.advance(1);
  t.deepEqual(scene.streams, [{ type: 'dial', stream: 1, remote: REMOTE, tls: TLS }]);
  t.deepEqual(scene.client.allocations, [{ local: LOCAL, relayed: RELAYED, route: { base: STREAM, server: REMOTE } }]);
  t.deepEqual(scene.logged[0], {
    level: 'info',
    event: 'turn.allocated',
    fields: { addr: '203.0.113.2:443', over: 'tls', name: TLS.name, relayed: '203.0.113.7:49152' },
  });
});

test('where UDP works no stream is dialed; where there is nothing else it is at once', (t) => {
  const both = new Scene();
  both.startWith([OVER_UDP, OVER_TLS]);
  both.advance(3_600_000);
  t.deepEqual(both.streams, []);
  const alone = new Scene();
  alone.startWith([OVER_TCP]);
  t.deepEqual(alone.streams, [{ type: 'dial', stream: 1, remote: REMOTE, tls: null }]);
  t.is(alone.client.allocations.length, 1);
});

test('what goes by a stream is not repeated, and an answer is waited for as long as by UDP', (t) => {
  const scene = new Scene();
  scene.reachable = () => false;
  scene.startWith([OVER_TCP]);
  scene.advance(REQUEST_TIMEOUT_MS - 1);
  t.is(scene.sent, 1);
  t.deepEqual(scene.logged, []);
  scene.advance(1);
  t.is(scene.sent, 1);
  t.like(scene.logged[0], { event: 'turn.failed', fields: { over: 'tcp', reason: 'it does not answer' } });
  t.deepEqual(scene.streams.slice(1), [{ type: 'hangUp', stream: 1 }]);
  scene.advance(RETRY_MS.least);
  t.deepEqual(scene.streams[2], { type: 'dial', stream: 2, remote: REMOTE, tls: null });
});

test('when UDP passes again a stream is left once nothing goes by it, and not before', (t) => {
  const scene = new Scene();
  const blocked = ({ address }: SocketAddress): boolean => address === TURN_SERVER_LOCAL_ADDRESS;
  scene.reachable = blocked;
  scene.startWith([OVER_UDP, OVER_TLS]);
  scene.advance(STREAM_HEAD_START_MS);
  scene.wanted.add(PEER.address);
  scene.client.open(LOCAL, PEER, CHECK, scene.now);
  scene.carry();
  t.deepEqual(scene.types, ['allocated', 'bound']);
  // The same server in this test: it is asked for a second allocation by another way.
  scene.server.allocated = false;
  scene.reachable = () => true;
  scene.advance(2 * RETRY_MS.least);
  t.is(scene.client.allocations.length, 2);
  t.is(scene.streams.length, 1);
  scene.wanted.clear();
  scene.advance(CHANNEL_REFRESH_MS);
  t.deepEqual(scene.streams.slice(1), [{ type: 'hangUp', stream: 1 }]);
  t.deepEqual(
    scene.client.allocations.map(({ route }) => route.base),
    [BASE],
  );
});

test('a stream that ends takes its channels with it, and is dialed again; its reason is logged', (t) => {
  const scene = new Scene();
  scene.startWith([OVER_TLS]);
  scene.client.open(LOCAL, PEER, CHECK, scene.now);
  scene.carry();
  scene.server.allocated = false;
  scene.client.streamEnded(1, 'it has closed the connection', scene.now);
  scene.carry();
  t.deepEqual(scene.types, ['allocated', 'bound', 'unbound', 'ended']);
  t.like(scene.logged.at(-1), { event: 'turn.lost', fields: { reason: 'it has closed the connection' } });
  scene.advance(LOST_RETRY_MS);
  t.is(scene.client.allocations.length, 1);
  // What is told late of the one before changes nothing.
  scene.client.streamEnded(1, 'again', scene.now);
  t.is(scene.client.allocations.length, 1);
  t.deepEqual(
    scene.streams.map(({ type, stream }) => [type, stream]),
    [
      ['dial', 1],
      ['dial', 2],
    ],
  );
});

test('a server that is started anew is dialed again soon, and again at growing pauses as long as it refuses', (t) => {
  const scene = new Scene();
  scene.startWith([OVER_TCP]);
  scene.reachable = () => false;
  const pauses: number[] = [];
  let endedAt = scene.now;
  for (let stream = 1; stream <= 6; stream++) {
    scene.client.streamEnded(stream, 'Connection refused', scene.now);
    while (scene.streams.length <= stream) scene.advance(50);
    pauses.push(scene.now - endedAt);
    endedAt = scene.now;
  }
  t.deepEqual(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000]);
});

test('a certificate that is refused is said, with the name that was asked for, and tried again after a while', (t) => {
  const scene = new Scene();
  scene.reachable = () => false;
  scene.startWith([OVER_TLS]);
  scene.client.streamEnded(1, 'its certificate is refused: hostname mismatch', scene.now);
  t.like(scene.logged[0], {
    level: 'warn',
    event: 'turn.failed',
    fields: { name: TLS.name, reason: 'its certificate is refused: hostname mismatch', retryInS: 30 },
  });
  scene.advance(RETRY_MS.least - 1);
  t.is(scene.streams.length, 1);
  scene.advance(1);
  t.is(scene.streams.length, 2);
});

test('without an address of its own a host dials nobody, and waits for nothing', (t) => {
  const scene = new Scene();
  scene.client.setServers([OVER_UDP, OVER_TLS], scene.now);
  t.is(scene.client.nextTimeout(), undefined);
  scene.reachable = ({ address }) => address === TURN_SERVER_LOCAL_ADDRESS;
  scene.client.setBases([BASE], scene.now);
  scene.carry();
  scene.advance(STREAM_HEAD_START_MS);
  t.is(scene.client.allocations.length, 1);
  // In another network UDP has its head start again; the stream goes on, if the kernel says nothing else.
  scene.client.setBases([OTHER_BASE], scene.now);
  scene.carry();
  t.is(scene.client.allocations.length, 1);
  t.is(scene.streams.length, 1);
});

test('when the client is closed the server of a stream is told, and then the stream is hung up', (t) => {
  const scene = new Scene();
  scene.startWith([OVER_TCP]);
  scene.client.close(scene.now);
  const last = [scene.client.pollTransmit(), scene.client.pollTransmit()];
  t.deepEqual(
    last.map((out) => out?.type),
    ['send', 'hangUp'],
  );
});

test('of a server with both families one allocation has an address of each, and a peer is reached from that of its own', (t) => {
  const scene = new Scene();
  scene.server.families = 'both';
  scene.start();
  const route = { base: BASE, server: SERVER };
  t.deepEqual(scene.client.allocations, [
    { local: LOCAL, relayed: RELAYED, route },
    { local: LOCAL_IPV6, relayed: RELAYED_IPV6, route },
  ]);
  scene.wanted.add(PEER.address).add(PEER_IPV6.address);
  for (const [local, peer] of [
    [LOCAL, PEER],
    [LOCAL_IPV6, PEER_IPV6],
  ] as const) {
    t.false(scene.client.open(local, peer, CHECK, scene.now));
    scene.carry();
    t.like(scene.events.at(-1), { type: 'bound', local, peer });
    t.true(scene.client.open(local, peer, CHECK, scene.now));
  }
  // Kept alive as one, and over as one.
  scene.advance(540_000);
  t.is(scene.server.seen.filter(({ method }) => method === REFRESH_METHOD).length, 1);
  scene.server.allocated = false;
  scene.advance(540_000);
  t.deepEqual(
    scene.events.filter(({ type }) => type === 'ended').map(({ local }) => local),
    [LOCAL, LOCAL_IPV6],
  );
  scene.client.setServers([], scene.now);
  t.is(scene.client.allocations.length, 0);
});

test('a server without IPv4 is asked for IPv6, and one with neither is said to have none', (t) => {
  const scene = new Scene();
  scene.server.families = 'ipv6';
  scene.start();
  t.deepEqual(
    scene.client.allocations.map(({ relayed }) => relayed),
    [RELAYED_IPV6],
  );
  t.false(scene.client.open(LOCAL_IPV6, PEER, CHECK, scene.now));
  t.is(scene.client.pollTransmit(), undefined);
  const other = new Scene();
  other.server.families = 'none';
  other.start();
  t.is(other.sent, 3);
  t.like(other.logged.at(-1), {
    event: 'turn.failed',
    fields: { reason: 'it relays from no address of either family' },
  });
});

test('a server that refuses a request for both families is asked for IPv4 alone', (t) => {
  for (const code of [400, 420, 486, 508]) {
    const scene = new Scene();
    scene.server.fail = { method: ALLOCATE_METHOD, code, times: 1 };
    scene.start();
    t.deepEqual(
      scene.client.allocations.map(({ relayed }) => relayed),
      [RELAYED],
    );
    t.is(scene.server.messages.at(-1)?.attributes.additionalAddressFamily, undefined);
  }
});
