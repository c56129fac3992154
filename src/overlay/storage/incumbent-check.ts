import type { Clock, Timed } from '../../base/clock.ts';
import type { NodeId, ResourceId } from '../../base/node-id.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import type { GenericCertificate, StoredData } from '../../reload/index.ts';
import { type Requester, toNode } from '../requester.ts';
import { claimOf, claimWins } from './access.ts';
import type { SignedValue } from './admission.ts';
import type { Kind } from './kinds.ts';
import type { ValueVerifier } from './value-verifier.ts';

/** A replica that has not answered by then says nothing: whoever claims waits as long, and links repeat what is lost. */
const ANSWER_LIMIT_MS = 2_000;
/** Claims that are being looked into at once. */
const MAX_CHECKS = 128;

interface Check {
  readonly resource: ResourceId;
  readonly kind: Kind;
  readonly requests: Set<bigint>;
  readonly answers: { readonly data: StoredData; readonly certificates: readonly GenericCertificate[] }[];
  readonly done: (incumbents: readonly SignedValue[], now: number) => void;
}

/**
 * Asks the replicas of a place whether somebody holds it, before the first claim there is believed: the peer that is
 * responsible may have restarted with nothing, or have taken over a moment ago.
 */
export class IncumbentCheck implements Timed {
  private readonly requester: Requester;
  private readonly verifier: Pick<ValueVerifier, 'verify'>;
  private readonly clock: Clock;
  private readonly replicas: () => readonly NodeId[];
  private readonly checks = new Set<Check>();
  private readonly timers = new TimerQueue<Check>();

  constructor(components: {
    requester: Requester;
    verifier: Pick<ValueVerifier, 'verify'>;
    clock: Clock;
    /** The peers that keep copies of what this one is responsible for. */
    replicas: () => readonly NodeId[];
  }) {
    this.requester = components.requester;
    this.verifier = components.verifier;
    this.clock = components.clock;
    this.replicas = components.replicas;
  }

  get isFull(): boolean {
    return this.checks.size >= MAX_CHECKS;
  }

  /** `done` gets the values that the replicas hold, the one to believe first; in the call when there are no replicas. */
  ask(
    resource: ResourceId,
    kind: Kind,
    now: number,
    done: (incumbents: readonly SignedValue[], now: number) => void,
  ): void {
    const check: Check = { resource, kind, requests: new Set(), answers: [], done };
    this.checks.add(check);
    this.timers.set(check, now + ANSWER_LIMIT_MS);
    const specifiers = [{ kind: kind.id, generation: 0n, specifier: { model: 'single' as const } }];
    const body = { type: 'fetch_req' as const, resource, specifiers };
    for (const replica of this.replicas()) {
      const transaction = this.requester.request({ destination: [toNode(replica)], body }, now, (result, at) => {
        check.requests.delete(transaction);
        if (result.ok && result.body.type === 'fetch_ans') {
          const [response] = result.body.kindResponses;
          const [data] = response?.kind === kind.id ? response.values : [];
          if (data !== undefined) check.answers.push({ data, certificates: result.certificates });
        }
        if (check.requests.size === 0) this.finish(check, at);
      });
      check.requests.add(transaction);
    }
    if (check.requests.size === 0) this.finish(check, now);
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let check = this.timers.due(now); check !== undefined; check = this.timers.due(now)) this.finish(check, now);
  }

  private finish(check: Check, now: number): void {
    if (!this.checks.delete(check)) return;
    this.timers.clear(check);
    for (const transaction of check.requests) this.requester.cancel(transaction);
    check.done(this.proven(check).sort(byBelief), now);
  }

  /** Not before the last answer: a writer may have been revoked while the others were waited for. */
  private proven({ resource, kind, answers }: Check): SignedValue[] {
    const wallNow = this.clock.wall();
    return answers.flatMap(
      ({ data, certificates }) => this.verifier.verify(resource, kind, data, certificates, wallNow) ?? [],
    );
  }
}

/** Claims before what was given back; of two claims that were made apart, the one that wins. */
function byBelief(a: SignedValue, b: SignedValue): number {
  const [claimA, claimB] = [claimOf(a.data.value), claimOf(b.data.value)];
  if (claimA === undefined || claimB === undefined) return Number(claimA === undefined) - Number(claimB === undefined);
  if (claimA.hit === claimB.hit) return 0;
  return claimWins(claimA, claimB) ? -1 : 1;
}
