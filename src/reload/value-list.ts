import type { ByteReader, ByteWriter } from '../base/bytes.ts';
import { MAX_VALUES } from './constants.ts';
import type { DataModel } from './stored-data.ts';
import { readList, writeList } from './wire.ts';

/** The values of one Kind in a Store request or a Fetch or Stat answer: their layout is known only if the Kind is. */
export interface ValueList<T> {
  readonly values: readonly T[];
  /** The bytes of the values where the Kind is not known here; `values` is then empty. */
  readonly opaqueValues?: Uint8Array;
}

export function writeValues<T>(
  writer: ByteWriter,
  { values, opaqueValues }: ValueList<T>,
  writeItem: (writer: ByteWriter, item: T) => void,
): void {
  if (opaqueValues === undefined) {
    writeList(writer, 4, values, writeItem);
    return;
  }
  if (values.length > 0) throw new RangeError('values beside opaque values');
  writer.vector(4, () => writer.bytes(opaqueValues));
}

export function readValues<T>(
  reader: ByteReader,
  model: DataModel | undefined,
  readItem: (reader: ByteReader, model: DataModel) => T,
): ValueList<T> {
  const content = reader.vector(4);
  if (model === undefined) return { values: [], opaqueValues: content.rest() };
  return { values: readList(content, MAX_VALUES, (list) => readItem(list, model)) };
}
