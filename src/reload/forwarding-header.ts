import { ByteReader, ByteWriter } from '../base/bytes.ts';
import {
  FRAGMENT_HIGH_BIT,
  FRAGMENT_LAST_BIT,
  FRAGMENT_OFFSET_MASK,
  MAX_DESTINATIONS,
  MAX_OPTIONS,
  RELO_TOKEN,
  RELOAD_VERSION,
} from './constants.ts';
import { decodeDestination, encodeDestination } from './destination.ts';
import type { Destination } from './destination.ts';
import {
  malformed,
  readList,
  readOpaque,
  unsigned,
  writeOpaque,
  writeU16,
  writeU32,
  writeU64,
  writeU8,
} from './wire.ts';

/**
 * RFC 6940 s6.3.2.3.
 *
 * ```
 * struct { ForwardingOptionType type; uint8 flags; uint16 length; select (type) { ... } option; } ForwardingOption;
 * ```
 */
export interface ForwardingOption {
  readonly type: number;
  /** FORWARDING_FLAGS. */
  readonly flags: number;
  readonly value: Uint8Array;
}

/**
 * RFC 6940 s6.3.2. The token and the version have one legal value and the lengths follow from the content, so they are
 * not fields here.
 *
 * ```
 * struct {
 *   uint32 relo_token;  uint32 overlay;  uint16 configuration_sequence;  uint8 version;  uint8 ttl;
 *   uint32 fragment;  uint32 length;  uint64 transaction_id;  uint32 max_response_length;
 *   uint16 via_list_length;  uint16 destination_list_length;  uint16 options_length;
 *   Destination via_list[];  Destination destination_list[];  ForwardingOption options[];
 * } ForwardingHeader;
 * ```
 */
export interface ForwardingHeader {
  /** Low 32 bits of SHA-1 of the overlay name. */
  readonly overlay: number;
  readonly configurationSequence: number;
  readonly ttl: number;
  /** The raw field: WHOLE_MESSAGE_FRAGMENT, or flags and offset (s6.7). */
  readonly fragment: number;
  readonly transactionId: bigint;
  /** Bytes; 0: no limit. */
  readonly maxResponseLength: number;
  readonly viaList: readonly Destination[];
  readonly destinationList: readonly Destination[];
  readonly options: readonly ForwardingOption[];
}

/** A header as read, with what follows from its bytes. */
export interface DecodedForwardingHeader extends ForwardingHeader {
  /** Bytes of the whole message (or fragment), header included. */
  readonly length: number;
  /** Bytes of the header with its lists. */
  readonly headerLength: number;
}

/** Fields a hop changes; lists that are not named stay as they are, byte by byte. */
export interface HeaderChanges {
  readonly configurationSequence?: number;
  readonly ttl?: number;
  readonly fragment?: number;
  readonly viaList?: readonly Destination[];
  readonly destinationList?: readonly Destination[];
  readonly options?: readonly ForwardingOption[];
}

const SEQUENCE_OFFSET = 8;
const VERSION_OFFSET = 10;
const FRAGMENT_OFFSET = 12;
const LENGTH_OFFSET = 16;
const LIST_LENGTHS_OFFSET = 32;

/** True when the message is no fragment of a larger one (RFC 6940 s6.7). */
export function isWholeMessage(header: ForwardingHeader): boolean {
  return isLastFragment(header) && fragmentOffset(header) === 0;
}

export function isLastFragment({ fragment }: ForwardingHeader): boolean {
  return (fragment & FRAGMENT_LAST_BIT) !== 0;
}

/** Bytes between the end of the forwarding header of the whole message and the start of this fragment's data. */
export function fragmentOffset({ fragment }: ForwardingHeader): number {
  return fragment & FRAGMENT_OFFSET_MASK;
}

/**
 * The header in front of `payloadLength` bytes, which its length field counts in.
 * @throws {RangeError} when a field or list does not fit.
 */
export function encodeForwardingHeader(header: ForwardingHeader, payloadLength: number): Uint8Array {
  const writer = new ByteWriter();
  writer.u32(RELO_TOKEN);
  writeU32(writer, header.overlay);
  writeU16(writer, header.configurationSequence);
  writer.u8(RELOAD_VERSION);
  writeU8(writer, header.ttl);
  checkFragment(header.fragment);
  writeU32(writer, header.fragment);
  writer.u32(0);
  writeU64(writer, header.transactionId);
  writeU32(writer, header.maxResponseLength);
  writer.bytes(new Uint8Array(6));
  writeLists(writer, header.viaList, header.destinationList, header.options);
  writer.patchU32(LENGTH_OFFSET, totalLength(writer.length + payloadLength));
  return writer.finish();
}

/**
 * The forwarding header in front of a whole message or a fragment; what follows it is not looked at. Byte strings are
 * views of the input.
 * @throws {MalformedMessageError}
 */
export function decodeForwardingHeader(bytes: Uint8Array): DecodedForwardingHeader {
  const reader = new ByteReader(bytes);
  if (reader.u32() !== RELO_TOKEN) malformed(0, 'no RELO token');
  const overlay = reader.u32();
  const configurationSequence = reader.u16();
  const version = reader.u8();
  if (version !== RELOAD_VERSION) malformed(VERSION_OFFSET, `version ${version / 10} is not spoken here`);
  const ttl = reader.u8();
  const fragment = reader.u32();
  // RFC 6940 s6.7: "implementations SHOULD discard any message with it set to 0".
  if (fragment < FRAGMENT_HIGH_BIT) malformed(FRAGMENT_OFFSET, 'the high bit of the fragment field is not set');
  const length = reader.u32();
  if (length !== bytes.length)
    malformed(LENGTH_OFFSET, `the length field says ${length}, there are ${bytes.length} bytes`);
  const transactionId = reader.u64();
  const maxResponseLength = reader.u32();
  const lengths = [reader.u16(), reader.u16(), reader.u16()] as const;
  const viaList = readDestinations(reader.part(lengths[0]), false);
  const destinationList = readDestinations(reader.part(lengths[1]), true);
  const options = readList(reader.part(lengths[2]), MAX_OPTIONS, readOption);
  return {
    overlay,
    configurationSequence,
    ttl,
    fragment,
    length,
    transactionId,
    maxResponseLength,
    viaList,
    destinationList,
    options,
    headerLength: reader.offset,
  };
}

/**
 * What a forwarding peer sends on: the message or fragment with another header. The rest is copied unread.
 * @throws {MalformedMessageError} when the input ends before its lists do. The length field is not looked at, but written.
 * @throws {RangeError} when a change does not fit its field.
 */
export function rewriteHeader(bytes: Uint8Array, changes: HeaderChanges): Uint8Array {
  const reader = new ByteReader(bytes);
  const fixed = reader.bytes(LIST_LENGTHS_OFFSET);
  const lengths = [reader.u16(), reader.u16(), reader.u16()] as const;
  const oldVia = reader.bytes(lengths[0]);
  const oldDestinations = reader.bytes(lengths[1]);
  const oldOptions = reader.bytes(lengths[2]);
  const writer = new ByteWriter();
  writer.bytes(fixed);
  if (changes.configurationSequence !== undefined)
    writer.patchU16(SEQUENCE_OFFSET, unsigned(changes.configurationSequence, 16));
  // The TTL shares 16 bits with the version, which has one legal value.
  if (changes.ttl !== undefined) writer.patchU16(VERSION_OFFSET, (RELOAD_VERSION << 8) | unsigned(changes.ttl, 8));
  if (changes.fragment !== undefined) {
    checkFragment(changes.fragment);
    writer.patchU32(FRAGMENT_OFFSET, changes.fragment);
  }
  writer.bytes(new Uint8Array(6));
  writeLists(
    writer,
    changes.viaList ?? oldVia,
    changes.destinationList ?? oldDestinations,
    changes.options ?? oldOptions,
  );
  writer.patchU32(LENGTH_OFFSET, totalLength(writer.length + reader.remaining));
  writer.bytes(reader.rest());
  return writer.finish();
}

type ListOrBytes<T> = readonly T[] | Uint8Array;

function writeLists(
  writer: ByteWriter,
  viaList: ListOrBytes<Destination>,
  destinationList: ListOrBytes<Destination>,
  options: ListOrBytes<ForwardingOption>,
): void {
  if (!(viaList instanceof Uint8Array) && viaList.some(({ type }) => type === 'resource'))
    throw new RangeError('a Resource-ID must not be in a Via List');
  if (
    !(destinationList instanceof Uint8Array) &&
    destinationList.some(({ type }, i) => type === 'resource' && i < destinationList.length - 1)
  )
    throw new RangeError('a Resource-ID must be the last of a Destination List');
  writeCounted(writer, LIST_LENGTHS_OFFSET, viaList, encodeDestination);
  writeCounted(writer, LIST_LENGTHS_OFFSET + 2, destinationList, encodeDestination);
  writeCounted(writer, LIST_LENGTHS_OFFSET + 4, options, writeOption);
}

function writeCounted<T>(
  writer: ByteWriter,
  lengthOffset: number,
  list: ListOrBytes<T>,
  writeItem: (writer: ByteWriter, item: T) => void,
): void {
  const start = writer.length;
  if (list instanceof Uint8Array) writer.bytes(list);
  else for (const item of list) writeItem(writer, item);
  const length = writer.length - start;
  if (length > 0xffff) throw new RangeError(`a list of ${length} bytes does not fit the forwarding header`);
  writer.patchU16(lengthOffset, length);
}

function writeOption(writer: ByteWriter, option: ForwardingOption): void {
  if (option.type === 0) throw new RangeError('ForwardingOptionType 0 is invalid');
  writeU8(writer, option.type);
  writeU8(writer, option.flags);
  writeOpaque(writer, 2, option.value);
}

function readOption(reader: ByteReader): ForwardingOption {
  const at = reader.offset;
  const type = reader.u8();
  if (type === 0) malformed(at, 'ForwardingOptionType 0 is invalid');
  return { type, flags: reader.u8(), value: readOpaque(reader, 2) };
}

/** RFC 6940 s6.3.2.2: a resource "MUST appear only in the final location of a Destination List and MUST NOT appear in a Via List". */
function readDestinations(reader: ByteReader, resourceAtEnd: boolean): Destination[] {
  return readList(reader, MAX_DESTINATIONS, () => {
    const at = reader.offset;
    const destination = decodeDestination(reader);
    if (destination.type === 'resource' && !(resourceAtEnd && reader.remaining === 0))
      malformed(at, 'a Resource-ID anywhere but at the end of a Destination List');
    return destination;
  });
}

function checkFragment(fragment: number): void {
  if (unsigned(fragment, 32) < FRAGMENT_HIGH_BIT)
    throw new RangeError('the high bit of the fragment field must be set');
}

function totalLength(length: number): number {
  if (length > 0xffffffff) throw new RangeError(`${length} bytes do not fit a message`);
  return length;
}
