import { X509Certificate } from 'node:crypto';
import { ConfigError } from './errors.ts';
import { readNamedFile } from './named-files.ts';

/** All certificates of Debian have a quarter of that. */
const MAX_AUTHORITIES_BYTES = 1_048_576;

/** Who vouches for servers, in PEM. @throws {ConfigError} when there is no certificate in it. */
export function readAuthorities(file: string): string {
  const found = readNamedFile(file);
  try {
    if (found.length > MAX_AUTHORITIES_BYTES) throw new RangeError('too large');
    new X509Certificate(found);
  } catch (cause) {
    throw new ConfigError(`${file}: must hold certificates of authorities, in PEM, and no more than 1 MiB`, { cause });
  }
  return found;
}
