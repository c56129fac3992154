import type { ResourceId } from '../../base/node-id.ts';
import { ERROR_CODES, type FindRequest } from '../../reload/index.ts';
import type { Handler, HandlerContext } from './handler.ts';

/** s7.4.4.2: "If a Kind-ID is not known, then the corresponding Resource-ID MUST be 0." */
const NONE: ResourceId = '00';
const MAX_KINDS = 8;

/** RFC 6940 s7.4.4: the nearest resource that has values of a Kind. */
export const handleFind: Handler<FindRequest> = (request, context) => {
  const { resource, kinds } = request.body;
  if (!context.topology.ring.contains(resource) || !context.topology.isResponsibleFor(resource)) {
    request.fail(ERROR_CODES.not_found, 'not responsible for that Resource-ID');
    return;
  }
  const results = kinds.slice(0, MAX_KINDS).map((kind) => ({ kind, closest: closest(resource, kind, context) }));
  request.answer({ type: 'find_ans', results });
};

/** The part of the ring that a peer is responsible for has no gaps: no further one can be in it when the nearest is not. */
function closest(resource: ResourceId, kind: number, { topology, store }: HandlerContext): ResourceId {
  const { ring } = topology;
  let best: { id: ResourceId; distance: bigint } | undefined;
  for (const id of store.nearest(kind, resource)) {
    if (!topology.isResponsibleFor(id)) continue;
    const clockwise = ring.distance(resource, id);
    const back = ring.distance(id, resource);
    const distance = clockwise < back ? clockwise : back;
    if (best === undefined || distance < best.distance) best = { id, distance };
  }
  return best?.id ?? NONE;
}
