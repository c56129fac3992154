import { fc, testProp } from '@fast-check/ava';
import { ByteWriter, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import {
  type Destination,
  type SipRegistration,
  decodeSipRegistration,
  encodeDestination,
  encodeSipRegistration,
} from '../../../src/reload/index.ts';
import { hop } from './arbitraries.ts';

/** The shortest destinations are shorter than any list of them may be. */
function lengthOf(list: readonly Destination[]): number {
  const writer = new ByteWriter();
  for (const destination of list) encodeDestination(writer, destination);
  return writer.length;
}

const text = fc.stringMatching(/^[ -~]*$/, { maxLength: 200 });
const registration: fc.Arbitrary<SipRegistration> = fc.oneof(
  fc.record({ type: fc.constant('uri'), uri: text }),
  fc.record({
    type: fc.constant('route'),
    contactPrefs: text,
    destinationList: fc.array(hop, { minLength: 1, maxLength: 6 }).filter((list) => lengthOf(list) >= 3),
  }),
);

function encoded(value: SipRegistration): Uint8Array {
  const writer = new ByteWriter();
  encodeSipRegistration(writer, value);
  return writer.finish();
}

testProp('a SipRegistration is read as it was written', [registration], (t, value) => {
  t.deepEqual(decodeSipRegistration(encoded(value)), value);
});

testProp(
  'changed bytes of a SipRegistration are refused as malformed, or mean something that is written as the same bytes',
  [registration, fc.nat(), fc.nat(255), fc.boolean()],
  (t, value, at, byte, cut) => {
    const bytes = encoded(value);
    const place = at % bytes.length;
    if (!cut) bytes[place] = byte;
    const changed = cut ? bytes.subarray(0, place) : bytes;
    try {
      const read = decodeSipRegistration(changed);
      if (read !== undefined) t.is(toHex(encoded(read)), toHex(changed));
      else t.pass();
    } catch (error) {
      t.true(error instanceof MalformedMessageError);
    }
  },
  { numRuns: 2000 },
);
