import { type Clock, type Timed, earliest } from '../base/clock.ts';
import { parseIpv4Prefix } from '../base/ipv4-prefix.ts';
import type { Logger } from '../base/logger.ts';
import type { NodeId, ResourceId } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { overlayField } from '../reload/index.ts';
import { Attacher, type ConnectDone } from './attacher.ts';
import { Topology } from './chord/topology.ts';
import { type OverlayCounters, zeroCounters } from './counters.ts';
import { DRAIN_LIMIT_MS, STEP_DOWN_DRAIN_MS } from './constants.ts';
import type { OverlayError } from './errors.ts';
import type { OverlayEvent, OverlayEventHandler, OverlayRole, OverlayState } from './events.ts';
import type { ExperimentalHandler, HandlerContext } from './handlers/handler.ts';
import { handleRequest, hasEffect, isHandled } from './handlers/index.ts';
import { RequestLimits } from './handlers/request-limits.ts';
import type { OverlayLinks } from './links.ts';
import { MessageEndpoint } from './message-endpoint.ts';
import { MessageRouter } from './message-router.ts';
import { type RequestDone, type Requester, toNode, toResource } from './requester.ts';
import { type TraceResult, traceRoute } from './route-tracer.ts';
import { CertificateCache, type CertificateVerifier } from './security/certificate-cache.ts';
import { type SigningKey, type VerifySignature, Signing } from './security/signing.ts';
import type { OverlaySettings } from './settings.ts';
import { AbsenceCheck } from './storage/absence-check.ts';
import { CopySender } from './storage/copy-sender.ts';
import { Inquiry } from './storage/inquiry.ts';
import { Replicator } from './storage/replicator.ts';
import { ResourceStore } from './storage/resource-store.ts';
import {
  type FetchResult,
  type FetchSpec,
  type StatResult,
  type StatSpec,
  StorageClient,
  type StoreResult,
  type StoreSpec,
} from './storage/storage-client.ts';
import { RingView } from './storage/ring-view.ts';
import type { Kind } from './storage/kinds.ts';
import type { ValueFile } from './storage/value-file.ts';
import { ValueKeeper } from './storage/value-keeper.ts';
import { ValueVerifier } from './storage/value-verifier.ts';

export interface OverlayComponents {
  /** A HostIdentity. */
  readonly identity: SigningKey;
  /** DER, this node's own first. */
  readonly certificates: readonly Uint8Array[];
  /** A TrustStore. */
  readonly trust: CertificateVerifier;
  readonly configuration: OverlaySettings;
  readonly links: OverlayLinks;
  readonly random: Random;
  /** Wall time for storage and certificates. */
  readonly clock: Clock;
  readonly logger: Logger;
  /** Takes a configuration document of a ConfigUpdate; true when it is good and newer. Absent: all are refused. */
  readonly acceptConfiguration?: (document: Uint8Array, now: number) => boolean;
  /** Whether the time is known: before that, values that a newcomer is handed would be refused. Absent: always. */
  readonly mayEnter?: () => boolean;
  /** Answers requests of RELOAD's experimental methods. Absent: they are refused. */
  readonly experimental?: ExperimentalHandler;
  /** Where what is stored here outlives a restart. Absent: it does not. */
  readonly values?: ValueFile | undefined;
  /** Another check of signatures: a faster one, or a simulated one. Absent: OpenSSL by Node. */
  readonly verifySignature?: VerifySignature;
}

export type PingResult =
  | { readonly ok: true; readonly rttMs: number; readonly responder: NodeId; readonly hops: number }
  | { readonly ok: false; readonly error: OverlayError };

export interface OverlaySnapshot {
  readonly nodeId: NodeId;
  readonly role: OverlayRole;
  readonly state: OverlayState;
  readonly uptimeS: number;
  readonly configurationSequence: number;
  /** Nearest first. */
  readonly predecessors: readonly NodeId[];
  readonly successors: readonly NodeId[];
  readonly fingers: readonly NodeId[];
  /** Linked nodes, clients and joining ones included. */
  readonly connections: readonly NodeId[];
  /** For a client: the peer that is responsible for it. */
  readonly responsiblePeer: NodeId | undefined;
  /** From 0 to 1. */
  readonly responsibleFraction: number;
  readonly storedResources: number;
  readonly storedBytes: number;
  readonly pendingRequests: number;
  readonly counters: Readonly<OverlayCounters>;
}

/**
 * A RELOAD node (RFC 6940) with CHORD-RELOAD, peer or client. Owns no socket and no timer: links bring messages, `now`
 * brings time, and what it wants sent goes to `OverlayLinks`. Failures of requests leave it usable; `left` ends it.
 */
export class OverlayNode implements Timed {
  readonly nodeId: NodeId;
  readonly settings: OverlaySettings;
  private readonly links: OverlayLinks;
  private readonly clock: Clock;
  private readonly trust: CertificateVerifier;
  private readonly signing: Signing;
  private readonly verifier: ValueVerifier;
  private readonly endpoint: MessageEndpoint;
  private readonly router: MessageRouter;
  private readonly topology: Topology;
  private readonly attacher: Attacher;
  private readonly resources: ResourceStore;
  private readonly replicator: Replicator;
  /** Undefined: nothing outlives a restart. */
  private readonly keeper: ValueKeeper | undefined;
  private readonly storage: StorageClient;
  private readonly counters = zeroCounters();
  private readonly handlers: OverlayEventHandler[] = [];
  private readonly parts: readonly Timed[];
  private steppingDown = false;

  constructor(components: OverlayComponents, options: { role: OverlayRole }) {
    const { identity, configuration: settings, links, random, clock, logger } = components;
    const { role } = options;
    const self = identity.hit;
    const overlay = overlayField(settings.name);
    this.nodeId = self;
    this.settings = settings;
    this.links = links;
    this.clock = clock;
    this.trust = components.trust;
    const { counters } = this;
    const own = components.trust.verifyMember(components.certificates, clock.wall());
    this.signing = new Signing({
      key: identity,
      chain: components.certificates,
      user: own.user,
      overlay,
      cache: new CertificateCache(components.trust),
      ...(components.verifySignature && { verifySignature: components.verifySignature }),
    });
    const { signing } = this;
    const mayInvite = (nodeId: NodeId): boolean => components.trust.isInviter?.(nodeId) === true;
    const places = { ring: settings.ring, ipv4Prefix: parseIpv4Prefix(settings.ipv4Prefix), mayInvite };
    const verifier = new ValueVerifier({ places, signing, kinds: settings.kinds });
    this.verifier = verifier;
    const limits = new RequestLimits();
    this.endpoint = new MessageEndpoint({
      self,
      settings,
      signing,
      dataModelOf: verifier.dataModelOf,
      random,
      clock,
      logger,
      counters,
      isHandled,
      hasEffect,
      mayAsk: (nodeId, body, now) => limits.take(nodeId, body, now),
      handle: (request) => {
        if ('resource' in request.body) this.keeper?.hurry(request.body.resource, request.now);
        handleRequest(request, context);
      },
    });
    const requester = this.endpoint;
    this.attacher = new Attacher({ self, links, requester, logger });
    this.resources = new ResourceStore({
      maxBytes: settings.maxStoredBytes,
      maxPerWriter: settings.maxValuesPerWriter,
      isInviter: mayInvite,
    });
    this.topology = new Topology({
      self,
      role,
      settings,
      requester,
      attacher: this.attacher,
      random,
      logger,
      emit: (event, now) => this.emit(event, now),
      handOver: (nodeId, from, now, done) => this.replicator.handOver(nodeId, from, now, done),
      mayEnter: components.mayEnter ?? (() => true),
      isUsable: (nodeId) => links.isUp(nodeId) && links.isAnswering(nodeId),
      forgetCopies: (nodeId) => this.replicator.forget(nodeId),
      neighborsChanged: (lost, now) => {
        place.neighborsChanged(now);
        this.replicator.neighborsChanged(lost, now);
        absences.neighborsChanged(now);
      },
    });
    const { topology } = this;
    const place = new RingView(topology);
    const incumbents = new Inquiry({
      requester,
      verifier,
      clock,
      ways: () => topology.neighbors.replicaSet.map((replica) => [toNode(replica)]),
    });
    const absences = new AbsenceCheck({ self, place, neighbors: topology.neighbors, requester, verifier, clock });
    this.replicator = new Replicator({
      host: {
        place,
        get replicaSet() {
          return topology.neighbors.replicaSet;
        },
      },
      store: this.resources,
      sender: new CopySender({
        store: this.resources,
        place,
        verifier,
        requester,
        clock,
        logger,
        maxMessageBytes: settings.maxMessageBytes,
      }),
      holdDownMs: settings.successorHoldDownMs,
    });
    const { values } = components;
    const { resources: store, replicator } = this;
    this.keeper =
      values && new ValueKeeper({ file: values, store, replicator, place, verifier, incumbents, clock, logger });
    this.storage = new StorageClient({ requester, signing, verifier, clock });
    const context: HandlerContext = {
      self,
      settings,
      topology,
      attacher: this.attacher,
      requester,
      store: this.resources,
      replicator: this.replicator,
      place,
      incumbents,
      absences,
      verifier,
      random,
      clock,
      acceptConfiguration: components.acceptConfiguration ?? (() => false),
      experimental: components.experimental,
      hasConfiguration: (nodeId) => this.endpoint.configurations.has(nodeId),
    };
    this.router = new MessageRouter({
      self,
      topology,
      links,
      sink: this.endpoint,
      settings: { overlay, initialTtl: settings.initialTtl, maxMessageBytes: settings.maxMessageBytes },
      counters,
      logger,
    });
    this.endpoint.connect(this.router, topology);
    const { endpoint, attacher, keeper } = this;
    this.parts = [endpoint, topology, attacher, replicator, incumbents, absences, ...(keeper ? [keeper] : [])];
  }

  /** For methods that have no operation here: Probe, Stat, Find. */
  get requester(): Requester {
    return this.endpoint;
  }

  /** The user that this node's certificate names. */
  get user(): string | null {
    return this.signing.self.user;
  }

  get role(): OverlayRole {
    return this.topology.role;
  }

  get state(): OverlayState {
    return this.topology.state;
  }

  /** For a client: the peer that is responsible for it. */
  get responsiblePeer(): NodeId | undefined {
    return this.topology.responsiblePeer;
  }

  /** Whether a linked peer has said that it is in the ring. */
  get knowsPeers(): boolean {
    return this.topology.routing.size > 0;
  }

  /** Whether peers of the ring are gone without a farewell: they may be in another one. */
  get missesPeers(): boolean {
    return this.topology.lostPeerCount > 0;
  }

  /** How many peers are linked or were told of. */
  get knownPeers(): number {
    return this.topology.routing.size + this.topology.toldPeers.length;
  }

  /** Peers that others have told of and that are not linked. */
  get toldPeers(): readonly NodeId[] {
    return this.topology.toldPeers;
  }

  onEvent(handler: OverlayEventHandler): void {
    this.handlers.push(handler);
  }

  /** Starts an overlay of which this node is the first peer. */
  create(now: number): void {
    this.topology.create(now);
  }

  /**
   * Enters the overlay through a linked member. Again while joined: looks for a second ring there and heals the
   * partition. It keeps trying until `joined`, over whatever links there are.
   * @param role what it becomes; only the first call decides it
   */
  join(bootstrap: NodeId, now: number, role: OverlayRole = this.role): void {
    if (this.links.isUp(bootstrap) && !this.topology.connections.has(bootstrap)) this.topology.linkUp(bootstrap, now);
    this.topology.join(bootstrap, role, now);
  }

  /**
   * Hands over what too few others hold, then tells the peers around; the event `left` says when links may be closed, within
   * DRAIN_LIMIT_MS and LEAVE_TIMEOUT_MS.
   */
  leave(now: number): void {
    this.steppingDown = false;
    if (!this.topology.isMember || this.resources.size === 0) this.topology.leave(now);
    else this.replicator.drain(now + DRAIN_LIMIT_MS, now, (_, at) => this.topology.leave(at));
  }

  /** A change of role is under way. */
  get isChangingRole(): boolean {
    return this.topology.isCandidate || this.steppingDown;
  }

  /** Enough other peers are linked. */
  get mayBecomeClient(): boolean {
    return this.topology.mayStepDown && !this.steppingDown;
  }

  /** A client joins the ring; the event `roleChanged` says when it is a peer. Until then it is a client as before. */
  becomePeer(now: number): void {
    this.topology.becomePeer(now);
  }

  /**
   * A peer hands over all that it stores, tells everyone and is a client of the next peer then: `roleChanged`. When others
   * cannot take it over, or leave at the same time, it stays a peer and nothing is said.
   */
  becomeClient(now: number): void {
    if (!this.mayBecomeClient) return;
    this.steppingDown = true;
    this.replicator.drain(now + STEP_DOWN_DRAIN_MS, now, (complete, at) => {
      if (complete && this.topology.mayStepDown) this.stepDown(at);
      else this.steppingDown = false;
    });
  }

  private stepDown(now: number): void {
    this.topology.stepDown(now, (isFree, at) => {
      // The whole node may be leaving by now.
      if (!this.steppingDown) return;
      // What was stored here while the others did not know yet.
      if (isFree) this.replicator.drain(at + DRAIN_LIMIT_MS, at, (_, later) => this.steppedDown(later));
      else this.steppingDown = false;
    });
  }

  private steppedDown(now: number): void {
    this.steppingDown = false;
    if (!this.topology.becomeClient(now)) return;
    this.resources.clear();
    this.replicator.reset();
    this.keeper?.clear();
  }

  /** Before the process ends: what is stored here is written where it outlives that. */
  keepValues(): void {
    this.keeper?.flush();
  }

  /** Members were revoked, and the trust store knows: what they have stored here is free for others. */
  forgetWriters(nodeIds: readonly NodeId[]): void {
    this.signing.cache.clear();
    this.resources.forgetWriters(nodeIds);
  }

  linkUp(nodeId: NodeId, now: number): void {
    this.endpoint.linkChanged(nodeId);
    this.topology.linkUp(nodeId, now);
    this.attacher.linkUp(nodeId, now);
  }

  /** The link is what it was, its path works again. */
  linkMended(nodeId: NodeId, now: number): void {
    this.topology.linkMended(nodeId, now);
    this.attacher.linkUp(nodeId, now);
  }

  /** A linked node acknowledges nothing: until `linkMended`, `linkUp` or `linkDown` says more, messages go to others. */
  silent(nodeId: NodeId, now: number): void {
    this.topology.silent(nodeId, now);
    this.takeOtherWays(nodeId, now);
  }

  /** A linked node may be gone: what waits for it goes other ways where there are any, and it is asked. */
  doubtful(nodeId: NodeId, now: number): void {
    this.topology.doubtful(nodeId, now);
    this.takeOtherWays(nodeId, now);
  }

  linkDown(nodeId: NodeId, now: number): void {
    this.endpoint.linkChanged(nodeId);
    this.topology.linkDown(nodeId, now);
    this.attacher.linkDown(nodeId, now);
  }

  /** A whole message came over the link of `from`, whom the link has authenticated. Never throws. */
  receive(from: NodeId, message: Uint8Array, now: number): void {
    if (this.state !== 'idle' && this.state !== 'left') this.router.receive(from, message, now);
  }

  /**
   * AppAttach to a node: a link for application packets, or an ICE restart of the one that is there. `done` once the
   * candidates were exchanged; that the link is up is the link's to say. Calls for one node at once share one request.
   */
  connect(nodeId: NodeId, now: number, done: ConnectDone): void {
    this.attacher.connect(nodeId, now, done);
  }

  /** @throws {TypeError} when the Kind is not of this overlay or the value is of another data model. */
  store(spec: StoreSpec, now: number, done: (result: StoreResult, now: number) => void): void {
    this.storage.store(spec, now, done);
  }

  /** @throws {TypeError} when the Kind is not of this overlay. */
  fetch(spec: FetchSpec, now: number, done: (result: FetchResult, now: number) => void): void {
    this.storage.fetch(spec, now, done);
  }

  /** @throws {TypeError} when the Kind is not of this overlay. */
  stat(spec: StatSpec, now: number, done: (result: StatResult, now: number) => void): void {
    this.storage.stat(spec, now, done);
  }

  /** Reaches a node through the overlay, without a link to it. */
  ping(nodeId: NodeId, now: number, done: (result: PingResult, now: number) => void): void {
    this.endpoint.request({ destination: [toNode(nodeId)], body: PING }, now, pingDone(now, done));
  }

  /** What a linked node says the time is (s6.5.3), ms since the epoch; undefined: it does not say. */
  timeOf(nodeId: NodeId, now: number, done: (time: number | undefined, now: number) => void): void {
    this.endpoint.request({ destination: [toNode(nodeId)], body: PING, firstHop: nodeId }, now, (result, at) => {
      done(result.ok && result.body.type === 'ping_ans' ? Number(result.body.time) : undefined, at);
    });
  }

  /** Who is responsible for a resource. */
  locate(resource: ResourceId, now: number, done: (result: PingResult, now: number) => void): void {
    this.endpoint.request({ destination: [toResource(resource)], body: PING }, now, pingDone(now, done));
  }

  /** The way of a message through the overlay, peer by peer. */
  routeQuery(
    target: { readonly nodeId: NodeId } | { readonly resource: ResourceId },
    now: number,
    done: (result: TraceResult, now: number) => void,
  ): void {
    const destination = 'nodeId' in target ? toNode(target.nodeId) : toResource(target.resource);
    const mine = 'nodeId' in target && target.nodeId === this.nodeId;
    const first = mine ? undefined : this.topology.nextHop(destination);
    traceRoute(this.endpoint, first, destination, now, done);
  }

  /**
   * A configuration document is in force; only its number and bytes matter here, its Kinds are for `setKinds`. A newer one is
   * sent to every linked node that does not have it, and from then on to whoever shows an older number.
   */
  setConfiguration(sequence: number, document: Uint8Array | undefined, now: number): void {
    this.endpoint.configurations.setConfiguration(sequence, document, this.topology.connections, now);
  }

  /** What may be stored in the overlay from now on (`kindsOf`). */
  setKinds(kinds: readonly Kind[]): void {
    this.verifier.setKinds(kinds);
  }

  /**
   * Signs with this chain (DER, this node's own first) from now on: the certificate was renewed, or names another user. What
   * is stored already keeps the certificate that it was signed with, and is to be stored again before that one expires.
   * @throws {CertificateError} when it is no member's; the old one stays.
   */
  setCertificates(certificates: readonly Uint8Array[]): void {
    const { user } = this.trust.verifyMember(certificates, this.clock.wall());
    this.signing.renew(certificates, user);
  }

  /** Somebody is trusted no more: nothing that was learnt about certificates before is believed. */
  trustChanged(): void {
    this.signing.cache.clear();
  }

  snapshot(now: number): OverlaySnapshot {
    const { topology } = this;
    const { predecessors, successors } = topology.neighbors;
    return {
      nodeId: this.nodeId,
      role: this.role,
      state: this.state,
      uptimeS: this.state === 'idle' ? 0 : topology.uptimeS(now),
      configurationSequence: this.endpoint.configurations.sequence,
      predecessors,
      successors,
      fingers: topology.fingers.entries,
      connections: [...topology.connections],
      responsiblePeer: topology.responsiblePeer,
      responsibleFraction: topology.isMember ? topology.ring.fraction(predecessors[0] ?? this.nodeId, this.nodeId) : 0,
      storedResources: this.resources.size,
      storedBytes: this.resources.bytes,
      pendingRequests: this.endpoint.pendingRequests,
      counters: { ...this.counters },
    };
  }

  nextTimeout(): number | undefined {
    return earliest(...this.parts.map((part) => part.nextTimeout()));
  }

  handleTimeout(now: number): void {
    for (const part of this.parts) part.handleTimeout(now);
  }

  private takeOtherWays(nodeId: NodeId, now: number): void {
    this.endpoint.hopLost(nodeId, now);
    this.router.hopLost(nodeId, now);
  }

  private emit(event: OverlayEvent, now: number): void {
    if (event.type === 'left') this.endpoint.failAll(now);
    // What a former life has left here is looked at beside what the ring says.
    if ((event.type === 'joined' || event.type === 'roleChanged') && this.topology.isMember) this.keeper?.start(now);
    for (const handler of this.handlers) handler(event, now);
  }
}

const PING = { type: 'ping_req' as const, padding: new Uint8Array() };

function pingDone(sentAt: number, done: (result: PingResult, now: number) => void): RequestDone {
  return (result, now) => {
    if (!result.ok) {
      done(result, now);
      return;
    }
    done({ ok: true, rttMs: now - sentAt, responder: result.signer.nodeId, hops: result.hops }, now);
  };
}
