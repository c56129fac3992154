import { createCipheriv, createDecipheriv, webcrypto } from 'node:crypto';
import type { CipherSuite } from '@hpke/core';
import { ByteReader, ByteWriter, toHex } from '../base/bytes.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { hitOfSpki } from './orchid.ts';

/** RFC 9180 s5.1: what the keys are for, so that nothing sealed for one purpose opens for another. */
const INFO = Buffer.from('idloc sealed document 1');
const VERSION = 1;
const HIT_BYTES = 16;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Hosts of a user; more have to ask one of these. */
export const MAX_RECIPIENTS = 8;
const CIPHER = 'aes-256-gcm';

interface Recipient {
  readonly hit: Hit;
  readonly enc: Uint8Array;
  readonly key: Uint8Array;
}

const { subtle } = webcrypto;
/** What the key does here; its certificate says that it signs. */
const ECDH = { name: 'ECDH', namedCurve: 'P-256' };

/**
 * A document that some hosts can open:
 *
 * ```
 * struct { opaque hit[16]; opaque enc<0..2^8-1>; opaque sealed_key<0..2^8-1>; } Recipient;
 * struct { uint8 version; Recipient recipients<0..2^16-1>; opaque nonce[12]; opaque ciphertext<...>; } SealedDocument;
 * ```
 *
 * The content key is sealed to the identity key of each by HPKE (RFC 9180: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM);
 * document and keys are bound to `context`. It does not say who made it: a signature around it does.
 * @param recipients DER SubjectPublicKeyInfo of their identity keys; MAX_RECIPIENTS of them at most.
 */
export async function sealDocument(
  document: Uint8Array,
  recipients: readonly Uint8Array[],
  context: string,
  random: Random,
): Promise<Uint8Array> {
  const suite = await hpke();
  const key = random.bytes(KEY_BYTES);
  const nonce = random.bytes(NONCE_BYTES);
  const aad = Buffer.from(context);
  const sealed: Recipient[] = [];
  for (const spki of recipients.slice(0, MAX_RECIPIENTS)) {
    const recipientPublicKey = await subtle.importKey('spki', plain(spki), ECDH, true, []);
    const sender = await suite.createSenderContext({ recipientPublicKey, info: plain(INFO) });
    const ciphertext = await sender.seal(plain(key), plain(aad));
    sealed.push({ hit: hitOfSpki(spki), enc: new Uint8Array(sender.enc), key: new Uint8Array(ciphertext) });
  }
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(aad);
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.vector(2, () => {
    for (const recipient of sealed) {
      writer.hex(recipient.hit);
      writer.vector(1, () => writer.bytes(recipient.enc));
      writer.vector(1, () => writer.bytes(recipient.key));
    }
  });
  writer.bytes(nonce);
  writer.bytes(cipher.update(document));
  writer.bytes(cipher.final());
  writer.bytes(cipher.getAuthTag());
  return writer.finish();
}

/**
 * @param pkcs8 DER PrivateKeyInfo of this host's identity key.
 * @returns undefined when it is not for this host, or of another version or context, or was changed.
 */
export async function openDocument(
  sealed: Uint8Array,
  own: { readonly hit: Hit; readonly pkcs8: Uint8Array },
  context: string,
): Promise<Uint8Array | undefined> {
  try {
    const reader = new ByteReader(sealed);
    if (reader.u8() !== VERSION) return undefined;
    const recipient = recipients(reader.vector(2)).findLast(({ hit }) => hit === own.hit);
    const nonce = reader.bytes(NONCE_BYTES);
    const ciphertext = reader.bytes(reader.remaining - TAG_BYTES);
    const tag = reader.bytes(TAG_BYTES);
    if (recipient === undefined) return undefined;
    const suite = await hpke();
    const recipientKey = await subtle.importKey('pkcs8', plain(own.pkcs8), ECDH, true, ['deriveBits']);
    const opener = await suite.createRecipientContext({ recipientKey, enc: plain(recipient.enc), info: plain(INFO) });
    const aad = Buffer.from(context);
    const key = new Uint8Array(await opener.open(plain(recipient.key), plain(aad)));
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(aad).setAuthTag(tag);
    return new Uint8Array(Buffer.concat([decipher.update(ciphertext), decipher.final()]));
  } catch {
    return undefined;
  }
}

/** For whom it says that it is: nobody, where it is broken. Undefined: it is of another version, which others may know. */
export function recipientsOf(sealed: Uint8Array): Hit[] | undefined {
  if (sealed[0] !== VERSION) return undefined;
  try {
    return recipients(new ByteReader(sealed.subarray(1)).vector(2)).map(({ hit }) => hit);
  } catch {
    return [];
  }
}

function recipients(reader: ByteReader): Recipient[] {
  const found: Recipient[] = [];
  while (reader.remaining > 0) {
    const hit = toHex(reader.bytes(HIT_BYTES));
    const enc = reader.vector(1).rest();
    found.push({ hit, enc, key: reader.vector(1).rest() });
  }
  return found;
}

let loaded: Promise<CipherSuite> | undefined;

/** Only where something is sealed: most hosts need it never. */
function hpke(): Promise<CipherSuite> {
  loaded ??= import('@hpke/core').then(
    ({ Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 }) =>
      new CipherSuite({ kem: new DhkemP256HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() }),
  );
  return loaded;
}

function plain(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
