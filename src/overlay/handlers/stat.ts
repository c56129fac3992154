import { ByteWriter } from '../../base/bytes.ts';
import { sha256 } from '../../identity/signature.ts';
import {
  HASH_ALGORITHMS,
  type MetaDataValue,
  type StatKindResponse,
  type StatRequest,
  type StoredData,
  type StoredMetaData,
} from '../../reload/index.ts';
import { askedValues } from './asked-values.ts';
import type { Handler } from './handler.ts';

/** Times, length and digest. */
const META_DATA_BYTES = 48;

/** RFC 6940 s7.4.3: as Fetch, with hashes in place of the values. */
export const handleStat: Handler<StatRequest> = (request, context) => {
  const asked = askedValues(request, context, () => META_DATA_BYTES, request.now);
  if (asked === undefined) return;
  const kindResponses = asked.map(({ kind, generation, stored, absent }): StatKindResponse => ({
    ...{ kind, generation },
    values: [...stored.map(({ data }) => data), ...absent].map(metaDataOf),
  }));
  request.answer({ type: 'stat_ans', kindResponses });
};

function metaDataOf({ storageTime, lifetime, value }: StoredData): StoredMetaData {
  return { storageTime, lifetime, metadata: metaDataValueOf(value) };
}

function metaDataValueOf(value: StoredData['value']): MetaDataValue {
  // s7.4.3.2: the digest covers "the value field of the DataValue, including its 4 leading length bytes".
  const writer = new ByteWriter();
  writer.vector(4, () => writer.bytes(value.value));
  const metaData = {
    exists: value.exists,
    valueLength: value.value.length,
    hashAlgorithm: HASH_ALGORITHMS.sha256,
    hash: sha256(writer.finish()),
  };
  switch (value.model) {
    case 'single':
      return { model: 'single', ...metaData };
    case 'array':
      return { model: 'array', index: value.index, ...metaData };
    case 'dictionary':
      return { model: 'dictionary', key: value.key, ...metaData };
  }
}
