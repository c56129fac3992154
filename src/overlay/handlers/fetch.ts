import { ERROR_CODES, type FetchKindResponse, type FetchRequest, type StoredData } from '../../reload/index.ts';
import type { SignedValue } from '../storage/admission.ts';
import { askedValues } from './asked-values.ts';
import type { Handler, HandlerContext, IncomingRequest } from './handler.ts';

/** Of a value without its text and its signature: times, lengths, who signed it. */
const VALUE_BYTES = 16;

type Request = IncomingRequest<FetchRequest>;

/**
 * RFC 6940 s7.4.2. The certificates of all writers go with the answer (s6.3.4). That nothing is there is said by a peer
 * whose range is new only when its neighbours know of nothing either, and of who does not answer nobody knows.
 */
export const handleFetch: Handler<FetchRequest> = (request, context) => {
  const { resource, specifiers } = request.body;
  const { store, verifier, absences } = context;
  const [only] = specifiers;
  const kind = only === undefined ? undefined : verifier.kind(only.kind);
  // Who reads asks for one Kind; more would only multiply the questions.
  const isAbsent = kind !== undefined && specifiers.length === 1 && !store.has(resource, kind.id, request.now);
  if (isAbsent && absences.isDoubtful(resource, request))
    absences.ask(resource, kind, request.now, (found, at, isComplete) => {
      // Copies may have come meanwhile.
      const isUnknown = found.length === 0 && !store.has(resource, kind.id, at);
      if (isUnknown && !context.topology.isResponsibleFor(resource)) request.reroute(at);
      else if (isUnknown && !isComplete) request.fail(ERROR_CODES.request_timeout, 'who keeps copies does not answer');
      else answer(request, context, found, at);
    });
  else answer(request, context, [], request.now);
};

/** @param elsewhere of the only Kind that is asked for: what others hold. It is passed on, not kept: copies are the replicator's. */
function answer(request: Request, context: HandlerContext, elsewhere: readonly SignedValue[], now: number): void {
  // What others hold may have come here meanwhile.
  const asked = askedValues(request, context, bytesOf, now, elsewhere);
  if (asked === undefined) return;
  const kindResponses = asked.map(({ kind, generation, stored, absent }): FetchKindResponse => ({
    ...{ kind, generation },
    values: [...stored.map(({ data }) => data), ...absent],
  }));
  const certificates = asked.flatMap(({ stored }) => stored.flatMap(({ signer }) => signer.chain));
  request.answer({ type: 'fetch_ans', kindResponses }, certificates);
}

function bytesOf({ value, signature }: StoredData): number {
  return VALUE_BYTES + value.value.length + signature.value.length;
}
