import { ByteReader, ByteWriter, concatBytes } from '../base/bytes.ts';
import { MAX_OPTIONS, MESSAGE_CODES } from './constants.ts';
import { decodeForwardingHeader, encodeForwardingHeader, isWholeMessage } from './forwarding-header.ts';
import type { DecodedForwardingHeader, ForwardingHeader } from './forwarding-header.ts';
import { encodeBody, messageName, readBody } from './message-body.ts';
import type { MessageBody, MessageContents, MessageExtension } from './message-contents.ts';
import { decodeSecurityBlock, encodeSecurityBlock, signerIdentityBytes } from './security-block.ts';
import type { SecurityBlock } from './security-block.ts';
import type { DataModelOf } from './stored-data.ts';
import {
  malformed,
  readBoolean,
  readList,
  readOpaque,
  writeBoolean,
  writeList,
  writeOpaque,
  writeU16,
  writeU32,
  writeU64,
} from './wire.ts';

/** A RELOAD message (RFC 6940 s6.3): what hops read, what the ends read, and who says so. */
export interface Message {
  readonly header: ForwardingHeader;
  readonly contents: MessageContents;
  readonly security: SecurityBlock;
}

/**
 * A message of which the body has not been read yet, so that its signature can be verified first. Byte strings, here and
 * in all that is decoded, are views of the input: copy the input before, if its memory is used again.
 */
export interface MessageEnvelope {
  readonly header: DecodedForwardingHeader;
  readonly code: number;
  readonly bodyBytes: Uint8Array;
  /** Where the body starts in the message. */
  readonly bodyOffset: number;
  readonly extensions: readonly MessageExtension[];
  readonly security: SecurityBlock;
  /** The MessageContents as received: what the signature covers. */
  readonly contentsBytes: Uint8Array;
  /** The SignerIdentity of the message, likewise. */
  readonly signerIdentityBytes: Uint8Array;
}

/** A message as read. */
export interface DecodedMessage extends Message {
  readonly header: DecodedForwardingHeader;
  readonly contentsBytes: Uint8Array;
  readonly signerIdentityBytes: Uint8Array;
}

export interface DecodeOptions {
  /** Data models of the overlay's Kinds; values of other Kinds stay opaque. */
  readonly dataModelOf: DataModelOf;
}

/**
 * The bytes of a message; the length fields are computed.
 * @throws {RangeError} when a value does not fit its field.
 */
export function encodeMessage({ header, contents, security }: Message): Uint8Array {
  return assembleMessage(header, encodeContents(contents), security);
}

/** A message around contents that are encoded already, for instance because they have just been signed. */
export function assembleMessage(
  header: ForwardingHeader,
  contentsBytes: Uint8Array,
  security: SecurityBlock,
): Uint8Array {
  const writer = new ByteWriter();
  writer.bytes(contentsBytes);
  encodeSecurityBlock(writer, security);
  const payload = writer.finish();
  return concatBytes(encodeForwardingHeader(header, payload.length), payload);
}

/** @throws {RangeError} when a value does not fit its field, or the code is not the body's. */
export function encodeContents({ code, body, extensions }: MessageContents): Uint8Array {
  if (body.type === 'unknown' ? messageName(code) !== undefined : MESSAGE_CODES[body.type] !== code)
    throw new RangeError(`message code ${code} is not that of the body ${body.type}`);
  const writer = new ByteWriter();
  writeU16(writer, code);
  writer.vector(4, () => encodeBody(writer, body));
  writeList(writer, 4, extensions, (_, { type, critical, contents }) => {
    if (type === 0) throw new RangeError('MessageExtensionType 0 is invalid');
    writeU16(writer, type);
    writeBoolean(writer, critical);
    writeOpaque(writer, 4, contents);
  });
  return writer.finish();
}

/**
 * Everything of a whole message but its body.
 * @throws {MalformedMessageError} also for a fragment: these are reassembled first.
 */
export function decodeEnvelope(bytes: Uint8Array): MessageEnvelope {
  const header = decodeForwardingHeader(bytes);
  if (!isWholeMessage(header)) malformed(12, 'a fragment of a message');
  const start = header.headerLength;
  const reader = new ByteReader(bytes.subarray(start), start);
  const codeOffset = reader.offset;
  const code = reader.u16();
  // RFC 6940 s6.3.3: "0x0  Invalid Message Code."
  if (code === 0) malformed(codeOffset, 'message code 0 is invalid');
  const body = reader.vector(4);
  const bodyOffset = body.offset;
  const bodyBytes = body.rest();
  const extensions = readList(reader.vector(4), MAX_OPTIONS, readExtension);
  const contentsBytes = bytes.subarray(start, reader.offset);
  const security = decodeSecurityBlock(reader);
  reader.end();
  return {
    header,
    code,
    bodyBytes,
    bodyOffset,
    extensions,
    security,
    contentsBytes,
    signerIdentityBytes: signerIdentityBytes(security.signature.identity),
  };
}

/** @throws {MalformedMessageError} with offsets from the start of the message. */
export function decodeBody(
  { code, bodyBytes, bodyOffset }: Pick<MessageEnvelope, 'code' | 'bodyBytes' | 'bodyOffset'>,
  { dataModelOf }: DecodeOptions,
): MessageBody {
  const reader = new ByteReader(bodyBytes, bodyOffset);
  const body = readBody(reader, code, dataModelOf);
  reader.end();
  return body;
}

/**
 * A whole message with its body.
 * @throws {MalformedMessageError}
 */
export function decodeMessage(bytes: Uint8Array, options: DecodeOptions): DecodedMessage {
  const envelope = decodeEnvelope(bytes);
  const { header, code, extensions, security, contentsBytes, signerIdentityBytes } = envelope;
  const contents = { code, body: decodeBody(envelope, options), extensions };
  return { header, contents, security, contentsBytes, signerIdentityBytes };
}

/** What the signature of a message covers (RFC 6940 s6.3.4): overlay || transaction_id || MessageContents || SignerIdentity. */
export function messageSignatureInput(
  overlay: number,
  transactionId: bigint,
  contentsBytes: Uint8Array,
  identityBytes: Uint8Array,
): Uint8Array {
  const writer = new ByteWriter();
  writeU32(writer, overlay);
  writeU64(writer, transactionId);
  writer.bytes(contentsBytes);
  writer.bytes(identityBytes);
  return writer.finish();
}

function readExtension(reader: ByteReader): MessageExtension {
  const at = reader.offset;
  const type = reader.u16();
  if (type === 0) malformed(at, 'MessageExtensionType 0 is invalid');
  return { type, critical: readBoolean(reader), contents: readOpaque(reader, 4) };
}
