import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  cryptoProvider,
} from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** Vouched for by itself. @param validity absent: for a year from now. @returns PEM. */
export async function makeCertificateFor(
  name: string,
  validity: { readonly notBefore?: Date; readonly notAfter?: Date } = {},
): Promise<{ certificates: string; key: string }> {
  cryptoProvider.set(webcrypto);
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const extensions = [new SubjectAlternativeNameExtension([{ type: 'dns', value: name }])];
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...{ name: 'CN=lab', keys, signingAlgorithm: ALGORITHM, extensions, ...validity },
  });
  const key = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { certificates: certificate.toString('pem'), key };
}

/** PEM. */
interface Pair {
  readonly certificates: string;
  readonly key: string;
}

/** An authority of its own, and certificates that it vouches for. */
export async function makeAuthority(): Promise<{
  readonly certificate: string;
  /** @param uris beside names of DNS */
  issue(
    names: readonly string[],
    more?: { readonly uris?: readonly string[]; readonly notBefore?: Date; readonly notAfter?: Date },
  ): Promise<Pair>;
}> {
  cryptoProvider.set(webcrypto);
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const name = 'CN=lab authority';
  const own = await X509CertificateGenerator.createSelfSigned({
    ...{ name, keys, signingAlgorithm: ALGORITHM, extensions: [new BasicConstraintsExtension(true, undefined, true)] },
  });
  return {
    certificate: own.toString('pem'),
    async issue(names, { uris = [], ...validity } = {}) {
      const subjectKeys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
      const alternatives = [
        ...names.map((value) => ({ type: 'dns' as const, value })),
        ...uris.map((value) => ({ type: 'url' as const, value })),
      ];
      const certificate = await X509CertificateGenerator.create({
        ...{ subject: 'CN=lab', issuer: name, publicKey: subjectKeys.publicKey, signingKey: keys.privateKey },
        ...{
          signingAlgorithm: ALGORITHM,
          extensions: [new SubjectAlternativeNameExtension(alternatives)],
          ...validity,
        },
      });
      const key = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', subjectKeys.privateKey), 'PRIVATE KEY');
      return { certificates: certificate.toString('pem'), key };
    },
  };
}
