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
export type RecordKind = 'record' | 'packet';

export function encodeRecord(secret: string, kind: RecordKind, payload: Uint8Array): Uint8Array {
  return concatBytes(
    Uint8Array.of(RECORD_BYTE),
    fromHex(secret).subarray(0, KEY_ID_BYTES),
    Uint8Array.of(kind === 'packet' ? 1 : 0),
    payload,
  );
}

export interface OpenedRecord {
  readonly kind: RecordKind;
  readonly payload: Uint8Array;
}

/** @returns undefined when the record is of another association, as a record whose authentication fails. */
export function openRecord(secret: string, data: Uint8Array): OpenedRecord | undefined {
  if (!belongsTo(secret, data)) return undefined;
  return { kind: data[1 + KEY_ID_BYTES] === 1 ? 'packet' : 'record', payload: data.subarray(2 + KEY_ID_BYTES) };
}

export function encodeCloseNotify(secret: string): Uint8Array {
  return concatBytes(Uint8Array.of(ALERT_BYTE), fromHex(secret).subarray(0, KEY_ID_BYTES));
}

export function belongsTo(secret: string, data: Uint8Array): boolean {
  return secret.startsWith(toHex(data.subarray(1, 1 + KEY_ID_BYTES)));
}
