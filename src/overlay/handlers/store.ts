import { ByteWriter } from '../../base/bytes.ts';
import { ERROR_CODES, type StoreKindData, type StoreRequest } from '../../reload/index.ts';
import { MAX_KINDS_PER_REQUEST } from '../constants.ts';
import { ORIGINAL, type Origin, REFUSALS, encodeVerdicts, isRefusal, originOf } from '../storage/admission.ts';
import type { Kind } from '../storage/kinds.ts';
import type { KindValues, StoreOutcome } from '../storage/resource-store.ts';
import type { Handler, HandlerContext, IncomingRequest } from './handler.ts';

type Request = IncomingRequest<StoreRequest>;

/**
 * RFC 6940 s7.4.1, s10.4. The answer says of each value whether it was taken: all were, or the error_info has the
 * verdicts.
 */
export const handleStore: Handler<StoreRequest> = (request, context) => {
  const { resource, replicaNumber, kindData } = request.body;
  const { topology, verifier } = context;
  if (!topology.ring.contains(resource) || kindData.length > MAX_KINDS_PER_REQUEST) {
    request.fail(ERROR_CODES.invalid_message);
    return;
  }
  const isOriginal = replicaNumber === 0;
  if (isOriginal && !topology.isResponsibleFor(resource)) {
    request.fail(ERROR_CODES.not_found, 'not responsible for that Resource-ID');
    return;
  }
  const origin = isOriginal ? ORIGINAL : originOf(request.signer.nodeId, resource, context.place, request.now);
  if (origin === undefined) {
    request.fail(REFUSALS.sender, encodeVerdicts(['sender']));
    return;
  }
  const unknown = kindData.filter(({ kind }) => verifier.kind(kind) === undefined);
  if (unknown.length > 0) {
    request.fail(ERROR_CODES.unknown_kind, unknownKinds(unknown));
    return;
  }
  const before = context.store.find(resource);
  // It had all of it before: what it sends now is what it has beside that.
  const wasInStep = before !== undefined && before.holders.revisionOf(request.signer.nodeId) === before.revision;
  const kinds = provenKinds(request, context, isOriginal);
  offer(request, context, { kinds, origin, wasInStep }, request.now);
};

interface Offer {
  readonly kinds: readonly KindValues[];
  readonly origin: Origin;
  readonly wasInStep: boolean;
}

function offer(request: Request, context: HandlerContext, offered: Offer, now: number): void {
  const { resource } = request.body;
  const { kinds, origin } = offered;
  const outcome = context.store.offer(resource, kinds, origin, now, context.clock.wall());
  const asked = claimsToAskFor(kinds, outcome);
  if (asked.length === 0) {
    conclude(request, context, offered, outcome, now);
    return;
  }
  if (context.incumbents.isFull) {
    request.fail(REFUSALS.busy, encodeVerdicts(['busy']));
    return;
  }
  // One place has one Kind of claim.
  const [kind] = asked;
  if (kind === undefined) return;
  context.incumbents.ask(resource, kind, now, (found, at) => {
    const knows = { isOriginal: false, knowsPlace: true, decides: false };
    for (const value of found)
      context.store.offer(resource, [{ kind, generation: 0n, values: [value] }], knows, at, context.clock.wall());
    if (found.length > 0) context.replicator.stored(resource, at);
    if (context.topology.isResponsibleFor(resource) || !origin.isOriginal) {
      // Its writer may have been revoked meanwhile.
      const stillProven = provenKinds(request, context, origin.isOriginal);
      offer(request, context, { ...offered, kinds: stillProven, origin: { ...origin, knowsPlace: true } }, at);
    } else request.fail(ERROR_CODES.not_found, 'not responsible for that Resource-ID');
  });
}

function conclude(
  request: Request,
  context: HandlerContext,
  { kinds, origin: { isOriginal }, wasInStep }: Offer,
  { verdicts, wrongGeneration }: StoreOutcome,
  now: number,
): void {
  const { store, replicator, topology } = context;
  const { resource } = request.body;
  if (wrongGeneration) {
    request.fail(ERROR_CODES.generation_counter_too_low, currentGenerations(request.body, context));
    return;
  }
  const all = verdicts.flat();
  const refused = all.find(isRefusal);
  if (refused === undefined) {
    const replicas = isOriginal ? topology.neighbors.replicaSet : [];
    const kindResponses = kinds.map(({ kind }) => ({
      kind: kind.id,
      generationCounter: store.generation(resource, kind.id),
      replicas,
    }));
    request.answer({ type: 'store_ans', kindResponses });
  } else request.fail(REFUSALS[all.includes('older') ? 'older' : refused], encodeVerdicts(all));
  if (isOriginal) {
    if (refused === undefined) replicator.stored(resource, now);
    return;
  }
  // A copy may have brought something new beside what was refused.
  const isComplete = refused === undefined && (wasInStep || showsAll(request.body, context));
  replicator.received(resource, request.signer.nodeId, isComplete, now);
}

/** Kinds with a claim on a place of which nothing is known here. */
function claimsToAskFor(kinds: readonly KindValues[], { verdicts }: StoreOutcome): Kind[] {
  return kinds.filter((_, i) => verdicts[i]?.includes('ask')).map(({ kind }) => kind);
}

function provenKinds(request: Request, { verifier, clock }: HandlerContext, isOriginal: boolean): KindValues[] {
  const { resource, kindData } = request.body;
  const wallNow = clock.wall();
  return kindData.flatMap(({ kind: id, generationCounter, values }) => {
    const kind = verifier.kind(id);
    if (kind === undefined) return [];
    const proven = values.map((data, i) => {
      // Each costs a signature check; what is beyond the Kind's bound is refused in any case.
      if (i > kind.maxCount) return undefined;
      const value = verifier.verify(resource, kind, data, request.certificates, wallNow);
      // s7.4.1.1: the request itself must come from one who may write there, too.
      return value !== undefined && isOriginal && value.signer.nodeId !== request.signer.nodeId ? undefined : value;
    });
    return [{ kind, generation: generationCounter, values: proven }];
  });
}

/** Whether the sender of a copy has shown that it holds every value that is here. */
function showsAll({ resource, kindData }: StoreRequest, { store }: HandlerContext): boolean {
  const shown = new Map(kindData.map(({ kind, values }) => [kind, values.length]));
  return store.find(resource)?.kinds.every(({ kind, entries }) => shown.get(kind.id) === entries.length) ?? true;
}

/** s7.4.1.2: error_info is "a StoreAns response containing the correct generation counter for each Kind". */
function currentGenerations({ resource, kindData }: StoreRequest, { store }: HandlerContext): Uint8Array {
  const writer = new ByteWriter();
  writer.vector(2, () => {
    for (const { kind } of kindData) {
      writer.u32(kind);
      writer.u64(store.generation(resource, kind));
      writer.u16(0);
    }
  });
  return writer.finish();
}

/** s7.4.1.2: `KindId unknown_kinds<0..2^8-1>`. */
function unknownKinds(kinds: readonly StoreKindData[]): Uint8Array {
  const writer = new ByteWriter();
  writer.vector(1, () => {
    for (const { kind } of kinds.slice(0, 63)) writer.u32(kind);
  });
  return writer.finish();
}
