import { MAX_SIGNATURE_BYTES, p256PointOf, verifySignature } from '../identity/signature.ts';
import { verifyP256 } from '../native/signature.ts';

/** As `verifySignature`, but the keys that nearly all members have are kept by the addon, a few hundred of them. */
export function verifyMemberSignature(spki: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  const point = p256PointOf(spki);
  if (point === undefined) return verifySignature(spki, data, signature);
  return signature.length <= MAX_SIGNATURE_BYTES && verifyP256(point, data, signature);
}
