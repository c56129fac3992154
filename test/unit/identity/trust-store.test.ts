import test from 'ava';
import { seededRandom } from '../../../src/base/random.ts';
import { OverlayAuthority } from '../../../src/identity/authority.ts';
import { authorityCertificate, selfSignedCertificate } from '../../../src/identity/certificate-issuer.ts';
import { CertificateError } from '../../../src/identity/errors.ts';
import { generateHostIdentity, HostIdentity } from '../../../src/identity/host-identity.ts';
import { sha256 } from '../../../src/identity/signature.ts';
import { CLOCK_SKEW_MS, TrustStore, type OverlayMode } from '../../../src/identity/trust-store.ts';

const wallNow = Date.UTC(2026, 0, 1);
const YEAR_MS = 365 * 24 * 3_600_000;
const random = seededRandom(2);
const overlay = 'example.net';
const authority = OverlayAuthority.create({ overlay, wallNow, random });
const host = generateHostIdentity();
const leaf = authority.issue(host.spki, 'alice@example.net', wallNow, random);
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
  t.true(trust.verify([other], wallNow).member);
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
  const forged = stranger.issue(host.spki, 'alice@example.net', wallNow, random);
  for (const trust of [store(), store('open'), store('invite', { knowsAuthority: false })])
    for (const chain of [[forged], [forged, stranger.certificate], [forged, authority.certificate]])
      t.throws(() => trust.verify(chain, wallNow), { instanceOf: CertificateError });
});

test('a member cannot issue certificates', (t) => {
  const key = generateHostIdentity();
  const asAuthority = new OverlayAuthority(key, authorityCertificate(key, { overlay, wallNow, random }));
  const forged = asAuthority.issue(generateHostIdentity().spki, null, wallNow, random);
  const member = authority.issue(key.spki, null, wallNow, random);
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
  t.throws(() => trust.verify([leaf], notBefore - CLOCK_SKEW_MS - 1), { message: /clock of this host/ });
  t.throws(() => trust.verify([leaf], notAfter + CLOCK_SKEW_MS + 1), { message: /expired/ });
  t.throws(() => trust.verify([selfSigned], wallNow + 2 * YEAR_MS), { message: /expired/ });
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
