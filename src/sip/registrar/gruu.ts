import { createHmac, hash } from 'node:crypto';
import { ByteReader, ByteWriter, equalSecrets, fromHex, toHex } from '../../base/bytes.ts';
import { MalformedMessageError } from '../../base/errors.ts';
import type { Hit } from '../../base/node-id.ts';
import { decodeDestination, encodeDestination } from '../../reload/index.ts';
import { formatUri, type SipUri } from '../message/uri.ts';

/** Of the opaque ID that tells a phone from the others of its host. */
const PHONE_ID_BYTES = 8;
export const GRUU_NONCE_BYTES = 8;
const MAC_BYTES = 8;
/** Of the key of a phone's temporary GRUUs. */
export const GRUU_KEY_BYTES = 16;

const TEMPORARY = new RegExp(`^tgruu\\.([0-9a-f]{${2 * GRUU_NONCE_BYTES}})([0-9a-f]{${2 * MAC_BYTES}})$`);

/** What a `gr` parameter says: a host of the overlay, and which of its phones. */
export interface GruuPlace {
  readonly hit: Hit;
  /** Hexadecimal; undefined in a temporary GRUU, whose user part names the phone. */
  readonly phone: string | undefined;
}

/**
 * A GRUU (RFC 5627) as RFC 7904 s6 makes one: "by embedding a base64-encoded destination list in the gr URI parameter", with `~` for `=`.
 * The list has the host, and an opaque ID that only this host understands: the phone. So a caller asks nobody where the host is.
 */
export function publicGruu(hit: Hit, aor: string, instance: string): string {
  const [user = '', host = ''] = aor.split('@');
  return format(user, host, { hit, phone: phoneId(aor, instance) });
}

/** Of an instance, in the `gr` of its public GRUU. */
export function phoneId(aor: string, instance: string): string {
  return hash('sha256', `${aor} ${instance}`, 'hex').slice(0, 2 * PHONE_ID_BYTES);
}

/**
 * A GRUU without the AoR (RFC 5627 s3.1.2), good as long as the key is kept: nothing has to be remembered of each.
 * @param nonce 8 bytes that were never used with the key
 */
export function temporaryGruu(hit: Hit, domain: string, key: Uint8Array, nonce: Uint8Array): string {
  const user = `tgruu.${toHex(nonce)}${toHex(macOf(key, nonce))}`;
  return format(user, domain, { hit, phone: undefined });
}

export function isTemporaryGruuOf(user: string, key: Uint8Array): boolean {
  const [, nonce, mac] = TEMPORARY.exec(user) ?? [];
  return nonce !== undefined && mac !== undefined && equalSecrets(fromHex(mac), macOf(key, fromHex(nonce)));
}

/** @returns undefined when the URI is no GRUU of an overlay. */
export function gruuPlace(uri: SipUri): GruuPlace | undefined {
  const text = uri.params.get('gr') ?? '';
  if (!/^[A-Za-z0-9+/]{4,80}~{0,2}$/.test(text)) return undefined;
  const reader = new ByteReader(Buffer.from(text.replaceAll('~', '='), 'base64'));
  try {
    const host = decodeDestination(reader);
    const phone = reader.remaining > 0 ? decodeDestination(reader) : undefined;
    reader.end();
    if (host.type !== 'node') return undefined;
    if (phone === undefined) return { hit: host.nodeId, phone: undefined };
    return phone.type === 'opaque' && !phone.compact ? { hit: host.nodeId, phone: toHex(phone.opaqueId) } : undefined;
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

function format(user: string, host: string, { hit, phone }: GruuPlace): string {
  const writer = new ByteWriter();
  encodeDestination(writer, { type: 'node', nodeId: hit });
  if (phone !== undefined) encodeDestination(writer, { type: 'opaque', opaqueId: fromHex(phone), compact: false });
  const gr = Buffer.from(writer.finish()).toString('base64').replaceAll('=', '~');
  return formatUri({ scheme: 'sip', user, host, params: new Map([['gr', gr]]), headers: '' });
}

function macOf(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(nonce).digest().subarray(0, MAC_BYTES);
}
