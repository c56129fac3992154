import test from 'ava';
import fc from 'fast-check';
import { concatBytes, fromHex } from '../../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../../src/base/errors.ts';
import { parseIpv4Prefix } from '../../../../src/base/ipv4-prefix.ts';
import { orchidRing } from '../../../../src/overlay/chord/ring.ts';
import type { Signer } from '../../../../src/overlay/security/certificate-cache.ts';
import { mayWrite } from '../../../../src/overlay/storage/access.ts';
import { IDLOC_OWN } from '../../../../src/overlay/storage/kinds.ts';
import {
  MAX_OWN_BYTES,
  MAX_OWN_PARTS,
  decodeOwnPart,
  encodeOwnPart,
  ownPartName,
  partsOf,
} from '../../../../src/overlay/storage/own-part.ts';

const HIT = '20010022'.padEnd(32, 'a');
const OTHER = '20010022'.padEnd(32, 'b');
const ALICE = 'alice@home.example';

test('a document is the same when its parts are put together, and each fits the Kind', (t) => {
  for (const length of [0, 1, 2_037, 2_038, 10_000, MAX_OWN_BYTES]) {
    const document = Uint8Array.from({ length }, (_, i) => i & 0xff);
    const encoded = partsOf(document, 1_700_000_000_000).map(encodeOwnPart);
    t.true(encoded.every((bytes) => bytes.length <= IDLOC_OWN.maxSize));
    const parts = encoded.map(decodeOwnPart);
    t.deepEqual(concatBytes(...parts.map(({ content }) => content)), document);
    t.true(parts.every(({ index, count }, i) => index === i && count === parts.length));
  }
  t.throws(() => partsOf(new Uint8Array(MAX_OWN_BYTES + 1), 1), { instanceOf: RangeError });
});

test('any bytes are a part or a MalformedMessageError', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        const { index, count } = decodeOwnPart(bytes);
        return index < count && count <= MAX_OWN_PARTS;
      } catch (error) {
        return error instanceof MalformedMessageError;
      }
    }),
  );
  t.pass();
});

test('a host writes its own entry at the places of its user, and nowhere else', (t) => {
  const places = { ring: orchidRing, ipv4Prefix: parseIpv4Prefix('198.18.0.0/15'), mayInvite: () => true };
  const may = (name: string, key: string, user: string | null): boolean => {
    const signer: Signer = { nodeId: HIT, user, spki: new Uint8Array(), chain: [], hash: '' };
    const value = { model: 'dictionary' as const, key: fromHex(key), exists: true, value: new Uint8Array() };
    return mayWrite(places, IDLOC_OWN, orchidRing.resourceIdOf(name), value, signer);
  };
  t.true(may(ownPartName(ALICE, 0, 0), HIT, ALICE));
  t.true(may(ownPartName(ALICE, 1, MAX_OWN_PARTS - 1), HIT, ALICE));
  t.false(may(ownPartName(ALICE, 0, 0), OTHER, ALICE));
  t.false(may(ownPartName(ALICE, 0, 0), HIT, 'bob@home.example'));
  t.false(may(ownPartName(ALICE, 0, 0), HIT, null));
  t.false(may(ownPartName(ALICE, 2, 0), HIT, ALICE));
  t.false(may(ownPartName(ALICE, 0, MAX_OWN_PARTS), HIT, ALICE));
  t.false(may(ALICE, HIT, ALICE));
});
