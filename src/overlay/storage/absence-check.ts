import type { Clock, Timed } from '../../base/clock.ts';
import type { NodeId, ResourceId } from '../../base/node-id.ts';
import { toHex } from '../../base/bytes.ts';
import type { Destination, StoredDataValue } from '../../reload/index.ts';
import type { NeighborTable } from '../chord/neighbor-table.ts';
import { REPLICAS } from '../constants.ts';
import { type Requester, toNode, toResource } from '../requester.ts';
import type { SignedValue } from './admission.ts';
import { Inquiry, type InquiryDone } from './inquiry.ts';
import type { Kind } from './kinds.ts';
import type { RingView } from './ring-view.ts';
import type { ValueVerifier } from './value-verifier.ts';

/** Requests that wait for what others say. */
const MAX_WAITING = 256;

/** What one has is enough, unless others that live have more: they answer in a moment. */
const GRACE_MS = 200;

/**
 * Somebody that keeps copies and does not answer may have what is asked for, as long as it is a neighbour: whoever asks is told
 * so before its own request ends (15 s).
 */
const PATIENCE_MS = 12_000;

/** The part of a request that the doubt depends on. */
interface Asked {
  readonly signer: { readonly nodeId: NodeId };
  readonly isAdjacent: boolean;
  readonly isForNode: boolean;
  readonly now: number;
}

/**
 * A peer whose range is new cannot tell by its store that nothing is there: what belongs there may not have come yet, since
 * whoever handed it over died, and of a ring in motion it may not know the peer that comes before it, whose place it then
 * takes for its own. It asks the two peers that keep copies, and, by way of the two before it, who is responsible as they
 * know it. For a minute after each change, and only before "nothing" is said; one question for a place at a time, and who is
 * asked for its own copy does not ask back. The silence of one that keeps copies is no "nothing".
 */
export class AbsenceCheck implements Timed {
  private readonly self: NodeId;
  private readonly place: Pick<RingView, 'isResponsibleFor' | 'isInMotion'>;
  private readonly neighbors: Pick<NeighborTable, 'predecessors' | 'replicaSet'>;
  private readonly inquiry: Inquiry;
  /** Who waits for each question. */
  private readonly checks = new Map<string, InquiryDone[]>();
  private waiting = 0;

  constructor(components: {
    self: NodeId;
    place: Pick<RingView, 'isResponsibleFor' | 'isInMotion'>;
    neighbors: Pick<NeighborTable, 'predecessors' | 'replicaSet'>;
    requester: Requester;
    verifier: Pick<ValueVerifier, 'verify'>;
    clock: Clock;
  }) {
    const { self, place, neighbors, requester, verifier, clock } = components;
    this.self = self;
    this.place = place;
    this.neighbors = neighbors;
    this.inquiry = new Inquiry({
      requester,
      verifier,
      clock,
      ways: (resource) => this.ways(resource),
      graceMs: GRACE_MS,
      patienceMs: PATIENCE_MS,
    });
  }

  /** Whether others are to be asked before `request` is told that nothing is there. */
  isDoubtful(resource: ResourceId, { signer, isForNode, isAdjacent, now }: Asked): boolean {
    // Who asks for the copy that is here, another peer in doubt mostly, is not to wait for what others have.
    if (isForNode || !this.place.isInMotion(now) || !this.place.isResponsibleFor(resource)) return false;
    // The question of this peer has come back to it.
    if (signer.nodeId === this.self && !isAdjacent) return false;
    return this.waiting < MAX_WAITING && !this.inquiry.isFull;
  }

  /** `done` gets what others hold, in the call when there are none. */
  ask(resource: ResourceId, kind: Kind, now: number, done: InquiryDone): void {
    const key = `${resource}/${kind.id}`;
    const running = this.checks.get(key);
    this.waiting += 1;
    if (running !== undefined) {
      running.push(done);
      return;
    }
    const waiting = [done];
    this.checks.set(key, waiting);
    this.inquiry.ask(resource, kind, now, (values, at, isComplete) => {
      this.checks.delete(key);
      this.waiting -= waiting.length;
      const found = latestOfEach(kind, values);
      for (const each of waiting) each(found, at, isComplete);
    });
  }

  /** Whoever is no neighbour any more is not waited for, and those that keep copies now are asked. */
  neighborsChanged(now: number): void {
    this.inquiry.waysChanged(now);
  }

  nextTimeout(): number | undefined {
    return this.inquiry.nextTimeout();
  }

  handleTimeout(now: number): void {
    this.inquiry.handleTimeout(now);
  }

  private ways(resource: ResourceId): Destination[][] {
    const { predecessors, replicaSet } = this.neighbors;
    return [
      ...replicaSet.map((id) => [toNode(id)]),
      ...predecessors.slice(0, REPLICAS).map((id) => [toNode(id), toResource(resource)]),
    ];
  }
}

/** Of what several hold, each value once, as it was written last; of a single one the claim to believe, if somebody has it. */
function latestOfEach(kind: Kind, values: readonly SignedValue[]): SignedValue[] {
  const latest = new Map<string, SignedValue>();
  for (const value of values) {
    const key = `${value.signer.nodeId}/${placeOf(value.data.value)}`;
    const before = latest.get(key);
    if (before === undefined || value.data.storageTime > before.data.storageTime) latest.set(key, value);
  }
  const all = [...latest.values()];
  if (kind.dataModel !== 'single') return all.slice(0, kind.maxCount);
  const one = all.find(({ data }) => data.value.exists) ?? all[0];
  return one === undefined ? [] : [one];
}

function placeOf(value: StoredDataValue): string {
  switch (value.model) {
    case 'single':
      return '';
    case 'array':
      return String(value.index);
    case 'dictionary':
      return toHex(value.key);
  }
}
