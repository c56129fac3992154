import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { isHit, type Hit } from '../base/node-id.ts';
import { MAX_CERTIFICATE_BYTES, parseCertificate } from './certificate.ts';
import { CertificateError } from './errors.ts';
import type { Issuer } from './issuer.ts';
import { isOverlayName, isUserOf } from './names.ts';
import { verifySignature } from './signature.ts';
import type { Revocation, RevocationFacts, RevokedRight } from './standing.ts';
import type { TrustStore } from './trust-store.ts';

/*
 * A record that every member keeps and passes on, in RFC 6940's notation:
 *
 *   struct {
 *     uint8   version;                     // 1
 *     uint8   what;                        // 1 the membership, 2 the right to invite
 *     opaque  overlay<0..2^8-1>;
 *     opaque  hit[16];                     // whose
 *     opaque  user<0..2^8-1>;              // what stands before the @; empty: none
 *     uint64  revoked_at;                  // milliseconds since the epoch
 *     opaque  reason<0..2^8-1>;            // for people; printable ASCII
 *     opaque  inviter<0..2^16-1>;          // its certificate; empty: the authority signs
 *     opaque  signature<0..2^8-1>;         // ECDSA P-256 with SHA-256, over a context and all before
 *   } Revocation;
 */
const VERSION = 1;
const WHAT: Readonly<Record<RevokedRight, number>> = { member: 1, inviter: 2 };
const SIGNATURE_CONTEXT = 'idloc revocation';
const MAX_REASON_LENGTH = 100;
/** DER of an ECDSA P-256 signature. */
const MAX_SIGNATURE_BYTES = 72;
const MAX_REVOCATION_BYTES = 1024 + MAX_CERTIFICATE_BYTES;
/** The year 9999: what a Date shows. */
const MAX_TIME = 253_402_300_799_999;
const EMPTY = new Uint8Array();

/**
 * A revocation by the authority, or by an inviter: that of a member that is no inviter, or of its own.
 * @throws {CertificateError} when the facts are not allowed, or not this issuer's to say.
 */
export function signRevocation(issuer: Issuer, facts: RevocationFacts): Uint8Array {
  const { hit, user, revokedAt, what } = facts;
  const by = issuer.intermediate === undefined ? null : issuer.hit;
  if (!isHit(hit) || (user !== null && !isUserOf(user, issuer.overlay)) || !(revokedAt >= 0 && revokedAt <= MAX_TIME))
    throw new CertificateError('a revocation cannot be made of these facts');
  if (what === 'inviter' && by !== null && by !== hit)
    throw new CertificateError('the right to invite is taken away by the authority alone');
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u8(WHAT[what]);
  writer.vector(1, () => writer.utf8(issuer.overlay));
  writer.hex(hit);
  writer.vector(1, () => writer.utf8(user === null ? '' : user.slice(0, -issuer.overlay.length - 1)));
  writer.u64(BigInt(Math.floor(revokedAt)));
  writer.vector(1, () => writer.utf8(facts.reason.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_REASON_LENGTH)));
  writer.vector(2, () => writer.bytes(issuer.intermediate ?? EMPTY));
  const signature = issuer.sign(signatureInput(writer.finish()));
  writer.vector(1, () => writer.bytes(signature));
  return writer.finish();
}

/**
 * Whether it has effect is the TrustStore's to say, out of all that it was told: `TrustStore.apply`.
 * @throws {MalformedMessageError}
 * @throws {CertificateError} when it is of another overlay, or was not signed by the authority or a host that it made an inviter.
 */
export function verifyRevocation(bytes: Uint8Array, trust: TrustStore): Revocation {
  const reader = new ByteReader(bytes);
  if (bytes.length > MAX_REVOCATION_BYTES) reader.fail(`a revocation of ${bytes.length} bytes is too long`);
  if (reader.u8() !== VERSION) reader.fail('unknown version of a revocation');
  const code = reader.u8();
  const what = code === WHAT.member ? 'member' : code === WHAT.inviter ? 'inviter' : reader.fail('nothing is revoked');
  const overlay = readAscii(reader.vector(1));
  if (!isOverlayName(overlay)) reader.fail('not an overlay name');
  const hit = reader.hex(16);
  if (!isHit(hit)) reader.fail('not a HIT');
  const label = readAscii(reader.vector(1));
  const user = label === '' ? null : `${label}@${overlay}`;
  if (user !== null && !isUserOf(user, overlay)) reader.fail('not a user name');
  const revokedAt = Number(reader.u64());
  if (revokedAt > MAX_TIME) reader.fail('not a time');
  const reason = readAscii(reader.vector(1));
  if (reason.length > MAX_REASON_LENGTH) reader.fail('the reason is too long');
  const inviter = reader.vector(2).rest();
  const signed = bytes.subarray(0, reader.offset);
  const signature = reader.vector(1).rest();
  if (signature.length > MAX_SIGNATURE_BYTES) reader.fail('the signature is too long');
  reader.end();
  if (overlay !== trust.overlay)
    throw new CertificateError(`the revocation is for the overlay ${overlay}, not ${trust.overlay}`);
  const { spki, by } = signerOf(inviter, trust);
  if (!verifySignature(spki, signatureInput(signed), signature))
    throw new CertificateError('the revocation was not signed by whom it names');
  if (what === 'inviter' && by !== null && by !== hit)
    throw new CertificateError('the right to invite is taken away by the authority alone');
  return { what, hit, user, revokedAt, reason, by };
}

function signerOf(inviter: Uint8Array, trust: TrustStore): { readonly spki: Uint8Array; readonly by: Hit | null } {
  if (inviter.length > 0) {
    const certificate = trust.learnIssuer(inviter);
    if (certificate === undefined)
      throw new CertificateError('the revocation was signed by a host that the authority made no inviter');
    return { spki: certificate.spki, by: certificate.nodeId };
  }
  if (trust.authorityCertificate === undefined)
    throw new CertificateError("the authority's certificate is not known yet");
  return { spki: parseCertificate(trust.authorityCertificate).spki, by: null };
}

function signatureInput(signed: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writer.utf8(SIGNATURE_CONTEXT);
  writer.bytes(signed);
  return writer.finish();
}

function readAscii(reader: ByteReader): string {
  const text = Buffer.from(reader.rest()).toString('latin1');
  if (!/^[\x20-\x7e]*$/.test(text)) reader.fail('text that is not printable ASCII');
  return text;
}
