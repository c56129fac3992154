import { fc, testProp } from '@fast-check/ava';
import { concatBytes, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/random.ts';
import {
  Reassembler,
  dataSignatureInput,
  decodeForwardingHeader,
  decodeFrame,
  decodeMessage,
  encodeForwardingHeader,
  encodeFrame,
  encodeMessage,
  fragmentMessage,
  inspect,
  registeredDataModel,
  rewriteHeader,
} from '../../../src/reload/index.ts';
import { header, hop, message, storedData } from './arbitraries.ts';

const OPTIONS = { dataModelOf: registeredDataModel };
const RUNS = { numRuns: 1000 };

/** Runs what may only fail as a decoder fails. */
function orMalformed<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

/** Changes to bytes, anywhere: another byte, or a piece taken out or put in. */
const at = fc.noBias(fc.nat(1_000_000));
const substitution = fc.record({ at, remove: fc.constant(1), insert: fc.uint8Array({ minLength: 1, maxLength: 1 }) });
const mutation = fc.oneof(
  substitution,
  fc.record({
    at,
    remove: fc.nat(4),
    insert: fc.oneof(fc.uint8Array({ maxLength: 3 }), fc.constant(new Uint8Array([0xff, 0xff, 0xff, 0xff]))),
  }),
);

function mutate(
  bytes: Uint8Array,
  mutations: readonly { at: number; remove: number; insert: Uint8Array }[],
): Uint8Array {
  let out = bytes;
  for (const { at, remove, insert } of mutations) {
    const offset = at % (out.length + 1);
    out = concatBytes(out.subarray(0, offset), insert, out.subarray(offset + remove));
  }
  return out;
}

/** Most mutations would be found out by the length field alone. */
function withLength(bytes: Uint8Array): Uint8Array {
  if (bytes.length >= 20) new DataView(bytes.buffer, bytes.byteOffset).setUint32(16, bytes.length);
  return bytes;
}

testProp(
  'a message is read as it was written',
  [message],
  (t, original) => {
    const bytes = encodeMessage(original);
    const { header: read, contents, security } = decodeMessage(bytes, OPTIONS);
    const { length, headerLength, ...fields } = read;
    t.is(length, bytes.length);
    t.true(headerLength < length);
    t.deepEqual({ header: fields, contents, security }, original);
  },
  RUNS,
);

testProp(
  'changed bytes are refused as malformed, or mean something that is written as the same bytes',
  [
    message,
    fc.oneof(
      fc.array(substitution, { minLength: 1, maxLength: 2 }),
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
    ),
    fc.boolean(),
  ],
  (t, original, mutations, lengthFits) => {
    const mutated = mutate(encodeMessage(original), mutations);
    const bytes = lengthFits ? withLength(mutated) : mutated;
    const read = orMalformed(() => decodeMessage(bytes, OPTIONS));
    if (read !== undefined) t.is(toHex(encodeMessage(read)), toHex(bytes));
    else t.pass();
  },
  { numRuns: 3000 },
);

testProp(
  'bytes at random are refused as malformed everywhere',
  [fc.uint8Array({ maxLength: 300 })],
  (t, bytes) => {
    orMalformed(() => decodeMessage(bytes, OPTIONS));
    orMalformed(() => decodeFrame(bytes));
    orMalformed(() => rewriteHeader(bytes, { ttl: 1 }));
    orMalformed(() => new Reassembler().receive(bytes, 'a', 0));
    orMalformed(() => fragmentMessage(bytes, 100));
    orMalformed(() => inspect(bytes));
    t.true(inspect(Buffer.from(toHex(bytes))).length <= 1);
  },
  RUNS,
);

testProp(
  'a hop that changes nothing sends the same bytes, one that changes lists what an encoder would',
  [message, fc.array(hop, { maxLength: 5 }), fc.nat(255)],
  (t, original, viaList, ttl) => {
    const bytes = encodeMessage(original);
    t.deepEqual(rewriteHeader(bytes, {}), bytes);
    const changed = { ...original, header: { ...original.header, viaList, ttl } };
    t.is(toHex(rewriteHeader(bytes, { viaList, ttl })), toHex(encodeMessage(changed)));
  },
);

testProp(
  'fragments come together in any order, fragmented twice or not',
  [
    header.filter(({ viaList, destinationList }) => viaList.length + destinationList.length < 6),
    fc.uint8Array({ minLength: 1, maxLength: 20_000, size: 'max' }),
    fc.integer({ min: 300, max: 3000 }),
    fc.integer({ min: 300, max: 3000 }),
    fc.nat(),
  ],
  (t, fields, payload, firstSize, secondSize, seed) => {
    const bytes = concatBytes(encodeForwardingHeader(fields, payload.length), payload);
    const fragments = fragmentMessage(bytes, firstSize).flatMap((fragment) => fragmentMessage(fragment, secondSize));
    const random = seededRandom(seed);
    const shuffled = fragments.map((fragment) => ({ fragment, at: random.float() })).sort((a, b) => a.at - b.at);
    const reassembler = new Reassembler();
    const whole = shuffled
      .map(({ fragment }) => reassembler.receive(fragment, 'a', 0))
      .filter((out) => out !== undefined);
    t.deepEqual(whole.map(toHex), [toHex(bytes)]);
    t.is(reassembler.cost, 0);
  },
);

testProp(
  'fragments with changed headers never make a message of another size, nor hold memory after their time',
  [
    fc.uint8Array({ minLength: 1000, maxLength: 4000, size: 'max' }),
    header,
    fc.array(mutation, { minLength: 1, maxLength: 3 }),
  ],
  (t, payload, fields, mutations) => {
    const bytes = concatBytes(encodeForwardingHeader(fields, payload.length), payload);
    const reassembler = new Reassembler({ maxTotalBytes: 256 * 1024 });
    fragmentMessage(bytes, 1000).forEach((fragment, i) => {
      const received = i % 2 === 0 ? fragment : withLength(mutate(fragment, mutations));
      const whole = orMalformed(() => reassembler.receive(received, 'a', 0));
      if (whole !== undefined) t.is(decodeForwardingHeader(whole).length, whole.length);
      t.true(reassembler.cost <= 64 * 1024);
    });
    reassembler.handleTimeout(15_000);
    t.is(reassembler.cost, 0);
  },
);

testProp(
  'a frame is read as it was written',
  [fc.uint8Array({ maxLength: 300 }), fc.nat(0xffffffff)],
  (t, bytes, sequence) => {
    const data = { type: 'data', sequence, message: bytes } as const;
    t.deepEqual(decodeFrame(encodeFrame(data)), data);
    const ack = { type: 'ack', ackSequence: sequence, received: 0xffffffff - sequence } as const;
    t.deepEqual(decodeFrame(encodeFrame(ack)), ack);
  },
);

testProp(
  'what is signed of stored values differs where the values differ',
  [storedData('dictionary'), storedData('dictionary')],
  (t, one, two) => {
    const input = ({ storageTime, value }: typeof one) =>
      toHex(dataSignatureInput('aabb', 1, storageTime, value, one.signature.identity));
    const same = (of: typeof one) => [of.storageTime.toString(), JSON.stringify({ ...of.value })].join();
    t.is(input(one) === input(two), same(one) === same(two));
  },
);
