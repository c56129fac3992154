import { ERROR_CODES, type FetchRequest, type StatRequest, type StoredData } from '../../reload/index.ts';
import { MAX_KINDS_PER_REQUEST } from '../constants.ts';
import type { SignedValue } from '../storage/admission.ts';
import { type Selection, select } from '../storage/selection.ts';
import type { HandlerContext, IncomingRequest } from './handler.ts';

/** What one specifier of a Fetch or Stat asks for, as it is stored here. */
export interface AskedValues extends Selection {
  readonly kind: number;
  readonly generation: bigint;
}

const NOTHING: Selection = { stored: [], absent: [] };

/**
 * Reads what the specifiers of a Fetch or Stat ask for (RFC 6940 s7.4.2, s7.4.3); none of it where the asker has the latest
 * generation. No more is gathered than an answer can hold. A Kind is named once, as in a Store (s7.4.1.1): a request that names
 * one thirty times would cost thirty times as much as it says.
 * @param bytesOf what a value takes in the answer, at least
 * @param elsewhere of Kinds that nothing is stored of here: what others hold
 * @returns undefined when the request was refused
 */
export function askedValues(
  request: IncomingRequest<FetchRequest | StatRequest>,
  { store, verifier, settings }: HandlerContext,
  bytesOf: (data: StoredData) => number,
  now: number,
  elsewhere: readonly SignedValue[] = [],
): AskedValues[] | undefined {
  const { resource, specifiers } = request.body;
  if (specifiers.length > MAX_KINDS_PER_REQUEST) {
    request.fail(ERROR_CODES.invalid_message);
    return undefined;
  }
  const named = new Set<number>();
  const asked: AskedValues[] = [];
  let bytes = 0;
  for (const { kind: id, generation: known, specifier } of specifiers) {
    const kind = verifier.kind(id);
    if (kind === undefined) {
      request.fail(ERROR_CODES.unknown_kind, unknownKind(id));
      return undefined;
    }
    if (named.has(id)) {
      request.fail(ERROR_CODES.invalid_message, 'a Kind is named twice');
      return undefined;
    }
    named.add(id);
    const here = store.values(resource, id, now);
    const selection = select(kind, specifier, here.length > 0 ? here : elsewhere);
    if (selection === undefined) {
      request.fail(ERROR_CODES.invalid_message, 'the specifier is of another data model than the Kind');
      return undefined;
    }
    const generation = store.generation(resource, id);
    const unchanged = known !== 0n && known === generation;
    asked.push({ kind: id, generation, ...(unchanged ? NOTHING : selection) });
    if (unchanged) continue;
    for (const { data } of selection.stored) bytes += bytesOf(data);
    for (const data of selection.absent) bytes += bytesOf(data);
    if (bytes <= settings.maxMessageBytes) continue;
    request.fail(ERROR_CODES.response_too_large);
    return undefined;
  }
  return asked;
}

/** s7.4.1.2: `KindId unknown_kinds<0..2^8-1>`. */
export function unknownKind(id: number): Uint8Array {
  const info = new Uint8Array(5);
  info[0] = 4;
  new DataView(info.buffer).setUint32(1, id);
  return info;
}
