import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { addressFromBytes, addressToBytes } from '../base/ip-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { MAX_PCP_BYTES } from './constants.ts';

const VERSION = 2;
const ANNOUNCE = 0;
const MAP = 1;
const RESPONSE = 0x80;
const HEADER_BYTES = 24;
/** IANA protocol number. */
const UDP = 17;
/** RFC 6887 s11.1. */
export const NONCE_BYTES = 12;

/** RFC 6887 s7.4. */
const RESULT_NAMES: readonly string[] = [
  'success',
  'version not supported',
  'not authorized',
  'malformed request',
  'opcode not supported',
  'option not supported',
  'malformed option',
  'network failure',
  'no resources',
  'protocol not supported',
  'quota exceeded',
  'cannot provide that external address',
  'another NAT is between us and it',
  'excessive remote peers',
];

export function pcpResultName(result: number): string {
  return RESULT_NAMES[result] ?? `error ${result}`;
}

export interface MapRequest {
  /** Our address as we see it. */
  readonly client: string;
  /** 0: take the mapping away. */
  readonly lifetimeS: number;
  readonly nonce: Uint8Array;
  readonly internalPort: number;
  /** 0.0.0.0 and port 0: none. */
  readonly suggested: SocketAddress;
}

export type PcpAnswer =
  /** The lifetime of an error is how long it is likely to last. What an error says beside the result is our own question. */
  | {
      readonly type: 'map';
      readonly result: number;
      readonly lifetimeS: number;
      readonly epochS: number;
      readonly nonce: Uint8Array;
      readonly internalPort: number;
      readonly external: SocketAddress;
    }
  | { readonly type: 'announce'; readonly epochS: number }
  /** The server could not even read the request. */
  | { readonly type: 'error'; readonly result: number; readonly epochS: number }
  /** NAT-PMP's answer to a version that it does not know (RFC 6886 s3.5), or a later PCP's. */
  | { readonly type: 'otherVersion'; readonly version: number };

/**
 * RFC 6887 s7.1, s11.1: a MAP request for UDP.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |  Version = 2  |R|   Opcode    |         Reserved              |
 *     |                 Requested Lifetime (32 bits)                  |
 *     |            PCP Client's IP Address (128 bits)                 |
 *     |                 Mapping Nonce (96 bits)                       |
 *     |   Protocol    |          Reserved (24 bits)                   |
 *     |        Internal Port          |    Suggested External Port    |
 *     |           Suggested External IP Address (128 bits)            |
 */
export function encodeMapRequest({ client, lifetimeS, nonce, internalPort, suggested }: MapRequest): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u8(MAP);
  writer.u16(0);
  writer.u32(lifetimeS);
  writer.bytes(mappedForm(client));
  writer.bytes(nonce.subarray(0, NONCE_BYTES));
  writer.u8(UDP);
  writer.u24(0);
  writer.u16(internalPort);
  writer.u16(suggested.port);
  writer.bytes(mappedForm(suggested.address));
  return writer.finish();
}

/**
 * RFC 6887 s7.2: the response's header has a result code, the granted lifetime and the epoch in the places of the request's.
 * Options are not looked at.
 * @throws {MalformedMessageError} for what is no response to MAP or ANNOUNCE.
 */
export function decodePcpAnswer(data: Uint8Array): PcpAnswer {
  const reader = new ByteReader(data);
  const version = reader.u8();
  const opcode = reader.u8();
  if ((opcode & RESPONSE) === 0) reader.fail('a request');
  if (version !== VERSION) return { type: 'otherVersion', version };
  if (data.length > MAX_PCP_BYTES) reader.fail(`${data.length} bytes, more than ${MAX_PCP_BYTES}`);
  reader.u8();
  const result = reader.u8();
  const lifetimeS = reader.u32();
  const epochS = reader.u32();
  if (opcode === (RESPONSE | ANNOUNCE) && result === 0) return { type: 'announce', epochS };
  reader.bytes(HEADER_BYTES - reader.offset);
  if (opcode !== (RESPONSE | MAP)) reader.fail(`opcode ${opcode}`);
  if (result !== 0 && reader.remaining < 36) return { type: 'error', result, epochS };
  const nonce = reader.bytes(NONCE_BYTES).slice();
  if (reader.u8() !== UDP) reader.fail('not about UDP');
  reader.u24();
  const internalPort = reader.u16();
  const port = reader.u16();
  const address = addressFromBytes(reader.bytes(16));
  return { type: 'map', result, lifetimeS, epochS, nonce, internalPort, external: { address, port } };
}

/** RFC 6887 s5: IPv4 addresses travel as IPv4-mapped IPv6 addresses. */
function mappedForm(address: string): Uint8Array {
  const bytes = addressToBytes(address);
  if (bytes.length === 16) return bytes;
  const mapped = new Uint8Array(16);
  mapped.fill(0xff, 10, 12);
  mapped.set(bytes, 12);
  return mapped;
}
