import test from 'ava';
import { sha256 } from '../../../../src/identity/signature.ts';
import { CertificateCache, type VerifiedCertificate } from '../../../../src/overlay/security/certificate-cache.ts';
import type { SignerIdentity } from '../../../../src/reload/index.ts';

const HOUR = 3_600_000;
const der = (n: number): Uint8Array => Uint8Array.of(n, n >> 8);
const x509 = (n: number): { type: number; certificate: Uint8Array } => ({ type: 0, certificate: der(n) });
const identity = (n: number): SignerIdentity => ({ type: 'cert_hash', hashAlgorithm: 4, hash: sha256(der(n)) });

function make(good: (chain: readonly Uint8Array[]) => boolean = () => true): {
  cache: CertificateCache;
  calls: () => number;
} {
  let calls = 0;
  const cache = new CertificateCache({
    verifyMember: (chain): VerifiedCertificate => {
      calls += 1;
      const [own = new Uint8Array()] = chain;
      if (!good(chain)) throw new TypeError('not trusted');
      return { nodeId: `${own[0] ?? 0}`, user: null, spki: own, der: own };
    },
  });
  return { cache, calls: () => calls };
}

test('a certificate is found by its hash in the message, then without it', (t) => {
  const { cache, calls } = make();
  t.is(cache.resolve(identity(1), [x509(2), x509(1)], 0)?.nodeId, '1');
  t.is(cache.resolve(identity(1), [], 10)?.nodeId, '1');
  t.is(calls(), 1);
  t.is(cache.resolve(identity(3), [x509(2)], 0), undefined);
});

test('a certificate that is not trusted is no signer, and is asked about again', (t) => {
  const { cache, calls } = make(() => false);
  t.is(cache.resolve(identity(1), [x509(1)], 0), undefined);
  t.is(cache.resolve(identity(1), [x509(1)], 0), undefined);
  t.is(calls(), 2);
});

test('issuers that follow the certificate are offered when it is not enough by itself', (t) => {
  const { cache } = make((chain) => chain.length === 2);
  t.is(cache.resolve(identity(1), [x509(1), x509(9)], 0)?.chain.length, 2);
});

test('a certificate that was revoked meanwhile is refused after the time for a new check', (t) => {
  let trusted = true;
  const { cache } = make(() => trusted);
  cache.resolve(identity(1), [x509(1)], 0);
  trusted = false;
  t.is(cache.resolve(identity(1), [], HOUR), undefined);
});

test('identities of another kind, and OpenPGP keys, are no signers', (t) => {
  const { cache } = make();
  t.is(cache.resolve({ type: 'none' }, [x509(1)], 0), undefined);
  t.is(cache.resolve({ type: 'cert_hash', hashAlgorithm: 2, hash: sha256(der(1)) }, [x509(1)], 0), undefined);
  t.is(cache.resolve(identity(1), [{ type: 1, certificate: der(1) }], 0), undefined);
});

test('no more than 8,192 certificates are kept', (t) => {
  const { cache } = make();
  for (let i = 0; i < 8_300; i++) cache.resolve(identity(i), [x509(i)], 0);
  t.is(cache.size, 8_192);
});
