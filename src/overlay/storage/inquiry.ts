import type { Clock, Timed } from '../../base/clock.ts';
import type { ResourceId } from '../../base/node-id.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import type { Destination, GenericCertificate, StoredData } from '../../reload/index.ts';
import type { Requester } from '../requester.ts';
import { claimOf, claimWins } from './access.ts';
import type { SignedValue } from './admission.ts';
import type { Kind } from './kinds.ts';
import { specifierOf } from './selection.ts';
import type { ValueVerifier } from './value-verifier.ts';

/** Who has not answered by then says nothing: whoever claims or reads waits as long, and links repeat what is lost. */
const ANSWER_LIMIT_MS = 2_000;
/** Places that are being asked about at once. */
const MAX_QUESTIONS = 128;

interface Question {
  readonly resource: ResourceId;
  readonly kind: Kind;
  readonly requests: Set<bigint>;
  readonly answers: { readonly data: StoredData; readonly certificates: readonly GenericCertificate[] }[];
  endsAt: number;
  readonly done: (values: readonly SignedValue[], now: number) => void;
}

/**
 * Asks others what they hold of a place, before the first claim there is believed, or before it is said that nothing is
 * there: the peer that is responsible may have restarted with nothing, or have taken over a moment ago.
 */
export class Inquiry implements Timed {
  private readonly requester: Requester;
  private readonly verifier: Pick<ValueVerifier, 'verify'>;
  private readonly clock: Clock;
  private readonly ways: (resource: ResourceId) => readonly (readonly Destination[])[];
  private readonly graceMs: number;
  private readonly questions = new Set<Question>();
  private readonly timers = new TimerQueue<Question>();

  constructor(components: {
    requester: Requester;
    verifier: Pick<ValueVerifier, 'verify'>;
    clock: Clock;
    /** The destination list of each that is asked. */
    ways: (resource: ResourceId) => readonly (readonly Destination[])[];
    /** With values from one, the others are waited for so long; absent: as long as without. */
    graceMs?: number;
  }) {
    this.requester = components.requester;
    this.verifier = components.verifier;
    this.clock = components.clock;
    this.ways = components.ways;
    this.graceMs = components.graceMs ?? ANSWER_LIMIT_MS;
  }

  get isFull(): boolean {
    return this.questions.size >= MAX_QUESTIONS;
  }

  /** `done` gets the values that others hold, the one to believe first; in the call when there is nobody to ask. */
  ask(
    resource: ResourceId,
    kind: Kind,
    now: number,
    done: (values: readonly SignedValue[], now: number) => void,
  ): void {
    const question: Question = {
      resource,
      kind,
      requests: new Set(),
      answers: [],
      endsAt: now + ANSWER_LIMIT_MS,
      done,
    };
    this.questions.add(question);
    this.timers.set(question, question.endsAt);
    const specifiers = [{ kind: kind.id, generation: 0n, specifier: specifierOf(kind) }];
    const body = { type: 'fetch_req' as const, resource, specifiers };
    for (const destination of this.ways(resource)) {
      const transaction = this.requester.request({ destination, body }, now, (result, at) => {
        question.requests.delete(transaction);
        if (result.ok && result.body.type === 'fetch_ans') {
          const [response] = result.body.kindResponses;
          const values = response?.kind === kind.id ? response.values.slice(0, kind.maxCount) : [];
          for (const data of values) question.answers.push({ data, certificates: result.certificates });
          if (values.some(({ value }) => value.exists)) this.hasten(question, at);
        }
        if (question.requests.size === 0) this.finish(question, at);
      });
      question.requests.add(transaction);
    }
    if (question.requests.size === 0) this.finish(question, now);
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let question = this.timers.due(now); question !== undefined; question = this.timers.due(now))
      this.finish(question, now);
  }

  private hasten(question: Question, now: number): void {
    question.endsAt = Math.min(question.endsAt, now + this.graceMs);
    this.timers.set(question, question.endsAt);
  }

  private finish(question: Question, now: number): void {
    if (!this.questions.delete(question)) return;
    this.timers.clear(question);
    for (const transaction of question.requests) this.requester.cancel(transaction);
    question.done(this.proven(question).sort(byBelief), now);
  }

  /** Not before the last answer: a writer may have been revoked while the others were waited for. */
  private proven({ resource, kind, answers }: Question): SignedValue[] {
    const wallNow = this.clock.wall();
    return answers.flatMap(
      ({ data, certificates }) => this.verifier.verify(resource, kind, data, certificates, wallNow) ?? [],
    );
  }
}

/** Claims before what was given back; of two claims that were made apart, the one that wins. */
function byBelief(a: SignedValue, b: SignedValue): number {
  const [claimA, claimB] = [claimOf(a.data.value), claimOf(b.data.value)];
  // Not of an address.
  if (claimA === undefined || claimB === undefined)
    return Number(!a.data.value.exists) - Number(!b.data.value.exists) || (a.signer.nodeId < b.signer.nodeId ? -1 : 1);
  if (claimA.hit === claimB.hit) return 0;
  return claimWins(claimA, claimB) ? -1 : 1;
}
