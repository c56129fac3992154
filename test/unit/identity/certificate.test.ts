import { X509Certificate } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { concatBytes } from '../../../src/base/bytes.ts';
import { seededRandom } from '../../../src/base/random.ts';
import {
  authorityCertificate,
  inviterCertificate,
  issueCertificate,
  selfSignedCertificate,
} from '../../../src/identity/certificate-issuer.ts';
import { parseCertificate } from '../../../src/identity/certificate.ts';
import { CertificateError } from '../../../src/identity/errors.ts';
import { generateHostIdentity } from '../../../src/identity/host-identity.ts';

const wallNow = Date.UTC(2026, 0, 1);
const random = seededRandom(1);
const overlay = 'example.net';
const authority = generateHostIdentity();
const host = generateHostIdentity();
const root = authorityCertificate(authority, { overlay, random });
const subject = { spki: host.spki, overlay, user: 'alice@example.net', notBefore: wallNow, notAfter: wallNow + 1e9 };
const signer = { key: authority, inviter: false };
const issued = issueCertificate(signer, subject, random);
const inviter = generateHostIdentity();
const grant = inviterCertificate(
  authority,
  { spki: inviter.spki, overlay, notBefore: wallNow, notAfter: wallNow + 2e9 },
  random,
);
const invited = issueCertificate({ key: inviter, inviter: true }, subject, random);
const selfSigned = selfSignedCertificate(host, { overlay, user: null, wallNow, random });

test('an issued certificate says Node-ID, overlay, user and times, and who signed it', (t) => {
  const certificate = parseCertificate(issued);
  t.is(certificate.nodeId, host.hit);
  t.is(certificate.overlay, overlay);
  t.is(certificate.user, 'alice@example.net');
  t.deepEqual(certificate.spki, host.spki);
  t.is(certificate.notBefore, wallNow);
  t.is(certificate.notAfter, wallNow + 1e9);
  t.false(certificate.isAuthority);
  t.true(certificate.isSignedBy(authority.spki));
  t.false(certificate.isSignedBy(host.spki));
});

test('the subject is empty and the alternative name is critical, as RFC 6940 s11.3 and RFC 5280 want', (t) => {
  for (const der of [issued, selfSigned]) {
    const x509 = new X509Certificate(der);
    t.falsy(x509.subject);
    t.true(Buffer.from(der).includes(Buffer.from('0603551d110101ff', 'hex')));
  }
});

test('a self-signed certificate is signed by its own key and names no user unless given', (t) => {
  const certificate = parseCertificate(selfSigned);
  t.is(certificate.nodeId, host.hit);
  t.is(certificate.user, null);
  t.true(certificate.isSignedBy(host.spki));
});

test('the root certificate is an authority and names its own HIT', (t) => {
  const certificate = parseCertificate(root);
  t.true(certificate.isAuthority);
  t.is(certificate.nodeId, authority.hit);
  t.true(certificate.isSignedBy(authority.spki));
});

test('openssl accepts the chain, also strictly', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'idloc-certificate-'));
  try {
    for (const [name, der] of Object.entries({ root, issued, selfSigned, grant, invited }))
      writeFileSync(join(directory, name), new X509Certificate(der).toString());
    const verify = (ca: string, leaf: string, ...more: readonly string[]): string =>
      execFileSync(
        'openssl',
        [
          'verify',
          '-attime',
          String(wallNow / 1000 + 60),
          '-x509_strict',
          ...more,
          '-CAfile',
          join(directory, ca),
          join(directory, leaf),
        ],
        { encoding: 'utf8' },
      );
    t.regex(verify('root', 'issued'), /OK/);
    t.regex(verify('root', 'root'), /OK/);
    t.regex(verify('root', 'grant'), /OK/);
    t.regex(verify('root', 'invited', '-untrusted', join(directory, 'grant')), /OK/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('certificates that another implementation made are read', (t) => {
  const der = readFileSync(new URL('../../vectors/reload/certs/node-a-rsa2048.cert.der', import.meta.url));
  const certificate = parseCertificate(der);
  t.is(certificate.nodeId, '545e0a773ec48f4a1de91ffd4232f9ed');
  t.is(certificate.overlay, 'overlay.example.org');
  t.is(certificate.user, 'alice@overlay.example.org');
});

test('a certificate with two Node-IDs is refused: a host has one', (t) => {
  const der = readFileSync(new URL('../../vectors/reload/certs/node-b-p256-two-ids.cert.der', import.meta.url));
  t.throws(() => parseCertificate(der), { instanceOf: CertificateError, message: /several Node-IDs/ });
});

test('PEM, trailing bytes, cut-off and long input are refused', (t) => {
  const pem = Buffer.from(new X509Certificate(issued).toString());
  for (const bytes of [
    pem,
    concatBytes(issued, Uint8Array.of(0)),
    issued.subarray(0, -1),
    new Uint8Array(),
    new Uint8Array(5000),
  ])
    t.throws(() => parseCertificate(bytes), { instanceOf: CertificateError });
});

test('names that are not allowed are never put into a certificate', (t) => {
  for (const user of ['', 'alice', 'Alice@example.net', 'a\0b@example.net', 'a b@example.net', `${'a'.repeat(70)}@b`])
    t.throws(() => issueCertificate(signer, { ...subject, user }, random), { instanceOf: CertificateError }, user);
  for (const name of ['', 'Example', 'a..b', '-a', 'a/b', 'a@b', 'x'.repeat(130)])
    t.throws(
      () => issueCertificate(signer, { ...subject, overlay: name }, random),
      { instanceOf: CertificateError },
      name,
    );
});

test('a certificate altered in any signed byte is not signed by the authority any more', (t) => {
  for (let at = 4; at < issued.length; at += 7) {
    const bytes = issued.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    let accepted = false;
    try {
      accepted = parseCertificate(bytes).isSignedBy(authority.spki);
    } catch (error) {
      t.true(error instanceof CertificateError, `byte ${at}: ${String(error)}`);
    }
    t.false(accepted, `byte ${at}`);
  }
});

test('a certificate is read once, and what becomes of the bytes that it was read from changes nothing', (t) => {
  const bytes = issued.slice();
  const first = parseCertificate(bytes);
  bytes.fill(0);
  t.is(parseCertificate(issued), first);
  t.deepEqual(first.der, issued);
  t.throws(() => parseCertificate(bytes), { instanceOf: CertificateError });
});

test('that one key has signed a certificate says nothing about another key', (t) => {
  const certificate = parseCertificate(issued);
  t.true(certificate.isSignedBy(authority.spki));
  t.false(certificate.isSignedBy(host.spki));
  t.true(certificate.isSignedBy(authority.spki));
});
