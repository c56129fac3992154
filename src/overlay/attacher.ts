import type { IceParameters } from '../base/candidate.ts';
import type { Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { hitToAddress, type NodeId } from '../base/node-id.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import { ERROR_CODES, toIceCandidates, type IceOffer } from '../reload/index.ts';
import {
  ATTEMPT_STALE_MS,
  LINK_SETUP_TIMEOUT_MS,
  MAX_PENDING_LINKS,
  MENDING_STALE_MS,
  TUNNEL_APPLICATION_ID,
} from './constants.ts';
import { OverlayBusyError, OverlayError } from './errors.ts';
import type { OverlayLinks } from './links.ts';
import { type Requester, type RequestResult, toNode } from './requester.ts';

export type ConnectResult = { readonly ok: true } | { readonly ok: false; readonly error: OverlayError };
export type ConnectDone = (result: ConnectResult, now: number) => void;

/**
 * One link in the making (RFC 6940 s6.5.1.2).
 *
 *   requested ──answer──> connecting ──link up──> (gone)
 *       │                     ^
 *       └──their request won──┘   a request of theirs that we answered starts here
 */
interface PendingLink {
  phase: 'requested' | 'connecting';
  /** When the phase began. */
  since: number;
  transactionId: bigint | undefined;
  /** Wait for the answer. */
  answered: ConnectDone[];
  /** Wait for the link. */
  up: ConnectDone[];
}

/** What an Attach or AppAttach request leads to. */
export type AttachReply =
  { readonly ok: true; readonly offer: IceOffer } | { readonly ok: false; readonly errorCode: number };

/** Sets up links with Attach and AppAttach, for overlay and tunnel alike: one link carries both. */
export class Attacher implements Timed {
  private readonly self: NodeId;
  private readonly links: OverlayLinks;
  private readonly requester: Requester;
  private readonly logger: Logger;
  private readonly pending = new Map<NodeId, PendingLink>();
  private readonly timers = new TimerQueue<NodeId>();

  constructor(components: { self: NodeId; links: OverlayLinks; requester: Requester; logger: Logger }) {
    this.self = components.self;
    this.links = components.links;
    this.requester = components.requester;
    this.logger = components.logger;
  }

  get size(): number {
    return this.pending.size;
  }

  isPending(nodeId: NodeId): boolean {
    return this.pending.has(nodeId);
  }

  /**
   * A link for the overlay itself; `done` once it is up.
   * @param via the peer that told of this node: neighbours are reached through it (RFC 6940 s10.6)
   */
  attach(nodeId: NodeId, options: { via?: NodeId; sendUpdate: boolean }, now: number, done: ConnectDone): void {
    if (this.links.isUp(nodeId)) {
      done({ ok: true }, now);
      return;
    }
    const entry = this.pending.get(nodeId);
    if (entry !== undefined) {
      entry.up.push(done);
      return;
    }
    const started = this.open(nodeId, now);
    if (started === undefined) {
      done({ ok: false, error: new OverlayBusyError('links') }, now);
      return;
    }
    started.up.push(done);
    const { via, sendUpdate } = options;
    const body = { type: 'attach_req' as const, ...iceOffer(this.links.offer(nodeId), 'passive'), sendUpdate };
    const destination = via === undefined || via === nodeId ? [toNode(nodeId)] : [toNode(via), toNode(nodeId)];
    started.transactionId = this.requester.request({ destination, body }, now, (result, at) =>
      this.answerArrived(nodeId, started, result, at),
    );
  }

  /**
   * A link for application packets, or an ICE restart of the one that is there; `done` once the answer was handed to
   * the link.
   */
  connect(nodeId: NodeId, now: number, done: ConnectDone): void {
    const entry = this.pending.get(nodeId);
    const stale = entry !== undefined && this.isStale(nodeId, entry, now);
    if (entry !== undefined && !stale) {
      if (entry.phase === 'connecting') done({ ok: true }, now);
      else entry.answered.push(done);
      return;
    }
    const started = this.open(nodeId, now);
    if (started === undefined) {
      done({ ok: false, error: new OverlayBusyError('links') }, now);
      return;
    }
    if (stale) started.up.push(...entry.up);
    started.answered.push(done);
    const body = {
      type: 'app_attach_req' as const,
      ...iceOffer(this.links.offer(nodeId), 'passive'),
      application: TUNNEL_APPLICATION_ID,
    };
    started.transactionId = this.requester.request({ destination: [toNode(nodeId)], body }, now, (result, at) =>
      this.answerArrived(nodeId, started, result, at),
    );
  }

  /** An Attach or AppAttach request of `nodeId` came; decides between it and one of ours (s6.5.1.2). */
  requested(
    nodeId: NodeId,
    remote: IceParameters,
    options: { readonly forPackets: boolean },
    now: number,
  ): AttachReply {
    let entry = this.pending.get(nodeId);
    if (entry?.phase === 'requested') {
      // A request of ours that is old did not get through, as to a node that has been started anew: theirs did.
      if (this.self > nodeId && now - entry.since < ATTEMPT_STALE_MS)
        return { ok: false, errorCode: ERROR_CODES.in_progress };
      if (entry.transactionId !== undefined) this.requester.cancel(entry.transactionId);
      this.links.cancel(nodeId);
    } else if (entry?.transactionId !== undefined && !this.isStale(nodeId, entry, now)) {
      // Our own request was answered and its link is being made.
      return { ok: false, errorCode: ERROR_CODES.in_progress };
    }
    entry ??= this.open(nodeId, now);
    if (entry === undefined) return { ok: false, errorCode: ERROR_CODES.request_timeout };
    const offer = iceOffer(this.links.answer(nodeId, remote, options), 'active');
    entry.transactionId = undefined;
    this.connecting(nodeId, entry, now);
    return { ok: true, offer };
  }

  linkUp(nodeId: NodeId, now: number): void {
    const entry = this.pending.get(nodeId);
    if (entry === undefined) return;
    if (entry.phase === 'requested') {
      // The other end's older attempt came through: ours goes on as a restart and ends with its answer.
      settle(entry.up.splice(0), { ok: true }, now);
      return;
    }
    this.close(nodeId);
    settle(entry.up, { ok: true }, now);
  }

  linkDown(nodeId: NodeId, now: number): void {
    const entry = this.pending.get(nodeId);
    if (entry?.phase === 'connecting') this.fail(nodeId, entry, linkFailed(nodeId), now);
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let id = this.timers.due(now); id !== undefined; id = this.timers.due(now)) {
      const entry = this.pending.get(id);
      if (entry !== undefined) this.fail(id, entry, linkFailed(id), now);
    }
  }

  private answerArrived(nodeId: NodeId, entry: PendingLink, result: RequestResult, now: number): void {
    if (this.pending.get(nodeId) !== entry) return;
    if (!result.ok) {
      if (result.error.errorCode === ERROR_CODES.in_progress) {
        // The other end's own request is on its way, or a link of its making is.
        this.links.cancel(nodeId);
        entry.transactionId = undefined;
        this.connecting(nodeId, entry, now);
        return;
      }
      this.links.cancel(nodeId);
      this.fail(nodeId, entry, result.error, now);
      return;
    }
    const { body } = result;
    if (body.type !== 'attach_ans' && body.type !== 'app_attach_ans') {
      this.links.cancel(nodeId);
      this.fail(nodeId, entry, linkFailed(nodeId), now);
      return;
    }
    this.links.accept(nodeId, body);
    this.connecting(nodeId, entry, now);
  }

  /** Candidates are exchanged; the rest is the link's. */
  private connecting(nodeId: NodeId, entry: PendingLink, now: number): void {
    entry.phase = 'connecting';
    entry.since = now;
    const answered = entry.answered.splice(0);
    // A restart changes a link that stays up: nothing to wait for.
    if (this.links.isUp(nodeId)) this.close(nodeId);
    else this.timers.set(nodeId, now + LINK_SETUP_TIMEOUT_MS);
    settle(answered, { ok: true }, now);
    if (!this.pending.has(nodeId)) settle(entry.up.splice(0), { ok: true }, now);
  }

  /** Its candidates have had their chance: whoever asks again, we or they, has newer ones. */
  private isStale(nodeId: NodeId, { phase, since }: PendingLink, now: number): boolean {
    const staleMs = this.links.isMending(nodeId) ? MENDING_STALE_MS : ATTEMPT_STALE_MS;
    return phase === 'connecting' && now - since >= staleMs;
  }

  private open(nodeId: NodeId, now: number): PendingLink | undefined {
    this.timers.clear(nodeId);
    if (this.pending.size >= MAX_PENDING_LINKS || nodeId === this.self) return undefined;
    const entry: PendingLink = { phase: 'requested', since: now, transactionId: undefined, answered: [], up: [] };
    this.pending.set(nodeId, entry);
    return entry;
  }

  private close(nodeId: NodeId): void {
    this.pending.delete(nodeId);
    this.timers.clear(nodeId);
  }

  private fail(nodeId: NodeId, entry: PendingLink, error: OverlayError, now: number): void {
    this.close(nodeId);
    this.logger.debug('link not made', { nodeId, err: error.message });
    settle([...entry.answered, ...entry.up], { ok: false, error }, now);
  }
}

function settle(waiting: readonly ConnectDone[], result: ConnectResult, now: number): void {
  for (const done of waiting) done(result, now);
}

function linkFailed(nodeId: NodeId): OverlayError {
  return new OverlayError(
    ERROR_CODES.request_timeout,
    `no link to ${hitToAddress(nodeId)}: both ends exchanged candidates but no path works; see the links in the status`,
  );
}

/** RFC 6940 s6.5.1.1: the request says "passive", the answer "active". */
function iceOffer(parameters: IceParameters, role: 'passive' | 'active'): IceOffer {
  // Peer-reflexive candidates are known to both ends from the checks that found them; RELOAD has no code for them.
  const signalled = parameters.candidates.filter(({ type }) => type !== 'prflx');
  return { ufrag: parameters.ufrag, pwd: parameters.pwd, role, candidates: toIceCandidates(signalled) };
}
