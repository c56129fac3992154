import { firstHeader, withHeader } from './message/headers.ts';
import type { SipMessage, SipRequest } from './message/message.ts';
import { formatNameAddr, parseNameAddr } from './message/name-addr.ts';
import { tagOf } from './transaction/responses.ts';

// Implementation constants.

const MAX_CALLS = 64;
const MAX_FIELD = 512;

interface EmergencyCall {
  /** Of the phone. */
  readonly tag: string;
  /** What the phone has written as its From. */
  readonly written: string;
}

/**
 * Calls for help by phones of this host that say that they are somebody else: a wrong account is no reason to refuse such a call, and
 * nobody else would take it with that From. On its way out the phone is this host's user; to the phone all is as it has written it.
 * Bounded: the oldest call is forgotten first.
 */
export class EmergencyCalls {
  /** @returns the URI of this host's user. */
  private readonly own: () => string;
  /** By Call-ID. */
  private readonly calls = new Map<string, EmergencyCall>();

  constructor(components: { readonly own: () => string }) {
    this.own = components.own;
  }

  /** @param invite of a phone of this host @returns false: it can be no call of which anything could be remembered. */
  begin(invite: SipRequest): boolean {
    const callId = firstHeader(invite, 'call-id') ?? '';
    const written = firstHeader(invite, 'from') ?? '';
    const tag = tagOf(invite, 'from');
    if (tag === '' || callId.length + written.length > MAX_FIELD) return false;
    this.calls.delete(callId);
    this.calls.set(callId, { tag, written });
    const [oldest] = this.calls.keys();
    if (this.calls.size > MAX_CALLS && oldest !== undefined) this.calls.delete(oldest);
    return true;
  }

  /** Whether a request is of such a phone, in its call. */
  has(request: SipRequest): boolean {
    const call = this.callOf(request);
    return call !== undefined && tagOf(request, 'from') === call.tag;
  }

  /** What a phone of this host says to others. */
  outbound<M extends SipMessage>(message: M): M {
    const call = this.callOf(message);
    if (call === undefined) return message;
    const params = parseNameAddr(call.written)?.params ?? new Map([['tag', call.tag]]);
    return withPhone(message, call, formatNameAddr({ displayName: '', uri: this.own(), params }));
  }

  /** What others say to a phone of this host. */
  inbound<M extends SipMessage>(message: M): M {
    const call = this.callOf(message);
    return call === undefined ? message : withPhone(message, call, call.written);
  }

  private callOf(message: SipMessage): EmergencyCall | undefined {
    return this.calls.size === 0 ? undefined : this.calls.get(firstHeader(message, 'call-id') ?? '');
  }
}

/** In From or in To, whichever has its tag. */
function withPhone<M extends SipMessage>(message: M, { tag }: EmergencyCall, value: string): M {
  if (tagOf(message, 'from') === tag) return withHeader(message, 'From', value);
  return tagOf(message, 'to') === tag ? withHeader(message, 'To', value) : message;
}
