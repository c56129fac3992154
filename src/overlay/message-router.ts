import { concatBytes, ByteReader } from '../base/bytes.ts';
import { MalformedMessageError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { NodeId } from '../base/node-id.ts';
import {
  type DecodedForwardingHeader,
  type Destination,
  ERROR_CODES,
  FORWARDING_FLAGS,
  MESSAGE_CODES,
  WHOLE_MESSAGE_FRAGMENT,
  decodeForwardingHeader,
  encodeForwardingHeader,
  isWholeMessage,
  rewriteHeader,
} from '../reload/index.ts';
import type { Topology } from './chord/topology.ts';
import { MAX_DESTINATIONS, WILDCARD_NODE_ID } from './constants.ts';
import type { OverlayCounters } from './counters.ts';
import { type Forwarded, ForwardMemory } from './forward-memory.ts';
import type { OverlayLinks } from './links.ts';
import { toNode } from './requester.ts';

/** What the ends of messages need of the way between them. */
export interface MessageSink {
  /** A whole message for this node; its header was read. */
  deliver(from: NodeId, message: Uint8Array, header: DecodedForwardingHeader, code: number, now: number): void;
  /** A request that cannot go on: its sender is to be told (RFC 6940 s6.3.3.1). */
  refuse(from: NodeId, header: DecodedForwardingHeader, errorCode: number, now: number): void;
}

export interface RouterSettings {
  /** The overlay field of forwarding headers. */
  readonly overlay: number;
  readonly initialTtl: number;
  readonly maxMessageBytes: number;
}

export type Route =
  | { readonly type: 'local' }
  | { readonly type: 'forward'; readonly rest: readonly Destination[] }
  | { readonly type: 'nowhere' };

/** A message that this node sends. */
export interface Departure {
  readonly transactionId: bigint;
  readonly configurationSequence: number;
  readonly destinationList: readonly Destination[];
  /** Contents and security block. */
  readonly payload: Uint8Array;
}

/** Symmetric recursive routing (RFC 6940 s6.1, s6.2): takes what links bring, keeps it or passes it on. */
export class MessageRouter {
  private readonly self: NodeId;
  private readonly topology: Topology;
  private readonly links: OverlayLinks;
  private readonly sink: MessageSink;
  private readonly settings: RouterSettings;
  private readonly counters: OverlayCounters;
  private readonly logger: Logger;
  private readonly memory = new ForwardMemory();

  constructor(components: {
    self: NodeId;
    topology: Topology;
    links: OverlayLinks;
    sink: MessageSink;
    settings: RouterSettings;
    counters: OverlayCounters;
    logger: Logger;
  }) {
    this.self = components.self;
    this.topology = components.topology;
    this.links = components.links;
    this.sink = components.sink;
    this.settings = components.settings;
    this.counters = components.counters;
    this.logger = components.logger;
  }

  /** Never throws: what is no message is counted and dropped. */
  receive(from: NodeId, message: Uint8Array, now: number): void {
    this.counters.received += 1;
    this.attempt(from, () => this.examine(from, message, now));
  }

  /** Looks at a message of a linked node. Never throws, as `receive`. */
  attempt(from: NodeId, look: () => void): void {
    try {
      look();
    } catch (error) {
      this.counters.malformed += 1;
      if (error instanceof MalformedMessageError)
        this.logger.debug('message dropped', { nodeId: from, err: error.message });
      else this.logger.error('message handling failed', { nodeId: from, err: messageOf(error) });
    }
  }

  /** A linked node does not acknowledge what was forwarded to it: all but Stores goes another way, if there is one now. */
  hopLost(hop: NodeId, now: number): void {
    for (const { from, message } of this.memory.lastSentTo(hop, now))
      if (codeOf(message, decodeForwardingHeader(message)) !== MESSAGE_CODES.store_req)
        this.examine(from, message, now, hop);
  }

  /** What to do with a destination list (s6.1.1 to s6.1.3). */
  route(destinationList: readonly Destination[]): Route {
    for (let i = 0; i < destinationList.length; i++) {
      const first = destinationList[i];
      if (first === undefined) break;
      const rest = destinationList.slice(i);
      switch (first.type) {
        case 'node':
          if (first.nodeId === WILDCARD_NODE_ID) return { type: 'local' };
          if (first.nodeId !== this.self) return { type: 'forward', rest };
          if (rest.length === 1) return { type: 'local' };
          break;
        case 'resource':
          return this.topology.isResponsibleFor(first.resourceId) ? { type: 'local' } : { type: 'forward', rest };
        default:
          // This node makes no opaque ids, so it cannot know any (s6.1.3).
          return { type: 'nowhere' };
      }
    }
    return { type: 'nowhere' };
  }

  /**
   * Sends a message of this node.
   * @param avoid not these hops if there is another
   * @returns the hop, or undefined when there is no way now
   */
  depart(
    departure: Departure,
    options: { avoid?: ReadonlySet<NodeId>; firstHop?: NodeId | undefined },
  ): NodeId | undefined {
    const route = this.route(departure.destinationList);
    if (route.type !== 'forward') return undefined;
    const hop = options.firstHop ?? this.hopFor(route.rest, options.avoid);
    if (hop === undefined || !this.topology.connections.has(hop)) {
      this.counters.undeliverable += 1;
      return undefined;
    }
    const header = encodeForwardingHeader(
      {
        overlay: this.settings.overlay,
        configurationSequence: departure.configurationSequence,
        ttl: this.settings.initialTtl,
        fragment: WHOLE_MESSAGE_FRAGMENT,
        transactionId: departure.transactionId,
        maxResponseLength: 0,
        viaList: [],
        destinationList: route.rest,
        options: [],
      },
      departure.payload.length,
    );
    this.send(hop, concatBytes(header, departure.payload));
    return hop;
  }

  /** What was delivered here is another's by now. */
  again({ from, message }: Forwarded, now: number): void {
    this.examine(from, message, now);
  }

  private examine(from: NodeId, message: Uint8Array, now: number, lost?: NodeId): void {
    const header = decodeForwardingHeader(message);
    if (header.overlay !== this.settings.overlay || !isWholeMessage(header)) {
      this.counters.malformed += 1;
      return;
    }
    const code = codeOf(message, header);
    const isRequest = isRequestCode(code);
    const refused = this.reasonToRefuse(header, message.length);
    if (refused !== undefined) {
      if (isRequest) this.sink.refuse(from, header, refused, now);
      return;
    }
    if (isRequest && this.isCircling(header)) {
      this.counters.undeliverable += 1;
      return;
    }
    const route = this.route(header.destinationList);
    switch (route.type) {
      case 'local':
        this.counters.delivered += 1;
        this.sink.deliver(from, message, header, code, now);
        return;
      case 'nowhere':
        this.counters.undeliverable += 1;
        return;
      case 'forward':
        this.forward({ from, message }, header, route.rest, isRequest, now, lost);
    }
  }

  private reasonToRefuse(header: DecodedForwardingHeader, length: number): number | undefined {
    if (header.ttl > this.settings.initialTtl) return ERROR_CODES.ttl_exceeded;
    if (length > this.settings.maxMessageBytes) return ERROR_CODES.message_too_large;
    // s6.3.2.3: every hop must know an option with this flag; none is known here.
    const critical = header.options.some(({ flags }) => (flags & FORWARDING_FLAGS.forwardCritical) !== 0);
    return critical ? ERROR_CODES.unsupported_forwarding_option : undefined;
  }

  /** A request may come back once, to take another way; one that comes more often would only use up its TTL. */
  private isCircling({ viaList, destinationList }: DecodedForwardingHeader): boolean {
    if (destinationList.length > MAX_DESTINATIONS) return true;
    let visits = 0;
    for (const via of viaList) if (via.type === 'node' && via.nodeId === this.self) visits += 1;
    return visits > 1;
  }

  private forward(
    { from, message }: Forwarded,
    header: DecodedForwardingHeader,
    rest: readonly Destination[],
    isRequest: boolean,
    now: number,
    lost: NodeId | undefined,
  ): void {
    if (header.ttl === 0) {
      if (isRequest) this.sink.refuse(from, header, ERROR_CODES.ttl_exceeded, now);
      return;
    }
    if (!this.topology.isMember) {
      this.passOn({ from, message }, header, rest, isRequest, now);
      return;
    }
    const avoid = isRequest ? this.memory.tried(header.transactionId) : undefined;
    const hop = this.hopFor(rest, avoid);
    if (hop === lost && lost !== undefined) return;
    if (hop === undefined || !this.topology.connections.has(hop)) {
      this.counters.undeliverable += 1;
      return;
    }
    this.counters.forwarded += 1;
    if (!isRequest) {
      this.send(hop, rewriteHeader(message, { ttl: header.ttl - 1, destinationList: rest }));
      return;
    }
    this.memory.remember(header.transactionId, hop, { from, message }, now);
    // s6.1.2: the answer comes back through this node to the one before it.
    const viaList = [...header.viaList, toNode(from)];
    this.send(hop, rewriteHeader(message, { ttl: header.ttl - 1, viaList, destinationList: rest }));
  }

  /**
   * A client forwards nothing for the ring (s4.2.1). But it is a way to its peer for whoever is linked with it and has no
   * other: the only peer of an overlay may have moved, and this client have heard of it. Who is still on its way in passes
   * nothing on; the sender is to know at once.
   */
  private passOn(
    { from, message }: Forwarded,
    header: DecodedForwardingHeader,
    rest: readonly Destination[],
    isRequest: boolean,
    now: number,
  ): void {
    const [first] = rest;
    const mine = !isRequest || header.viaList.length === 0;
    const hop = first === undefined || !mine ? undefined : this.topology.passOnHop(first);
    if (hop === undefined || hop === from) {
      this.counters.undeliverable += 1;
      if (isRequest) this.sink.refuse(from, header, ERROR_CODES.incompatible_with_overlay, now);
      return;
    }
    this.counters.forwarded += 1;
    const viaList = isRequest ? [toNode(from)] : header.viaList;
    this.send(hop, rewriteHeader(message, { ttl: header.ttl - 1, viaList, destinationList: rest }));
  }

  private hopFor(rest: readonly Destination[], avoid: ReadonlySet<NodeId> | undefined): NodeId | undefined {
    const [first] = rest;
    return first === undefined ? undefined : this.topology.nextHop(first, avoid);
  }

  private send(hop: NodeId, message: Uint8Array): void {
    this.counters.sent += 1;
    this.counters.sentBytes += message.length;
    this.links.send(hop, message);
  }
}

/** RFC 6940 s6.3.3: requests have odd codes. */
export function isRequestCode(code: number): boolean {
  return code !== MESSAGE_CODES.error && code % 2 === 1;
}

function codeOf(message: Uint8Array, { headerLength }: DecodedForwardingHeader): number {
  return new ByteReader(message.subarray(headerLength), headerLength).u16();
}
