import { createCipheriv, createDecipheriv, scrypt } from 'node:crypto';
import { ByteReader, ByteWriter, equalBytes } from '../base/bytes.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { OverlayAuthority } from './authority.ts';
import { MAX_CERTIFICATE_BYTES } from './certificate.ts';
import { RENDEZVOUS_SECRET_BYTES } from './code-secret.ts';
import { MAX_CONFIGURATION_BYTES } from './enrollment-message.ts';
import { EnrollmentRegister } from './enrollment-register.ts';
import { CertificateError, KeyStoreError, PassphraseError } from './errors.ts';
import { HostIdentity } from './host-identity.ts';
import { decodePem, encodePem } from './pem.ts';
import { sha256 } from './signature.ts';

/*
 * What makes a host the founder of an overlay, as one text that may lie about: a block of PEM with
 *
 *   struct {
 *     uint8   version;                        // 1
 *     uint8   cost;                           // scrypt (RFC 7914): N = 2^cost, r = 8, p = 1
 *     opaque  salt[16];
 *     opaque  nonce[12];
 *     opaque  certificate<0..2^16-1>;         // of the authority, DER: says which overlay
 *     opaque  sealed<0..2^32-1>;              // AES-256-GCM with its tag of 16 bytes; all before is authenticated too
 *     opaque  checksum[32];                   // SHA-256 of all before: tells a broken file from a wrong passphrase
 *   } Export;
 *
 *   struct {                                  // sealed
 *     opaque  pkcs8<0..2^16-1>;
 *     opaque  secret<0..2^8-1>;               // of the rendezvous; empty: none
 *     opaque  configuration<0..2^24-1>;       // signed document
 *     opaque  register<0..2^32-1>;            // JSON
 *   } Contents;
 *
 * Not the encrypted form of PKCS#8: Node lets OpenSSL make it with 2,048 rounds of PBKDF2 and no others, which a guesser of
 * passphrases runs through some 100,000 times faster than this.
 */
const LABEL = 'IDLOC AUTHORITY';
const VERSION = 1;
/** 128 MiB and about half a second for each guess. */
const COST = 17;
const BLOCK_SIZE = 8;
const SCRYPT_MEMORY_BYTES = 256 * 1024 * 1024;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const CHECKSUM_BYTES = 32;
const MIN_PASSPHRASE_LENGTH = 8;
const MAX_PASSPHRASE_LENGTH = 1024;
/** A register of 100,000 members in base64. */
const MAX_EXPORT_LENGTH = 48 * 1024 * 1024;

/** What a founder has and its members have not. */
export interface AuthorityContents {
  readonly authority: OverlayAuthority;
  readonly register: EnrollmentRegister;
  /** The signed overlay configuration document. */
  readonly configuration: Uint8Array;
  /** The overlay's rendezvous secret. */
  readonly secret: Uint8Array | null;
}

/**
 * @param passphrase at least 8 characters.
 * @returns PEM. To be written for the owner alone (0600) all the same.
 * @throws {PassphraseError} when the passphrase is too short.
 */
export async function exportAuthority(
  { authority, register, configuration, secret }: AuthorityContents,
  passphrase: string,
  random: Random,
): Promise<string> {
  if (passphrase.length < MIN_PASSPHRASE_LENGTH)
    throw new PassphraseError(`the passphrase is too short: use at least ${MIN_PASSPHRASE_LENGTH} characters`);
  const salt = random.bytes(SALT_BYTES);
  const nonce = random.bytes(NONCE_BYTES);
  const contents = new ByteWriter();
  contents.vector(2, () => contents.bytes(authority.pkcs8));
  contents.vector(1, () => contents.bytes(secret ?? new Uint8Array()));
  contents.vector(3, () => contents.bytes(configuration));
  contents.vector(4, () => contents.utf8(register.toJson()));
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u8(COST);
  writer.bytes(salt);
  writer.bytes(nonce);
  writer.vector(2, () => writer.bytes(authority.certificate));
  const cipher = createCipheriv('aes-256-gcm', await keyOf(passphrase, salt), nonce);
  cipher.setAAD(writer.finish());
  const sealed = [cipher.update(contents.finish()), cipher.final(), cipher.getAuthTag()];
  writer.vector(4, () => {
    for (const part of sealed) writer.bytes(part);
  });
  writer.bytes(sha256(writer.finish()));
  return encodePem(LABEL, writer.finish());
}

/**
 * Nothing is written; the register that comes with it is kept nowhere yet.
 * @throws {PassphraseError} when the passphrase is another one.
 * @throws {KeyStoreError} when the text is no export of an authority, or is broken.
 */
export async function importAuthority(text: string, passphrase: string): Promise<AuthorityContents> {
  const parts = partsOf(text);
  const decipher = createDecipheriv('aes-256-gcm', await keyOf(passphrase, parts.salt), parts.nonce);
  decipher.setAAD(parts.header);
  decipher.setAuthTag(parts.tag);
  let contents: Uint8Array;
  try {
    contents = new Uint8Array(Buffer.concat([decipher.update(parts.sealed), decipher.final()]));
  } catch (cause) {
    throw new PassphraseError('the passphrase is wrong: the file itself is whole', { cause });
  }
  try {
    return contentsOf(new ByteReader(contents), parts.certificate);
  } catch (cause) {
    if (!isUnusable(cause)) throw cause;
    throw new KeyStoreError('the export can be opened but makes no sense: take another copy', { cause });
  }
}

interface Parts {
  readonly header: Uint8Array;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  readonly certificate: Uint8Array;
  readonly sealed: Uint8Array;
  readonly tag: Uint8Array;
}

function partsOf(text: string): Parts {
  if (text.length > MAX_EXPORT_LENGTH) throw broken();
  try {
    const [bytes = new Uint8Array(), more] = decodePem(LABEL, text);
    const signed = bytes.subarray(0, -CHECKSUM_BYTES);
    if (more !== undefined || !equalBytes(sha256(signed), bytes.subarray(-CHECKSUM_BYTES))) throw broken();
    const reader = new ByteReader(signed);
    const version = reader.u8();
    if (version !== VERSION)
      throw new KeyStoreError(`an export of version ${version}: this idloc reads version ${VERSION}, update it`);
    // Nobody makes us work harder than we do ourselves.
    if (reader.u8() !== COST) reader.fail('another cost');
    const salt = reader.bytes(SALT_BYTES);
    const nonce = reader.bytes(NONCE_BYTES);
    const certificate = reader.vector(2).rest();
    if (certificate.length > MAX_CERTIFICATE_BYTES) reader.fail('the certificate is too long');
    const header = signed.subarray(0, reader.offset);
    const sealed = reader.vector(4).rest();
    reader.end();
    if (sealed.length < TAG_BYTES) reader.fail('nothing is sealed');
    const tag = sealed.subarray(-TAG_BYTES);
    return { header, salt, nonce, certificate, sealed: sealed.subarray(0, -TAG_BYTES), tag };
  } catch (cause) {
    if (cause instanceof KeyStoreError) throw cause;
    if (!(cause instanceof TypeError) && !(cause instanceof MalformedMessageError)) throw cause;
    throw broken(cause);
  }
}

function contentsOf(reader: ByteReader, certificate: Uint8Array): AuthorityContents {
  const pkcs8 = reader.vector(2).rest();
  const secret = reader.vector(1).rest();
  if (secret.length !== 0 && secret.length !== RENDEZVOUS_SECRET_BYTES) reader.fail('the secret has a wrong length');
  const configuration = reader.vector(3).rest();
  if (configuration.length > MAX_CONFIGURATION_BYTES) reader.fail('the configuration is too long');
  const json = Buffer.from(reader.vector(4).rest()).toString('utf8');
  reader.end();
  const authority = new OverlayAuthority(HostIdentity.fromPkcs8(pkcs8), certificate);
  const { overlay } = authority;
  return {
    authority,
    register: new EnrollmentRegister({ overlay, json }),
    configuration: configuration.slice(),
    secret: secret.length === 0 ? null : secret.slice(),
  };
}

function isUnusable(error: unknown): boolean {
  return error instanceof MalformedMessageError || error instanceof KeyStoreError || error instanceof CertificateError;
}

function broken(cause?: unknown): KeyStoreError {
  return new KeyStoreError('this is no export of an authority, or it was cut off or changed: take another copy', {
    cause,
  });
}

/** RFC 7914; the same passphrase however its accents are composed. In the background: it takes half a second. */
function keyOf(passphrase: string, salt: Uint8Array): Promise<Buffer> {
  const text = passphrase.normalize('NFC').slice(0, MAX_PASSPHRASE_LENGTH);
  return new Promise((resolve, reject) => {
    const options = { N: 2 ** COST, r: BLOCK_SIZE, p: 1, maxmem: SCRYPT_MEMORY_BYTES };
    scrypt(text, salt, KEY_BYTES, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
