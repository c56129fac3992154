import { ByteReader, ByteWriter } from '../base/bytes.ts';

/** A chain of DER certificates as it stands in files: `opaque certificates<0..2^16-1>`, one after the other. */
export function chainToBytes(chain: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter();
  for (const der of chain) writer.vector(2, () => writer.bytes(der));
  return writer.finish();
}

/** @throws {MalformedMessageError} */
export function chainFromBytes(bytes: Uint8Array): Uint8Array[] {
  const reader = new ByteReader(bytes);
  const chain: Uint8Array[] = [];
  while (reader.remaining > 0) chain.push(reader.vector(2).rest().slice());
  return chain;
}
