import { fc, testProp } from '@fast-check/ava';
import { seededRandom } from '../../../src/base/random.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { OverlayAuthority } from '../../../src/identity/authority.ts';
import {
  decodeEnrollmentAnswer,
  decodeEnrollmentRequest,
  encodeEnrollmentRequest,
} from '../../../src/identity/enrollment-message.ts';
import { enrollmentRequest } from '../../../src/identity/enrollment.ts';
import { CertificateError } from '../../../src/identity/errors.ts';
import { generateHostIdentity } from '../../../src/identity/host-identity.ts';
import { verifySignature } from '../../../src/identity/signature.ts';
import { TrustStore } from '../../../src/identity/trust-store.ts';

const wallNow = Date.UTC(2026, 0, 1);
const random = seededRandom(6);
const overlay = 'example.net';
const authority = OverlayAuthority.create({ overlay, wallNow, random });
const host = generateHostIdentity();
const [leaf = new Uint8Array()] = authority.issue(host.spki, 'alice@example.net', wallNow, random);
const trust = new TrustStore({
  overlay,
  mode: 'invite',
  authority: authority.fingerprint,
  authorityCertificate: authority.certificate,
});
const request = enrollmentRequest(host, {
  overlay,
  code: random.bytes(16),
  user: 'alice@example.net',
  certificates: [leaf],
});

const change = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 });
function mutate(bytes: Uint8Array, changes: readonly (readonly [number, number])[]): Uint8Array {
  const out = bytes.slice();
  for (const [position, mask] of changes) out[position % out.length] = (out[position % out.length] ?? 0) ^ mask;
  return out;
}

testProp('a mutated certificate is refused with a CertificateError', [change], (t, changes) => {
  const mutated = mutate(leaf, changes);
  if (Buffer.compare(mutated, leaf) === 0) return t.pass();
  t.throws(() => trust.verify([mutated], wallNow), { instanceOf: CertificateError });
});

testProp(
  'any bytes as a certificate are refused with a CertificateError',
  [fc.uint8Array({ maxLength: 600 })],
  (t, bytes) => {
    t.throws(() => trust.verify([bytes], wallNow), { instanceOf: CertificateError });
  },
);

testProp(
  'any bytes as key and signature verify nothing and throw nothing',
  [fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 100 })],
  (t, bytes, signature) => {
    t.false(verifySignature(bytes, bytes, signature));
    t.false(verifySignature(host.spki, bytes, signature));
  },
);

testProp('a mutated enrollment request is malformed or another request', [change], (t, changes) => {
  const mutated = mutate(request, changes);
  try {
    t.deepEqual(encodeEnrollmentRequest(decodeEnrollmentRequest(mutated)), mutated);
  } catch (error) {
    t.true(error instanceof MalformedMessageError);
  }
});

testProp(
  'any bytes as an enrollment answer decode or are malformed',
  [fc.uint8Array({ maxLength: 100 })],
  (t, bytes) => {
    for (const candidate of [bytes, Uint8Array.of(3, 0, ...bytes), Uint8Array.of(3, 1, ...bytes)])
      try {
        t.is(typeof decodeEnrollmentAnswer(candidate).answer.issued, 'boolean');
      } catch (error) {
        t.true(error instanceof MalformedMessageError);
      }
  },
);
