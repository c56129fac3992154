import { type Timed, earliest } from '../../base/clock.ts';
import type { NodeId, ResourceId } from '../../base/node-id.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import {
  COPY_COST,
  EXPIRY_SWEEP_MS,
  MAX_REFUSED_COPY_RETRY_MS,
  MAX_SILENCE_PAUSE_MS,
  MISPLACED_COPY_RETRY_MS,
  REFUSED_COPY_RETRY_MS,
  RESOURCES_PER_TURN,
} from '../constants.ts';
import type { PlaceView } from './admission.ts';
import { type CopyOutcome, CopySender } from './copy-sender.ts';
import { type CopyReason, CopyTarget } from './copy-target.ts';
import { HandOver } from './hand-over.ts';
import type { Resource, ResourceStore } from './resource-store.ts';

/** What the ring says about who keeps what. */
export interface ReplicationHost {
  readonly place: PlaceView;
  /** The peers that should hold copies of what this one is responsible for. */
  readonly replicaSet: readonly NodeId[];
}

interface Pass {
  /** The last resource that was looked at. */
  cursor: ResourceId | undefined;
  readonly late: boolean;
}

interface Drain {
  readonly until: number;
  readonly done: (complete: boolean, now: number) => void;
}

/** Of one resource; more are those of rings long past. */
const MAX_REFUSALS = 16;

interface Refused {
  readonly revision: number;
  readonly times: number;
  readonly until: number;
}

/**
 * Keeps copies where the ring wants them (RFC 6940 s10.4, s10.7.3): a pass compares, for each resource, who should hold
 * it with who has said that it holds its latest revision, and queues what is missing, peer by peer. A pass follows every
 * change, so the same rule serves stores, joins, failures and healed partitions. Passes and sending are done in turns of
 * bounded length.
 */
export class Replicator implements Timed {
  private readonly host: ReplicationHost;
  private readonly store: ResourceStore;
  private readonly sender: CopySender;
  private readonly holdDownMs: number;
  private readonly targets = new Map<NodeId, CopyTarget>();
  private readonly refusals = new WeakMap<Resource, Map<NodeId, Refused>>();
  private readonly changed = new Set<ResourceId>();
  /** When what was refused is offered again. */
  private offers = new TimerQueue<ResourceId>();
  private pass: Pass | undefined;
  private passAt: number | undefined;
  /** The pass in which copies count too. */
  private latePassAt: number | undefined;
  private sweepAt: number | undefined;
  private sweepCursor: ResourceId | undefined;
  /** Something is left to do at once. */
  private resumeAt: number | undefined;
  private drained: Drain | undefined;

  constructor(components: { host: ReplicationHost; store: ResourceStore; sender: CopySender; holdDownMs: number }) {
    this.host = components.host;
    this.store = components.store;
    this.sender = components.sender;
    this.holdDownMs = components.holdDownMs;
  }

  /** Copies that are unanswered. */
  get inFlight(): number {
    let sum = 0;
    for (const { inFlight } of this.targets.values()) sum += inFlight;
    return sum;
  }

  /** Copies that wait to be sent. */
  get queued(): number {
    let sum = 0;
    for (const { queue } of this.targets.values()) sum += queue.size;
    return sum;
  }

  /** Something was stored here. */
  stored(resource: ResourceId, now: number): void {
    this.changed.add(resource);
    this.resumeAt ??= now;
    this.sweepAt ??= now + EXPIRY_SWEEP_MS;
  }

  /**
   * Something of a former life is here again. Copies of it go where it belongs, by a responsible peer at once, by others when the
   * ring has had time.
   */
  restored(resource: ResourceId, now: number): void {
    this.stored(resource, now);
    this.latePassAt ??= now + this.holdDownMs;
  }

  /** Copies came from a peer; `complete`: it holds all that is here. */
  received(resource: ResourceId, from: NodeId, complete: boolean, now: number): void {
    const found = this.store.find(resource);
    if (found === undefined) return;
    if (complete) found.holders.set(from, found.revision);
    if (this.isCharged(resource, from)) found.own = true;
    this.stored(resource, now);
  }

  /**
   * Whether whoever brings a copy leaves it to this peer to see that the responsible one has it: it took this peer for that
   * one, or itself. By the time the copy is looked at a newcomer may stand in between, of which the sender does not know.
   */
  private isCharged(resource: ResourceId, from: NodeId): boolean {
    const { place } = this.host;
    return place.isResponsibleFor(resource) || (place.isMember && place.likelyResponsible(resource) !== from);
  }

  /**
   * After a loss, s10.7.1 waits for the hold-down: Updates may tell of a better successor, and a short interruption needs
   * no new copies.
   */
  neighborsChanged(lost: boolean, now: number): void {
    if (this.store.size === 0) return;
    this.schedulePass(lost && this.drained === undefined ? now + this.holdDownMs : now);
    this.latePassAt ??= now + this.holdDownMs;
  }

  /**
   * Copies (from, nodeId] to a newcomer; `done` when all were answered or given up (s10.5, step 6). Asked again meanwhile,
   * the one that is under way goes on.
   */
  handOver(nodeId: NodeId, from: NodeId, now: number, done: (now: number) => void): void {
    const target = this.target(nodeId);
    if (target.handOver?.from === from) {
      target.handOver.done = done;
      return;
    }
    target.handOver = new HandOver(this.store, from, nodeId, done);
    this.run(now);
  }

  /** What this peer is known to hold counts no more. */
  forget(nodeId: NodeId): void {
    this.targets.delete(nodeId);
    this.store.forgetHolder(nodeId);
  }

  /**
   * Everything that too few others hold goes to them; `done` when it has, or cannot, or the time is over. `complete`: nothing
   * waits for a peer that does not answer. Calls replace one another.
   */
  drain(until: number, now: number, done: (complete: boolean, now: number) => void): void {
    this.drained = { until, done };
    this.passAt = now;
    this.resumeAt = now;
    this.run(now);
  }

  nextTimeout(): number | undefined {
    const { passAt, latePassAt, sweepAt, resumeAt, drained, offers } = this;
    let next = earliest(passAt, latePassAt, sweepAt, resumeAt, drained?.until, offers.next());
    for (const target of this.targets.values())
      if (target.hasWork && target.inFlight === 0) next = earliest(next, target.pausedUntil);
    return next;
  }

  handleTimeout(now: number): void {
    this.run(now);
  }

  /** One turn: a part of what is to be looked at, then a part of what is to be sent. */
  private run(now: number): void {
    this.resumeAt = undefined;
    let budget = RESOURCES_PER_TURN;
    budget = this.sweep(budget, now);
    budget = this.lookAtChanged(budget, now);
    budget = this.lookAtAll(budget, now);
    // Copies always get their part, or passes would hold them up.
    this.send(Math.max(budget, RESOURCES_PER_TURN / 2), now);
    if (this.changed.size > 0 || this.pass !== undefined || this.sweepCursor !== undefined) this.resumeAt = now;
    this.checkDrain(now);
  }

  private sweep(budget: number, now: number): number {
    if (this.sweepAt === undefined || this.sweepAt > now) return budget;
    const ids = this.store.idsAfter(this.sweepCursor, budget);
    for (const id of ids) this.store.sweep(id, now);
    this.sweepCursor = ids.length < budget ? undefined : ids.at(-1);
    if (this.sweepCursor === undefined) this.sweepAt = this.store.size > 0 ? now + EXPIRY_SWEEP_MS : undefined;
    return budget - ids.length;
  }

  private lookAtChanged(budget: number, now: number): number {
    for (let id = this.offers.due(now); id !== undefined; id = this.offers.due(now)) this.changed.add(id);
    for (const id of this.changed) {
      if (budget <= 0) break;
      budget -= 1;
      this.changed.delete(id);
      const resource = this.store.find(id);
      if (resource !== undefined) this.reconcile(resource, false, now);
    }
    return budget;
  }

  private lookAtAll(budget: number, now: number): number {
    if (this.pass === undefined) {
      const late = this.latePassAt !== undefined && this.latePassAt <= now;
      if (!late && (this.passAt === undefined || this.passAt > now)) return budget;
      if (late) this.latePassAt = undefined;
      if (late || (this.passAt !== undefined && this.passAt <= now)) this.passAt = undefined;
      this.pass = { cursor: undefined, late };
    }
    if (budget <= 0) return budget;
    const ids = this.store.idsAfter(this.pass.cursor, budget);
    for (const id of ids) {
      const resource = this.store.find(id);
      if (resource !== undefined) this.reconcile(resource, this.pass.late, now);
    }
    if (ids.length < budget) this.pass = undefined;
    else this.pass.cursor = ids.at(-1);
    return budget - ids.length;
  }

  private schedulePass(at: number): void {
    if (this.passAt === undefined || at < this.passAt) this.passAt = at;
  }

  /**
   * Queues what is missing for one resource, or drops it when it is not this peer's to keep any more.
   * @param late the ring has had time: a responsible peer that has not sent its copy by now may have come back with
   * nothing, so holders of copies offer it theirs
   */
  private reconcile(resource: Resource, late: boolean, now: number): void {
    const { place } = this.host;
    if (!place.isMember) return;
    if (place.isResponsibleFor(resource.id)) {
      resource.own = true;
      for (const target of this.host.replicaSet) this.want(resource, target, 'replica', now);
      return;
    }
    if (resource.own || late) {
      // RFC 6940 s6.4.2.3: to the correct node "unless it knows the newly responsible node already has a copy".
      const responsible = place.likelyResponsible(resource.id);
      if (responsible !== undefined && resource.holders.revisionOf(responsible) === resource.revision)
        resource.own = false;
      else if (responsible !== undefined) this.want(resource, responsible, 'responsible', now);
    }
    if (resource.own || place.isInReplicaRange(resource.id)) return;
    // Whoever passes for a peer may push this one out of the range, for the seconds until it is found out.
    if (late) this.store.remove(resource.id);
    else this.latePassAt ??= now + this.holdDownMs;
  }

  private want(resource: Resource, nodeId: NodeId, reason: CopyReason, now: number): void {
    if (resource.holders.revisionOf(nodeId) === resource.revision) return;
    const refused = this.refusals.get(resource)?.get(nodeId);
    if (refused?.revision === resource.revision && refused.until > now) this.offerAgain(resource, now);
    else this.target(nodeId).queue.set(resource.id, reason);
  }

  private target(nodeId: NodeId): CopyTarget {
    let target = this.targets.get(nodeId);
    if (target === undefined) this.targets.set(nodeId, (target = new CopyTarget(nodeId)));
    return target;
  }

  /** Each target in turn, so that none waits for another. */
  private send(budget: number, now: number): void {
    for (let again = true; again;) {
      again = false;
      for (const target of [...this.targets.values()]) {
        if (target.isIdle && (target.pausedUntil ?? -Infinity) + MAX_SILENCE_PAUSE_MS <= now)
          this.targets.delete(target.nodeId);
        if (!target.mayTake(now)) continue;
        if (budget <= 0) {
          this.resumeAt = now;
          return;
        }
        budget -= this.sendOne(target, now);
        again = true;
      }
    }
  }

  /** @returns what it cost */
  private sendOne(target: CopyTarget, now: number): number {
    const [first] = target.queue;
    if (first !== undefined) {
      const [id, reason] = first;
      target.queue.delete(id);
      const resource = this.store.find(id);
      if (resource === undefined || !this.isWanted(resource, target.nodeId, reason)) return 1;
      this.copy(target, resource, reason, undefined, now);
      return COPY_COST;
    }
    const { handOver } = target;
    const id = handOver?.next();
    const resource = id === undefined ? undefined : this.store.find(id);
    if (resource !== undefined && resource.holders.revisionOf(target.nodeId) !== resource.revision) {
      this.copy(target, resource, 'replica', handOver, now);
      return COPY_COST;
    }
    this.concludeHandOver(target, now);
    return 1;
  }

  /** The ring may have changed since it was queued. */
  private isWanted(resource: Resource, nodeId: NodeId, reason: CopyReason): boolean {
    if (resource.holders.revisionOf(nodeId) === resource.revision) return false;
    const { place } = this.host;
    if (place.isResponsibleFor(resource.id)) return reason === 'replica' && this.host.replicaSet.includes(nodeId);
    return reason === 'responsible' && place.likelyResponsible(resource.id) === nodeId;
  }

  private copy(
    target: CopyTarget,
    resource: Resource,
    reason: CopyReason,
    handOver: HandOver | undefined,
    now: number,
  ): void {
    const { revision } = resource;
    const isDirect = reason === 'replica';
    const since = isDirect ? (resource.holders.revisionOf(target.nodeId) ?? 0) : 0;
    const isSent = this.sender.send(resource, isDirect ? target.nodeId : undefined, since, now, (outcome, at) => {
      target.inFlight -= 1;
      if (outcome.type === 'held') {
        target.answered();
        handOver?.held();
        resource.holders.set(outcome.holder, revision);
        if (!isDirect) this.handedBack(resource, at);
        else if (resource.revision !== revision) this.stored(resource.id, at);
      } else if (outcome.type === 'silent') {
        target.silent(at);
        handOver?.silent();
        if (handOver === undefined) target.queue.set(resource.id, reason);
      } else {
        // What a newcomer refuses before it is in the ring says nothing about afterwards.
        if (handOver === undefined) this.refused(target, resource, outcome, isDirect, at);
        else {
          handOver.refused();
          target.refused(at);
        }
      }
      this.concludeHandOver(target, at);
      // In the next turn: many answers may come at once.
      this.resumeAt = at;
    });
    if (!isSent) {
      resource.holders.set(target.nodeId, revision);
      return;
    }
    target.inFlight += 1;
    handOver?.sent();
  }

  /** The peer that is responsible has it: this one keeps it as a copy, or not at all. */
  private handedBack(resource: Resource, now: number): void {
    resource.own = false;
    this.reconcile(resource, false, now);
  }

  private refused(
    target: CopyTarget,
    resource: Resource,
    { words, newer }: CopyOutcome & { readonly type: 'refused' },
    isDirect: boolean,
    now: number,
  ): void {
    if (newer) {
      target.answered();
      this.stored(resource.id, now);
      return;
    }
    target.refused(now);
    // The peer that is responsible has decided, and knows of nothing less than this one.
    const isSettled = [...words].every((word) => word === 'older' || word === 'claimed');
    if (!isDirect && isSettled) {
      this.handedBack(resource, now);
      return;
    }
    let refusals = this.refusals.get(resource);
    if (refusals === undefined) this.refusals.set(resource, (refusals = new Map<NodeId, Refused>()));
    const before = refusals.get(target.nodeId);
    const times = before?.revision === resource.revision ? before.times + 1 : 0;
    // It sees another ring than this one: one of them is about to learn.
    const isOfRing = words.size === 1 && words.has('sender');
    const firstMs = isOfRing ? MISPLACED_COPY_RETRY_MS : REFUSED_COPY_RETRY_MS;
    const until = now + Math.min(firstMs * 2 ** times, MAX_REFUSED_COPY_RETRY_MS);
    if (refusals.size >= MAX_REFUSALS) refusals.clear();
    refusals.set(target.nodeId, { revision: resource.revision, times, until });
    this.offerAgain(resource, now);
  }

  /** What was refused is looked at when it may be offered again. */
  private offerAgain(resource: Resource, now: number): void {
    let at = Infinity;
    for (const { until } of this.refusals.get(resource)?.values() ?? []) if (until > now) at = Math.min(at, until);
    if (at < Infinity) this.offers.set(resource.id, at);
  }

  private concludeHandOver(target: CopyTarget, now: number): void {
    const { handOver } = target;
    if (handOver?.isAnswered !== true) return;
    target.handOver = undefined;
    if (this.targets.get(target.nodeId) === target) handOver.done(now);
  }

  private checkDrain(now: number): void {
    const { drained } = this;
    if (drained === undefined) return;
    const isPassing = this.pass !== undefined || this.changed.size > 0 || (this.passAt ?? Infinity) <= now;
    const isBusy = [...this.targets.values()].some((target) => !target.isIdle && (target.pausedUntil ?? now) <= now);
    if (now < drained.until && (isPassing || isBusy)) return;
    this.drained = undefined;
    drained.done(!isPassing && this.queued === 0 && this.inFlight === 0, now);
  }

  /** This node is no peer any more, and its store is empty. */
  reset(): void {
    this.targets.clear();
    this.changed.clear();
    this.offers = new TimerQueue();
    this.pass = undefined;
    this.passAt = undefined;
    this.latePassAt = undefined;
    this.sweepAt = undefined;
    this.sweepCursor = undefined;
    this.resumeAt = undefined;
    this.drained = undefined;
  }
}
