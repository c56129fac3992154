import type { PingRequest } from '../../reload/index.ts';
import type { Handler } from './handler.ts';

/** RFC 6940 s6.5.3. */
export const handlePing: Handler<PingRequest> = (request, { random, clock }) => {
  const responseId = (BigInt(random.uint32()) << 32n) | BigInt(random.uint32());
  request.answer({ type: 'ping_ans', responseId, time: BigInt(Math.floor(clock.wall())) });
};
