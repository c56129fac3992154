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
/** Requests of one question, however often the ring changes meanwhile. */
const MAX_REQUESTS = 16;

/** A destination list. Of one entry: a node is asked for its own copy. */
type Way = readonly Destination[];

/** @param isComplete everyone that was asked for its own copy has answered, or is no way any more. */
export type InquiryDone = (values: readonly SignedValue[], now: number, isComplete: boolean) => void;

interface Question {
  readonly resource: ResourceId;
  readonly kind: Kind;
  readonly requests: Map<bigint, Way>;
  /** Names of the ways that were taken. */
  readonly asked: Set<string>;
  readonly answers: { readonly data: StoredData; readonly certificates: readonly GenericCertificate[] }[];
  endsAt: number;
  /** Own copies are waited for until then. */
  readonly lastAt: number;
  hasValue: boolean;
  /** Somebody did not say what it holds. */
  isRefused: boolean;
  readonly done: InquiryDone;
}

/**
 * Asks others what they hold of a place, before the first claim there is believed, or before it is said that nothing is
 * there: the peer that is responsible may have restarted with nothing, or have taken over a moment ago.
 */
export class Inquiry implements Timed {
  private readonly requester: Requester;
  private readonly verifier: Pick<ValueVerifier, 'verify'>;
  private readonly clock: Clock;
  private readonly ways: (resource: ResourceId) => readonly Way[];
  private readonly graceMs: number;
  private readonly patienceMs: number;
  private readonly questions = new Set<Question>();
  private readonly timers = new TimerQueue<Question>();

  constructor(components: {
    requester: Requester;
    verifier: Pick<ValueVerifier, 'verify'>;
    clock: Clock;
    /** The destination list of each that is asked. */
    ways: (resource: ResourceId) => readonly Way[];
    /** With values from one, the others are waited for so long; absent: as long as without. */
    graceMs?: number;
    /** Those that are asked for their own copy are waited for so long; absent: two seconds, as all others. */
    patienceMs?: number;
  }) {
    this.requester = components.requester;
    this.verifier = components.verifier;
    this.clock = components.clock;
    this.ways = components.ways;
    this.graceMs = components.graceMs ?? ANSWER_LIMIT_MS;
    this.patienceMs = components.patienceMs ?? ANSWER_LIMIT_MS;
  }

  get isFull(): boolean {
    return this.questions.size >= MAX_QUESTIONS;
  }

  /** `done` gets the values that others hold, the one to believe first; in the call when there is nobody to ask. */
  ask(resource: ResourceId, kind: Kind, now: number, done: InquiryDone): void {
    const question: Question = {
      ...{ resource, kind, requests: new Map(), asked: new Set(), answers: [], done },
      ...{ endsAt: now + ANSWER_LIMIT_MS, lastAt: now + this.patienceMs, hasValue: false, isRefused: false },
    };
    this.questions.add(question);
    this.timers.set(question, question.endsAt);
    for (const way of this.ways(resource)) this.askBy(way, question, now);
    this.finishIfAnswered(question, now);
  }

  /** Others are near the places that are asked about: those that have come are asked too, those that are gone not waited for. */
  waysChanged(now: number): void {
    for (const question of [...this.questions]) {
      const ways = this.ways(question.resource);
      const names = new Set(ways.map(nameOf));
      this.giveUp(question, (way) => !names.has(nameOf(way)));
      for (const way of ways) if (isOwnCopy(way)) this.askBy(way, question, now);
      this.finishIfAnswered(question, now);
    }
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let question = this.timers.due(now); question !== undefined; question = this.timers.due(now)) {
      if (!question.hasValue && now < question.lastAt) {
        this.giveUp(question, (way) => !isOwnCopy(way));
        question.endsAt = question.lastAt;
        this.timers.set(question, question.endsAt);
        this.finishIfAnswered(question, now);
      } else this.finish(question, now);
    }
  }

  private askBy(destination: Way, question: Question, now: number): void {
    const { asked, kind, resource } = question;
    const name = nameOf(destination);
    if (asked.has(name) || asked.size >= MAX_REQUESTS) return;
    asked.add(name);
    const specifiers = [{ kind: kind.id, generation: 0n, specifier: specifierOf(kind) }];
    const body = { type: 'fetch_req' as const, resource, specifiers };
    const transaction = this.requester.request({ destination, body }, now, (result, at) => {
      question.requests.delete(transaction);
      if (result.ok && result.body.type === 'fetch_ans') {
        const [response] = result.body.kindResponses;
        const values = response?.kind === kind.id ? response.values.slice(0, kind.maxCount) : [];
        for (const data of values) question.answers.push({ data, certificates: result.certificates });
        if (values.some(({ value }) => value.exists)) this.hasten(question, at);
      } else if (isOwnCopy(destination)) question.isRefused = true;
      this.finishIfAnswered(question, at);
    });
    question.requests.set(transaction, destination);
  }

  private giveUp({ requests }: Question, isGivenUp: (way: Way) => boolean): void {
    for (const [transaction, way] of requests)
      if (isGivenUp(way)) {
        this.requester.cancel(transaction);
        requests.delete(transaction);
      }
  }

  private hasten(question: Question, now: number): void {
    question.hasValue = true;
    question.endsAt = Math.min(question.endsAt, now + this.graceMs);
    this.timers.set(question, question.endsAt);
  }

  private finishIfAnswered(question: Question, now: number): void {
    if (question.requests.size === 0) this.finish(question, now);
  }

  private finish(question: Question, now: number): void {
    if (!this.questions.delete(question)) return;
    this.timers.clear(question);
    const isComplete = !question.isRefused && ![...question.requests.values()].some(isOwnCopy);
    this.giveUp(question, () => true);
    question.done(this.proven(question).sort(byBelief), now, isComplete);
  }

  /** Not before the last answer: a writer may have been revoked while the others were waited for. */
  private proven({ resource, kind, answers }: Question): SignedValue[] {
    const wallNow = this.clock.wall();
    return answers.flatMap(
      ({ data, certificates }) => this.verifier.verify(resource, kind, data, certificates, wallNow) ?? [],
    );
  }
}

function isOwnCopy(way: Way): boolean {
  return way.length === 1;
}

function nameOf(way: Way): string {
  return way.map((to) => (to.type === 'node' ? to.nodeId : to.type)).join();
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
