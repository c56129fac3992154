import { createHash } from 'node:crypto';
import { concatBytes, equalBytes, fromHex, toHex } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/node-id.ts';
import type { Random } from '../../../src/base/random.ts';
import { OverlayAuthority } from '../../../src/identity/authority.ts';
import { HostIdentity } from '../../../src/identity/host-identity.ts';
import { TrustStore } from '../../../src/identity/trust-store.ts';
import type { CertificateVerifier, VerifiedCertificate } from '../../../src/overlay/security/certificate-cache.ts';
import type { SigningKey, VerifySignature } from '../../../src/overlay/security/signing.ts';

/** Identities of one simulated overlay. */
export interface Enrollment {
  enroll(user: string | null): { identity: SigningKey; certificates: readonly Uint8Array[] };
  /** Trust of one node. */
  trust(): CertificateVerifier;
  readonly verifySignature?: VerifySignature;
}

/** P-256 keys, certificates of an authority, signatures that are made and checked. */
export function realEnrollment(overlay: string, wallNow: number, random: Random): Enrollment {
  const authority = OverlayAuthority.create({ overlay, wallNow, random });
  return {
    enroll: (user) => {
      const identity = HostIdentity.fromScalar(random.bytes(32));
      return {
        identity,
        certificates: [...authority.issue(identity.spki, user, wallNow, random), authority.certificate],
      };
    },
    trust: () =>
      new TrustStore({
        overlay,
        mode: 'invite',
        authority: authority.fingerprint,
        authorityCertificate: authority.certificate,
      }),
  };
}

const FAKE_ID_BYTES = 16;

/** Hashes in place of signatures, names in place of certificates: for runs where time counts and trust does not. */
export function fakeEnrollment(random: Random): Enrollment {
  const sign = (spki: Uint8Array, data: Uint8Array): Uint8Array =>
    createHash('sha256').update(spki).update(data).digest();
  return {
    enroll: (user) => {
      const hit: NodeId = `20010022${toHex(random.bytes(12))}`;
      const spki = fromHex(hit);
      const certificate = concatBytes(spki, Buffer.from(user ?? ''));
      return { identity: { hit, spki, sign: (data) => sign(spki, data) }, certificates: [certificate] };
    },
    trust: () => ({
      verifyMember: ([der = new Uint8Array()]): VerifiedCertificate => {
        if (der.length < FAKE_ID_BYTES) throw new TypeError('not a certificate');
        const spki = der.slice(0, FAKE_ID_BYTES);
        const user = Buffer.from(der.subarray(FAKE_ID_BYTES)).toString();
        return { nodeId: toHex(spki), user: user === '' ? null : user, spki, der };
      },
    }),
    verifySignature: (spki, data, signature) => equalBytes(sign(spki, data), signature),
  };
}
