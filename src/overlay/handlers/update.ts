import { ERROR_CODES, type UpdateRequest } from '../../reload/index.ts';
import type { Handler } from './handler.ts';

/** RFC 6940 s10.7.3: only what a peer says of itself over its own link changes the routing table. */
export const handleUpdate: Handler<UpdateRequest> = (request, { topology }) => {
  if (!request.isAdjacent) {
    request.fail(ERROR_CODES.forbidden, 'an Update is sent over a link of its sender');
    return;
  }
  request.answer({ type: 'update_ans' });
  topology.updateReceived(request.signer.nodeId, request.body.update, request.now);
};
