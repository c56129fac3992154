import { createHmac } from 'node:crypto';

/** What a ticket carries. */
export const CODE_BYTES = 16;
const CODE_ID_BYTES = 16;
/** What members and holders of tickets derive the keys from under which they find each other. */
export const RENDEZVOUS_SECRET_BYTES = 16;

/**
 * What a newcomer shows instead of the code, so that a hop that carries the request cannot use the code itself:
 * `id` says which code, `key` authenticates the request. The register keeps these two, not the code.
 */
export interface CodeSecret {
  readonly id: Uint8Array;
  readonly key: Uint8Array;
}

export function secretOfCode(code: Uint8Array): CodeSecret {
  if (code.length !== CODE_BYTES) throw new RangeError(`a code has ${CODE_BYTES} bytes, not ${code.length}`);
  const derive = (label: string): Uint8Array => new Uint8Array(createHmac('sha256', code).update(label).digest());
  return { id: derive('idloc code id').slice(0, CODE_ID_BYTES), key: derive('idloc code key') };
}
