import { createPrivateKey, X509Certificate } from 'node:crypto';
import { ConfigError } from './errors.ts';
import { readNamedFile, readSecretFile } from './named-files.ts';

/** A chain of RSA certificates with many names has a tenth of that. */
const MAX_PEM_BYTES = 262_144;

/** What streams that are accepted show in TLS: PEM, the certificates from ours to an authority's. */
export interface StreamCertificate {
  readonly certificates: string;
  /** Never logged. */
  readonly key: string;
}

/**
 * @param configuration where the table `[stream]` stands.
 * @returns undefined: there is none.
 * @throws {ConfigError} for one file without the other, one that is not what it has to be, and a key that is another's, or that every
 *   user can read.
 */
export function streamCertificate(
  files: { readonly certificate_file?: string | undefined; readonly key_file?: string | undefined },
  configuration: string,
): StreamCertificate | undefined {
  const { certificate_file: certificateFile, key_file: keyFile } = files;
  if (certificateFile === undefined && keyFile === undefined) return undefined;
  if (certificateFile === undefined || keyFile === undefined)
    throw new ConfigError(`${configuration}: stream: certificate_file and key_file are of each other; needs both`);
  const key = bounded(keyFile, readSecretFile(keyFile, 'a key'));
  const certificates = bounded(certificateFile, readNamedFile(certificateFile));
  const certificate = parsed(certificateFile, 'certificates', () => new X509Certificate(certificates));
  const secret = parsed(keyFile, 'a key without a passphrase', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(secret))
    throw new ConfigError(`${keyFile}: is not the key of the first certificate in ${certificateFile}`);
  return { certificates, key };
}

function bounded(file: string, found: string): string {
  if (found.length <= MAX_PEM_BYTES) return found;
  throw new ConfigError(`${file}: cannot be read: larger than a certificate and a key are`);
}

function parsed<T>(file: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new ConfigError(`${file}: must hold ${what}, in PEM`, { cause });
  }
}
