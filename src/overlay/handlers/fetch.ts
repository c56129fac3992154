import { ERROR_CODES, type FetchKindResponse, type FetchRequest, type StoredData } from '../../reload/index.ts';
import { MAX_KINDS_PER_REQUEST } from '../constants.ts';
import type { SignedValue } from '../storage/admission.ts';
import { select } from '../storage/selection.ts';
import type { Handler, HandlerContext, IncomingRequest } from './handler.ts';

type Request = IncomingRequest<FetchRequest>;

/**
 * RFC 6940 s7.4.2. The certificates of all writers go with the answer (s6.3.4). That nothing is there is said by a peer
 * whose range is new only when its neighbours know of nothing either.
 */
export const handleFetch: Handler<FetchRequest> = (request, context) => {
  const { resource, specifiers } = request.body;
  const { store, verifier, absences } = context;
  if (specifiers.length > MAX_KINDS_PER_REQUEST) {
    request.fail(ERROR_CODES.invalid_message);
    return;
  }
  const [only] = specifiers;
  const kind = only === undefined ? undefined : verifier.kind(only.kind);
  // Who reads asks for one Kind; more would only multiply the questions.
  const isAbsent = kind !== undefined && specifiers.length === 1 && !store.has(resource, kind.id, request.now);
  if (isAbsent && absences.isDoubtful(resource, request))
    absences.ask(resource, kind, request.now, (found, at) => {
      // It is another's to say by now: the request is repeated, and finds the way there.
      if (found.length === 0 && !context.topology.isResponsibleFor(resource)) return;
      answer(request, context, found, at);
    });
  else answer(request, context, [], request.now);
};

/** @param elsewhere of the only Kind that is asked for: what others hold. It is passed on, not kept: copies are the replicator's. */
function answer(
  request: Request,
  { store, verifier }: HandlerContext,
  elsewhere: readonly SignedValue[],
  now: number,
): void {
  const { resource, specifiers } = request.body;
  const kindResponses: FetchKindResponse[] = [];
  const certificates: Uint8Array[] = [];
  for (const { kind: id, generation: known, specifier } of specifiers) {
    const kind = verifier.kind(id);
    if (kind === undefined) {
      request.fail(ERROR_CODES.unknown_kind, unknownKind(id));
      return;
    }
    // It may have come meanwhile.
    const here = store.values(resource, id, now);
    const selection = select(kind, specifier, here.length > 0 ? here : elsewhere);
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
}

/** s7.4.1.2: `KindId unknown_kinds<0..2^8-1>`. */
export function unknownKind(id: number): Uint8Array {
  const info = new Uint8Array(5);
  info[0] = 4;
  new DataView(info.buffer).setUint32(1, id);
  return info;
}
