import { ERROR_CODES, type RouteQueryRequest } from '../../reload/index.ts';
import type { Handler } from './handler.ts';

/** RFC 6940 s6.4.2.4, s10.8. A node that would keep the message names itself. */
export const handleRouteQuery: Handler<RouteQueryRequest> = (request, { self, topology }) => {
  const { destination, sendUpdate } = request.body;
  if (destination.type !== 'node' && destination.type !== 'resource') {
    request.fail(ERROR_CODES.not_found, 'only Node-IDs and Resource-IDs have a route here');
    return;
  }
  const mine = destination.type === 'node' && destination.nodeId === self;
  request.answer({ type: 'route_query_ans', nextPeer: (mine ? undefined : topology.nextHop(destination)) ?? self });
  if (sendUpdate && request.isAdjacent) topology.updateRequested(request.signer.nodeId, request.now);
};
