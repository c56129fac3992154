import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { TimerQueue } from '../../base/timer-queue.ts';
import { firstHeader, headerRows, withFirstValue, withHeader } from '../message/headers.ts';
import type { SipHeader, SipRequest, SipResponse } from '../message/message.ts';
import { responseTo, tagOf } from '../transaction/responses.ts';
import type { ClientTransaction, ServerTransaction } from '../transaction/transaction.ts';
import type { TransactionLayer } from '../transaction/transaction-layer.ts';
import { bestResponse } from './best-response.ts';
import {
  DEFAULT_Q,
  LEFT_FOR_LAST,
  MAX_LOCATING_MS,
  MAX_PARTINGS,
  MAX_SEEKING_MS,
  MAX_TARGETS,
  TIMER_C_MS,
} from './constants.ts';
import { copyFor } from './forwarding.ts';
import { Partings } from './partings.ts';
import type { LastResort, ProxyPorts, Refusal, Target } from './ports.ts';

type State = 'locating' | 'forking' | 'seeking' | 'stopping' | 'answered';

/** What waits for a time. */
export interface Expiring {
  expire(now: number): void;
}

export interface ContextComponents {
  readonly random: Random;
  readonly logger: Logger;
  readonly ports: ProxyPorts;
  readonly layer: Pick<TransactionLayer, 'request' | 'forward' | 'respond' | 'cancel'>;
  readonly timers: TimerQueue<Expiring>;
}

/** Of a request: it is dropped with the final response. */
interface Asked {
  readonly request: SipRequest;
  readonly mark: string;
  readonly breadth: number;
  /** By falling q, those that are tried together. */
  groups: Target[][];
  /** Final responses, none of them 2xx. */
  readonly responses: SipResponse[];
  /** Nothing more is heard of it then: its context is over, but for more 2xx. */
  readonly onAnswered: () => void;
  /** Until it is tried. */
  lastResort: LastResort | undefined;
}

interface Branch extends Expiring {
  readonly target: Target;
  /** Of no use to the caller, whatever it says from now on. */
  isUseless: boolean;
  /** We have cancelled it for want of an answer. */
  hasRungOut: boolean;
  transaction?: ClientTransaction;
}

const TIMEOUT: Refusal = { status: 408, reason: 'Request Timeout' };
const UNAVAILABLE: Refusal = { status: 503, reason: 'Service Unavailable' };
/** Its answer cannot be passed on. */
const BAD_GATEWAY: Refusal = { status: 502, reason: 'Bad Gateway' };
/** Who answers may not speak for whom was called. */
const NOT_THE_HOLDER: Refusal = { status: 404, reason: 'Not Found' };
/** It rang as long as the called one wants it to. */
const NO_ANSWER: Refusal = { status: 480, reason: 'No Answer' };
const TERMINATED: Refusal = { status: 487, reason: 'Request Terminated' };
/** RFC 3326: what a phone that rang in vain shows, no missed call. */
const ELSEWHERE: readonly SipHeader[] = [{ name: 'Reason', value: 'SIP;cause=200;text="Call completed elsewhere"' }];

/**
 * One request that a stateful proxy forwards, and its responses (RFC 3261 s16.6 and s16.7).
 *
 *    request --> locating --targets--> forking: the group of the highest q, each target a branch
 *                   |                   | ^ |
 *                   |     all branches  | | |  6xx, or CANCEL of the caller: pending branches are cancelled
 *                   |     refused: next +-+ +------------> stopping
 *      a refusal,   |     group             |                 |
 *      CANCEL: 487, |                       | 2xx: passed on  | 2xx: passed on
 *      too long     |                       | at once, others | all branches over:
 *                   |                       | are cancelled;  | the best refusal
 *                   |                       | no group left:  |
 *                   |                       | the best refusal|
 *                   v                       v                 v
 *                 answered <----------------+-----------------+   further 2xx of an INVITE are passed on
 *
 * Where there is a last resort, it is sought before the best refusal goes out, and is the one target of a group more: forking -> seeking ->
 * forking. As soon as its limit of ringing is known, all branches that ring longer are given up.
 *
 * 1xx but 100 are passed on until it is answered. A branch whose 1xx or 2xx is of no use to the caller has refused. What is answered when the caller has heard another end is ended by us. Of requests
 * that are no INVITE no 408 is passed on, nor an answer after their time (RFC 4320).
 */
export class ResponseContext implements Expiring {
  private readonly components: ContextComponents;
  private readonly transaction: ServerTransaction;
  private state: State = 'locating';
  private asked: Asked | undefined;
  private readonly pending = new Set<Branch>();
  private isCancelled = false;
  /** An INVITE outside of a dialog. */
  private readonly begins: boolean;
  /** To tags of 2xx that the caller has. */
  private readonly passed = new Set<string>();
  private partings: Partings | undefined;
  private hasRungOut = false;

  constructor(
    components: ContextComponents,
    transaction: ServerTransaction,
    asked: Pick<Asked, 'request' | 'mark' | 'breadth' | 'onAnswered' | 'lastResort'>,
    now: number,
  ) {
    this.components = components;
    this.transaction = transaction;
    this.asked = { ...asked, groups: [], responses: [] };
    this.begins = transaction.isInvite && tagOf(asked.request, 'to') === '';
    components.timers.set(this, now + MAX_LOCATING_MS);
  }

  /** The targets are found, or there are none. @returns false: nobody wants them any more. */
  begin(found: readonly Target[] | Refusal, now: number): boolean {
    if (this.state !== 'locating' || this.asked === undefined) return false;
    this.components.timers.clear(this);
    if ('status' in found || found.length === 0) {
      const refusal = 'status' in found ? found : { status: 480, reason: 'Temporarily Unavailable' };
      if (this.asked.lastResort !== undefined) this.asked.responses.push(this.own(this.asked, refusal));
      if (!this.seek(this.asked, now)) this.refuse(this.asked, refusal, now);
    } else {
      const { lastResort, breadth } = this.asked;
      this.changeState('forking');
      this.asked.groups = groupsOf(found, breadth);
      this.advance(now);
      lastResort?.onKnown(now, (ringMs, at) => {
        if (this.state === 'forking' && this.asked?.lastResort !== undefined)
          this.components.timers.set(this, Math.max(at, now + ringMs));
      });
    }
    return true;
  }

  /** The caller gave up. */
  cancel(cancel: SipRequest, now: number): void {
    if (this.asked === undefined) return;
    this.isCancelled = true;
    if (this.state === 'locating' || this.state === 'seeking') this.refuse(this.asked, TERMINATED, now);
    else this.stop(headerRows(cancel.headers, 'reason'), now);
  }

  /** Nobody said where to; or it rang long enough. */
  expire(now: number): void {
    if (this.asked === undefined) return;
    if (this.state === 'locating' || this.state === 'seeking') this.finish(this.asked, now);
    else if (this.state === 'forking') {
      this.hasRungOut = true;
      this.asked.groups = [];
      for (const branch of [...this.pending]) this.giveUp(branch, now);
    }
  }

  private advance(now: number): void {
    while (this.pending.size === 0 && this.asked !== undefined) {
      // No answer reaches a client that no longer waits.
      const mayFork = this.state === 'forking' && this.transaction.state !== 'terminated';
      const group = mayFork ? this.asked.groups.shift() : undefined;
      if (group === undefined) {
        if (!mayFork || !this.seek(this.asked, now)) this.finish(this.asked, now);
        return;
      }
      const share = Math.floor(this.asked.breadth / group.length);
      const extra = this.asked.breadth % group.length;
      for (const [index, target] of group.entries())
        this.fork(this.asked, target, share + (index < extra ? 1 : 0), now);
    }
  }

  /** @returns false: there is no last resort, or it is not for such a refusal. */
  private seek(asked: Asked, now: number): boolean {
    const { lastResort } = asked;
    const best = bestResponse(asked.responses, false);
    if (lastResort === undefined) return false;
    // Who rang out was cut off for it, whatever others have said.
    if (!this.hasRungOut && best !== undefined && !LEFT_FOR_LAST.has(best.status)) return false;
    asked.lastResort = undefined;
    if (this.hasRungOut) asked.responses.push(this.own(asked, NO_ANSWER));
    this.changeState('seeking');
    this.components.timers.set(this, now + MAX_SEEKING_MS);
    lastResort.open(now, (target, at) => this.sought(target, at));
    return true;
  }

  private sought(target: Target | undefined, now: number): boolean {
    if (this.state !== 'seeking' || this.asked === undefined) return false;
    this.components.timers.clear(this);
    this.changeState('forking');
    if (target !== undefined) this.asked.groups = [[target]];
    this.advance(now);
    return true;
  }

  private fork(asked: Asked, target: Target, breadth: number, now: number): void {
    const { layer, ports, timers } = this.components;
    const branch: Branch = { target, isUseless: false, hasRungOut: false, expire: (at) => this.giveUp(branch, at) };
    const request = withHeader(asked.request, 'Max-Breadth', String(breadth));
    const handlers = {
      onProvisional: (response: SipResponse, at: number) => this.provisional(branch, response, at),
      onFinal: (response: SipResponse, at: number) => this.final(branch, response, at),
      onTimeout: (at: number) => this.ended(branch, TIMEOUT, at),
      onTransportError: (at: number) => this.ended(branch, ports.unreachable ?? UNAVAILABLE, at),
      onLate: (response: SipResponse, at: number) => this.final(branch, response, at),
    };
    const copy = copyFor(request, target, this.transaction.from, ports);
    const transaction = layer.request(copy, target.flow, now, handlers, asked.mark);
    if (transaction === undefined) {
      asked.responses.push(this.own(asked, UNAVAILABLE));
      return;
    }
    branch.transaction = transaction;
    this.pending.add(branch);
    if (target.respondsWithinMs !== undefined) timers.set(branch, now + target.respondsWithinMs);
    else if (transaction.isInvite) timers.set(branch, now + (target.answerWithinMs ?? TIMER_C_MS));
  }

  private provisional(branch: Branch, response: SipResponse, now: number): void {
    if (!this.pending.has(branch)) return;
    const isAnothers = response.status > 100 && !this.mayAnswer(branch, response);
    const refusal = isAnothers ? NOT_THE_HOLDER : this.uselessOf(branch, response);
    if (refusal !== undefined) {
      if (branch.transaction !== undefined) this.components.layer.cancel(branch.transaction, [], now);
      this.ended(branch, refusal, now);
      return;
    }
    // It is there: how long it may take is another matter.
    if (branch.target.respondsWithinMs !== undefined) this.components.timers.set(branch, now + TIMER_C_MS);
    if (response.status === 100) return;
    // s16.7 step 2. How long a target may ring is not changed by its ringing.
    if (branch.target.answerWithinMs === undefined && this.transaction.isInvite)
      this.components.timers.set(branch, now + TIMER_C_MS);
    const passed = this.state === 'answered' ? undefined : this.toCaller(branch, response);
    if (passed !== undefined) this.components.layer.respond(this.transaction, passed, now);
  }

  private final(branch: Branch, response: SipResponse, now: number): void {
    if (!this.mayAnswer(branch, response)) {
      if (response.status < 300) this.part(branch, response, now);
      this.ended(branch, NOT_THE_HOLDER, now);
      return;
    }
    if (response.status >= 300) {
      this.ended(branch, response, now);
      return;
    }
    const useless = this.uselessOf(branch, response);
    const passed = useless === undefined ? this.toCaller(branch, response) : undefined;
    if (passed === undefined) {
      this.part(branch, response, now);
      this.ended(branch, useless ?? BAD_GATEWAY, now);
      return;
    }
    this.drop(branch);
    const { state } = this.transaction;
    if (state !== 'proceeding' && state !== 'accepted') this.part(branch, response, now);
    else if (this.passed.size < MAX_PARTINGS) this.passed.add(tagOf(response, 'to'));
    this.components.layer.respond(this.transaction, passed, now);
    this.answered(ELSEWHERE, now);
  }

  private mayAnswer({ target }: Branch, response: SipResponse): boolean {
    return this.components.ports.mayAnswer?.(response, target) ?? true;
  }

  /** @returns with what the branch ends. What is of no use in the middle of a call is the matter of its ends. */
  private uselessOf(branch: Branch, response: SipResponse): Refusal | undefined {
    if (branch.isUseless) return BAD_GATEWAY;
    const flows = { from: branch.target.flow, to: this.transaction.replies };
    const refusal = this.begins ? this.components.ports.useless?.(response, flows) : undefined;
    branch.isUseless = refusal !== undefined;
    return refusal;
  }

  /** Its 2xx comes to nobody. In a dialog that goes on, that is the caller's matter (RFC 3261 s14.2). */
  private part({ target }: Branch, response: SipResponse, now: number): void {
    if (!this.begins || this.passed.has(tagOf(response, 'to'))) return;
    this.components.logger.debug('sip.lateAnswer', { remote: target.flow.key });
    this.partings ??= new Partings(this.components);
    this.partings.end(response, { caller: this.transaction.from, callee: target.flow }, now);
  }

  /** The branch has no 2xx to offer. */
  private ended(branch: Branch, outcome: SipResponse | Refusal, now: number): void {
    const wasPending = this.drop(branch);
    if (!wasPending || this.asked === undefined) return;
    const response = this.responseOf(this.asked, branch, outcome);
    // RFC 4320 s4.2: a 408 to what is no INVITE would come too late for anybody.
    if (response.status !== 408 || this.transaction.isInvite) this.asked.responses.push(response);
    const { hasAlternatives = false, areElsewhere = false } = branch.target;
    const isGone = areElsewhere && outcome === this.components.ports.unreachable;
    const isSettled = hasAlternatives && !isGone && outcome.status !== 408 && outcome.status < 500;
    if (outcome.status >= 600) {
      this.stop([], now);
      return;
    }
    if (isSettled) {
      // All others would say the same; a last resort does something else.
      this.asked.groups = [];
      this.cancelPending([], now);
    }
    this.advance(now);
  }

  /** Timer C, or the target rang long enough (s16.8). */
  private giveUp(branch: Branch, now: number): void {
    const { transaction } = branch;
    if (transaction === undefined) return;
    const hasRung = transaction.state !== 'calling' && transaction.state !== 'trying';
    branch.hasRungOut = hasRung;
    this.components.layer.cancel(transaction, [], now);
    if (!hasRung) this.ended(branch, TIMEOUT, now);
  }

  /** No new branches; those that there are shall end. */
  private stop(reason: readonly SipHeader[], now: number): void {
    if (this.state === 'forking') this.changeState('stopping');
    this.cancelPending(reason, now);
    this.advance(now);
  }

  private cancelPending(reason: readonly SipHeader[], now: number): void {
    for (const { transaction } of this.pending)
      if (transaction !== undefined) this.components.layer.cancel(transaction, reason, now);
  }

  /** All branches are over, and none had a 2xx. */
  private finish(asked: Asked, now: number): void {
    const best = bestResponse(asked.responses, this.isCancelled) ?? this.own(asked, TIMEOUT);
    this.components.layer.respond(this.transaction, best, now);
    this.answered([], now);
  }

  private refuse(asked: Asked, refusal: Refusal, now: number): void {
    this.components.layer.respond(this.transaction, this.own(asked, refusal), now);
    this.answered([], now);
  }

  private answered(reason: readonly SipHeader[], now: number): void {
    if (this.state === 'answered') return;
    this.changeState('answered');
    this.components.timers.clear(this);
    this.asked?.onAnswered();
    this.asked = undefined;
    this.cancelPending(reason, now);
  }

  /** @returns whether it was pending. */
  private drop(branch: Branch): boolean {
    this.components.timers.clear(branch);
    return this.pending.delete(branch);
  }

  /** Without our Via; undefined: there is none of anybody else (s16.7 step 3). */
  private toCaller({ target }: Branch, response: SipResponse): SipResponse | undefined {
    const stripped = withFirstValue(response, 'via', undefined);
    if (firstHeader(stripped, 'via') === undefined) return undefined;
    return this.components.ports.outgoing(stripped, { from: target.flow, to: this.transaction.replies });
  }

  private responseOf(asked: Asked, branch: Branch, outcome: SipResponse | Refusal): SipResponse {
    // To a caller that has cancelled nothing, "terminated" says nothing.
    if (branch.hasRungOut && outcome.status === TERMINATED.status && !this.isCancelled)
      return this.own(asked, NO_ANSWER);
    if (!('body' in outcome)) return this.own(asked, outcome);
    return this.toCaller(branch, outcome) ?? this.own(asked, BAD_GATEWAY);
  }

  private own({ request }: Asked, refusal: Refusal): SipResponse {
    // Of a cancelled call, no answer at all means no more than that it is over.
    const answer = this.isCancelled && refusal.status === 408 ? TERMINATED : refusal;
    return responseTo(request, answer, this.components.random);
  }

  private changeState(state: State): void {
    this.components.logger.debug('sip.context', { from: this.state, to: state, remote: this.transaction.from.key });
    this.state = state;
  }
}

/** By falling q, and no more together than the breadth allows (RFC 5393 s5.3.3). */
function groupsOf(targets: readonly Target[], breadth: number): Target[][] {
  const groups: Target[][] = [];
  let q: number | undefined;
  const sorted = targets.toSorted((a, b) => (b.q ?? DEFAULT_Q) - (a.q ?? DEFAULT_Q));
  for (const target of sorted.slice(0, MAX_TARGETS)) {
    const group = groups.at(-1);
    if (group === undefined || (target.q ?? DEFAULT_Q) !== q || group.length >= breadth) groups.push([target]);
    else group.push(target);
    q = target.q ?? DEFAULT_Q;
  }
  return groups;
}
