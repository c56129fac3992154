import type { NodeId } from '../../base/node-id.ts';
import { ByteWriter } from '../../base/bytes.ts';
import { ERROR_CODES, type StoreKindData, type StoreRequest } from '../../reload/index.ts';
import { MAX_KINDS_PER_REQUEST } from '../constants.ts';
import type { KindValues, SignedValue } from '../storage/resource-store.ts';
import type { Handler, HandlerContext, IncomingRequest } from './handler.ts';

/** RFC 6940 s7.4.1, s10.4. */
export const handleStore: Handler<StoreRequest> = (request, context) => {
  const { resource, replicaNumber, kindData } = request.body;
  const { topology, store, replicator, clock } = context;
  const isOriginal = replicaNumber === 0;
  if (!topology.ring.contains(resource) || kindData.length > MAX_KINDS_PER_REQUEST) {
    request.fail(ERROR_CODES.invalid_message);
    return;
  }
  if (isOriginal ? !topology.isResponsibleFor(resource) : !mayCopyHere(request, context)) {
    request.fail(isOriginal ? ERROR_CODES.not_found : ERROR_CODES.forbidden, 'not responsible for that Resource-ID');
    return;
  }
  const unknown = kindData.filter(({ kind }) => context.verifier.kind(kind) === undefined);
  if (unknown.length > 0) {
    request.fail(ERROR_CODES.unknown_kind, unknownKinds(unknown));
    return;
  }
  const kinds = provenKinds(request, context, isOriginal);
  if (kinds === undefined) {
    request.fail(ERROR_CODES.forbidden, 'a value is not signed by one who may write it there');
    return;
  }
  const wallNow = clock.wall();
  const outcome = isOriginal
    ? store.store(resource, kinds, request.now, wallNow)
    : store.merge(resource, kinds, request.now, wallNow);
  const replicas = isOriginal ? topology.neighbors.replicaSet : [];
  if (outcome.ok) {
    request.answer({ type: 'store_ans', kindResponses: responses(kinds, outcome.generations, replicas) });
    if (isOriginal) replicator.stored(resource, request.now);
    else replicator.received(resource, request.signer.nodeId, isComplete(request.body, context), request.now);
    return;
  }
  const tooLow = outcome.errorCode === ERROR_CODES.generation_counter_too_low;
  request.fail(outcome.errorCode, tooLow ? currentGenerations(request.body, context) : undefined);
  // A copy may have brought something new beside what is older.
  if (!isOriginal) replicator.stored(resource, request.now);
};

/**
 * Copies are taken by the peer that is responsible, by its replicas from a peer that may be responsible, and by a peer
 * that is about to join (s7.4.1.1, s10.4). What is in them is signed by its writers in any case.
 */
function mayCopyHere(request: IncomingRequest<StoreRequest>, { topology }: HandlerContext): boolean {
  const { resource } = request.body;
  if (!topology.isMember) return topology.state === 'joining' && topology.role === 'peer';
  if (topology.isResponsibleFor(resource)) return true;
  if (!topology.neighbors.isInReplicaRange(resource)) return false;
  const { routing, ring } = topology;
  const sender = request.signer.nodeId;
  const nearest = routing.firstFrom(resource);
  // "replica StoreReqs MUST come from nodes which are either in the known replica set [...] or which are closer".
  return nearest === undefined || routing.has(sender) || ring.insideOpen(sender, resource, nearest);
}

/** @returns undefined when an original has a value that is not proven; of copies those values are left out. */
function provenKinds(
  request: IncomingRequest<StoreRequest>,
  { verifier, clock }: HandlerContext,
  isOriginal: boolean,
): KindValues[] | undefined {
  const { resource, kindData } = request.body;
  const wallNow = clock.wall();
  const out: KindValues[] = [];
  for (const { kind: id, generationCounter, values } of kindData) {
    const kind = verifier.kind(id);
    if (kind === undefined) return undefined;
    const proven: SignedValue[] = [];
    for (const data of values.slice(0, kind.maxCount + 1)) {
      const value = verifier.verify(resource, kind, data, request.certificates, wallNow);
      // s7.4.1.1: the request itself must come from one who may write there, too.
      if (value !== undefined && (!isOriginal || value.signer.nodeId === request.signer.nodeId)) proven.push(value);
      else if (isOriginal) return undefined;
    }
    out.push({ kind, generation: generationCounter, values: proven });
  }
  return out;
}

/** Whether the sender of a copy has shown that it holds every value that is here. */
function isComplete({ resource, kindData }: StoreRequest, { store }: HandlerContext): boolean {
  const kinds = store.find(resource)?.kinds ?? new Map<number, never>();
  const shown = new Map(kindData.map(({ kind, values }) => [kind, values.length]));
  return [...kinds.values()].every(({ kind, entries }) => shown.get(kind.id) === entries.size);
}

function responses(
  kinds: readonly KindValues[],
  generations: ReadonlyMap<number, bigint>,
  replicas: readonly NodeId[],
): { kind: number; generationCounter: bigint; replicas: readonly NodeId[] }[] {
  return kinds.map(({ kind }) => ({ kind: kind.id, generationCounter: generations.get(kind.id) ?? 0n, replicas }));
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
