import { ERROR_CODES, type ExperimentalBody } from '../../reload/index.ts';
import type { Handler } from './handler.ts';

/** RFC 6940 s14.8: what the experimental methods mean is for whoever drives this node to say. */
export const handleExperimental: Handler<ExperimentalBody> = (request, { experimental }) => {
  if (experimental === undefined) request.fail(ERROR_CODES.invalid_message, 'unknown method');
  else experimental(request);
};
