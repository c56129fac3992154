import { fc, testProp } from '@fast-check/ava';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { OverlayAuthority } from '../../../src/identity/authority.ts';
import { CertificateError } from '../../../src/identity/errors.ts';
import { generateHostIdentity } from '../../../src/identity/host-identity.ts';
import { Inviter } from '../../../src/identity/issuer.ts';
import { signRevocation, verifyRevocation } from '../../../src/identity/revocation.ts';
import { TrustStore } from '../../../src/identity/trust-store.ts';

const wallNow = Date.UTC(2026, 0, 1);
const random = seededRandom(14);
const authority = OverlayAuthority.create({ overlay: 'example.net', wallNow, random });
const key = generateHostIdentity();
const inviter = new Inviter(key, authority.grant(key.spki, wallNow, random), authority.certificate);
const { hit } = generateHostIdentity();
const record = signRevocation(inviter, { what: 'member', hit, user: null, revokedAt: wallNow, reason: 'lost' });
const trust = new TrustStore({
  overlay: 'example.net',
  mode: 'invite',
  authority: authority.fingerprint,
  authorityCertificate: authority.certificate,
});

function isRefused(bytes: Uint8Array): boolean {
  try {
    verifyRevocation(bytes, trust);
    return false;
  } catch (error) {
    if (error instanceof MalformedMessageError || error instanceof CertificateError) return true;
    throw error;
  }
}

testProp(
  'a mutated revocation is refused',
  [fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 })],
  (t, changes) => {
    const bytes = record.slice();
    for (const [at, mask] of changes) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ mask;
    t.is(isRefused(bytes), Buffer.compare(bytes, record) !== 0);
  },
);

testProp('any bytes are no revocation', [fc.uint8Array({ maxLength: 300 })], (t, bytes) => {
  t.true(isRefused(bytes));
  t.true(isRefused(Uint8Array.of(1, 1, 11, ...Buffer.from('example.net'), ...bytes)));
});
