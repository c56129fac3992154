import { ERROR_CODES, type LeaveRequest } from '../../reload/index.ts';
import type { Handler } from './handler.ts';

/** RFC 6940 s6.4.2.2, s10.9. */
export const handleLeave: Handler<LeaveRequest> = (request, { topology }) => {
  const { leavingPeerId, leaveData } = request.body;
  if (leavingPeerId !== request.signer.nodeId || !request.isAdjacent) {
    request.fail(ERROR_CODES.forbidden, 'a Leave is for the node that sends it, over its own link');
    return;
  }
  const told =
    leaveData === undefined ? [] : leaveData.type === 'from_succ' ? leaveData.successors : leaveData.predecessors;
  // Whoever becomes a client counts those who stay.
  if (topology.isLeaving) request.fail(ERROR_CODES.in_progress, 'this peer is leaving, too');
  else request.answer({ type: 'leave_ans' });
  topology.peerLeft(leavingPeerId, told, request.now);
};
