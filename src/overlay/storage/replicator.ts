import type { Clock, Timed } from '../../base/clock.ts';
import { earliest } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { NodeId, ResourceId } from '../../base/node-id.ts';
import { ERROR_CODES, type FetchAnswer, type GenericCertificate } from '../../reload/index.ts';
import type { Ring } from '../chord/ring.ts';
import { EXPIRY_SWEEP_MS, MAX_REPLICATIONS_IN_FLIGHT, REPLICATION_RETRY_MS } from '../constants.ts';
import { type Requester, toNode, toResource } from '../requester.ts';
import { type CopyRequest, copiesOf } from './copies.ts';
import type { KindValues, Resource, ResourceStore } from './resource-store.ts';
import type { ValueVerifier } from './value-verifier.ts';

/** What the ring says about a resource. */
export interface ReplicationHost {
  /** False before the join is complete and after the node left: then nothing is sent or dropped. */
  readonly isMember: boolean;
  readonly ring: Ring;
  /** The peers that should hold copies of what this one is responsible for. */
  readonly replicaSet: readonly NodeId[];
  isResponsibleFor(resource: ResourceId): boolean;
  isInReplicaRange(resource: ResourceId): boolean;
  /** As far as this peer's routing table tells. */
  likelyResponsible(resource: ResourceId): NodeId | undefined;
}

interface Job {
  readonly resource: ResourceId;
  /** Undefined: whoever is responsible. */
  readonly target: NodeId | undefined;
  readonly done?: (now: number) => void;
}

/**
 * Keeps copies where the ring wants them (RFC 6940 s10.4, s10.7.3): each pass compares, for each resource, who should
 * hold it with who is known to hold its latest revision, and sends what is missing. A pass follows every change, so the
 * same rule serves stores, joins, failures and healed partitions.
 */
export class Replicator implements Timed {
  private readonly host: ReplicationHost;
  private readonly store: ResourceStore;
  private readonly verifier: ValueVerifier;
  private readonly requester: Requester;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly maxMessageBytes: number;
  private readonly holdDownMs: number;
  private readonly queue: Job[] = [];
  private readonly underWay = new Set<string>();
  private readonly changed = new Set<ResourceId>();
  private changedAt: number | undefined;
  private passAt: number | undefined;
  /** The pass in which copies count too. */
  private latePassAt: number | undefined;
  private sweepAt: number | undefined;
  private inFlight = 0;

  constructor(components: {
    host: ReplicationHost;
    store: ResourceStore;
    verifier: ValueVerifier;
    requester: Requester;
    clock: Clock;
    logger: Logger;
    maxMessageBytes: number;
    holdDownMs: number;
  }) {
    this.host = components.host;
    this.store = components.store;
    this.verifier = components.verifier;
    this.requester = components.requester;
    this.clock = components.clock;
    this.logger = components.logger;
    this.maxMessageBytes = components.maxMessageBytes;
    this.holdDownMs = components.holdDownMs;
  }

  /** Something was stored here. */
  stored(resource: ResourceId, now: number): void {
    this.changed.add(resource);
    this.changedAt ??= now;
    this.sweepAt ??= now + EXPIRY_SWEEP_MS;
  }

  /** Copies came from a peer; `complete`: it holds all that is here. */
  received(resource: ResourceId, from: NodeId, complete: boolean, now: number): void {
    const found = this.store.find(resource);
    if (found !== undefined && complete) found.holders.set(from, found.revision);
    this.stored(resource, now);
  }

  /**
   * After a loss, s10.7.1 waits for the hold-down: Updates may tell of a better successor, and a short interruption needs
   * no new copies.
   */
  neighborsChanged(lost: boolean, now: number): void {
    this.schedulePass(lost ? now + this.holdDownMs : now);
    if (this.store.size > 0) this.latePassAt ??= now + this.holdDownMs;
  }

  /** Copies (from, nodeId] to a newcomer; `done` when all were answered or given up (s10.5, step 6). */
  handOver(nodeId: NodeId, from: NodeId, now: number, done: (now: number) => void): void {
    let open = 1;
    const finished = (at: number): void => {
      open -= 1;
      if (open === 0) done(at);
    };
    for (const resource of this.store.all())
      if (this.host.ring.insideUpTo(resource.id, from, nodeId)) {
        open += 1;
        this.enqueue({ resource: resource.id, target: nodeId, done: finished });
      }
    this.run(now);
    finished(now);
  }

  /** What this peer is known to hold counts no more. */
  forget(nodeId: NodeId): void {
    for (const resource of this.store.all()) resource.holders.delete(nodeId);
  }

  nextTimeout(): number | undefined {
    return earliest(this.passAt, this.latePassAt, this.sweepAt, this.changedAt);
  }

  handleTimeout(now: number): void {
    if (this.sweepAt !== undefined && this.sweepAt <= now) {
      this.store.sweep(now);
      this.sweepAt = this.store.size > 0 ? now + EXPIRY_SWEEP_MS : undefined;
    }
    if (this.changedAt !== undefined && this.changedAt <= now) {
      this.changedAt = undefined;
      const ids = [...this.changed];
      this.changed.clear();
      for (const id of ids) {
        const resource = this.store.find(id);
        if (resource !== undefined) this.reconcile(resource, false);
      }
    }
    if (this.latePassAt !== undefined && this.latePassAt <= now) {
      this.latePassAt = undefined;
      this.passAt = undefined;
      for (const resource of [...this.store.all()]) this.reconcile(resource, true);
    }
    if (this.passAt !== undefined && this.passAt <= now) {
      this.passAt = undefined;
      for (const resource of [...this.store.all()]) this.reconcile(resource, false);
    }
    this.run(now);
  }

  private schedulePass(at: number): void {
    if (this.store.size > 0 && (this.passAt === undefined || at < this.passAt)) this.passAt = at;
  }

  /**
   * Queues what is missing for one resource, or drops it when it is not this peer's to keep any more.
   * @param late the ring has had time: a responsible peer that has not sent its copy by now may have come back with
   * nothing, so holders of copies offer it theirs
   */
  private reconcile(resource: Resource, late: boolean): void {
    if (!this.host.isMember) return;
    if (this.host.isResponsibleFor(resource.id)) {
      resource.own = true;
      for (const target of this.host.replicaSet)
        if (resource.holders.get(target) !== resource.revision) this.enqueue({ resource: resource.id, target });
      return;
    }
    if (resource.own || late) {
      // RFC 6940 s6.4.2.3: to the correct node "unless it knows the newly responsible node already has a copy".
      const responsible = this.host.likelyResponsible(resource.id);
      if (responsible !== undefined && resource.holders.get(responsible) === resource.revision) resource.own = false;
      else this.enqueue({ resource: resource.id, target: undefined });
    }
    if (!resource.own && !this.host.isInReplicaRange(resource.id)) this.store.remove(resource.id);
  }

  private enqueue(job: Job): void {
    const key = keyOf(job);
    if (job.done === undefined && this.underWay.has(key)) return;
    this.underWay.add(key);
    this.queue.push(job);
  }

  private run(now: number): void {
    while (this.inFlight < MAX_REPLICATIONS_IN_FLIGHT) {
      const job = this.queue.shift();
      if (job === undefined) return;
      const resource = this.store.find(job.resource);
      if (resource === undefined) this.finish(job, now);
      else this.copy(job, resource, now);
    }
  }

  private copy(job: Job, resource: Resource, now: number): void {
    const copies = copiesOf(this.store, resource, 1, this.maxMessageBytes, now);
    const { revision } = resource;
    this.inFlight += 1;
    this.sendNext(
      job,
      copies,
      (holder, at) => {
        this.inFlight -= 1;
        if (holder === undefined) this.schedulePass(at + REPLICATION_RETRY_MS);
        else {
          if (resource.holders.size > 16) resource.holders.clear();
          resource.holders.set(holder, revision);
          if (job.target === undefined) {
            resource.own = false;
            this.schedulePass(at);
          } else if (resource.revision !== revision) this.stored(resource.id, at);
        }
        this.finish(job, at);
        this.run(at);
      },
      now,
    );
  }

  /** One message after the other; `done` gets the holder, or undefined when it failed. */
  private sendNext(
    job: Job,
    copies: CopyRequest[],
    done: (holder: NodeId | undefined, now: number) => void,
    now: number,
    holder?: NodeId,
  ): void {
    const copy = copies.shift();
    if (copy === undefined) {
      done(holder, now);
      return;
    }
    const destination = [job.target === undefined ? toResource(job.resource) : toNode(job.target)];
    this.requester.request({ destination, ...copy }, now, (result, at) => {
      if (result.ok) {
        this.sendNext(job, copies, done, at, result.signer.nodeId);
        return;
      }
      const { errorCode } = result.error;
      const theyHaveBetter =
        errorCode === ERROR_CODES.data_too_old || errorCode === ERROR_CODES.generation_counter_too_low;
      if (theyHaveBetter) this.fetchBetter(job, copy, at, (from) => this.sendNext(job, copies, done, at, from));
      else {
        this.logger.debug('copy refused', { resource: job.resource, nodeId: job.target, err: result.error.message });
        done(undefined, at);
      }
    });
  }

  /** RFC 6940 s7.4.1.1: "the peer MUST fetch the newer data from the peer generating the error". */
  private fetchBetter(job: Job, { body }: CopyRequest, now: number, done: (from: NodeId | undefined) => void): void {
    const specifiers = body.kindData.flatMap(({ kind }) => {
      const model = this.verifier.dataModelOf(kind);
      if (model === undefined) return [];
      const specifier =
        model === 'single'
          ? ({ model } as const)
          : model === 'array'
            ? ({ model, ranges: [{ first: 0, last: 0xffffffff }] } as const)
            : ({ model, keys: [] } as const);
      return [{ kind, generation: 0n, specifier }];
    });
    const destination = [job.target === undefined ? toResource(job.resource) : toNode(job.target)];
    const request = { destination, body: { type: 'fetch_req' as const, resource: job.resource, specifiers } };
    this.requester.request(request, now, (result, at) => {
      if (!result.ok || result.body.type !== 'fetch_ans') {
        done(undefined);
        return;
      }
      this.mergeFetched(job.resource, result.body, result.certificates, at);
      done(result.signer.nodeId);
    });
  }

  private mergeFetched(
    resource: ResourceId,
    answer: FetchAnswer,
    bucket: readonly GenericCertificate[],
    now: number,
  ): void {
    const wallNow = this.clock.wall();
    const kinds: KindValues[] = [];
    for (const { kind: id, generation, values } of answer.kindResponses) {
      const kind = this.verifier.kind(id);
      if (kind === undefined) continue;
      const proven = values.flatMap((data) => this.verifier.verify(resource, kind, data, bucket, wallNow) ?? []);
      kinds.push({ kind, generation, values: proven });
    }
    this.store.merge(resource, kinds, now, wallNow);
    this.stored(resource, now);
  }

  private finish(job: Job, now: number): void {
    this.underWay.delete(keyOf(job));
    job.done?.(now);
  }
}

function keyOf({ resource, target }: Job): string {
  return `${resource}/${target ?? ''}`;
}
