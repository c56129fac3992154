import { type ConfigUpdateRequest, ERROR_CODES } from '../../reload/index.ts';
import type { Handler } from './handler.ts';

/** RFC 6940 s6.5.4. Documents are checked by who owns the configuration; Kinds come with documents only. */
export const handleConfigUpdate: Handler<ConfigUpdateRequest> = (
  request,
  { acceptConfiguration, hasConfiguration },
) => {
  const { content } = request.body;
  if (content.type !== 'config') {
    request.fail(ERROR_CODES.forbidden, 'Kinds are defined by the configuration document alone');
    return;
  }
  if (acceptConfiguration(content.configData, request.now)) {
    hasConfiguration(request.signer.nodeId);
    request.answer({ type: 'config_update_ans' });
  } else request.fail(ERROR_CODES.forbidden, 'the document is not newer, or not signed as it should be');
};
