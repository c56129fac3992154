import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { MalformedMessageError } from '../../base/errors.ts';
import type { Hit } from '../../base/node-id.ts';
import type { SocketAddress } from '../../base/socket-address.ts';
import { addressFromBytes, addressToBytes } from '../../base/ip-address.ts';

/** Version of the structures below; a reader refuses others. */
const VERSION = 2;
const NODE_ID_BYTES = 16;
const IPV4_BYTES = 4;
const MAX_USER_BYTES = 255;

/**
 * IDLOC-NAME: one host of a user, under the key of its Node-ID.
 *
 * ```
 * struct { uint8 version; opaque ipv4<0..2^8-1>; } IdlocName;      // 0 or 4 bytes
 * ```
 */
export interface NameValue {
  /** The IPv4 overlay address that the host has claimed; null when it has none (yet). */
  readonly ipv4: string | null;
}

/**
 * IDLOC-IPV4: who holds an address. It names the address too, so that a claim is good at one Resource-ID only.
 *
 * ```
 * struct { uint8 version; opaque ipv4[4]; NodeId hit; uint8 choice; opaque user<0..2^8-1>; } IdlocIpv4;
 * ```
 */
export interface Ipv4Value {
  readonly ipv4: string;
  readonly hit: Hit;
  /** The address is the HIT's choice of this number (`ipv4Choice`), which readers check. */
  readonly choice: number;
  /** Null when the host's certificate names no user. */
  readonly user: string | null;
}

/**
 * IDLOC-HOST: what a host says about itself.
 *
 * ```
 * struct { uint8 version; opaque ipv4<0..2^8-1>; opaque user<0..2^8-1>; } IdlocHost;
 * ```
 */
export interface HostValue {
  readonly user: string | null;
  readonly ipv4: string | null;
}

/**
 * IDLOC-RESERVATION: an inviter keeps a user name. It names the user too, so that it is good at one Resource-ID only.
 *
 * ```
 * struct { uint8 version; opaque user<0..2^8-1>; opaque hit<0..2^8-1>; } IdlocReservation;      // hit: 0 or 16 bytes
 * ```
 */
export interface ReservationValue {
  readonly user: string;
  /** The host that gets the name; null: whoever has the ticket. */
  readonly hit: Hit | null;
}

export function encodeReservationValue({ user, hit }: ReservationValue): Uint8Array {
  const writer = begin();
  writeUser(writer, user);
  writer.vector(1, () => {
    if (hit !== null) writer.hex(hit);
  });
  return writer.finish();
}

/** Undefined: it is none. */
export function reservationOf(bytes: Uint8Array): ReservationValue | undefined {
  try {
    const reader = open(bytes);
    const user = readUser(reader);
    const field = reader.vector(1);
    const hit = field.remaining === 0 ? null : field.hex(NODE_ID_BYTES);
    field.end();
    reader.end();
    return user === null ? undefined : { user, hit };
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

/** The resource name of a reserved user name. */
export function reservationResourceName(user: string): string {
  return `user:${user}`;
}

/** Of one peer; more are not written, and not read. */
export const MAX_LOCATORS = 8;

/**
 * IDLOC-LOCATORS: where a peer is, best first.
 *
 * ```
 * struct { opaque address<0..2^8-1>; uint16 port; } Locator;         // 4 or 16 bytes
 * struct { uint8 version; Locator locators<0..2^8-1>; } IdlocLocators;
 * ```
 */
export function encodeLocatorsValue(locators: readonly SocketAddress[]): Uint8Array {
  const writer = begin();
  writer.vector(1, () => {
    for (const { address, port } of locators.slice(0, MAX_LOCATORS)) {
      writer.vector(1, () => writer.bytes(addressToBytes(address)));
      writer.u16(port);
    }
  });
  return writer.finish();
}

/** @throws {MalformedMessageError} */
export function decodeLocatorsValue(bytes: Uint8Array): SocketAddress[] {
  const reader = open(bytes);
  const list = reader.vector(1);
  reader.end();
  const locators: SocketAddress[] = [];
  while (list.remaining > 0) {
    const address = list.vector(1).rest();
    if (address.length !== 4 && address.length !== 16) list.fail('an address of another length');
    const port = list.u16();
    if (port === 0) list.fail('a locator without a port');
    if (locators.length >= MAX_LOCATORS) list.fail('too many locators');
    locators.push({ address: addressFromBytes(address), port });
  }
  return locators;
}

export function encodeNameValue(value: NameValue): Uint8Array {
  const writer = begin();
  writeIpv4(writer, value.ipv4);
  return writer.finish();
}

/** @throws {MalformedMessageError} */
export function decodeNameValue(bytes: Uint8Array): NameValue {
  const reader = open(bytes);
  const ipv4 = readIpv4(reader);
  reader.end();
  return { ipv4 };
}

export function encodeIpv4Value(value: Ipv4Value): Uint8Array {
  const writer = begin();
  writer.bytes(addressToBytes(value.ipv4));
  writer.hex(value.hit);
  writer.u8(value.choice);
  writeUser(writer, value.user);
  return writer.finish();
}

/** @throws {MalformedMessageError} */
export function decodeIpv4Value(bytes: Uint8Array): Ipv4Value {
  const reader = open(bytes);
  const ipv4 = addressFromBytes(reader.bytes(IPV4_BYTES));
  const hit = reader.hex(NODE_ID_BYTES);
  const choice = reader.u8();
  const user = readUser(reader);
  reader.end();
  return { ipv4, hit, choice, user };
}

export function encodeHostValue(value: HostValue): Uint8Array {
  const writer = begin();
  writeIpv4(writer, value.ipv4);
  writeUser(writer, value.user);
  return writer.finish();
}

/** @throws {MalformedMessageError} */
export function decodeHostValue(bytes: Uint8Array): HostValue {
  const reader = open(bytes);
  const ipv4 = readIpv4(reader);
  const user = readUser(reader);
  reader.end();
  return { ipv4, user };
}

/** The resource name of an IPv4 overlay address. */
export function ipv4ResourceName(ipv4: string): string {
  return `ipv4:${ipv4}`;
}

function begin(): ByteWriter {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  return writer;
}

function open(bytes: Uint8Array): ByteReader {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version} of the value is not known`);
  return reader;
}

function writeIpv4(writer: ByteWriter, ipv4: string | null): void {
  writer.vector(1, () => {
    if (ipv4 !== null) writer.bytes(addressToBytes(ipv4));
  });
}

function readIpv4(reader: ByteReader): string | null {
  const field = reader.vector(1);
  if (field.remaining === 0) return null;
  const ipv4 = addressFromBytes(field.bytes(IPV4_BYTES));
  field.end();
  return ipv4;
}

function writeUser(writer: ByteWriter, user: string | null): void {
  writer.vector(1, () => {
    if (user !== null) writer.utf8(user);
  });
}

function readUser(reader: ByteReader): string | null {
  const field = reader.vector(1);
  if (field.remaining === 0) return null;
  if (field.remaining > MAX_USER_BYTES) field.fail('the user name is too long');
  return Buffer.from(field.rest()).toString('utf8');
}
