import test from 'ava';
import { seededRandom } from '../../../src/base/random.ts';
import { OverlayAuthority } from '../../../src/identity/authority.ts';
import {
  authorityCertificate,
  inviterCertificate,
  issueCertificate,
  selfSignedCertificate,
} from '../../../src/identity/certificate-issuer.ts';
import { CertificateError } from '../../../src/identity/errors.ts';
import { generateHostIdentity, HostIdentity } from '../../../src/identity/host-identity.ts';
import { Inviter } from '../../../src/identity/issuer.ts';
import { sha256 } from '../../../src/identity/signature.ts';
import { CLOCK_SKEW_MS, TrustStore, validityOf, type OverlayMode } from '../../../src/identity/trust-store.ts';

const wallNow = Date.UTC(2026, 0, 1);
const YEAR_MS = 365 * 24 * 3_600_000;
const random = seededRandom(2);
const overlay = 'example.net';
const authority = OverlayAuthority.create({ overlay, wallNow, random });
const host = generateHostIdentity();
const [leaf = new Uint8Array()] = authority.issue(host.spki, 'alice@example.net', wallNow, random);
const selfSigned = selfSignedCertificate(host, { overlay, user: 'root@example.net', wallNow, random });

function store(mode: OverlayMode = 'invite', options: { knowsAuthority?: boolean; overlay?: string } = {}): TrustStore {
  const { knowsAuthority = true } = options;
  return new TrustStore({
    overlay: options.overlay ?? overlay,
    mode,
    authority: authority.fingerprint,
    ...(knowsAuthority ? { authorityCertificate: authority.certificate } : {}),
  });
}

test("the authority's certificate makes a member with a user name", (t) => {
  const peer = store().verify([leaf], wallNow);
  t.is(peer.nodeId, host.hit);
  t.is(peer.user, 'alice@example.net');
  t.true(peer.member);
});

test("the authority's certificate is learned from the first chain that brings it", (t) => {
  const trust = store('invite', { knowsAuthority: false });
  t.throws(() => trust.verify([leaf], wallNow), { instanceOf: CertificateError });
  t.is(trust.authorityCertificate, undefined);
  t.true(trust.verify([leaf, authority.certificate], wallNow).member);
  t.deepEqual(trust.authorityCertificate, authority.certificate);
  const other = authority.issue(generateHostIdentity().spki, null, wallNow, random);
  t.true(trust.verify(other, wallNow).member);
});

test('in an invite overlay a self-signed peer is known by its HIT, is no member, and its user name is not believed', (t) => {
  const trust = store();
  const peer = trust.verify([selfSigned], wallNow);
  t.is(peer.nodeId, host.hit);
  t.false(peer.member);
  t.is(peer.user, null);
  t.throws(() => trust.verifyMember([selfSigned], wallNow), { instanceOf: CertificateError, message: /not a member/ });
  t.true(trust.verifyMember([leaf], wallNow).member);
});

test('in an open overlay a self-signed peer is a member under the name it gives', (t) => {
  const peer = store('open').verify([selfSigned], wallNow);
  t.true(peer.member);
  t.is(peer.user, 'root@example.net');
});

test('another authority makes no members, whatever chain it sends', (t) => {
  const stranger = OverlayAuthority.create({ overlay, wallNow, random });
  const [forged = new Uint8Array()] = stranger.issue(host.spki, 'alice@example.net', wallNow, random);
  for (const trust of [store(), store('open'), store('invite', { knowsAuthority: false })])
    for (const chain of [[forged], [forged, stranger.certificate], [forged, authority.certificate]])
      t.throws(() => trust.verify(chain, wallNow), { instanceOf: CertificateError });
});

test('a member cannot issue certificates', (t) => {
  const key = generateHostIdentity();
  const asAuthority = new OverlayAuthority(key, authorityCertificate(key, { overlay, random }));
  const [forged = new Uint8Array()] = asAuthority.issue(generateHostIdentity().spki, null, wallNow, random);
  const [member = new Uint8Array()] = authority.issue(key.spki, null, wallNow, random);
  t.throws(() => store().verify([forged, member, authority.certificate], wallNow), { instanceOf: CertificateError });
});

test('the certificate of another overlay is refused', (t) => {
  t.throws(() => store('open', { overlay: 'example.org', knowsAuthority: false }).verify([selfSigned], wallNow), {
    instanceOf: CertificateError,
    message: /for the overlay example.net/,
  });
  t.throws(() => store('invite', { overlay: 'example.org' }), { instanceOf: CertificateError });
});

test('a certificate that names another Node-ID than its key gives is refused', (t) => {
  const other = generateHostIdentity();
  const text = Buffer.from(selfSigned).toString('latin1').replace(host.hit, other.hit);
  t.throws(() => store('open').verify([Buffer.from(text, 'latin1')], wallNow), {
    instanceOf: CertificateError,
    message: /does not give the Node-ID/,
  });
});

test('a certificate is taken ten minutes before and after its time, not longer', (t) => {
  const trust = store();
  const { notBefore, notAfter } = trust.verify([leaf], wallNow).certificate;
  t.true(trust.verify([leaf], notBefore - CLOCK_SKEW_MS).member);
  t.true(trust.verify([leaf], notAfter + CLOCK_SKEW_MS).member);
  t.throws(() => trust.verifyMember([leaf], notBefore - CLOCK_SKEW_MS - 1), { message: /clock of this host/ });
  t.throws(() => trust.verifyMember([leaf], notAfter + CLOCK_SKEW_MS + 1), { message: /expired/ });
  t.throws(() => store('open').verifyMember([selfSigned], wallNow + 2 * YEAR_MS), { message: /expired/ });
});

test('a member whose certificate is not in force is known, and is no member until it has another', (t) => {
  const trust = store();
  for (const at of [wallNow + 2 * YEAR_MS, wallNow - YEAR_MS]) {
    const peer = trust.verify([leaf], at);
    t.deepEqual([peer.nodeId, peer.member, peer.lapsed, peer.user], [host.hit, false, true, null]);
  }
  t.deepEqual(trust.verify([leaf], wallNow).lapsed, false);
});

test('a host that does not know the time takes a genuine certificate, and judges its time later', (t) => {
  const peer = store().verifyMember([leaf], 0, { anyTime: true });
  t.true(peer.member);
  t.is(validityOf(peer.certificate, 0), 'early');
  t.is(validityOf(peer.certificate, wallNow), 'valid');
  t.is(validityOf(peer.certificate, wallNow + 2 * YEAR_MS), 'expired');
});

test('whoever comes with its key alone may ask for a certificate whatever its clock said', (t) => {
  const peer = store().verify([selfSigned], wallNow + 2 * YEAR_MS);
  t.deepEqual([peer.member, peer.lapsed], [false, false]);
});

test('a short life has a short tolerance: two minutes are not made twelve', (t) => {
  const trust = store();
  const issued = authority.issue(host.spki, null, wallNow, random, { lifetimeMs: 120_000 });
  t.true(trust.verify(issued, wallNow + 130_000).member);
  t.true(trust.verify(issued, wallNow + 140_000).lapsed);
  t.true(trust.verify(issued, wallNow - 15_000).member);
});

test('a revoked node fails also when it was verified before', (t) => {
  const trust = store();
  trust.verify([leaf], wallNow);
  trust.revoke(host.hit);
  t.true(trust.isRevoked(host.hit));
  t.throws(() => trust.verify([leaf], wallNow), { instanceOf: CertificateError, message: /revoked/ });
});

test("the authority's own certificate is no node's", (t) => {
  t.throws(() => store().verify([authority.certificate], wallNow), { instanceOf: CertificateError });
});

test('no certificate, a long chain and garbage are refused', (t) => {
  const trust = store();
  const garbage = Uint8Array.of(0x30, 0x03, 1, 2, 3);
  for (const chain of [[], new Array<Uint8Array>(100).fill(leaf), [garbage], [new Uint8Array(1e6)]])
    t.throws(() => trust.verify(chain, wallNow), { instanceOf: CertificateError });
  t.true(trust.verify([leaf, garbage], wallNow).member);
});

test('key and certificate of an authority have to belong together', (t) => {
  t.throws(() => new OverlayAuthority(generateHostIdentity(), authority.certificate));
  t.throws(() => new OverlayAuthority(host, leaf));
  const again = new OverlayAuthority(HostIdentity.fromPkcs8(authority.pkcs8), authority.certificate);
  t.deepEqual(again.fingerprint, sha256(authority.spki));
});

// Inviters

const inviterKey = generateHostIdentity();
const grant = authority.grant(inviterKey.spki, wallNow, random);
const inviter = new Inviter(inviterKey, grant, authority.certificate);
const invited = inviter.issue(host.spki, 'alice@example.net', wallNow, random);

test('what an inviter issues makes a member, and its certificate is learned from the first chain', (t) => {
  const trust = store();
  t.throws(() => trust.verify(invited.slice(0, 1), wallNow), { instanceOf: CertificateError, message: /inviter/ });
  const peer = trust.verify(invited, wallNow);
  t.deepEqual([peer.user, peer.member, peer.issuer], ['alice@example.net', true, inviterKey.hit]);
  const [other = new Uint8Array()] = inviter.issue(generateHostIdentity().spki, null, wallNow, random);
  t.true(trust.verify([other], wallNow).member);
  t.deepEqual(trust.inviters(), [inviterKey.hit]);
  t.deepEqual(trust.issuerCertificate(inviterKey.hit), grant);
});

test('a newcomer that knows a fingerprint alone takes a chain of three', (t) => {
  const trust = store('invite', { knowsAuthority: false });
  t.true(trust.verify([...invited, authority.certificate], wallNow).member);
  t.true(
    store('invite', { knowsAuthority: false }).verify(
      [...invited.toReversed().slice(1), ...invited.slice(1), authority.certificate],
      wallNow,
    ).member,
  );
});

test('an inviter goes on when the authority is gone for years', (t) => {
  const later = wallNow + 10 * YEAR_MS;
  const trust = store();
  t.true(trust.verify(inviter.issue(host.spki, null, later, random), later).member);
});

test('an inviter makes no inviters, and a member none either', (t) => {
  const second = generateHostIdentity();
  const forged = inviterCertificate(
    inviterKey,
    { spki: second.spki, overlay, notBefore: wallNow, notAfter: wallNow + YEAR_MS },
    random,
  );
  t.throws(() => new Inviter(second, forged, authority.certificate), { instanceOf: CertificateError });
  const trust = store();
  t.is(trust.learnIssuer(forged), undefined);
  const byHost = issueCertificate(
    { key: second, inviter: true },
    { spki: host.spki, overlay, user: null, notBefore: wallNow, notAfter: wallNow + YEAR_MS },
    random,
  );
  for (const chain of [
    [byHost],
    [byHost, forged],
    [byHost, forged, grant],
    [byHost, forged, grant, authority.certificate],
  ])
    t.throws(() => trust.verify(chain, wallNow), { instanceOf: CertificateError });
});

test('an inviter of another overlay, or a grant for another key, issues nothing here', (t) => {
  const other = OverlayAuthority.create({ overlay: 'other.example', wallNow, random });
  const foreign = other.grant(inviterKey.spki, wallNow, random);
  t.is(store().learnIssuer(foreign), undefined);
  t.throws(() => new Inviter(inviterKey, foreign, authority.certificate), { instanceOf: CertificateError });
  t.throws(() => new Inviter(host, grant, authority.certificate), { instanceOf: CertificateError });
  t.throws(() => store().verify([grant, authority.certificate], wallNow), { message: /no node's certificate/ });
  t.is(store().learnIssuer(authority.certificate), undefined);
  t.is(store().learnIssuer(leaf), undefined);
});

test('all that an inviter issued lapses when its right is withdrawn, and counts again when it is given anew', (t) => {
  const trust = store();
  trust.verify(invited, wallNow);
  trust.revokeIssuer(inviterKey.hit, { since: wallNow + 1000 });
  const peer = trust.verify(invited, wallNow);
  t.deepEqual([peer.member, peer.lapsed, peer.user], [false, true, null]);
  t.throws(() => trust.verifyMember(invited, wallNow), { message: /may not invite any more/ });
  t.throws(() => trust.verifyMember(invited, wallNow, { anyTime: true }), { message: /may not invite any more/ });
  t.deepEqual(trust.inviters(), []);
  trust.learnIssuer(grant);
  t.true(trust.verify(invited, wallNow).lapsed, 'the old grant brings nothing back');
  trust.learnIssuer(authority.grant(inviterKey.spki, wallNow + 5000, random));
  t.true(trust.verify(invited, wallNow).member);
});

test('an inviter that is no member any more issues nothing either', (t) => {
  const trust = store();
  trust.verify(invited, wallNow);
  trust.revoke(inviterKey.hit);
  t.true(trust.verify(invited, wallNow).lapsed);
});

test('a user of another domain is in no certificate of the overlay', (t) => {
  t.throws(() => authority.issue(host.spki, 'x3@other.example', wallNow, random), { instanceOf: CertificateError });
  const elsewhere = OverlayAuthority.create({ overlay: 'other.example', wallNow, random });
  t.throws(() => store().verify(elsewhere.issue(host.spki, 'x3@other.example', wallNow, random), wallNow));
});
