import { ByteReader } from '../base/bytes.ts';
import type { ByteWriter } from '../base/bytes.ts';
import { addressFromBytes, addressToBytes } from '../base/ip-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { malformed, writeU16, writeU8 } from './wire.ts';

const IPV4 = 1;
const IPV6 = 2;

/**
 * RFC 6940 s6.3.1.1.
 *
 * ```
 * struct { AddressType type; uint8 length; select (type) { IPv4AddrPort v4addr_port; IPv6AddrPort v6addr_port; }; } IpAddressPort;
 * ```
 */
export function encodeIpAddressPort(writer: ByteWriter, { address, port }: SocketAddress): void {
  const bytes = addressToBytes(address);
  writer.u8(bytes.length === 4 ? IPV4 : IPV6);
  writer.vector(1, () => {
    writer.bytes(bytes);
    writeU16(writer, port);
  });
}

/**
 * @returns undefined for a type that is not known here, which s6.3.1.1 lets a reader discard, and for an IPv4 address
 *   inside an IPv6 one, which no host can be reached at.
 */
export function decodeIpAddressPort(reader: ByteReader): SocketAddress | undefined {
  const at = reader.offset;
  const type = reader.u8();
  if (type === 0) malformed(at, 'AddressType 0 is invalid');
  const content = reader.vector(1);
  if (type > IPV6) return undefined;
  const address = addressFromBytes(content.bytes(type === IPV4 ? 4 : 16));
  const port = content.u16();
  content.end();
  if (type === IPV6 && !address.includes(':')) return undefined;
  return { address, port };
}

/** The TURN server that a TURN-SERVICE value names (RFC 6940 s9). */
export interface TurnServer {
  readonly iteration: number;
  readonly address: SocketAddress;
}

/** `struct { uint8 iteration; IpAddressPort server_address; } TurnServer;` (RFC 6940 s9). */
export function encodeTurnServer(writer: ByteWriter, { iteration, address }: TurnServer): void {
  writeU8(writer, iteration);
  encodeIpAddressPort(writer, address);
}

/**
 * @returns undefined when the server's kind of address is not known here.
 * @throws {MalformedMessageError}
 */
export function decodeTurnServer(bytes: Uint8Array): TurnServer | undefined {
  const reader = new ByteReader(bytes);
  const iteration = reader.u8();
  const address = decodeIpAddressPort(reader);
  reader.end();
  return address === undefined ? undefined : { iteration, address };
}
