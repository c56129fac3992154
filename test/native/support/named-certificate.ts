import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
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
