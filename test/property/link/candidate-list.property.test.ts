import { fc, testProp } from '@fast-check/ava';
import { canonicalAddress } from '../../../src/base/ip-address.ts';
import { isIndirectAddress } from '../../../src/base/stream-address.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { decodeCandidateList, encodeCandidateList } from '../../../src/link/candidate-list.ts';
import { MAX_LATE_CANDIDATES, MAX_RECORD_BYTES } from '../../../src/link/constants.ts';
import { LATE_CANDIDATES } from '../../../src/native/data-plane.ts';

const address = fc
  .oneof(fc.ipV4(), fc.ipV6())
  .map(canonicalAddress)
  .filter((text) => !isIndirectAddress(text) && !text.startsWith('::ffff:'));
const candidate = fc.record({
  type: fc.constantFrom('host' as const, 'srflx' as const),
  address: fc.record({ address, port: fc.integer({ min: 1, max: 65_535 }) }),
  priority: fc.nat(),
  foundation: fc.constant('1'),
});

testProp(
  'a list of candidates is read as it was written, best first, and fits a record',
  [fc.nat(255), fc.array(candidate, { maxLength: MAX_LATE_CANDIDATES })],
  (t, number, candidates) => {
    const record = encodeCandidateList({ number, candidates });
    t.true(record.length <= MAX_RECORD_BYTES);
    const read = decodeCandidateList(record);
    t.is(read.number, number);
    t.deepEqual(
      read.candidates.map(({ type, address: at }) => ({ type, address: at })),
      candidates.map(({ type, address: at }) => ({ type, address: at })),
    );
    for (const type of ['host', 'srflx']) {
      const priorities = read.candidates.filter((one) => one.type === type).map(({ priority }) => priority);
      t.deepEqual(
        priorities,
        priorities.toSorted((a, b) => b - a),
      );
    }
  },
);

testProp(
  'whatever follows the first byte of a list is refused as malformed, or is at most sixteen candidates that are no address of an overlay or of a stream',
  [fc.uint8Array({ maxLength: MAX_RECORD_BYTES })],
  (t, rest) => {
    try {
      const { candidates } = decodeCandidateList(Uint8Array.of(LATE_CANDIDATES, ...rest));
      t.true(candidates.length <= MAX_LATE_CANDIDATES);
      t.true(candidates.every((one) => one.address.port !== 0 && !isIndirectAddress(one.address.address)));
    } catch (error) {
      t.true(error instanceof MalformedMessageError);
    }
  },
);
