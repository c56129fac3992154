import type { SipFlow } from '../flow.ts';
import { parseCSeq } from '../message/cseq.ts';
import { firstHeader, headerValues } from '../message/headers.ts';
import type { SipMessage, SipRequest, SipResponse } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { MAX_FORWARDS } from '../transaction/constants.ts';
import { tagOf } from '../transaction/responses.ts';
import type { CallSide, End } from './call-side.ts';
import { type KeptCall, keptFlow } from './kept-calls.ts';
import { passedHeaders, withoutTag } from './passing.ts';
import type { Replaces } from './replaces.ts';

// Implementation constants.

/** A forked call has so many early dialogs, and an INVITE within it so many that wait for an ACK. */
export const MAX_DIALOGS = 16;
const MAX_INVITES = 8;
/** What was said after a call was written down is not known in the next life: numbers go on behind it (RFC 3261 s12.2.1.1). */
const CSEQ_GAP = 1_000;
/** A number is written down when it is so much further: each digit that is dialled in a call has one. */
const CSEQ_STEP = 500;

export interface Dialog {
  target: string;
  routes: readonly string[];
  isAnswered: boolean;
  /** Of the called end, where another phone has taken its place: the caller goes on with the former one's. */
  remoteTag?: string | undefined;
}

/** What the two dialogs of a call are: all that is needed once it is answered. */
export interface Facts {
  readonly id: string;
  /** Call-IDs. */
  readonly callIds: Readonly<Record<End, string>>;
  readonly tags: { readonly caller: string; readonly own: string };
  /** From and To that the called end is told, From of what the caller is told later, and the caller's own From with its tag. */
  readonly names: {
    readonly from: string;
    readonly to: string;
    readonly calledAs: string;
    readonly callerFrom: string;
  };
  readonly caller: Dialog;
  readonly flows: Readonly<Record<End, SipFlow>>;
  readonly isEmergency: boolean;
}

/** Between whom something is said. */
export interface Ends {
  readonly tags: { readonly caller: string; readonly callee: string | undefined };
  readonly sides: Readonly<Record<End, CallSide>>;
  readonly flows: Readonly<Record<End, SipFlow>>;
}

/** Who takes the place of an end. */
export interface Newcomer {
  readonly callId: string;
  /** From or To as the newcomer writes it of itself, with its tag. */
  readonly name: string;
  readonly tag: string;
  /** What we are to it, where it is the called end. */
  readonly own: string;
  readonly dialog: Dialog;
  readonly flow: SipFlow;
  /** Absent: as the former end. */
  readonly side?: CallSide;
  /** Our From to it, without a tag; absent: as to the former end. */
  readonly as?: string;
  /** Of what we have said to it; absent: nothing. */
  readonly cseq?: number;
}

/** The dialogs of a call through a gateway, one with its caller and one with each end that has answered it (RFC 3261 s12). */
export class CallDialogs {
  readonly id: string;
  readonly isEmergency: boolean;
  sides: Readonly<Record<End, CallSide>>;
  readonly flows: Record<End, SipFlow>;
  readonly cseqs: Record<End, number> = { caller: 0, callee: 0 };
  callIds: Facts['callIds'];
  tags: Facts['tags'];
  names: Facts['names'];
  private caller: Dialog;
  /** By the To tag that the caller knows, which is the called end's. */
  private readonly called = new Map<string, Dialog>();
  /** Of INVITEs: `caller 1`, as it came, to the number that it went on with. */
  private readonly invites = new Map<string, number>();

  constructor(sides: Readonly<Record<End, CallSide>>, facts: Facts) {
    this.sides = sides;
    this.id = facts.id;
    this.isEmergency = facts.isEmergency;
    this.callIds = facts.callIds;
    this.tags = facts.tags;
    this.names = facts.names;
    this.caller = facts.caller;
    this.flows = { ...facts.flows };
  }

  /** Those of a former life. @param inside the flow to the adaptor */
  static restored(sides: Readonly<Record<End, CallSide>>, kept: KeptCall, inside: SipFlow): CallDialogs {
    const { id, callIds, tags, names, callerDialog, dialogs: called, cseqs, invites, isEmergency } = kept;
    const flows = {
      caller: kept.flows.caller === null ? inside : keptFlow(kept.flows.caller),
      callee: kept.flows.callee === null ? inside : keptFlow(kept.flows.callee),
    };
    const dialogs = new CallDialogs(sides, {
      ...{ id, callIds, tags, names, caller: { ...callerDialog }, flows, isEmergency },
    });
    for (const [tag, dialog] of called) dialogs.called.set(tag, { ...dialog });
    for (const [invite, number] of invites) dialogs.invites.set(invite, number);
    for (const end of ['caller', 'callee'] as const) dialogs.cseqs[end] = cseqs[end] + CSEQ_GAP;
    return dialogs;
  }

  /** What the next life needs. @returns undefined: nothing, none of them is answered */
  kept(): Omit<KeptCall, 'saidAt'> | undefined {
    const held = [...this.called].filter(([, { isAnswered }]) => isAnswered);
    if (held.length === 0) return undefined;
    const { id, callIds, tags, names, cseqs, isEmergency } = this;
    return {
      ...{ id, callIds: { ...callIds }, tags: { ...tags }, names: { ...names } },
      callerDialog: plain(this.caller),
      dialogs: held.map(([tag, dialog]) => [tag, plain(dialog)]),
      cseqs: { caller: stepOf(cseqs.caller), callee: stepOf(cseqs.callee) },
      invites: [...this.invites],
      flows: { caller: this.keptFlow('caller'), callee: this.keptFlow('callee') },
      isEmergency,
    };
  }

  /** Their tags, as the caller knows them. */
  get keys(): string[] {
    return [...this.called.keys()];
  }

  get isAnyAnswered(): boolean {
    return [...this.called.values()].some(({ isAnswered }) => isAnswered);
  }

  /** Nobody has left it. */
  isKnown(tag: string): boolean {
    return this.called.has(tag);
  }

  isAnswered(tag: string): boolean {
    return this.called.get(tag)?.isAnswered === true;
  }

  /** @returns whether such a request belongs to one of them. */
  has(end: End, request: SipRequest): boolean {
    const [ours, theirs] = [tagOf(request, 'to'), tagOf(request, 'from')];
    return end === 'caller'
      ? theirs === this.tags.caller && this.called.has(ours)
      : ours === this.tags.own && this.called.has(this.keyOf(theirs));
  }

  /** @returns by whose tag that is found, which an INVITE with this Replaces is to take an end of; undefined: none that is answered */
  replaced(end: End, { toTag, fromTag }: Replaces): string | undefined {
    const [isThis, tag] =
      end === 'caller' ? [fromTag === this.tags.caller, toTag] : [toTag === this.tags.own, this.keyOf(fromTag)];
    return isThis && this.isAnswered(tag) ? tag : undefined;
  }

  /** Whose dialog a request of that end is of. */
  keyFor(end: End, request: SipRequest): string {
    return end === 'caller' ? tagOf(request, 'to') : this.keyOf(tagOf(request, 'from'));
  }

  /** As they are now. @param tag undefined: nobody has answered */
  endsOf(tag: string | undefined): Ends {
    const callee = tag && (this.called.get(tag)?.remoteTag ?? tag);
    return { tags: { caller: this.tags.caller, callee }, sides: this.sides, flows: { ...this.flows } };
  }

  /** As they are with that one in the place of an end, which may be outside where the former one was inside. */
  endsWith(end: End, tag: string, { tag: its, flow, side = this.sides[end] }: Newcomer): Ends {
    const { tags, sides, flows } = this.endsOf(tag);
    return { tags: { ...tags, [end]: its }, sides: { ...sides, [end]: side }, flows: { ...flows, [end]: flow } };
  }

  /** One begins with the first response of its tag (RFC 3261 s12.1.2). @returns whether this is of a dialog */
  learn(tag: string, response: SipResponse): boolean {
    const isAnswered = response.status >= 200;
    const dialog = tag === '' || response.status >= 300 ? undefined : dialogBy(response);
    if (dialog === undefined) return false;
    const known = this.called.get(tag);
    const isNew = known === undefined && this.called.size < MAX_DIALOGS;
    if (isNew || (isAnswered && known?.isAnswered === false)) this.called.set(tag, { ...dialog, isAnswered });
    return true;
  }

  /** s12.2: the target of an end follows its Contact. */
  refresh(end: End, tag: string, message: SipMessage): void {
    const isRefresh = /INVITE|UPDATE/.test(parseCSeq(firstHeader(message, 'cseq') ?? '')?.method ?? '');
    const target = contactOf(message);
    const dialog = this.with(end, tag);
    if (isRefresh && target !== undefined && dialog !== undefined) dialog.target = target;
  }

  /** Somebody hangs up: it is none to go on with. */
  leaving(tag: string): void {
    const dialog = this.called.get(tag);
    if (dialog !== undefined) dialog.isAnswered = false;
  }

  delete(tag: string): void {
    this.called.delete(tag);
  }

  /** The end is another phone from now on. What it is told of who speaks stays what members' hosts take from a gateway. */
  take(end: End, tag: string, newcomer: Newcomer): void {
    const { callId, name, tag: its, own, dialog, flow, side, as, cseq } = newcomer;
    this.callIds = { ...this.callIds, [end]: callId };
    this.flows[end] = flow;
    if (side !== undefined) this.sides = { ...this.sides, [end]: side };
    if (cseq !== undefined) this.cseqs[end] = cseq;
    if (end === 'caller') {
      this.tags = { ...this.tags, caller: its };
      this.names = { ...this.names, callerFrom: name, calledAs: as ?? this.names.calledAs };
      this.caller = dialog;
    } else {
      this.tags = { ...this.tags, own };
      this.names = { ...this.names, to: withoutTag(name), from: as ?? this.names.from };
      this.called.clear();
      this.called.set(tag, { ...dialog, remoteTag: its });
    }
  }

  /** An INVITE that came has gone on with that number. */
  remember(end: End, invite: SipRequest, number: number): void {
    this.invites.set(`${end} ${numberOf(invite)}`, number);
    const [oldest] = this.invites.keys();
    if (this.invites.size > MAX_INVITES && oldest !== undefined) this.invites.delete(oldest);
  }

  /** @param number of an INVITE as it came @returns that which it went on with */
  numberFor(end: End, number: number): number | undefined {
    return this.invites.get(`${end} ${number}`);
  }

  /** A request within the dialog with that end. */
  build(to: End, tag: string, request: SipRequest, number: number, dialog = this.with(to, tag)): SipRequest {
    const { from, to: called, calledAs, callerFrom } = this.names;
    const tagged = (value: string, own: string): string => `${value};tag=${own}`;
    const [ours, theirs] =
      to === 'callee'
        ? [tagged(from, this.tags.own), tagged(called, dialog?.remoteTag ?? tag)]
        : [tagged(calledAs, tag), callerFrom];
    const takesContact = request.method === 'INVITE' || request.method === 'UPDATE';
    const contact = { name: 'Contact', value: this.sides[to].contact(this.flows[to]) };
    return {
      ...{ type: 'request', method: request.method, uri: dialog?.target ?? '', body: request.body },
      headers: [
        ...(dialog?.routes ?? []).map((value) => ({ name: 'Route', value })),
        { name: 'Max-Forwards', value: String(Number(firstHeader(request, 'max-forwards') ?? MAX_FORWARDS) - 1) },
        { name: 'From', value: ours },
        { name: 'To', value: theirs },
        { name: 'Call-ID', value: this.callIds[to] },
        { name: 'CSeq', value: `${number} ${request.method}` },
        ...(takesContact ? [contact] : []),
        ...passedHeaders(request, request.method === 'INVITE' ? this.sides[to].does : undefined),
      ],
    };
  }

  /** Where that end is. */
  flowOf(end: End, tag: string, dialog = this.with(end, tag), flow = this.flows[end]): SipFlow {
    const next = parseNameAddr(dialog?.routes[0] ?? '')?.uri ?? dialog?.target ?? '';
    return this.sides[end].flowTo(next, flow);
  }

  private keptFlow(end: End): KeptCall['flows'][End] {
    const { transport, local, remote } = this.flows[end];
    return this.sides[end].where === 'inside' ? null : { transport, local: { ...local }, remote: { ...remote } };
  }

  private with(end: End, tag: string): Dialog | undefined {
    return end === 'caller' ? this.caller : this.called.get(tag);
  }

  /** @param tag of the called end */
  private keyOf(tag: string): string {
    for (const [key, { remoteTag = key }] of this.called) if (remoteTag === tag) return key;
    return '';
  }
}

/** The dialog of who has made this INVITE, or answered ours; undefined: there is none without a Contact. */
export function dialogBy(message: SipMessage): Dialog | undefined {
  const target = contactOf(message);
  const routes = headerValues(message, 'record-route');
  if (message.type === 'response') routes.reverse();
  return target === undefined ? undefined : { target, routes, isAnswered: true };
}

/** Of ours, before it is built for an end. */
export function saying(method: string): SipRequest {
  return { type: 'request', method, uri: '', headers: [], body: new Uint8Array() };
}

/** Of CSeq. */
export function numberOf(message: SipMessage): number {
  return parseCSeq(firstHeader(message, 'cseq') ?? '')?.number ?? 0;
}

function stepOf(number: number): number {
  return number - (number % CSEQ_STEP);
}

function contactOf(message: SipMessage): string | undefined {
  return parseNameAddr(firstHeader(message, 'contact') ?? '')?.uri;
}

function plain({ target, routes, isAnswered, remoteTag }: Dialog): KeptCall['callerDialog'] {
  return { target, routes: [...routes], isAnswered, ...(remoteTag !== undefined && { remoteTag }) };
}
