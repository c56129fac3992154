import { ERROR_CODES, type JoinRequest } from '../../reload/index.ts';
import type { Handler } from './handler.ts';

/** RFC 6940 s6.4.2.1, s10.5: answered first, then the newcomer gets its data and the Update that makes it a peer. */
export const handleJoin: Handler<JoinRequest> = (request, { topology }) => {
  const { joiningPeerId } = request.body;
  if (joiningPeerId !== request.signer.nodeId || !request.isAdjacent) {
    request.fail(ERROR_CODES.forbidden, 'a Join is for the node that sends it, over its own link');
    return;
  }
  if (!topology.canAdmit(joiningPeerId)) {
    request.fail(ERROR_CODES.not_found, 'not responsible for that Node-ID');
    return;
  }
  request.answer({ type: 'join_ans', overlaySpecificData: new Uint8Array() });
  topology.admit(joiningPeerId, request.now);
};
