import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { X509CertificateGenerator, cryptoProvider } from '@peculiar/x509';

export interface Credentials {
  readonly certificate: Uint8Array;
  readonly privateKey: Uint8Array;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A self-signed P-256 certificate and its PKCS#8 key, both DER. */
export async function makeCredentials(name: string): Promise<Credentials> {
  cryptoProvider.set(webcrypto);
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: ALGORITHM,
  });
  const privateKey = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { certificate: new Uint8Array(certificate.rawData), privateKey: new Uint8Array(privateKey) };
}
