import { createRequire } from 'node:module';
import { IdlocError } from '../base/errors.ts';
import { isOverlayName } from './names.ts';

/** The list of public suffixes takes 10 to 50 ms to load: only who makes an overlay needs it. */
const publicSuffixes = (): typeof import('tldts') => createRequire(import.meta.url)('tldts') as typeof import('tldts');

/**
 * Whether a new overlay may be called so: its members answer for every name below it, so it must be a name that one can have.
 * Those of `co.uk` or `github.io` belong to many; `home.internal` and `smith.home.arpa` (RFC 8375) to whoever uses them.
 * @throws {IdlocError} `bad_overlay`, when it may not.
 */
export function checkNewOverlayName(name: string): void {
  const shown = name.slice(0, 80);
  if (!isOverlayName(name))
    throw refused(`${shown} is no name of an overlay: use at least two labels of a-z, 0-9 and -, such as home.example`);
  if (publicSuffixes().getPublicSuffix(name, { allowPrivateDomains: true }) === name)
    throw refused(
      `${shown} belongs to many, every name below it would be cut off: use one below it, such as home.${shown}`,
    );
}

function refused(message: string): IdlocError {
  return new IdlocError('bad_overlay', message);
}
