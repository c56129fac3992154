import { hitToAddress } from '../../base/node-id.ts';
import type { Random } from '../../base/random.ts';
import type { SipFlow } from '../flow.ts';
import { firstHeader } from '../message/headers.ts';
import type { SipMessage, SipRequest, SipResponse } from '../message/message.ts';
import type { Parties } from '../parties.ts';
import { type AddressFamily, addressFamilies } from '../sdp/families.ts';
import { type BodyPart, READABLE, sessionIn } from '../sdp/session-parts.ts';
import { responseTo, tagOf } from '../transaction/responses.ts';
import { LAN_SIDE, OVERLAY_SIDE } from './sides.ts';
import { MAX_CALL_ID_LENGTH, MAX_RELAYED_CALLS } from './constants.ts';
import { familyOf } from './family-warnings.ts';
import { Exchanges, type SessionRole } from './exchanges.ts';
import type { NgDone } from './ng-client.ts';
import type { NgCommand } from './ng-codec.ts';

export interface MediaRelayPorts {
  /** Asks rtpengine. @param done called once, later. */
  ask(command: NgCommand, done: NgDone): void;
  send(flow: SipFlow, message: SipMessage): void;
  /** A request that could not be sent is answered so, as if from there. */
  answered(flow: SipFlow, response: SipResponse, now: number): void;
  /** Undefined: rtpengine has done as it was told. */
  onAnswer(failure: string | undefined): void;
}

type Side = typeof LAN_SIDE | typeof OVERLAY_SIDE;

interface Flows {
  readonly from: SipFlow;
  readonly to: SipFlow;
}

/** A body that goes out as soon as rtpengine has said what it becomes. */
interface LateBody {
  readonly part: BodyPart;
  readonly command: NgCommand;
  state: 'new' | 'asked' | 'known' | 'failed';
  /** What becomes of it. */
  body: Uint8Array;
  /** What a request is answered with where it fails. */
  readonly refusal: typeof NO_RELAY | typeof UNREADABLE;
  /** Said again meanwhile: it goes out once. */
  waiting: { flow: SipFlow; message: SipMessage } | undefined;
}

/**
 * Media that cannot go from one end to the other go through rtpengine: between a phone on the LAN and the overlay, and to a phone of this
 * host that has an address of another family than those offered. Its session descriptions get rtpengine's addresses.
 *
 *     relay(message) ──> new ──send──> asked ──rtpengine says so──> known: sent, and again as often as it is sent
 *                                        └──it does not──> failed: a request is answered with 488, all else goes out as it was, and so
 *                                                                  does a call for help
 *
 * A request whose session description it could not read is answered with 415.
 *
 * What rtpengine keeps of a call ends with its BYE, else by its own time-outs. No packet of a call comes here.
 */
export class MediaRelay {
  private readonly random: Random;
  private readonly parties: Parties;
  private readonly ports: MediaRelayPorts;
  private readonly isUrgent: (request: SipRequest) => boolean;
  private readonly exchanges = new Exchanges();
  /** Calls that are relayed though both ends are in the overlay; the longest unused first. */
  private readonly byFamily = new Set<string>();
  private readonly late = new WeakMap<Uint8Array, LateBody>();

  /** @param components.isUrgent requests that are to go out in any case: media may come through at the other end, and words may not be needed */
  constructor(components: {
    readonly random: Random;
    readonly parties: Parties;
    readonly ports: MediaRelayPorts;
    readonly isUrgent: (request: SipRequest) => boolean;
  }) {
    this.isUrgent = components.isUrgent;
    this.random = components.random;
    this.parties = components.parties;
    this.ports = components.ports;
  }

  /** Of each message that is passed on, before `send` gets it. */
  relay<M extends SipMessage>(message: M, flows: Flows): M {
    const call = this.callOf(message, flows);
    if (call === undefined) return message;
    const crosses = this.sideOf(flows.from) !== this.sideOf(flows.to);
    if (message.type === 'request' && message.method === 'BYE') {
      if (this.byFamily.delete(call) || crosses) this.end(call, message);
      return message;
    }
    const part = sessionIn(message);
    const role = this.exchanges.roleOf(message, part !== 'none');
    if (part === 'none' || role === undefined) return message;
    if (part === 'hidden') return crosses || this.byFamily.has(call) ? this.unreadable(message) : message;
    if (!crosses && !this.isRelayed(call, message.body.subarray(part.start, part.end), role, flows.to)) return message;
    // A body of its own: by that `send` knows it.
    const body = Buffer.from(message.body);
    const command = this.commandOf(call, body.subarray(part.start, part.end), role, flows);
    this.late.set(body, { part, command, state: 'new', body, refusal: NO_RELAY, waiting: undefined });
    return { ...message, body };
  }

  /** What waits for its answer is refused, and not before it is sent: rtpengine is asked for nothing. */
  private unreadable<M extends SipMessage>(message: M): M {
    if (message.type === 'response' || message.method === 'ACK') return message;
    const body = Buffer.from(message.body);
    const part = { start: 0, end: body.length };
    this.late.set(body, {
      ...{ part, command: { command: 'ping' }, state: 'new', body, refusal: UNREADABLE, waiting: undefined },
    });
    return { ...message, body };
  }

  /** Whether the media of that message's call go through rtpengine here. */
  relays(message: SipMessage, flows: Flows): boolean {
    const call = this.callOf(message, flows);
    return call !== undefined && (this.sideOf(flows.from) !== this.sideOf(flows.to) || this.byFamily.has(call));
  }

  send(flow: SipFlow, message: SipMessage): void {
    const late = this.late.get(message.body);
    if (late === undefined || late.state === 'failed') this.ports.send(flow, message);
    else if (late.state === 'known') this.ports.send(flow, { ...message, body: late.body });
    else {
      late.waiting = { flow, message };
      if (late.state === 'new') this.ask(late);
    }
  }

  private ask(late: LateBody): void {
    late.state = 'asked';
    this.ports.ask(late.command, (answer, now) => {
      const { waiting, part, body, refusal } = late;
      late.waiting = undefined;
      const isDone = answer?.result === 'ok' && answer.sdp !== undefined;
      if (refusal === NO_RELAY)
        this.ports.onAnswer(isDone ? undefined : (answer?.reason ?? answer?.result ?? 'it does not answer'));
      late.state = isDone ? 'known' : 'failed';
      if (answer?.sdp !== undefined && isDone)
        late.body = Buffer.concat([body.subarray(0, part.start), answer.sdp, body.subarray(part.end)]);
      if (waiting === undefined) return;
      const { flow, message } = waiting;
      const isSent = late.state === 'known' || message.type === 'response' || message.method === 'ACK';
      if (isSent || this.isUrgent(message)) this.send(flow, message);
      else this.ports.answered(flow, responseTo(message, refusal, this.random), now);
    });
  }

  private end(call: string, message: SipMessage): void {
    const command = {
      ...{ command: 'delete', 'call-id': call },
      ...{ 'from-tag': tagOf(message, 'from'), 'to-tag': tagOf(message, 'to'), 'delete-delay': 0 },
    };
    this.ports.ask(command, () => {});
  }

  private isRelayed(call: string, session: Uint8Array, { type }: SessionRole, to: SipFlow): boolean {
    if (this.byFamily.has(call)) {
      this.byFamily.delete(call);
      this.byFamily.add(call);
      return true;
    }
    if (type !== 'offer' || this.parties.of(to).kind !== 'phone') return false;
    const offered = addressFamilies(session);
    if (offered.size === 0 || offered.has(familyOf(to))) return false;
    this.byFamily.add(call);
    const [oldest] = this.byFamily;
    if (this.byFamily.size > MAX_RELAYED_CALLS && oldest !== undefined) this.byFamily.delete(oldest);
    return true;
  }

  private commandOf(call: string, sdp: Uint8Array, role: SessionRole, { from, to }: Flows): NgCommand {
    const tags = {
      ...{ 'call-id': call, 'from-tag': role.offerer },
      ...(role.answerer === '' ? {} : { 'to-tag': role.answerer }),
    };
    // What the two ends have agreed on stays so in the dialog.
    const isFirst = role.type === 'offer' && role.answerer === '';
    return {
      ...{ command: role.type, ...tags, sdp, ICE: 'remove', replace: ['origin'] },
      ...(role.type === 'offer' ? { direction: [this.sideOf(from), this.sideOf(to)] } : {}),
      ...(isFirst ? { 'address-family': `IP${this.familyFor(to)}` } : {}),
    };
  }

  /** Every phone knows IPv4. What a member's phone has its own host knows. */
  private familyFor(to: SipFlow): AddressFamily {
    if (this.parties.of(to).kind === 'phone') return familyOf(to);
    return this.parties.addresses.ipv4 === undefined ? 6 : 4;
  }

  private sideOf(flow: SipFlow): Side {
    const party = this.parties.of(flow);
    return party.kind === 'phone' && party.onLan ? LAN_SIDE : OVERLAY_SIDE;
  }

  /** Of each member a call of its own: nobody takes part in another's, whose Call-ID he knows. */
  private callOf(message: SipMessage, { from, to }: Flows): string | undefined {
    const callId = firstHeader(message, 'call-id') ?? '';
    if (callId.length > MAX_CALL_ID_LENGTH) return undefined;
    const members = [from, to].map((flow) => this.parties.of(flow));
    const other = members.find(({ kind }) => kind === 'member');
    return `${other?.kind === 'member' ? hitToAddress(other.hit) : 'here'}/${callId}`;
  }
}

/** RFC 3261 s21.4.13. */
const UNREADABLE = {
  status: 415,
  reason: 'Unsupported Media Type',
  headers: READABLE,
};

/** RFC 3261 s20.43: what a phone shows. */
const NO_RELAY = {
  status: 488,
  reason: 'Not Acceptable Here',
  headers: [{ name: 'Warning', value: '399 idloc "No media relay (rtpengine) on this host"' }],
};
