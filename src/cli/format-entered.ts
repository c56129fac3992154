import type { Result } from '../control/schemas.ts';

/** What became of a host that was told to be in an overlay. */
export function formatEntered({ overlay, hit, name, changed }: Result<'join'>): string {
  return `${changed ? 'in' : 'already in'} ${overlay} as ${name ?? '(no name)'}, ${hit}`;
}
