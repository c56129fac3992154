import { concatBytes, fromHex, toHex } from '../../../src/base/bytes.ts';

/**
 * What stands for DTLS in the simulated network: the flights, sizes of nothing and secrets of no one, but the order of
 * messages, the cookie for strangers, the retransmissions and the binding of records to one association are DTLS's.
 *
 * ```
 *   client                          server
 *     hello                 ->
 *                           <-      verify      only when the server did not expect this address
 *     hello + cookie        ->
 *                           <-      server      certificates, the secret of the association
 *     client certificates   ->                  server: connected
 *                           <-      finished    client: connected
 * ```
 */
export const HANDSHAKE_BYTE = 22;
export const RECORD_BYTE = 23;
export const ALERT_BYTE = 21;

export type Handshake =
  | { readonly type: 'hello'; readonly session: string; readonly cookie?: string }
  | { readonly type: 'verify'; readonly session: string; readonly cookie: string }
  | {
      readonly type: 'server';
      readonly session: string;
      readonly secret: string;
      readonly certificates: readonly string[];
    }
  | {
      readonly type: 'client';
      readonly session: string;
      readonly secret: string;
      readonly certificates: readonly string[];
    }
  | { readonly type: 'finished'; readonly session: string; readonly secret: string };

export function encodeHandshake(handshake: Handshake): Uint8Array {
  return concatBytes(Uint8Array.of(HANDSHAKE_BYTE), Buffer.from(JSON.stringify(handshake)));
}

export function decodeHandshake(data: Uint8Array): Handshake {
  return JSON.parse(Buffer.from(data.subarray(1)).toString()) as Handshake;
}

/** What of the secret is on the wire: only the association that has the secret takes the record. */
const KEY_ID_BYTES = 8;
const NUMBER_BYTES = 4;
export type RecordKind = 'record' | 'packet';

/** @param number counts the records of one direction, each of which has keys of its own. */
export function encodeRecord(
  secret: string,
  { kind, from, number }: { kind: RecordKind; from: 'client' | 'server'; number: number },
  payload: Uint8Array,
): Uint8Array {
  const head = Buffer.alloc(1 + NUMBER_BYTES);
  head.writeUInt8((kind === 'packet' ? 1 : 0) + (from === 'server' ? 2 : 0), 0);
  head.writeUInt32BE(number, 1);
  return concatBytes(Uint8Array.of(RECORD_BYTE), fromHex(secret).subarray(0, KEY_ID_BYTES), head, payload);
}

/** What stands for the connection ID (RFC 9146): the peer's association is known by it wherever its records come from. */
export function keyIdOf(secret: string): string {
  return secret.slice(0, 2 * KEY_ID_BYTES);
}

export function keyIdOfRecord(data: Uint8Array): string {
  return toHex(data.subarray(1, 1 + KEY_ID_BYTES));
}

export interface OpenedRecord {
  readonly kind: RecordKind;
  readonly number: number;
  readonly payload: Uint8Array;
}

/** @returns undefined when the record is of another association, or of this end itself, as a record whose authentication fails. */
export function openRecord(secret: string, self: 'client' | 'server', data: Uint8Array): OpenedRecord | undefined {
  if (!belongsTo(secret, data)) return undefined;
  const view = Buffer.from(data.buffer, data.byteOffset, data.length);
  if (data.length < 2 + KEY_ID_BYTES + NUMBER_BYTES) return undefined;
  const flags = view.readUInt8(1 + KEY_ID_BYTES);
  if (((flags & 2) !== 0) === (self === 'server')) return undefined;
  return {
    kind: (flags & 1) !== 0 ? 'packet' : 'record',
    number: view.readUInt32BE(2 + KEY_ID_BYTES),
    payload: data.subarray(2 + KEY_ID_BYTES + NUMBER_BYTES),
  };
}

export function encodeCloseNotify(secret: string): Uint8Array {
  return concatBytes(Uint8Array.of(ALERT_BYTE), fromHex(secret).subarray(0, KEY_ID_BYTES));
}

export function belongsTo(secret: string, data: Uint8Array): boolean {
  return secret.startsWith(toHex(data.subarray(1, 1 + KEY_ID_BYTES)));
}
