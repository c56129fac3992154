import test from 'ava';
import fc from 'fast-check';
import { concatBytes, fromHex } from '../../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../../src/base/errors.ts';
import { parseIpv4Prefix } from '../../../../src/base/ipv4-prefix.ts';
import { orchidRing } from '../../../../src/overlay/chord/ring.ts';
import type { Signer } from '../../../../src/overlay/security/certificate-cache.ts';
import { mayWrite } from '../../../../src/overlay/storage/access.ts';
import { IDLOC_FILES, IDLOC_OWN } from '../../../../src/overlay/storage/kinds.ts';
import {
  decodeOwnPart,
  encodeOwnPart,
  maxDocumentBytes,
  ownPartName,
  partsOf,
} from '../../../../src/overlay/storage/own-part.ts';

const HIT = '20010022'.padEnd(32, 'a');
const OTHER = '20010022'.padEnd(32, 'b');
const ALICE = 'alice@home.example';

for (const kind of [IDLOC_OWN, IDLOC_FILES])
  test(`${kind.name}: a document is the same when its parts are put together, and each fits the Kind`, (t) => {
    const { parts: places } = kind;
    const most = maxDocumentBytes(places);
    for (const length of [0, 1, 2_037, 2_038, 10_000, most]) {
      const document = Uint8Array.from({ length }, (_, i) => i & 0xff);
      const encoded = partsOf(places, document, 1_700_000_000_000).map(encodeOwnPart);
      t.true(encoded.every((bytes) => bytes.length <= kind.maxSize));
      const parts = encoded.map((bytes) => decodeOwnPart(places, bytes));
      t.deepEqual(concatBytes(...parts.map(({ content }) => content)), document);
      t.true(parts.every(({ index, count }, i) => index === i && count === parts.length));
    }
    t.throws(() => partsOf(places, new Uint8Array(most + 1), 1), { instanceOf: RangeError });
  });

test('any bytes are a part or a MalformedMessageError', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        const { index, count } = decodeOwnPart(IDLOC_OWN.parts, bytes);
        return index < count && count <= IDLOC_OWN.parts.maxParts;
      } catch (error) {
        return error instanceof MalformedMessageError;
      }
    }),
  );
  t.pass();
});

for (const kind of [IDLOC_OWN, IDLOC_FILES])
  test(`${kind.name}: a host writes each part of its own entry at its place of its user, and nothing and nowhere else`, (t) => {
    const places = { ring: orchidRing, ipv4Prefix: parseIpv4Prefix('198.18.0.0/15'), mayInvite: () => true };
    const { parts } = kind;
    const { maxParts } = parts;
    const mayAs = (name: string, key: string, user: string | null, bytes: Uint8Array): boolean => {
      const signer: Signer = { nodeId: HIT, user, spki: new Uint8Array(), chain: [], hash: '' };
      const value = { model: 'dictionary' as const, key: fromHex(key), exists: true, value: bytes };
      return mayWrite(places, kind, orchidRing.resourceIdOf(name), value, signer);
    };
    const part = (index: number, count = maxParts): Uint8Array =>
      encodeOwnPart({ savedAt: 1, index, count, content: Uint8Array.of(1) });
    const may = (name: string, key: string, user: string | null): boolean => mayAs(name, key, user, part(0));
    t.true(may(ownPartName(parts, ALICE, 0, 0), HIT, ALICE));
    t.true(mayAs(ownPartName(parts, ALICE, 1, maxParts - 1), HIT, ALICE, part(maxParts - 1)));
    t.false(may(ownPartName(parts, ALICE, 0, 0), OTHER, ALICE));
    t.false(may(ownPartName(parts, ALICE, 0, 0), HIT, 'bob@home.example'));
    t.false(may(ownPartName(parts, ALICE, 0, 0), HIT, null));
    t.false(may(ownPartName(parts, ALICE, 2, 0), HIT, ALICE));
    t.false(mayAs(ownPartName(parts, ALICE, 0, maxParts), HIT, ALICE, part(maxParts, maxParts + 1)));
    t.false(may(ownPartName(parts, ALICE, 0, 1), HIT, ALICE), 'another part');
    t.false(mayAs(ownPartName(parts, ALICE, 0, 0), HIT, ALICE, new Uint8Array()), 'no part');
    t.false(may(ownPartName({ ...parts, prefix: 'else' }, ALICE, 0, 0), HIT, ALICE), 'of another sort');
    t.false(may(ALICE, HIT, ALICE));
  });
