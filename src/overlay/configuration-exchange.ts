import type { Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { NodeId } from '../base/node-id.ts';
import { compareSequences } from './configuration-sequence.ts';
import { CONFIGURATION_RATE, MAX_DOCUMENTS_IN_FLIGHT, MAX_LIMITED_NODES } from './constants.ts';
import { RateLimiter } from './rate-limiter.ts';
import { type Requester, toNode } from './requester.ts';

/**
 * Keeps the configuration documents of nodes alike (RFC 6940 s6.3.2.1): what a node's messages say of its sequence number
 * makes the older one get the document of the newer one, in the background, and a new document goes to every linked node.
 * A node gets a document once a minute, however much it sends.
 */
export class ConfigurationExchange implements Timed {
  private readonly requester: Requester;
  private readonly logger: Logger;
  private currentSequence: number;
  private document: Uint8Array | undefined;
  /** Documents became alike: what was refused for it can be tried again. */
  private readonly agreed: (now: number) => void;
  private rate = new RateLimiter(CONFIGURATION_RATE, MAX_LIMITED_NODES);
  private readonly asked = new RateLimiter(CONFIGURATION_RATE, MAX_LIMITED_NODES);
  /** To be told of the document in force. */
  private readonly waiting = new Set<NodeId>();
  private readonly inFlight = new Set<NodeId>();
  private waitingSince: number | undefined;

  constructor(components: {
    requester: Requester;
    logger: Logger;
    sequence: number;
    document: Uint8Array | undefined;
    agreed: (now: number) => void;
  }) {
    this.requester = components.requester;
    this.logger = components.logger;
    this.currentSequence = components.sequence;
    this.document = components.document;
    this.agreed = components.agreed;
  }

  get sequence(): number {
    return this.currentSequence;
  }

  /** A document is in force from now on; `linked` nodes are told of it. */
  setConfiguration(sequence: number, document: Uint8Array | undefined, linked: Iterable<NodeId>, now: number): void {
    const newer = compareSequences(sequence, this.currentSequence) > 0;
    this.currentSequence = sequence;
    this.document = document;
    this.agreed(now);
    if (!newer) return;
    // What a node got in the last minute was another one.
    this.rate = new RateLimiter(CONFIGURATION_RATE, MAX_LIMITED_NODES);
    for (const nodeId of linked) this.waiting.add(nodeId);
    this.waitingSince ??= now;
  }

  /** A request of the node has this sequence number. */
  seen(nodeId: NodeId, sequence: number, now: number): void {
    const order = compareSequences(sequence, this.currentSequence);
    if (order >= 0) this.waiting.delete(nodeId);
    if (order < 0) this.push(nodeId, now);
    else if (order > 0) this.ask(nodeId, now);
  }

  /** The node has the document in force, for it sent it. */
  has(nodeId: NodeId): void {
    this.waiting.delete(nodeId);
  }

  /** The node refused a request of ours since our sequence number is the newer one. */
  refusedAsNew(nodeId: NodeId, now: number): void {
    this.push(nodeId, now);
  }

  nextTimeout(): number | undefined {
    return this.waitingSince;
  }

  handleTimeout(now: number): void {
    if (this.waitingSince === undefined || this.waitingSince > now) return;
    this.waitingSince = undefined;
    this.tellNext(now);
  }

  private tellNext(now: number): void {
    for (const nodeId of this.waiting) {
      if (this.inFlight.size >= MAX_DOCUMENTS_IN_FLIGHT) return;
      this.waiting.delete(nodeId);
      this.rate.take(nodeId, now);
      this.send(nodeId, now);
    }
  }

  private push(nodeId: NodeId, now: number): void {
    if (this.inFlight.size < MAX_DOCUMENTS_IN_FLIGHT && this.rate.take(nodeId, now)) this.send(nodeId, now);
  }

  private send(nodeId: NodeId, now: number): void {
    const { document } = this;
    if (document === undefined || this.inFlight.has(nodeId)) return;
    this.inFlight.add(nodeId);
    const body = { type: 'config_update_req' as const, content: { type: 'config' as const, configData: document } };
    this.requester.request({ destination: [toNode(nodeId)], body, anyConfiguration: true }, now, (result, at) => {
      this.inFlight.delete(nodeId);
      if (result.ok) this.agreed(at);
      else this.logger.debug('configuration not taken', { nodeId, err: result.error.message });
      this.tellNext(at);
    });
  }

  /** It sends its document to whoever shows it an older number; a Ping does. */
  private ask(nodeId: NodeId, now: number): void {
    if (!this.asked.take(nodeId, now)) return;
    const body = { type: 'ping_req' as const, padding: new Uint8Array() };
    this.requester.request({ destination: [toNode(nodeId)], body }, now, () => {});
  }
}
