import test from 'ava';
import { hitToAddress } from '../../../src/base/node-id.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { OverlayAuthority } from '../../../src/identity/authority.ts';
import { CertificateError } from '../../../src/identity/errors.ts';
import { generateHostIdentity } from '../../../src/identity/host-identity.ts';
import { Inviter, type Issuer } from '../../../src/identity/issuer.ts';
import { signRevocation, verifyRevocation } from '../../../src/identity/revocation.ts';
import type { RevocationFacts } from '../../../src/identity/standing.ts';
import { TrustStore } from '../../../src/identity/trust-store.ts';

const wallNow = Date.UTC(2026, 0, 1);
const random = seededRandom(12);
const overlay = 'example.net';
const authority = OverlayAuthority.create({ overlay, wallNow, random });
const [host, first, second] = [generateHostIdentity(), generateHostIdentity(), generateHostIdentity()];
const inviterOf = (key: typeof host): Inviter =>
  new Inviter(key, authority.grant(key.spki, wallNow, random), authority.certificate);
const inviter = inviterOf(first);
const facts: RevocationFacts = {
  what: 'member',
  hit: host.hit,
  user: 'alice@example.net',
  revokedAt: wallNow + 1000,
  reason: 'lost',
};

function trustOf(from: OverlayAuthority = authority): TrustStore {
  return new TrustStore({
    overlay: from.overlay,
    mode: 'invite',
    authority: from.fingerprint,
    authorityCertificate: from.certificate,
  });
}

test('a revocation comes back as it was, with who signed it', (t) => {
  const trust = trustOf();
  t.deepEqual(verifyRevocation(signRevocation(authority, facts), trust), { ...facts, by: null });
  t.deepEqual(verifyRevocation(signRevocation(inviter, facts), trust), { ...facts, by: first.hit });
  const plain = { ...facts, user: null, reason: '' };
  t.deepEqual(verifyRevocation(signRevocation(authority, plain), trust), { ...plain, by: null });
  t.true(signRevocation(inviter, facts).length < 1024);
});

test('whoever was revoked fails to verify from the moment that the record is applied', (t) => {
  const chain = authority.issue(host.spki, 'alice@example.net', wallNow, random);
  for (const issuer of [authority, inviter] satisfies Issuer[]) {
    const trust = trustOf();
    t.true(trust.verify(chain, wallNow).member);
    trust.apply(verifyRevocation(signRevocation(issuer, facts), trust));
    t.throws(() => trust.verify(chain, wallNow), {
      instanceOf: CertificateError,
      message: new RegExp(`${hitToAddress(host.hit)} was revoked`),
    });
  }
});

test('the right to invite is taken away by the authority, or given up by whoever has it', (t) => {
  const right = { ...facts, what: 'inviter', hit: second.hit } as const;
  const trust = trustOf();
  trust.learnIssuer(inviterOf(second).intermediate);
  t.true(trust.isInviter(second.hit));
  t.throws(() => signRevocation(inviter, right), { instanceOf: CertificateError, message: /authority alone/ });
  trust.apply(verifyRevocation(signRevocation(inviterOf(second), right), trust));
  t.false(trust.isInviter(second.hit));
  const other = trustOf();
  other.learnIssuer(inviter.intermediate);
  other.apply(verifyRevocation(signRevocation(authority, { ...right, hit: first.hit }), other));
  t.deepEqual(other.inviters(), []);
});

test('a right that is given again within the second in which it was withdrawn counts', (t) => {
  const trust = trustOf();
  trust.revokeIssuer(first.hit, { since: wallNow + 5_200.5 });
  trust.learnIssuer(authority.grant(first.spki, wallNow + 5_900.25, random));
  t.true(trust.isInviter(first.hit));
});

test('an inviter that revokes another inviter has no effect, in whatever order it is heard of', (t) => {
  const record = signRevocation(inviter, { ...facts, hit: second.hit });
  const early = trustOf();
  early.apply(verifyRevocation(record, early));
  t.true(early.isRevoked(second.hit));
  early.learnIssuer(inviterOf(second).intermediate);
  t.false(early.isRevoked(second.hit));
});

test('what a member, another overlay or nobody signed is refused', (t) => {
  const trust = trustOf();
  const other = OverlayAuthority.create({ overlay, wallNow, random });
  const elsewhere = OverlayAuthority.create({ overlay: 'other.example', wallNow, random });
  t.throws(() => verifyRevocation(signRevocation(other, facts), trust), { instanceOf: CertificateError });
  const foreign = { ...facts, user: null };
  t.throws(() => verifyRevocation(signRevocation(elsewhere, foreign), trust), { message: /for the overlay other/ });
  const [leaf = new Uint8Array()] = authority.issue(host.spki, null, wallNow, random);
  const asMember = signedBy(host, { hit: host.hit, intermediate: leaf });
  t.throws(() => verifyRevocation(signRevocation(asMember, facts), trust), { message: /made no inviter/ });
  const asAuthority = signedBy(host, { hit: authority.hit, intermediate: undefined });
  t.throws(() => verifyRevocation(signRevocation(asAuthority, facts), trust), { message: /not signed by whom/ });
});

/** Says that it is another than the key that it signs with. */
function signedBy(key: typeof host, said: Pick<Issuer, 'hit' | 'intermediate'>): Issuer {
  return { overlay, root: authority.root, ...said, sign: (data) => key.sign(data), issue: () => [] };
}

test('a record altered in any byte is refused', (t) => {
  const trust = trustOf();
  const record = signRevocation(inviter, facts);
  for (let at = 0; at < record.length; at += 3) {
    const bytes = record.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    const error = t.throws(() => verifyRevocation(bytes, trust), undefined, `byte ${at}`);
    t.true(error instanceof MalformedMessageError || error instanceof CertificateError, `byte ${at}: ${String(error)}`);
  }
  for (const bytes of [new Uint8Array(), new Uint8Array(10_000), record.subarray(0, -1), Uint8Array.of(...record, 0)])
    t.throws(() => verifyRevocation(bytes, trust), { instanceOf: MalformedMessageError });
});

test('a revocation is made of valid facts only', (t) => {
  const bad: Partial<RevocationFacts>[] = [
    { hit: '00' },
    { user: 'x@other.example' },
    { revokedAt: -1 },
    { revokedAt: NaN },
    { revokedAt: 1e18 },
  ];
  for (const change of bad)
    t.throws(() => signRevocation(authority, { ...facts, ...change }), { instanceOf: CertificateError });
  const trust = trustOf();
  t.is(verifyRevocation(signRevocation(authority, { ...facts, revokedAt: 1234.56 }), trust).revokedAt, 1234);
  const { reason } = verifyRevocation(
    signRevocation(authority, { ...facts, reason: `ä\n${'x'.repeat(500)}` }),
    trustOf(),
  );
  t.regex(reason, /^\?\?x{98}$/);
});
