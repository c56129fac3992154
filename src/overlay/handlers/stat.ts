import { ByteWriter } from '../../base/bytes.ts';
import { sha256 } from '../../identity/signature.ts';
import {
  ERROR_CODES,
  HASH_ALGORITHMS,
  type MetaDataValue,
  type StatKindResponse,
  type StatRequest,
  type StoredData,
  type StoredMetaData,
} from '../../reload/index.ts';
import { MAX_KINDS_PER_REQUEST } from '../constants.ts';
import { select } from '../storage/selection.ts';
import { unknownKind } from './fetch.ts';
import type { Handler } from './handler.ts';

/** RFC 6940 s7.4.3: as Fetch, with hashes in place of the values. */
export const handleStat: Handler<StatRequest> = (request, { store, verifier }) => {
  const { resource, specifiers } = request.body;
  if (specifiers.length > MAX_KINDS_PER_REQUEST) {
    request.fail(ERROR_CODES.invalid_message);
    return;
  }
  const kindResponses: StatKindResponse[] = [];
  for (const { kind: id, generation: known, specifier } of specifiers) {
    const kind = verifier.kind(id);
    if (kind === undefined) {
      request.fail(ERROR_CODES.unknown_kind, unknownKind(id));
      return;
    }
    const selection = select(kind, specifier, store.values(resource, id, request.now));
    if (selection === undefined) {
      request.fail(ERROR_CODES.invalid_message, 'the specifier is of another data model than the Kind');
      return;
    }
    const generation = store.generation(resource, id);
    const all = [...selection.stored.map(({ data }) => data), ...selection.absent];
    const values = known !== 0n && known === generation ? [] : all.map(metaDataOf);
    kindResponses.push({ kind: id, generation, values });
  }
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
