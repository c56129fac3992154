import { MalformedMessageError } from '../base/errors.ts';
import { type Clock, type Timed, earliest } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { NodeId } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import {
  CERTIFICATE_TYPE_X509,
  CONFIGURATION_SEQUENCE_ANY,
  type DataModelOf,
  type DecodedForwardingHeader,
  type Destination,
  ERROR_CODES,
  type ErrorResponse,
  FORWARDING_FLAGS,
  type KnownBody,
  MESSAGE_CODES,
  type MessageEnvelope,
  decodeBody,
  decodeEnvelope,
} from '../reload/index.ts';
import { AnswerCache } from './answer-cache.ts';
import type { Topology } from './chord/topology.ts';
import { ConfigurationExchange } from './configuration-exchange.ts';
import { compareSequences } from './configuration-sequence.ts';
import { MAX_LIMITED_NODES, REFUSAL_RATE, WILDCARD_NODE_ID } from './constants.ts';
import type { OverlayCounters } from './counters.ts';
import { NotJoinedError } from './errors.ts';
import type { Forwarded } from './forward-memory.ts';
import type { IncomingRequest } from './handlers/handler.ts';
import { type MessageRouter, type MessageSink, isRequestCode } from './message-router.ts';
import { RateLimiter } from './rate-limiter.ts';
import { type OutgoingRequest, type Requester, type RequestDone, hopsOf, toNode } from './requester.ts';
import type { Signer } from './security/certificate-cache.ts';
import type { Signing } from './security/signing.ts';
import type { OverlaySettings } from './settings.ts';
import { type PendingRequest, Transactions, errorOf } from './transactions.ts';
import { UpdateIntake } from './update-intake.ts';

export interface MessageEndpointComponents {
  readonly self: NodeId;
  readonly settings: OverlaySettings;
  readonly signing: Signing;
  readonly dataModelOf: DataModelOf;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: OverlayCounters;
  readonly isHandled: (body: KnownBody) => boolean;
  readonly hasEffect: (body: KnownBody) => boolean;
  /** Whether this node may cause that much work now. */
  readonly mayAsk: (nodeId: NodeId, body: KnownBody, now: number) => boolean;
  readonly handle: (request: IncomingRequest) => void;
}

/** The two ends of messages: requests of this node with their answers, and requests of others for it. */
export class MessageEndpoint implements MessageSink, Requester, Timed {
  private readonly components: MessageEndpointComponents;
  private readonly transactions: Transactions;
  private readonly answers = new AnswerCache();
  private readonly updates = new UpdateIntake<Uint8Array>({
    look: (from, message, now) => this.wired.router.attempt(from, () => this.examine(from, message, undefined, now)),
  });
  private readonly refusals = new RateLimiter(REFUSAL_RATE, MAX_LIMITED_NODES);
  readonly configurations: ConfigurationExchange;
  private wiring: { readonly router: MessageRouter; readonly topology: Topology } | undefined;

  constructor(components: MessageEndpointComponents) {
    this.components = components;
    this.transactions = new Transactions({
      random: components.random,
      intervalMs: components.settings.reliabilityTimerMs,
      transmit: (pending, now) => this.transmit(pending, now),
    });
    const { settings, logger } = components;
    this.configurations = new ConfigurationExchange({
      requester: this,
      logger,
      sequence: settings.sequence,
      document: settings.document,
      agreed: (now) => this.transactions.configurationChanged(now),
    });
  }

  get pendingRequests(): number {
    return this.transactions.size;
  }

  /** The router and the topology are built around this endpoint, so they come after it. */
  connect(router: MessageRouter, topology: Topology): void {
    this.wiring = { router, topology };
  }

  request(request: OutgoingRequest, now: number, done: RequestDone): bigint {
    return this.transactions.start(request, now, done);
  }

  cancel(transactionId: bigint): void {
    this.transactions.cancel(transactionId);
  }

  failAll(now: number): void {
    this.updates.stop();
    this.transactions.failAll({ ok: false, error: new NotJoinedError() }, now);
  }

  /** The link is gone, or another one: what came over the one before says nothing now. */
  linkChanged(nodeId: NodeId): void {
    this.updates.forget(nodeId);
  }

  nextTimeout(): number | undefined {
    return earliest(this.transactions.nextTimeout(), this.configurations.nextTimeout(), this.updates.nextTimeout());
  }

  handleTimeout(now: number): void {
    this.transactions.handleTimeout(now);
    this.configurations.handleTimeout(now);
    this.updates.handleTimeout(now);
  }

  deliver(from: NodeId, message: Uint8Array, header: DecodedForwardingHeader, code: number, now: number): void {
    const { counters } = this.components;
    if (!isRequestCode(code)) {
      // An answer that nobody waits for is not worth the check of its signature.
      const pending = this.transactions.find(header.transactionId);
      if (pending === undefined) counters.undeliverable += 1;
      else this.examine(from, message, pending, now);
      return;
    }
    // Who sends over its own link is known without a signature, and what it sends beyond its rate is not even read.
    if (code !== MESSAGE_CODES.update_req || header.viaList.length > 0) this.examine(from, message, undefined, now);
    else if (!this.updates.arrived(from, message, now)) counters.limited += 1;
  }

  /** @param pending what it answers; undefined: it is a request */
  private examine(from: NodeId, message: Uint8Array, pending: PendingRequest | undefined, now: number): void {
    const envelope = decodeEnvelope(message);
    const signer = this.components.signing.open(envelope, this.components.clock.wall());
    if (signer === undefined) {
      this.components.counters.unproven += 1;
      this.components.logger.debug('message not proven', { nodeId: from });
      return;
    }
    if (pending !== undefined) this.answerArrived(pending, envelope, signer, now);
    else this.requestArrived({ from, message }, envelope, signer, now);
  }

  /**
   * What was sent over this hop may not have arrived there. A Store waits for its own time: by then whoever takes over has
   * been given what it needs to judge it.
   */
  hopLost(hop: NodeId, now: number): void {
    const { topology } = this.wired;
    this.transactions.hopLost(hop, now, ({ request, avoided }) => {
      const [first] = request.destination;
      if (first === undefined || request.firstHop !== undefined || request.body.type === 'store_req') return false;
      const next = topology.nextHop(first, new Set([...avoided, hop]));
      return next !== undefined && next !== hop;
    });
  }

  refuse(from: NodeId, header: DecodedForwardingHeader, errorCode: number, now: number): void {
    // Each costs a signature, for a message that may have cost its sender none.
    if (!this.refusals.take(from, now)) return;
    this.reply(from, header, this.sealError(header.transactionId, errorCode));
  }

  private transmit(pending: PendingRequest, now: number): void {
    const { router, topology } = this.wired;
    const { request, transactionId } = pending;
    if (topology.state === 'idle' || topology.state === 'left') {
      this.transactions.finishSoon(pending, { ok: false, error: new NotJoinedError() }, now);
      return;
    }
    if (router.route(request.destination).type === 'local') {
      this.answerMyself(pending, now);
      return;
    }
    pending.payload ??= this.components.signing.seal(transactionId, request.body, request.certificates);
    const { sequence } = this.configurations;
    const hop = router.depart(
      {
        transactionId,
        configurationSequence: request.anyConfiguration === true ? CONFIGURATION_SEQUENCE_ANY : sequence,
        destinationList: this.wayOf(pending),
        payload: pending.payload,
      },
      { avoid: waysNotTaken(pending), firstHop: request.firstHop },
    );
    pending.lastHop = hop;
  }

  /** Once whoever stands on the usual way refused it, the last attempts take one that leads past them. */
  private wayOf({ request, avoided, transmissions }: PendingRequest): readonly Destination[] {
    const [target] = request.destination;
    if (avoided.size === 0 || transmissions < DETOUR_FROM || request.destination.length > 1 || target === undefined)
      return request.destination;
    const through = this.wired.topology.detour(target, avoided);
    return through === undefined ? request.destination : [toNode(through), target];
  }

  /** A request whose destination is this node itself. */
  private answerMyself(pending: PendingRequest, now: number): void {
    const { body, certificates = [] } = pending.request;
    const { self } = this.components.signing;
    const finish = (answer: KnownBody, chain: readonly Uint8Array[] = []): void => {
      const bucket = genericCertificates([...self.chain, ...chain]);
      const outcome = { ok: true as const, body: answer, signer: self, certificates: bucket, hops: 0 };
      if (this.transactions.find(pending.transactionId) !== undefined)
        this.transactions.finishSoon(pending, outcome, now);
    };
    this.components.handle({
      body,
      signer: self,
      isAdjacent: true,
      isForNode: pending.request.destination.at(-1)?.type === 'node',
      certificates: genericCertificates([...self.chain, ...certificates]),
      now,
      answer: finish,
      fail: (code, info) => finish({ type: 'error', code, info: infoBytes(info) }),
      reroute: (at) => {
        if (this.transactions.find(pending.transactionId) !== undefined) this.transmit(pending, at);
      },
    });
  }

  private answerArrived(pending: PendingRequest, envelope: MessageEnvelope, signer: Signer, now: number): void {
    const { settings, dataModelOf, counters, logger } = this.components;
    const body = decodeBody(envelope, { dataModelOf });
    if (body.type === 'error') {
      this.errorArrived(pending, body, envelope, signer, now);
      return;
    }
    if (body.type === 'unknown' || !this.mayAnswer(pending.request, signer.nodeId)) {
      counters.unproven += 1;
      logger.debug('answer of a node that was not asked', { nodeId: signer.nodeId });
      return;
    }
    const { certificates } = envelope.security;
    const hops = hopsOf(envelope.header.ttl, settings.initialTtl);
    this.transactions.answered(pending, { ok: true, body, signer, certificates, hops }, now);
  }

  /**
   * An error ends a request when it comes from who may answer it. Anyone on the way can send one: that only makes the
   * request take another way, and is the reason given in the end if it is one that a hop may have (s6.3.3.1).
   */
  private errorArrived(
    pending: PendingRequest,
    body: ErrorResponse,
    envelope: MessageEnvelope,
    signer: Signer,
    now: number,
  ): void {
    const error = errorOf(pending, body);
    if (isNotInTheRing(body, pending.request, signer.nodeId)) {
      this.transactions.refusedByNewcomer(pending, signer.nodeId, error, now);
      return;
    }
    if (!this.mayRefuse(pending.request, signer.nodeId)) {
      this.components.logger.debug('error of a node on the way', { nodeId: signer.nodeId, err: error.message });
      this.transactions.refusedOnTheWay(pending, signer.nodeId, HOP_ERRORS.has(body.code) ? error : undefined, now);
      return;
    }
    if (body.code === ERROR_CODES.config_too_old || body.code === ERROR_CODES.config_too_new) {
      pending.hint = error;
      pending.awaitsConfiguration = true;
      if (body.code === ERROR_CODES.config_too_new) this.configurations.refusedAsNew(signer.nodeId, now);
      return;
    }
    const { certificates } = envelope.security;
    const hops = hopsOf(envelope.header.ttl, this.components.settings.initialTtl);
    this.transactions.answered(pending, { ok: true, body, signer, certificates, hops }, now);
  }

  /** As `mayAnswer`, and nothing that is known here says that somebody else is responsible. */
  private mayRefuse({ destination }: OutgoingRequest, responder: NodeId): boolean {
    const target = destination.at(-1);
    if (target?.type === 'node') return target.nodeId === responder || target.nodeId === WILDCARD_NODE_ID;
    if (target?.type !== 'resource' || destination.length > 1) return true;
    return this.wired.topology.mayBeResponsible(responder, target.resourceId);
  }

  /**
   * RFC 6940 s6.3.4: the answer to a request for a Node-ID comes from that node; for a Resource-ID from a node "at least
   * as close to the target Resource-ID as any node in the requesting node's Neighbor Table".
   */
  private mayAnswer({ destination }: OutgoingRequest, responder: NodeId): boolean {
    const target = destination.at(-1);
    if (target?.type === 'node') return target.nodeId === responder || target.nodeId === WILDCARD_NODE_ID;
    const { topology } = this.wired;
    // A list leads into another part of the overlay, which this node's neighbours say nothing about.
    if (target?.type !== 'resource' || destination.length > 1 || !topology.isMember) return true;
    const { resourceId } = target;
    const closer = (id: NodeId): boolean =>
      id !== responder && (id === resourceId || topology.ring.insideOpen(id, resourceId, responder));
    return resourceId === responder || ![topology.self, ...topology.neighbors.all].some(closer);
  }

  private requestArrived(came: Forwarded, envelope: MessageEnvelope, signer: Signer, now: number): void {
    const { from } = came;
    const { header } = envelope;
    const { counters, dataModelOf } = this.components;
    const [origin = toNode(from)] = header.viaList;
    if (origin.type === 'node' && origin.nodeId !== signer.nodeId) {
      counters.unproven += 1;
      return;
    }
    if (header.configurationSequence !== CONFIGURATION_SEQUENCE_ANY)
      this.configurations.seen(signer.nodeId, header.configurationSequence, now);
    const refused = this.reasonToRefuse(envelope);
    if (refused !== undefined) {
      this.reply(from, header, this.sealError(header.transactionId, refused));
      return;
    }
    let body;
    try {
      body = decodeBody(envelope, { dataModelOf });
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      counters.malformed += 1;
      this.reply(from, header, this.sealError(header.transactionId, ERROR_CODES.invalid_message, error.reason));
      return;
    }
    if (body.type === 'unknown' || !this.components.isHandled(body)) {
      this.reply(from, header, this.sealError(header.transactionId, ERROR_CODES.invalid_message, 'unknown method'));
      return;
    }
    this.dispatch(came, envelope, signer, body, now);
  }

  private dispatch(came: Forwarded, envelope: MessageEnvelope, signer: Signer, body: KnownBody, now: number): void {
    const { from } = came;
    const { header } = envelope;
    const { transactionId } = header;
    const withEffect = this.components.hasEffect(body);
    if (withEffect) {
      const known = this.answers.begin(signer.nodeId, transactionId, now);
      if (known instanceof Uint8Array) this.reply(from, header, known);
      if (known !== 'new') return;
    }
    if (!this.components.mayAsk(signer.nodeId, body, now)) {
      this.components.counters.limited += 1;
      if (withEffect) this.answers.forget(signer.nodeId, transactionId);
      return;
    }
    const finish = (payload: Uint8Array): void => {
      if (withEffect) this.answers.finish(signer.nodeId, transactionId, payload);
      this.reply(from, header, payload);
    };
    this.components.handle({
      body,
      signer,
      isAdjacent: header.viaList.length === 0 && from === signer.nodeId,
      isForNode: header.destinationList.at(-1)?.type === 'node',
      certificates: envelope.security.certificates,
      now,
      answer: (answer, certificates) => finish(this.sealAnswer(header, answer, certificates)),
      fail: (code, info) => finish(this.sealError(transactionId, code, info)),
      reroute: (at) => this.wired.router.again(came, at),
    });
  }

  private reasonToRefuse({ header, code, extensions }: MessageEnvelope): number | undefined {
    if (NEEDS_SAME_CONFIGURATION.has(code)) {
      const order = compareSequences(header.configurationSequence, this.configurations.sequence);
      if (order !== 0) return order < 0 ? ERROR_CODES.config_too_old : ERROR_CODES.config_too_new;
    }
    if (header.options.some(({ flags }) => (flags & FORWARDING_FLAGS.destinationCritical) !== 0))
      return ERROR_CODES.unsupported_forwarding_option;
    return extensions.some(({ critical }) => critical) ? ERROR_CODES.unknown_extension : undefined;
  }

  private sealAnswer(
    { transactionId, maxResponseLength }: DecodedForwardingHeader,
    body: KnownBody,
    certificates: readonly Uint8Array[] = [],
  ): Uint8Array {
    const payload = this.components.signing.seal(transactionId, body, certificates);
    const { maxMessageBytes } = this.components.settings;
    const limit = maxResponseLength === 0 ? maxMessageBytes : Math.min(maxMessageBytes, maxResponseLength);
    return payload.length + HEADER_RESERVE_BYTES > limit
      ? this.sealError(transactionId, ERROR_CODES.response_too_large)
      : payload;
  }

  private sealError(transactionId: bigint, code: number, info?: string | Uint8Array): Uint8Array {
    return this.components.signing.seal(transactionId, { type: 'error', code, info: infoBytes(info) });
  }

  /** Back along the way that the request came (s6.2.2). */
  private reply(from: NodeId, { transactionId, viaList }: DecodedForwardingHeader, payload: Uint8Array): void {
    const destinationList: Destination[] = [...viaList, toNode(from)].reverse();
    const configurationSequence = this.configurations.sequence;
    this.wired.router.depart({ transactionId, configurationSequence, destinationList, payload }, {});
  }

  private get wired(): { readonly router: MessageRouter; readonly topology: Topology } {
    if (this.wiring === undefined) throw new TypeError('the endpoint is used before it was connected');
    return this.wiring;
  }
}

/**
 * What is stored depends on the Kinds of the document, so there RFC 6940 s6.3.2.1 is kept to the letter. It asks for that
 * of every request; then a new document at half of the peers would split the ring, since Updates and Pings between the
 * halves end links. What keeps ring and links together is answered whatever the number, and documents follow.
 */
const NEEDS_SAME_CONFIGURATION: ReadonlySet<number> = new Set([
  MESSAGE_CODES.store_req,
  MESSAGE_CODES.fetch_req,
  MESSAGE_CODES.find_req,
  MESSAGE_CODES.stat_req,
]);

/** The transmission from which on a refused request takes a detour. */
const DETOUR_FROM = 3;

/** What a node that only passes a request on may say of it (s6.3.2, s6.3.2.3, s6.6). */
const HOP_ERRORS: ReadonlySet<number> = new Set([
  ERROR_CODES.ttl_exceeded,
  ERROR_CODES.message_too_large,
  ERROR_CODES.unsupported_forwarding_option,
]);

/** A hop that is on its way into the ring, as after its restart: it says nothing about what the request asks for. */
function isNotInTheRing({ code }: ErrorResponse, { destination }: OutgoingRequest, by: NodeId): boolean {
  if (code !== ERROR_CODES.incompatible_with_overlay) return false;
  return !destination.some((entry) => entry.type === 'node' && entry.nodeId === by);
}

/** The forwarding header of an answer with a long way back. */
const HEADER_RESERVE_BYTES = 512;

function waysNotTaken({ avoided, lastHop }: PendingRequest): ReadonlySet<NodeId> {
  return lastHop === undefined ? avoided : new Set([...avoided, lastHop]);
}

function infoBytes(info: string | Uint8Array | undefined): Uint8Array {
  return typeof info === 'string' ? Buffer.from(info, 'utf8') : (info ?? new Uint8Array());
}

function genericCertificates(chain: readonly Uint8Array[]): { type: number; certificate: Uint8Array }[] {
  return chain.map((certificate) => ({ type: CERTIFICATE_TYPE_X509, certificate }));
}
