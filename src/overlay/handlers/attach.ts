import type { AppAttachRequest, AttachRequest } from '../../reload/index.ts';
import { ERROR_CODES } from '../../reload/index.ts';
import { TUNNEL_APPLICATION_ID } from '../constants.ts';
import type { Handler } from './handler.ts';

/**
 * RFC 6940 s6.5.1. The Update that `sendUpdate` asks for is sent whenever a link comes up (Topology.linkUp), so there is
 * nothing to remember for it.
 */
export const handleAttach: Handler<AttachRequest> = (request, { attacher }) => {
  const reply = attacher.requested(request.signer.nodeId, request.body, { forPackets: false }, request.now);
  if (reply.ok) request.answer({ type: 'attach_ans', ...reply.offer, sendUpdate: false });
  else request.fail(reply.errorCode);
};

/** RFC 6940 s6.5.2. The one application is the tunnel of overlay addresses. */
export const handleAppAttach: Handler<AppAttachRequest> = (request, { attacher }) => {
  const { application } = request.body;
  if (application !== TUNNEL_APPLICATION_ID) {
    request.fail(ERROR_CODES.not_found, `application ${application} is not served here`);
    return;
  }
  const reply = attacher.requested(request.signer.nodeId, request.body, { forPackets: true }, request.now);
  if (reply.ok) request.answer({ type: 'app_attach_ans', ...reply.offer, application });
  else request.fail(reply.errorCode);
};
