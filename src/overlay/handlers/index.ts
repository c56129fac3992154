import type { ExperimentalBody, KnownBody } from '../../reload/index.ts';
import { handleAppAttach, handleAttach } from './attach.ts';
import { handleConfigUpdate } from './config-update.ts';
import { handleExperimental } from './experimental.ts';
import { handleFetch } from './fetch.ts';
import { handleFind } from './find.ts';
import type { HandlerContext, IncomingRequest } from './handler.ts';
import { handleJoin } from './join.ts';
import { handleLeave } from './leave.ts';
import { handlePing } from './ping.ts';
import { handleProbe } from './probe.ts';
import { handleRouteQuery } from './route-query.ts';
import { handleStat } from './stat.ts';
import { handleStore } from './store.ts';
import { handleUpdate } from './update.ts';

type RequestType = Extract<KnownBody['type'], `${string}_req`>;
type BodyOf<T extends RequestType> = T extends ExperimentalBody['type']
  ? ExperimentalBody
  : Extract<KnownBody, { type: T }>;

const HANDLERS: {
  [T in RequestType]: (request: IncomingRequest<BodyOf<T>>, context: HandlerContext) => void;
} = {
  app_attach_req: handleAppAttach,
  attach_req: handleAttach,
  config_update_req: handleConfigUpdate,
  exp_a_req: handleExperimental,
  exp_b_req: handleExperimental,
  fetch_req: handleFetch,
  find_req: handleFind,
  join_req: handleJoin,
  leave_req: handleLeave,
  ping_req: handlePing,
  probe_req: handleProbe,
  route_query_req: handleRouteQuery,
  stat_req: handleStat,
  store_req: handleStore,
  update_req: handleUpdate,
};

/** Requests with an effect, which a retransmission must not have twice (RFC 6940 s6.2.1). */
const WITH_EFFECT: ReadonlySet<string> = new Set<RequestType>([
  'app_attach_req',
  'attach_req',
  'config_update_req',
  'exp_a_req',
  'exp_b_req',
  'join_req',
  'leave_req',
  'store_req',
]);

export function isHandled(body: KnownBody): boolean {
  return Object.hasOwn(HANDLERS, body.type);
}

export function hasEffect(body: KnownBody): boolean {
  return WITH_EFFECT.has(body.type);
}

/** Hands a request to the handler of its method. Only for bodies that `isHandled`. */
export function handleRequest(request: IncomingRequest, context: HandlerContext): void {
  const handler = HANDLERS[request.body.type as RequestType] as (
    request: IncomingRequest,
    context: HandlerContext,
  ) => void;
  handler(request, context);
}
