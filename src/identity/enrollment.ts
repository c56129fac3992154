import { equalBytes, equalSecrets } from '../base/bytes.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import type { OverlayAuthority } from './authority.ts';
import type { NodeCertificate } from './certificate.ts';
import {
  codeProof,
  decodeEnrollmentAnswer,
  decodeEnrollmentRequest,
  encodeEnrollmentAnswer,
  encodeEnrollmentRequest,
  MAX_CONFIGURATION_BYTES,
  signatureInput,
} from './enrollment-message.ts';
import { secretOfCode, type EnrollmentRegister } from './enrollment-register.ts';
import { CertificateError, EnrollmentError } from './errors.ts';
import type { HostIdentity } from './host-identity.ts';
import { hitOfSpki } from './orchid.ts';
import { verifySignature } from './signature.ts';
import { TrustStore } from './trust-store.ts';

export interface EnrollmentServerComponents {
  readonly authority: OverlayAuthority;
  readonly register: EnrollmentRegister;
  /** The signed overlay configuration document as it is now. */
  readonly configuration: () => Uint8Array;
  readonly random: Random;
}

/** Plays RELOAD's enrollment server (RFC 6940 s11.3) where the authority's key is. Bytes in, bytes out. */
export class EnrollmentServer {
  private readonly components: EnrollmentServerComponents;

  constructor(components: EnrollmentServerComponents) {
    this.components = components;
  }

  /**
   * @param peerSpki DER SubjectPublicKeyInfo of the key that the newcomer proved to have: its link's, or that of the message's signature.
   * @param wallNow milliseconds since the epoch.
   * @returns the answer; a refusal also for bytes that are no request.
   * @throws what the register's `persist` throws: nothing was issued then.
   */
  handle(requestBytes: Uint8Array, peerSpki: Uint8Array, wallNow: number): Uint8Array {
    const { authority, register, configuration, random } = this.components;
    try {
      const request = decodeEnrollmentRequest(requestBytes);
      const hit = hitOfSpki(peerSpki);
      if (!verifySignature(peerSpki, signatureInput(authority.overlay, request), request.signature))
        throw new EnrollmentError('bad_csr', 'the request was not signed by the key of this link');
      const { code } = request;
      const user = register.redeem({
        hit,
        user: request.user,
        code: code && {
          id: code.id,
          isProvenBy: (key) => equalSecrets(codeProof(key, authority.overlay, peerSpki, request.user), code.proof),
        },
        wallNow,
      });
      const [certificate = new Uint8Array()] = authority.issue(peerSpki, user, wallNow, random);
      const document = configuration();
      if (document.length > MAX_CONFIGURATION_BYTES) throw new RangeError('the overlay configuration is too long');
      return encodeEnrollmentAnswer({
        issued: true,
        certificate,
        authority: authority.certificate,
        configuration: document,
      });
    } catch (error) {
      if (error instanceof EnrollmentError)
        return encodeEnrollmentAnswer({ issued: false, refusal: error.refusal, text: error.message });
      if (error instanceof MalformedMessageError || error instanceof CertificateError)
        return encodeEnrollmentAnswer({ issued: false, refusal: 'bad_csr', text: error.message });
      throw error;
    }
  }
}

/**
 * A request for a certificate.
 * @param options.code the ticket's; null renews a membership that this key has.
 * @param options.user the wanted user name; null: what the ticket or the earlier membership says.
 */
export function enrollmentRequest(
  identity: HostIdentity,
  options: { readonly overlay: string; readonly code: Uint8Array | null; readonly user: string | null },
): Uint8Array {
  const { overlay, user } = options;
  const secret = options.code === null ? null : secretOfCode(options.code);
  const code = secret && { id: secret.id, proof: codeProof(secret.key, overlay, identity.spki, user) };
  const signature = identity.sign(signatureInput(overlay, { user, code }));
  return encodeEnrollmentRequest({ user, code, signature });
}

export interface Membership {
  readonly certificate: NodeCertificate;
  /** DER. */
  readonly authorityCertificate: Uint8Array;
  /** The overlay configuration document; its own signature is not checked here. */
  readonly configuration: Uint8Array;
}

/**
 * Reads the answer to `enrollmentRequest`.
 * @param options.authority SHA-256 of the authority's DER SubjectPublicKeyInfo, from the ticket.
 * @throws {EnrollmentError} when the authority refused.
 * @throws {CertificateError} when the certificate is not one that the ticket's authority made for this identity.
 * @throws {MalformedMessageError}
 */
export function acceptEnrollmentAnswer(
  answerBytes: Uint8Array,
  identity: HostIdentity,
  options: { readonly overlay: string; readonly authority: Uint8Array; readonly wallNow: number },
): Membership {
  const answer = decodeEnrollmentAnswer(answerBytes);
  if (!answer.issued) throw new EnrollmentError(answer.refusal, `the authority refused: ${answer.text}`);
  const { overlay, authority, wallNow } = options;
  const trust = new TrustStore({ overlay, mode: 'invite', authority, authorityCertificate: answer.authority });
  // It was made just now, whatever the clock of this host says.
  const { certificate, member } = trust.verify([answer.certificate], wallNow, { anyTime: true });
  if (!member || !equalBytes(certificate.spki, identity.spki))
    throw new CertificateError('the answer holds a certificate of another key');
  return {
    certificate,
    authorityCertificate: answer.authority.slice(),
    configuration: answer.configuration.slice(),
  };
}
