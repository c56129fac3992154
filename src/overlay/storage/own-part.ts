import { ByteReader, ByteWriter } from '../../base/bytes.ts';

const VERSION = 1;
const HEADER_BYTES = 11;
/** A message with one of them is as long as a message of an overlay is at most. */
export const MAX_PART_BYTES = 2_048;
const PART_CONTENT_BYTES = MAX_PART_BYTES - HEADER_BYTES;

/** A document is written in the place that is not the latest one: until it is whole, the one before is there. */
export const OWN_SLOTS = 2;

/** Where the parts of one sort of a user's documents are. */
export interface PartPlaces {
  /** What their names begin with. */
  readonly prefix: string;
  /** Of one document: 255 at most. */
  readonly maxParts: number;
}

/** Of IDLOC-OWN; with what else a host stores it stays below the quota of a writer at one peer. */
export const OWN_PLACES: PartPlaces = { prefix: 'own', maxParts: 12 };
/** Of IDLOC-FILES: 128 KiB, which the peers count apart. */
export const FILE_PLACES: PartPlaces = { prefix: 'files', maxParts: 64 };

/** Bytes of a document. */
export function maxDocumentBytes({ maxParts }: PartPlaces): number {
  return maxParts * PART_CONTENT_BYTES;
}

/**
 * IDLOC-OWN, IDLOC-FILES: a part of a document of a user's host, which is encrypted.
 *
 * ```
 * struct { uint8 version; uint64 saved_at; uint8 index; uint8 count; opaque content<...>; } IdlocOwnPart;
 * ```
 */
export interface OwnPart {
  /** Milliseconds since the epoch; those of one document have the same. */
  readonly savedAt: number;
  readonly index: number;
  /** Of the document, from 1 on. */
  readonly count: number;
  readonly content: Uint8Array;
}

export function encodeOwnPart({ savedAt, index, count, content }: OwnPart): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u64(BigInt(savedAt));
  writer.u8(index);
  writer.u8(count);
  writer.bytes(content);
  return writer.finish();
}

/** @throws {MalformedMessageError} */
export function decodeOwnPart({ maxParts }: PartPlaces, bytes: Uint8Array): OwnPart {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version} of the value is not known`);
  const savedAt = reader.u64();
  if (savedAt > BigInt(Number.MAX_SAFE_INTEGER)) reader.fail('a time too far away');
  const index = reader.u8();
  const count = reader.u8();
  if (index >= count || count > maxParts) reader.fail(`part ${index} of ${count}`);
  return { savedAt: Number(savedAt), index, count, content: reader.rest().slice() };
}

/** @throws {RangeError} when it is longer than maxDocumentBytes. */
export function partsOf(places: PartPlaces, document: Uint8Array, savedAt: number): OwnPart[] {
  const count = Math.max(1, Math.ceil(document.length / PART_CONTENT_BYTES));
  if (count > places.maxParts)
    throw new RangeError(`${document.length} bytes are more than ${maxDocumentBytes(places)}`);
  return Array.from({ length: count }, (_, index) => {
    const content = document.subarray(index * PART_CONTENT_BYTES, (index + 1) * PART_CONTENT_BYTES);
    return { savedAt, index, count, content };
  });
}

/** The resource name of a part. */
export function ownPartName({ prefix }: PartPlaces, user: string, slot: number, index: number): string {
  return `${prefix}:${slot}:${index}:${user}`;
}

/** Where a part of a user's documents may be. */
export function ownPartNames(places: PartPlaces, user: string, index: number): string[] {
  return Array.from({ length: OWN_SLOTS }, (_, slot) => ownPartName(places, user, slot, index));
}
