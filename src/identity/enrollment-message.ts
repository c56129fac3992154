import { createHmac } from 'node:crypto';
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { MAX_CERTIFICATE_BYTES } from './certificate.ts';
import { RENDEZVOUS_SECRET_BYTES } from './code-secret.ts';
import { ENROLLMENT_REFUSALS, type EnrollmentRefusal } from './errors.ts';
import { sha256 } from './signature.ts';

/*
 * Bodies of the private requests that carry enrollment (RFC 6940 s14.8, exp_a_req and exp_a_ans), in its notation:
 *
 *   struct {
 *     uint8   version;                   // 3
 *     opaque  code_id<0..2^8-1>;         // 16 bytes; empty to renew
 *     opaque  user<0..2^8-1>;            // ASCII; empty: none asked for
 *     opaque  code_proof<0..2^8-1>;      // HMAC-SHA256, 32 bytes; empty to renew
 *     Chain   certificates<0..2^16-1>;   // what the host has from the overlay; empty: nothing
 *     opaque  signature<0..2^8-1>;       // by the newcomer's key
 *   } EnrollmentRequest;
 *
 *   struct {
 *     uint8   version;                   // 3
 *     uint8   result;                    // 0 issued, 1 refused
 *     Chain   certificates<0..2^16-1>;   // issued: the host's; then that of the inviter if one answers, the authority's
 *     select (result) {
 *       case 0: opaque secret<0..2^8-1>;              // rendezvous secret, 16 bytes; empty: none
 *               opaque configuration<0..2^24-1>;
 *       case 1: opaque refusal<0..2^8-1>; opaque text<0..2^8-1>;
 *     };
 *     opaque  signature<0..2^8-1>;       // by who answers, over the request and all before: others carry the answer
 *   } EnrollmentAnswer;
 *
 *   struct { opaque certificate<0..2^16-1>; } Chain;     // DER; at most three, of 4,096 bytes each
 */
const VERSION = 3;
const ISSUED = 0;
const REFUSED = 1;
const CODE_ID_BYTES = 16;
const CODE_PROOF_BYTES = 32;
/** DER of an ECDSA P-256 signature. */
const MAX_SIGNATURE_BYTES = 72;
const MAX_CHAIN_CERTIFICATES = 3;
const MAX_CHAIN_BYTES = MAX_CHAIN_CERTIFICATES * (MAX_CERTIFICATE_BYTES + 2);
const MAX_REQUEST_BYTES = 512 + MAX_CHAIN_BYTES;
/** The overlay configuration document is the most of it. */
export const MAX_CONFIGURATION_BYTES = 65_536;
const MAX_ANSWER_BYTES = MAX_CONFIGURATION_BYTES + MAX_CHAIN_BYTES + MAX_SIGNATURE_BYTES + 64;
const MAX_TEXT_LENGTH = 200;

const PROOF_CONTEXT = 'idloc enrollment code proof';
const SIGNATURE_CONTEXT = 'idloc enrollment request';
const ANSWER_CONTEXT = 'idloc enrollment answer';

export interface EnrollmentRequest {
  readonly user: string | null;
  readonly code: { readonly id: Uint8Array; readonly proof: Uint8Array } | null;
  /** DER, the host's own first: what it has from the overlay, in force or not. */
  readonly certificates: readonly Uint8Array[];
  readonly signature: Uint8Array;
}

export type EnrollmentAnswer =
  | {
      readonly issued: true;
      /** DER: the host's, that of the inviter if one issued it, the authority's. */
      readonly certificates: readonly Uint8Array[];
      /** 16 bytes. */
      readonly secret: Uint8Array | null;
      readonly configuration: Uint8Array;
    }
  | {
      readonly issued: false;
      /** DER: that of the inviter if one answers, the authority's. */
      readonly certificates: readonly Uint8Array[];
      readonly refusal: EnrollmentRefusal;
      readonly text: string;
    };

export interface SignedEnrollmentAnswer {
  readonly answer: EnrollmentAnswer;
  /** All before the signature. */
  readonly unsigned: Uint8Array;
  readonly signature: Uint8Array;
}

const EMPTY = new Uint8Array();

/** Shows knowledge of the code for this overlay, this key (DER SubjectPublicKeyInfo) and this user name only. */
export function codeProof(codeKey: Uint8Array, overlay: string, spki: Uint8Array, user: string | null): Uint8Array {
  const writer = new ByteWriter();
  writer.utf8(PROOF_CONTEXT);
  writer.vector(1, () => writer.utf8(overlay));
  writer.vector(2, () => writer.bytes(spki));
  writer.vector(1, () => writer.utf8(user ?? ''));
  return new Uint8Array(createHmac('sha256', codeKey).update(writer.finish()).digest());
}

/** What the newcomer's key signs. */
export function signatureInput(overlay: string, request: Omit<EnrollmentRequest, 'signature'>): Uint8Array {
  const writer = new ByteWriter();
  writer.utf8(SIGNATURE_CONTEXT);
  writer.vector(1, () => writer.utf8(overlay));
  writeUnsigned(writer, request);
  return writer.finish();
}

function writeUnsigned(writer: ByteWriter, { user, code, certificates }: Omit<EnrollmentRequest, 'signature'>): void {
  writer.u8(VERSION);
  writer.vector(1, () => writer.bytes(code?.id ?? EMPTY));
  writer.vector(1, () => writer.utf8(user ?? ''));
  writer.vector(1, () => writer.bytes(code?.proof ?? EMPTY));
  writeChain(writer, certificates);
}

function writeChain(writer: ByteWriter, certificates: readonly Uint8Array[]): void {
  writer.vector(2, () => {
    for (const der of certificates) writer.vector(2, () => writer.bytes(der));
  });
}

function readChain(reader: ByteReader): Uint8Array[] {
  const list = reader.vector(2);
  const certificates: Uint8Array[] = [];
  while (list.remaining > 0) {
    if (certificates.length === MAX_CHAIN_CERTIFICATES) list.fail('too many certificates');
    const der = list.vector(2).rest();
    if (der.length === 0 || der.length > MAX_CERTIFICATE_BYTES) list.fail(`a certificate of ${der.length} bytes`);
    certificates.push(der);
  }
  return certificates;
}

export function encodeEnrollmentRequest(request: EnrollmentRequest): Uint8Array {
  const writer = new ByteWriter();
  writeUnsigned(writer, request);
  writer.vector(1, () => writer.bytes(request.signature));
  return writer.finish();
}

/** @throws {MalformedMessageError} */
export function decodeEnrollmentRequest(bytes: Uint8Array): EnrollmentRequest {
  const reader = new ByteReader(bytes);
  if (bytes.length > MAX_REQUEST_BYTES) reader.fail(`an enrollment request of ${bytes.length} bytes is too long`);
  checkVersion(reader);
  const id = reader.vector(1).rest();
  const user = readAscii(reader.vector(1));
  const proof = reader.vector(1).rest();
  const renews = id.length === 0 && proof.length === 0;
  if (!renews && (id.length !== CODE_ID_BYTES || proof.length !== CODE_PROOF_BYTES))
    reader.fail('the code and its proof have wrong lengths');
  const certificates = readChain(reader);
  const signature = reader.vector(1).rest();
  if (signature.length > MAX_SIGNATURE_BYTES) reader.fail('the signature is too long');
  reader.end();
  return { user: user === '' ? null : user, code: renews ? null : { id, proof }, certificates, signature };
}

/** What the key of who answers signs: this answer to this request. */
export function answerSignatureInput(overlay: string, request: Uint8Array, unsigned: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writer.utf8(ANSWER_CONTEXT);
  writer.vector(1, () => writer.utf8(overlay));
  writer.bytes(sha256(request));
  writer.bytes(unsigned);
  return writer.finish();
}

/** @param sign what is before the signature: `answerSignatureInput` makes the input of it. */
export function encodeEnrollmentAnswer(
  answer: EnrollmentAnswer,
  sign: (unsigned: Uint8Array) => Uint8Array,
): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u8(answer.issued ? ISSUED : REFUSED);
  writeChain(writer, answer.certificates);
  if (answer.issued) {
    writer.vector(1, () => writer.bytes(answer.secret ?? EMPTY));
    writer.vector(3, () => writer.bytes(answer.configuration));
  } else {
    writer.vector(1, () => writer.utf8(answer.refusal));
    writer.vector(1, () => writer.utf8(answer.text.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_TEXT_LENGTH)));
  }
  const signature = sign(writer.finish());
  writer.vector(1, () => writer.bytes(signature));
  return writer.finish();
}

/** @throws {MalformedMessageError} */
export function decodeEnrollmentAnswer(bytes: Uint8Array): SignedEnrollmentAnswer {
  const reader = new ByteReader(bytes);
  if (bytes.length > MAX_ANSWER_BYTES) reader.fail(`an enrollment answer of ${bytes.length} bytes is too long`);
  checkVersion(reader);
  const result = reader.u8();
  if (result !== ISSUED && result !== REFUSED) reader.fail(`unknown result ${result}`);
  const certificates = readChain(reader);
  const answer = result === ISSUED ? readIssued(reader, certificates) : readRefused(reader, certificates);
  const unsigned = bytes.subarray(0, bytes.length - reader.remaining);
  const signature = reader.vector(1).rest();
  if (signature.length > MAX_SIGNATURE_BYTES) reader.fail('the signature is too long');
  reader.end();
  return { answer, unsigned, signature };
}

function readIssued(reader: ByteReader, certificates: readonly Uint8Array[]): EnrollmentAnswer {
  const secret = reader.vector(1).rest();
  if (secret.length !== 0 && secret.length !== RENDEZVOUS_SECRET_BYTES) reader.fail('the secret has a wrong length');
  const configuration = reader.vector(3).rest();
  return { issued: true, certificates, secret: secret.length === 0 ? null : secret, configuration };
}

function readRefused(reader: ByteReader, certificates: readonly Uint8Array[]): EnrollmentAnswer {
  const token = readAscii(reader.vector(1));
  const text = readAscii(reader.vector(1));
  // RFC 6940 s11.3: an unknown token is a failure for an unknown reason.
  const refusal = ENROLLMENT_REFUSALS.find((known) => known === token) ?? 'bad_csr';
  return { issued: false, certificates, refusal, text };
}

function checkVersion(reader: ByteReader): void {
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`unknown enrollment version ${version}`);
}

/** Printable ASCII only: this text reaches terminals and logs. */
function readAscii(reader: ByteReader): string {
  const text = Buffer.from(reader.rest()).toString('latin1');
  if (!/^[\x20-\x7e]*$/.test(text)) reader.fail('text that is not printable ASCII');
  return text;
}
