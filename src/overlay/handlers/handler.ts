import type { Clock } from '../../base/clock.ts';
import type { NodeId } from '../../base/node-id.ts';
import type { Random } from '../../base/random.ts';
import type { ExperimentalBody, GenericCertificate, KnownBody } from '../../reload/index.ts';
import type { Attacher } from '../attacher.ts';
import type { Topology } from '../chord/topology.ts';
import type { Requester } from '../requester.ts';
import type { Signer } from '../security/certificate-cache.ts';
import type { OverlaySettings } from '../settings.ts';
import type { AbsenceCheck } from '../storage/absence-check.ts';
import type { PlaceView } from '../storage/admission.ts';
import type { Inquiry } from '../storage/inquiry.ts';
import type { Replicator } from '../storage/replicator.ts';
import type { ResourceStore } from '../storage/resource-store.ts';
import type { ValueVerifier } from '../storage/value-verifier.ts';

/** A request for this node whose signature is good. Answered once, in the call or later. */
export interface IncomingRequest<B extends KnownBody = KnownBody> {
  readonly body: B;
  readonly signer: Signer;
  /** The linked node that sent it came straight from the signer: "adjacent" in RFC 6940 s6.4.2. */
  readonly isAdjacent: boolean;
  /** It was sent to the Node-ID of this node, not to whoever is responsible for a resource. */
  readonly isForNode: boolean;
  readonly certificates: readonly GenericCertificate[];
  readonly now: number;
  /** It is another's to answer by now: it goes there. For what has no effect here. */
  reroute(now: number): void;
  answer(body: KnownBody, certificates?: readonly Uint8Array[]): void;
  /** ERROR_CODES of RFC 6940 s14.9; info is text, or what the error says. */
  fail(errorCode: number, info?: string | Uint8Array): void;
}

/** Answers requests of the experimental methods, in the call or later. */
export type ExperimentalHandler = (request: IncomingRequest<ExperimentalBody>) => void;

/** What handlers work with. */
export interface HandlerContext {
  readonly self: NodeId;
  readonly settings: OverlaySettings;
  readonly topology: Topology;
  readonly attacher: Attacher;
  readonly requester: Requester;
  readonly store: ResourceStore;
  readonly replicator: Replicator;
  readonly place: PlaceView;
  /** Asks the replicas of a place who holds it, before a claim is believed. */
  readonly incumbents: Inquiry;
  readonly absences: AbsenceCheck;
  readonly verifier: ValueVerifier;
  readonly random: Random;
  readonly clock: Clock;
  /** Takes a configuration document that came with ConfigUpdate; true when it was good and newer (s6.5.4.2). */
  readonly acceptConfiguration: (document: Uint8Array, now: number) => boolean;
  /** Answers exp_a_req and exp_b_req; absent: they are refused. */
  readonly experimental: ExperimentalHandler | undefined;
  /** The node need not be told of the document in force. */
  readonly hasConfiguration: (nodeId: NodeId) => void;
}

export type Handler<B extends KnownBody> = (request: IncomingRequest<B>, context: HandlerContext) => void;
