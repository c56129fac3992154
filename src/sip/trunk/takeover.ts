import type { SipMessage, SipRequest, SipResponse } from '../message/message.ts';
import { type CallDialogs, type Ends, type Newcomer, numberOf } from './call-dialogs.ts';
import type { CallMedia, Refusal } from './call-media.ts';
import { type End, otherEnd } from './call-side.ts';
import { isDescribing, unchallenged } from './passing.ts';

/** Who would take the place of an end of a call. */
export interface Candidate {
  readonly end: End;
  /** Of the dialog with the other end. */
  readonly tag: string;
  /** What it says of its media. */
  readonly message: SipMessage;
  readonly newcomer: Newcomer;
  /** What the other end is asked by. */
  readonly invite: SipRequest;
  /** The other end is asked with that number. */
  onAsked?(number: number): void;
  /** It is in the call as soon as that is said: the former end hears so. */
  farewell(now: number): void;
  /** It is in the call now, with what the other end says. Comes again as often as the other end says it. */
  onTaken(response: SipResponse, now: number): void;
  /** The call is as it was, or is over. */
  onRefused(said: Refusal | SipResponse, now: number): void;
}

export interface TakeoverPorts {
  readonly dialogs: CallDialogs;
  readonly media: CallMedia;
  /** Whether the call is answered, and not over. */
  isOn(): boolean;
  /** An ACK of ours to that end. */
  acknowledge(to: End, tag: string, number: number): void;
  /** The end is another phone from now on. */
  take(candidate: Candidate, now: number): void;
  /** It cannot go on. */
  end(now: number, why: Refusal): void;
}

const UNKNOWN = { status: 481, reason: 'Call/Transaction Does Not Exist' };
const NO_ANSWER = { status: 503, reason: 'Gateway Has No Way Out' };

/**
 * Another phone is to take the place of an end: the other one hears of it in its dialog, as of a re-INVITE.
 *
 *    its offer ──media relay──> re-INVITE of the other end ──2xx──> its answer ──media relay──> taken
 *        └──refused─────────────────┴──not a 2xx──> the call as it was     └──refused──> the call is over
 */
export class Takeover {
  private readonly ports: TakeoverPorts;
  private readonly candidate: Candidate;
  private readonly formerCallId: string;
  /** With the newcomer, also before it is taken: media relays, and what may be said in clear, go by where it is. */
  private readonly ends: Ends;

  constructor(ports: TakeoverPorts, candidate: Candidate) {
    this.ports = ports;
    this.candidate = candidate;
    this.formerCallId = ports.dialogs.callIds[candidate.end];
    this.ends = ports.dialogs.endsWith(candidate.end, candidate.tag, candidate.newcomer);
  }

  begin(now: number): void {
    const { dialogs, media } = this.ports;
    const { end, tag, message, invite } = this.candidate;
    const other = otherEnd(end);
    media.translate(
      end,
      message,
      'offer',
      tag,
      now,
      (body, at, refusal) => {
        if (body === undefined || !this.ports.isOn()) {
          this.candidate.onRefused(body === undefined ? refusal : UNKNOWN, at);
          return;
        }
        dialogs.sides[other].request(
          {
            flows: [dialogs.flowOf(other, tag)],
            build: () => dialogs.build(other, tag, { ...invite, body }, (dialogs.cseqs[other] += 1)),
            onSent: () => this.candidate.onAsked?.(dialogs.cseqs[other]),
            isBounded: true,
            onProvisional: () => undefined,
            onFinal: (response, then) => this.answered(response, then),
            onFailure: (then) => this.candidate.onRefused(NO_ANSWER, then),
          },
          at,
        );
      },
      this.ends,
    );
  }

  private answered(response: SipResponse, now: number): void {
    const { dialogs, media } = this.ports;
    const { end, tag, message } = this.candidate;
    const other = otherEnd(end);
    if (response.status >= 300) {
      this.candidate.onRefused(unchallenged(response), now);
      return;
    }
    if (!this.isHeld) {
      this.tooLate(response, now);
      return;
    }
    dialogs.refresh(other, tag, response);
    media.translate(
      other,
      response,
      isDescribing(message) ? 'answer' : 'offer',
      tag,
      now,
      (body, at, refusal) => {
        if (body === undefined && !dialogs.isEmergency) {
          this.ports.acknowledge(other, tag, numberOf(response));
          this.candidate.onRefused(refusal, at);
          this.ports.end(at, refusal);
          return;
        }
        if (!this.isHeld) {
          this.tooLate(response, at);
          return;
        }
        if (!this.isTaken) this.ports.take(this.candidate, at);
        this.candidate.onTaken({ ...response, body: body ?? response.body }, at);
      },
      this.ends,
    );
  }

  private tooLate(response: SipResponse, now: number): void {
    this.ports.acknowledge(otherEnd(this.candidate.end), this.candidate.tag, numberOf(response));
    this.candidate.onRefused(UNKNOWN, now);
  }

  private get isTaken(): boolean {
    return this.ports.dialogs.callIds[this.candidate.end] === this.candidate.newcomer.callId;
  }

  /** The former end may have hung up meanwhile, and the other one with it; and a 2xx comes more than once. */
  private get isHeld(): boolean {
    const { dialogs } = this.ports;
    const { end, tag } = this.candidate;
    const isFormer = dialogs.callIds[end] === this.formerCallId && dialogs.isAnswered(tag);
    return this.ports.isOn() && (this.isTaken || isFormer);
  }
}
