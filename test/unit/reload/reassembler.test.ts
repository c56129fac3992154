import test from 'ava';
import { concatBytes, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/random.ts';
import {
  REASSEMBLY_TIMEOUT_MS,
  Reassembler,
  WHOLE_MESSAGE_FRAGMENT,
  decodeForwardingHeader,
  encodeForwardingHeader,
  fragmentMessage,
  rewriteHeader,
} from '../../../src/reload/index.ts';
import type { ForwardingHeader } from '../../../src/reload/index.ts';

const HEADER: ForwardingHeader = {
  overlay: 1,
  configurationSequence: 7,
  ttl: 100,
  fragment: WHOLE_MESSAGE_FRAGMENT,
  transactionId: 1n,
  maxResponseLength: 0,
  viaList: [],
  destinationList: [{ type: 'node', nodeId: '545e0a773ec48f4a1de91ffd4232f9ed' }],
  options: [],
};
const HEADER_BYTES = 38 + 18;

function message(bodyBytes: number, transactionId = 1n): Uint8Array {
  const body = seededRandom(bodyBytes).bytes(bodyBytes);
  return concatBytes(encodeForwardingHeader({ ...HEADER, transactionId }, bodyBytes), body);
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const random = seededRandom(seed);
  return items
    .map((item) => ({ item, at: random.float() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function receiveAll(reassembler: Reassembler, fragments: readonly Uint8Array[], now = 0): Uint8Array[] {
  return fragments.map((fragment) => reassembler.receive(fragment, 'a', now)).filter((whole) => whole !== undefined);
}

test('a message that fits is not fragmented', (t) => {
  const bytes = message(1000);
  t.deepEqual(fragmentMessage(bytes, bytes.length), [bytes]);
});

test('fragments are of equal size, stay 32 bytes below the limit and carry the whole header', (t) => {
  const bytes = message(5000);
  const fragments = fragmentMessage(bytes, 1200);
  t.is(fragments.length, 5);
  const headers = fragments.map(decodeForwardingHeader);
  t.deepEqual(
    fragments.map(({ length }) => length),
    new Array<number>(5).fill(1000 + HEADER_BYTES),
  );
  t.deepEqual(
    headers.map(({ fragment }) => fragment),
    [0x80000000, 0x800003e8, 0x800007d0, 0x80000bb8, 0xc0000fa0],
  );
  for (const { destinationList, transactionId } of headers)
    t.deepEqual({ destinationList, transactionId }, { destinationList: HEADER.destinationList, transactionId: 1n });
});

test('where no fragment could hold 256 bytes of the body, the message goes whole', (t) => {
  const bytes = message(5000);
  t.deepEqual(fragmentMessage(bytes, HEADER_BYTES + 32 + 255), [bytes]);
  const fragments = fragmentMessage(bytes, HEADER_BYTES + 32 + 256);
  t.true(fragments.slice(0, -1).every(({ length }) => length === HEADER_BYTES + 256));
});

test('a message comes together whatever the order, and once', (t) => {
  const bytes = message(5000);
  for (let seed = 1; seed <= 20; seed++) {
    const reassembler = new Reassembler();
    const fragments = shuffled(fragmentMessage(bytes, 700), seed);
    t.deepEqual(receiveAll(reassembler, fragments).map(toHex), [toHex(bytes)], `seed ${seed}`);
    t.is(reassembler.cost, 0);
    t.is(reassembler.nextTimeout(), undefined);
  }
});

test('fragments that were fragmented again come together', (t) => {
  const bytes = message(5000);
  const fragments = fragmentMessage(bytes, 1500).flatMap((fragment) => fragmentMessage(fragment, 500));
  t.true(fragments.length > 10);
  t.deepEqual(receiveAll(new Reassembler(), shuffled(fragments, 3)), [bytes]);
});

test('a retransmission that was fragmented otherwise fills the gaps of the first one', (t) => {
  const bytes = message(5000);
  const first = fragmentMessage(bytes, 1200).filter((_, i) => i !== 1 && i !== 4);
  const second = fragmentMessage(bytes, 900);
  for (let seed = 1; seed <= 20; seed++) {
    const whole = receiveAll(new Reassembler(), [...first, ...shuffled(second, seed)]);
    t.is(toHex(whole[0] ?? new Uint8Array(0)), toHex(bytes), `seed ${seed}`);
  }
});

test('a whole message passes through', (t) => {
  const bytes = message(300);
  t.is(new Reassembler().receive(bytes, 'a', 0), bytes);
});

test('messages of several transactions do not mix', (t) => {
  const one = message(2000, 1n);
  const two = message(2100, 2n);
  const fragments = shuffled([...fragmentMessage(one, 700), ...fragmentMessage(two, 700)], 9);
  const whole = receiveAll(new Reassembler(), fragments).map(toHex);
  t.deepEqual(new Set(whole), new Set([toHex(one), toHex(two)]));
});

test('an incomplete message is forgotten after 15 seconds', (t) => {
  const reassembler = new Reassembler();
  const [first, ...others] = fragmentMessage(message(2000), 700);
  t.is(reassembler.receive(first ?? new Uint8Array(0), 'a', 1000), undefined);
  t.is(reassembler.nextTimeout(), 1000 + REASSEMBLY_TIMEOUT_MS);
  reassembler.handleTimeout(1000 + REASSEMBLY_TIMEOUT_MS - 1);
  t.true(reassembler.cost > 0);
  reassembler.handleTimeout(1000 + REASSEMBLY_TIMEOUT_MS);
  t.is(reassembler.cost, 0);
  t.is(reassembler.counters.timedOutMessages, 1);
  t.deepEqual(receiveAll(reassembler, others, 17_000), []);
});

test('repeated fragments cost nothing', (t) => {
  const reassembler = new Reassembler();
  const [first] = fragmentMessage(message(2000), 700);
  const bytes = first ?? new Uint8Array(0);
  reassembler.receive(bytes, 'a', 0);
  const cost = reassembler.cost;
  for (let i = 0; i < 100; i++) reassembler.receive(bytes, 'a', 0);
  t.is(reassembler.cost, cost);
  t.is(reassembler.counters.droppedFragments, 100);
});

test('one neighbour can fill its share of the room, and leaves the rest to others', (t) => {
  const reassembler = new Reassembler({ maxTotalBytes: 1024 * 1024 });
  for (let i = 0; i < 500; i++)
    reassembler.receive(fragmentMessage(message(2000, BigInt(i)), 700)[0] ?? new Uint8Array(0), 'flood', 0);
  t.true(reassembler.cost <= 256 * 1024);
  t.true(reassembler.counters.droppedFragments > 400);
  const bytes = message(5000, 9999n);
  t.deepEqual(receiveAll(reassembler, fragmentMessage(bytes, 1200)), [bytes]);
});

test('a neighbour of whose messages many lost a fragment is heard at once: the oldest incomplete ones give way', (t) => {
  const reassembler = new Reassembler();
  for (let i = 0; i < 500; i++)
    reassembler.receive(fragmentMessage(message(2000, BigInt(i)), 700)[0] ?? new Uint8Array(0), 'a', 0);
  const later = Array.from({ length: 50 }, (_, i) => message(5000, BigInt(1000 + i)));
  for (const bytes of later) t.deepEqual(receiveAll(reassembler, fragmentMessage(bytes, 1200)), [bytes]);
});

test('where many neighbours fill the room, what is on its way becomes whole: those that come later do not take its place', (t) => {
  const reassembler = new Reassembler({ maxTotalBytes: 512 * 1024 });
  const messages = Array.from({ length: 100 }, (_, i) => fragmentMessage(message(5000, BigInt(i)), 1200));
  let whole = 0;
  for (let round = 0; round < 5; round++)
    for (const [i, fragments] of messages.entries())
      if (reassembler.receive(fragments[round] ?? new Uint8Array(0), `n${i}`, 0) !== undefined) whole += 1;
  t.true(whole >= 20, `${whole} of 100`);
});

test('all neighbours together stay below the total', (t) => {
  const reassembler = new Reassembler({ maxTotalBytes: 256 * 1024 });
  for (let i = 0; i < 200; i++)
    reassembler.receive(fragmentMessage(message(2000, BigInt(i)), 700)[0] ?? new Uint8Array(0), `n${i}`, 0);
  t.true(reassembler.cost <= 256 * 1024);
});

test('a fragment without data, beyond the largest message or beyond the last fragment is dropped', (t) => {
  const reassembler = new Reassembler({ maxMessageBytes: 4000 });
  const [first = new Uint8Array(0), , , last = new Uint8Array(0)] = fragmentMessage(message(2000), 700);
  const at = (bytes: Uint8Array, fragment: number) => rewriteHeader(bytes, { fragment });
  const headerOnly = first.slice(0, HEADER_BYTES);
  new DataView(headerOnly.buffer).setUint32(16, HEADER_BYTES);
  t.is(reassembler.receive(headerOnly, 'a', 0), undefined);
  t.is(reassembler.receive(at(first, 0x80000000 + 3900), 'a', 0), undefined);
  t.is(reassembler.cost, 0);
  reassembler.receive(last, 'a', 0);
  reassembler.receive(at(first, 0x80000000 + 1900), 'a', 0);
  reassembler.receive(at(last, 0xc0000000 + 1400), 'a', 0);
  t.is(reassembler.counters.droppedFragments, 4);
});

test('the memory of the input may be used again', (t) => {
  const bytes = message(2000);
  const reassembler = new Reassembler();
  const buffer = Buffer.alloc(2000);
  const whole = fragmentMessage(bytes, 700).map((fragment) => {
    buffer.set(fragment);
    return reassembler.receive(buffer.subarray(0, fragment.length), 'a', 0);
  });
  t.deepEqual(whole.at(-1), bytes);
});

test('a fragment with a malformed header is refused', (t) => {
  const bytes = message(300);
  bytes[0] = 0;
  t.throws(() => new Reassembler().receive(bytes, 'a', 0), { instanceOf: MalformedMessageError });
});

test('a body beyond the 24 bits of the offset is not fragmented', (t) => {
  const bytes = concatBytes(encodeForwardingHeader(HEADER, 2 ** 24), new Uint8Array(2 ** 24));
  t.throws(() => fragmentMessage(bytes, 60_000), { instanceOf: RangeError });
});
