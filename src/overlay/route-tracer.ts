import type { NodeId } from '../base/node-id.ts';
import { type Destination, ERROR_CODES } from '../reload/index.ts';
import { MAX_TRACE_HOPS } from './constants.ts';
import { OverlayError } from './errors.ts';
import { type Requester, toNode } from './requester.ts';

export interface TracedHop {
  readonly nodeId: NodeId;
  /** Milliseconds from this node and back. */
  readonly rttMs: number;
}

export type TraceResult =
  | { readonly ok: true; readonly hops: readonly TracedHop[] }
  | { readonly ok: false; readonly hops: readonly TracedHop[]; readonly error: OverlayError };

/**
 * Follows the way of a message by asking each peer with RouteQuery where it would send it next (RFC 6940 s6.4.2.4). Each
 * question takes the way found so far, so an answer proves that way too.
 */
export function traceRoute(
  requester: Requester,
  first: NodeId | undefined,
  target: Destination,
  now: number,
  done: (result: TraceResult, now: number) => void,
): void {
  const hops: TracedHop[] = [];
  const path: Destination[] = [];
  const visit = (nodeId: NodeId, sentAt: number): void => {
    path.push(toNode(nodeId));
    const body = {
      type: 'route_query_req' as const,
      sendUpdate: false,
      destination: target,
      overlaySpecificData: new Uint8Array(),
    };
    requester.request({ destination: [...path], body }, sentAt, (result, at) => {
      if (!result.ok) {
        done({ ok: false, hops, error: result.error }, at);
        return;
      }
      hops.push({ nodeId, rttMs: at - sentAt });
      const next = result.body.type === 'route_query_ans' ? result.body.nextPeer : nodeId;
      if (next === nodeId) {
        done({ ok: true, hops }, at);
        return;
      }
      if (hops.some((hop) => hop.nodeId === next) || hops.length >= MAX_TRACE_HOPS) {
        done({ ok: false, hops, error: loop() }, at);
        return;
      }
      visit(next, at);
    });
  };
  if (first === undefined) done({ ok: true, hops }, now);
  else visit(first, now);
}

function loop(): OverlayError {
  return new OverlayError(
    ERROR_CODES.ttl_exceeded,
    'the route comes back to a peer it has passed: the ring is changing; try again in a moment',
  );
}
