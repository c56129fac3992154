import { loadAddon } from './addon.ts';

/**
 * ECDSA of P-256 with SHA-256, over the whole of `data`.
 * @param point the public key, 65 bytes: not compressed (SEC 1 s2.3.3). One that is not on the curve verifies nothing.
 * @param signature DER.
 */
export function verifyP256(point: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  return loadAddon().verifyP256(point, data, signature);
}
