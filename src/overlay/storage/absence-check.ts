import type { Clock, Timed } from '../../base/clock.ts';
import type { NodeId, ResourceId } from '../../base/node-id.ts';
import { toHex } from '../../base/bytes.ts';
import type { Destination, StoredDataValue } from '../../reload/index.ts';
import type { NeighborTable } from '../chord/neighbor-table.ts';
import { REPLICAS } from '../constants.ts';
import { type Requester, toNode, toResource } from '../requester.ts';
import type { SignedValue } from './admission.ts';
import { Inquiry } from './inquiry.ts';
import type { Kind } from './kinds.ts';
import type { RingView } from './ring-view.ts';
import type { ValueVerifier } from './value-verifier.ts';

/** Requests that wait for what others say. */
const MAX_WAITING = 256;

/** What one has is enough, unless others that live have more: they answer in a moment. */
const GRACE_MS = 200;

type Done = (found: readonly SignedValue[], now: number) => void;

interface Check {
  readonly asked: ReadonlySet<NodeId>;
  readonly waiting: Done[];
}

/**
 * A peer whose range is new cannot tell by its store that nothing is there: what belongs there may not have come yet, since
 * whoever handed it over died, and of a ring in motion it may not know the peer that comes before it, whose place it then
 * takes for its own. It asks the two peers that keep copies, and, by way of the two before it, who is responsible as they
 * know it. For a minute after each change, and only before "nothing" is said; one question for a place at a time, and one
 * that was asked does not ask back.
 */
export class AbsenceCheck implements Timed {
  private readonly self: NodeId;
  private readonly place: Pick<RingView, 'isResponsibleFor' | 'isInMotion'>;
  private readonly neighbors: Pick<NeighborTable, 'predecessors' | 'replicaSet'>;
  private readonly inquiry: Inquiry;
  private readonly checks = new Map<string, Check>();
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
    });
  }

  /** Whether others are to be asked before `request` is told that nothing is there. */
  isDoubtful(
    resource: ResourceId,
    request: { readonly signer: { readonly nodeId: NodeId }; readonly isAdjacent: boolean; readonly now: number },
  ): boolean {
    if (!this.place.isInMotion(request.now) || !this.place.isResponsibleFor(resource)) return false;
    return this.waiting < MAX_WAITING && !this.inquiry.isFull && !this.isAskedBack(resource, request);
  }

  /** `done` gets what others hold, in the call when there are none. */
  ask(resource: ResourceId, kind: Kind, now: number, done: Done): void {
    const key = `${resource}/${kind.id}`;
    const running = this.checks.get(key);
    this.waiting += 1;
    if (running !== undefined) {
      running.waiting.push(done);
      return;
    }
    const { predecessors, replicaSet } = this.neighbors;
    const check: Check = { asked: new Set([...predecessors.slice(0, REPLICAS), ...replicaSet]), waiting: [done] };
    this.checks.set(key, check);
    this.inquiry.ask(resource, kind, now, (values, at) => {
      this.checks.delete(key);
      this.waiting -= check.waiting.length;
      const found = latestOfEach(kind, values);
      for (const each of check.waiting) each(found, at);
    });
  }

  nextTimeout(): number | undefined {
    return this.inquiry.nextTimeout();
  }

  handleTimeout(now: number): void {
    this.inquiry.handleTimeout(now);
  }

  /** The question of this peer has come back to it, or who is asked asks: each would wait for the other. */
  private isAskedBack(
    resource: ResourceId,
    { signer: { nodeId }, isAdjacent }: { readonly signer: { readonly nodeId: NodeId }; readonly isAdjacent: boolean },
  ): boolean {
    if (nodeId === this.self) return !isAdjacent;
    for (const [key, { asked }] of this.checks) if (key.startsWith(`${resource}/`) && asked.has(nodeId)) return true;
    return false;
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
