import { z } from 'zod';
import { ConfigError } from './errors.ts';
import { readSecretFile } from './named-files.ts';

/** RFC 8489 s14.3 has 508 bytes for the user; more than people and generators write. */
const MAX_SECRET = 256;
/** Enough for a password and the line's end. */
const MAX_FILE_BYTES = 1_024;

/** A user, a password, a realm. */
export const secretText = z
  .string()
  .regex(/^[^\p{Cc}]+$/u, 'must not be empty, and without control characters')
  .max(MAX_SECRET);

/**
 * A password in a file of its own, one line.
 * @throws {ConfigError} when it holds anything else, cannot be read, or every user can read it
 */
export function readPasswordFile(path: string): string {
  const found = readSecretFile(path)
    .slice(0, MAX_FILE_BYTES)
    .replace(/\r?\n$/, '');
  if (!secretText.safeParse(found).success)
    throw new ConfigError(`${path}: must hold the password, one line, and nothing else`);
  return found;
}
