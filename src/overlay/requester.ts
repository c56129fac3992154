import type { NodeId } from '../base/node-id.ts';
import type { Destination, GenericCertificate, KnownBody } from '../reload/index.ts';
import type { OverlayError } from './errors.ts';
import type { Signer } from './security/certificate-cache.ts';

/** An answer that was verified. */
export interface Answer<B extends KnownBody = KnownBody> {
  readonly ok: true;
  readonly body: B;
  readonly signer: Signer;
  /** The certificates that came with it, for the signatures inside. */
  readonly certificates: readonly GenericCertificate[];
  /** Links that the answer came over: what the TTL lost, and the first. 0 when this node answered itself. */
  readonly hops: number;
}

export type RequestResult<B extends KnownBody = KnownBody> =
  Answer<B> | { readonly ok: false; readonly error: OverlayError };

export type RequestDone = (result: RequestResult, now: number) => void;

export interface OutgoingRequest {
  readonly destination: readonly Destination[];
  readonly body: KnownBody;
  /** Certificates for signatures inside the body, beside this node's own. */
  readonly certificates?: readonly Uint8Array[];
  /** Sent as it says, whatever the routing table would choose. */
  readonly firstHop?: NodeId;
  /** Sent with configuration sequence 65535 (s6.3.2.1). */
  readonly anyConfiguration?: boolean;
}

/** Sends requests end to end (RFC 6940 s6.2.1); `done` is called exactly once, never inside `request`. */
export interface Requester {
  request(request: OutgoingRequest, now: number, done: RequestDone): bigint;
  /** `done` will not be called any more. */
  cancel(transactionId: bigint): void;
}

export function toNode(nodeId: NodeId): Destination {
  return { type: 'node', nodeId };
}

export function toResource(resourceId: string): Destination {
  return { type: 'resource', resourceId };
}

/** The links that the TTL of a received message tells, when its sender started from the overlay's initial TTL. */
export function hopsOf(ttl: number, initialTtl: number): number {
  return Math.max(0, initialTtl - ttl) + 1;
}
