import { ERROR_CODES, type FetchKindResponse, type FetchRequest, type StoredData } from '../../reload/index.ts';
import { MAX_KINDS_PER_REQUEST } from '../constants.ts';
import { select } from '../storage/selection.ts';
import type { Handler } from './handler.ts';

/** RFC 6940 s7.4.2. The certificates of all writers go with the answer (s6.3.4). */
export const handleFetch: Handler<FetchRequest> = (request, { store, verifier }) => {
  const { resource, specifiers } = request.body;
  if (specifiers.length > MAX_KINDS_PER_REQUEST) {
    request.fail(ERROR_CODES.invalid_message);
    return;
  }
  const kindResponses: FetchKindResponse[] = [];
  const certificates: Uint8Array[] = [];
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
    const unchanged = known !== 0n && known === generation;
    const values: StoredData[] = unchanged ? [] : [...selection.stored.map(({ data }) => data), ...selection.absent];
    if (!unchanged) certificates.push(...selection.stored.flatMap(({ signer }) => signer.chain));
    kindResponses.push({ kind: id, generation, values });
  }
  request.answer({ type: 'fetch_ans', kindResponses }, certificates);
};

/** s7.4.1.2: `KindId unknown_kinds<0..2^8-1>`. */
export function unknownKind(id: number): Uint8Array {
  const info = new Uint8Array(5);
  info[0] = 4;
  new DataView(info.buffer).setUint32(1, id);
  return info;
}
