import test from 'ava';
import { seededRandom } from '../../../src/base/random.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import dnsPacket from 'dns-packet';
import { MAX_FORWARDED } from '../../../src/dns/constants.ts';
import { Forwarder, type UpstreamEvents, type UpstreamTransport } from '../../../src/dns/forwarder.ts';

interface Sent {
  readonly server: string;
  readonly query: Uint8Array;
  readonly events: UpstreamEvents;
  readonly over: 'udp' | 'tcp';
  closed: boolean;
}

function setUp(servers: readonly string[]) {
  const time = { now: 0 };
  const sent: Sent[] = [];
  const open = (over: 'udp' | 'tcp') => (server: SocketAddress, query: Uint8Array, events: UpstreamEvents) => {
    const entry: Sent = { server: server.address, query: Uint8Array.from(query), events, over, closed: false };
    sent.push(entry);
    return { close: () => (entry.closed = true) };
  };
  const transport: UpstreamTransport = { udp: open('udp'), tcp: open('tcp') };
  const forwarder = new Forwarder({
    clock: { monotonic: () => time.now, wall: () => time.now },
    random: seededRandom(1),
    transport,
    upstreams: () => servers.map((address) => ({ address, port: 53 })),
  });
  const replies: (Uint8Array | undefined)[] = [];
  const query = dnsPacket.encode({ type: 'query', id: 0x1234, questions: [{ type: 'A', name: 'Example.net' }] });
  const ask = (overTcp = false): void => forwarder.forward(query, overTcp, (answer) => replies.push(answer));
  const advance = (to: number): void => {
    time.now = to;
    forwarder.handleTimeout(to);
  };
  return { forwarder, sent, replies, ask, advance };
}

function answerTo(query: Uint8Array, change: (bytes: Uint8Array) => void = () => {}): Uint8Array {
  const bytes = Uint8Array.from(query);
  bytes[2] = 0x81;
  bytes[3] = 0x80;
  change(bytes);
  return bytes;
}

test('an answer comes back under the id of the client, byte by byte otherwise', (t) => {
  const { sent, replies, ask, forwarder } = setUp(['192.0.2.1']);
  ask();
  const [first] = sent;
  t.truthy(first);
  if (first === undefined) return;
  t.notDeepEqual(first.query.subarray(0, 2), Uint8Array.of(0x12, 0x34));
  const answer = answerTo(first.query);
  first.events.message(answer);
  t.deepEqual(replies[0]?.subarray(0, 2), Uint8Array.of(0x12, 0x34));
  t.deepEqual(replies[0]?.subarray(2), answer.subarray(2));
  t.true(first.closed);
  t.is(forwarder.inFlight, 0);
  t.is(forwarder.nextTimeout(), undefined);
});

test('a guessed answer is ignored, the right one after it is taken', (t) => {
  const { sent, replies, ask } = setUp(['192.0.2.1']);
  ask();
  const query = sent[0]?.query ?? new Uint8Array();
  const wrong = [
    answerTo(query, (bytes) => (bytes[0] = (bytes[0] ?? 0) ^ 1)),
    answerTo(query, (bytes) => (bytes[13] = 0x78)),
    answerTo(query, (bytes) => (bytes[2] = 0x01)),
    query.slice(0, 11),
    answerTo(query).slice(0, 20),
  ];
  for (const bytes of wrong) sent[0]?.events.message(bytes);
  t.deepEqual(replies, []);
  sent[0]?.events.message(answerTo(query));
  t.is(replies.length, 1);
});

test('a server that is silent or refuses the port is followed by the next, and in the end nobody answered', (t) => {
  const { sent, replies, ask, advance } = setUp(['192.0.2.1', '192.0.2.2']);
  ask();
  advance(1_500);
  sent[1]?.events.failed();
  advance(3_000);
  t.deepEqual(
    sent.map(({ server }) => server),
    ['192.0.2.1', '192.0.2.2', '192.0.2.1', '192.0.2.2'],
  );
  t.deepEqual(replies, []);
  advance(4_500);
  t.deepEqual(replies, [undefined]);
  t.true(sent.every(({ closed }) => closed));
});

test('SERVFAIL of one server is shown only when no other does better', (t) => {
  const { sent, replies, ask } = setUp(['192.0.2.1', '192.0.2.2']);
  ask();
  sent[0]?.events.message(answerTo(sent[0].query, (bytes) => (bytes[3] = 0x82)));
  t.is(replies.length, 0);
  sent[1]?.events.message(answerTo(sent[1].query));
  t.is((replies[0]?.[3] ?? 0xff) & 0xf, 0);
});

test('a client that came by TCP is served by TCP', (t) => {
  const { sent, ask } = setUp(['192.0.2.1']);
  ask(true);
  t.is(sent[0]?.over, 'tcp');
});

test('without a server, or with too many queries in flight, the answer is there at once', (t) => {
  const nobody = setUp([]);
  nobody.ask();
  t.deepEqual(nobody.replies, [undefined]);
  const busy = setUp(['192.0.2.1']);
  for (let i = 0; i <= MAX_FORWARDED; i++) busy.ask();
  t.is(busy.sent.length, MAX_FORWARDED);
  t.deepEqual(busy.replies, [undefined]);
  busy.forwarder.close();
  t.is(busy.forwarder.inFlight, 0);
});
