import { createPrivateKey, X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
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

/** Where it is read from. */
export interface StreamCertificateFiles {
  readonly certificates: string;
  readonly key: string;
}

/**
 * @param configuration where the table stands. @param name of the table
 * @returns undefined: there is none.
 * @throws {ConfigError} for one file without the other, one that is not what it has to be, and a key that is another's, or that every
 *   user can read.
 */
export function streamCertificate(
  table: { readonly certificate_file?: string | undefined; readonly key_file?: string | undefined },
  configuration: string,
  name = 'stream',
): { readonly certificate: StreamCertificate; readonly certificateFiles: StreamCertificateFiles } | undefined {
  const { certificate_file: certificates, key_file: key } = table;
  if (certificates === undefined && key === undefined) return undefined;
  if (certificates === undefined || key === undefined)
    throw new ConfigError(`${configuration}: ${name}: certificate_file and key_file are of each other; needs both`);
  const certificateFiles = { certificates, key };
  const certificate = readPair(certificateFiles);
  check(certificate, certificateFiles);
  return { certificate, certificateFiles };
}

/**
 * What the files hold by now.
 * @returns undefined: `shown`, or nothing that can be looked at a second time.
 * @throws {ConfigError} as `streamCertificate`, and for one that is not in force now, which others would refuse.
 */
export function renewedStreamCertificate(
  shown: StreamCertificate,
  files: StreamCertificateFiles,
  wallNow: number,
): StreamCertificate | undefined {
  // A pipe was empty after the first time, and whoever opens it waits.
  for (const path of [files.certificates, files.key])
    if (statSync(path, { throwIfNoEntry: false })?.isFIFO() === true) return undefined;
  const found = readPair(files);
  if (found.certificates === shown.certificates && found.key === shown.key) return undefined;
  const { begins, ends } = check(found, files);
  const day = (at: number): string => new Date(at).toISOString();
  if (ends <= wallNow) throw new ConfigError(`${files.certificates}: ended ${day(ends)}; renew it`);
  if (begins > wallNow)
    throw new ConfigError(`${files.certificates}: is not in force until ${day(begins)}; compare this host's clock`);
  return found;
}

/** From when to when the host's own certificate is in force, milliseconds since the epoch. */
export function validityOf({ certificates }: Pick<StreamCertificate, 'certificates'>): {
  readonly begins: number;
  readonly ends: number;
} {
  const { validFromDate, validToDate } = new X509Certificate(certificates);
  return { begins: validFromDate.getTime(), ends: validToDate.getTime() };
}

function readPair(files: StreamCertificateFiles): StreamCertificate {
  const key = bounded(files.key, () => readSecretFile(files.key, 'a key'));
  return { certificates: bounded(files.certificates, () => readNamedFile(files.certificates)), key };
}

function check(pair: StreamCertificate, files: StreamCertificateFiles): ReturnType<typeof validityOf> {
  const certificate = parsed(files.certificates, 'certificates', () => new X509Certificate(pair.certificates));
  const secret = parsed(files.key, 'a key without a passphrase', () => createPrivateKey(pair.key));
  if (!certificate.checkPrivateKey(secret))
    throw new ConfigError(`${files.key}: is not the key of the first certificate in ${files.certificates}`);
  return validityOf(pair);
}

/** Before it is read: it may be anything, while the agent runs. */
function bounded(file: string, read: () => string): string {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const found = size > MAX_PEM_BYTES ? undefined : read();
  if (found !== undefined && found.length <= MAX_PEM_BYTES) return found;
  throw new ConfigError(`${file}: cannot be read: larger than a certificate and a key are`);
}

function parsed<T>(file: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new ConfigError(`${file}: must hold ${what}, in PEM`, { cause });
  }
}
