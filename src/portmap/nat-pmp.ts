import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { addressFromBytes } from '../base/ip-address.ts';

const VERSION = 0;
const ADDRESS = 0;
const MAP_UDP = 1;
const RESPONSE = 128;

/** RFC 6886 s3.5. */
const RESULT_NAMES: readonly string[] = [
  'success',
  'version not supported',
  'not authorized',
  'network failure',
  'no resources',
  'opcode not supported',
];

export function natPmpResultName(result: number): string {
  return RESULT_NAMES[result] ?? `error ${result}`;
}

export type NatPmpAnswer =
  | { readonly type: 'address'; readonly epochS: number; readonly address: string }
  | {
      readonly type: 'mapping';
      readonly epochS: number;
      readonly internalPort: number;
      readonly externalPort: number;
      readonly lifetimeS: number;
    }
  | { readonly type: 'error'; readonly to: 'address' | 'mapping'; readonly result: number };

/** RFC 6886 s3.2. */
export function encodeAddressRequest(): Uint8Array {
  return Uint8Array.of(VERSION, ADDRESS);
}

/**
 * RFC 6886 s3.3: a mapping of a UDP port; with lifetime 0 and external port 0 it is taken away (s3.4).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     | Vers = 0      | OP = x        | Reserved                      |
 *     | Internal Port                 | Suggested External Port       |
 *     | Requested Port Mapping Lifetime in Seconds                    |
 */
export function encodeMappingRequest(request: {
  readonly internalPort: number;
  readonly externalPort: number;
  readonly lifetimeS: number;
}): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u8(MAP_UDP);
  writer.u16(0);
  writer.u16(request.internalPort);
  writer.u16(request.externalPort);
  writer.u32(request.lifetimeS);
  return writer.finish();
}

/** @throws {MalformedMessageError} for what is no response to one of the two. */
export function decodeNatPmpAnswer(data: Uint8Array): NatPmpAnswer {
  const reader = new ByteReader(data);
  if (reader.u8() !== VERSION) reader.fail('another version');
  const operation = reader.u8();
  if (operation !== RESPONSE + ADDRESS && operation !== RESPONSE + MAP_UDP) reader.fail(`operation ${operation}`);
  const isAddress = operation === RESPONSE + ADDRESS;
  const result = reader.u16();
  if (result !== 0) return { type: 'error', to: isAddress ? 'address' : 'mapping', result };
  const epochS = reader.u32();
  if (isAddress) {
    const address = addressFromBytes(reader.bytes(4));
    reader.end();
    return { type: 'address', epochS, address };
  }
  const internalPort = reader.u16();
  const externalPort = reader.u16();
  const lifetimeS = reader.u32();
  reader.end();
  return { type: 'mapping', epochS, internalPort, externalPort, lifetimeS };
}
