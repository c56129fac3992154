import { ByteReader, ByteWriter, toHex } from '../base/bytes.ts';
import { MAX_RECORD_BYTES } from './constants.ts';
import { BUCKETS, RECORD_ID_BYTES, type RecordId, type RecordKind } from './ledger.ts';

/**
 * Bodies of exp_b (RFC 6940 s14.8) between linked members: what both hold of the overlay's records.
 *
 * ```
 *   struct {
 *     uint8   version;                                    // 1
 *     uint8   type;
 *     select (type) {
 *       case summary (1): opaque digests[8 * 16];         // asks for ids
 *       case ids (2):     opaque ids<0..2^16-1>;          // of the digests that differ, 8 bytes each
 *       case want (3):    opaque ids<0..2^16-1>;          // asks for records
 *       case records (4): Record records<0..2^24-1>;
 *     };
 *   } Spreading;
 *   struct { uint8 kind; opaque record<0..2^16-1>; } Record;    // 1 grant, 2 revocation
 * ```
 */
export type SpreadingMessage =
  | { readonly type: 'summary'; readonly digests: readonly Uint8Array[] }
  | { readonly type: 'ids'; readonly ids: readonly RecordId[] }
  | { readonly type: 'want'; readonly ids: readonly RecordId[] }
  | { readonly type: 'records'; readonly records: readonly SpreadRecord[] };

export interface SpreadRecord {
  readonly kind: RecordKind;
  readonly bytes: Uint8Array;
}

const VERSION = 1;
const TYPES = { summary: 1, ids: 2, want: 3, records: 4 } as const;
const KINDS: Readonly<Record<RecordKind, number>> = { grant: 1, revocation: 2 };

export function encodeSpreading(message: SpreadingMessage): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u8(TYPES[message.type]);
  switch (message.type) {
    case 'summary':
      for (const digest of message.digests) writer.bytes(digest);
      break;
    case 'ids':
    case 'want':
      writer.vector(2, () => {
        for (const id of message.ids) writer.hex(id);
      });
      break;
    case 'records':
      writer.vector(3, () => {
        for (const { kind, bytes } of message.records) {
          writer.u8(KINDS[kind]);
          writer.vector(2, () => writer.bytes(bytes));
        }
      });
  }
  return writer.finish();
}

/** @throws {MalformedMessageError} */
export function decodeSpreading(bytes: Uint8Array): SpreadingMessage {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version} of the exchange is not known`);
  const message = readMessage(reader, reader.u8());
  reader.end();
  return message;
}

function readMessage(reader: ByteReader, type: number): SpreadingMessage {
  switch (type) {
    case TYPES.summary:
      return { type: 'summary', digests: Array.from({ length: BUCKETS }, () => reader.bytes(RECORD_ID_BYTES)) };
    case TYPES.ids:
      return { type: 'ids', ids: readIds(reader.vector(2)) };
    case TYPES.want:
      return { type: 'want', ids: readIds(reader.vector(2)) };
    case TYPES.records:
      return { type: 'records', records: readRecords(reader.vector(3)) };
    default:
      return reader.fail(`type ${type} of the exchange is not known`);
  }
}

function readIds(reader: ByteReader): RecordId[] {
  const ids: RecordId[] = [];
  while (reader.remaining > 0) ids.push(toHex(reader.bytes(RECORD_ID_BYTES)));
  return ids;
}

function readRecords(reader: ByteReader): SpreadRecord[] {
  const records: SpreadRecord[] = [];
  while (reader.remaining > 0) {
    const code = reader.u8();
    const record = reader.vector(2).rest();
    if (record.length > MAX_RECORD_BYTES) reader.fail('a record is too long');
    if (code === KINDS.grant) records.push({ kind: 'grant', bytes: record });
    else if (code === KINDS.revocation) records.push({ kind: 'revocation', bytes: record });
    else reader.fail(`kind ${code} of a record is not known`);
  }
  return records;
}
