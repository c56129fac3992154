import type { SipHeader } from './message/message.ts';
import { RateLimiter } from '../overlay/rate-limiter.ts';

// Implementation constants.

/** Of one member at once: whoever is busy dials again, and phones of a family do so together. */
const BURST = 20;
const MAX_MEMBERS = 1_024;
/** Calls and subscriptions of which more requests may come: those that ring, and those that are talked in. */
const MAX_CALLS = 1_024;
const MAX_KEY = 256;
/** RFC 3261 s12, RFC 6665 s4.4, RFC 3515 s2.4.4. */
const BEGIN_DIALOGS: ReadonlySet<string> = new Set(['INVITE', 'SUBSCRIBE', 'REFER']);

/** Times of a day, minutes since midnight; over midnight when `to` is before `from`. */
export interface Night {
  readonly from: number;
  readonly to: number;
}

/** Whose calls phones of this host ring for, and whom they tell of their user's presence. */
export interface CallerSettings {
  /** `anyone`: those too whom a gateway brings, who are no members. */
  readonly callers: 'members' | 'contacts' | 'anyone';
  /** Of these the night is no matter: `bob`, `bob@home.example`, `+49301234567`. */
  readonly contacts: readonly string[];
  /** Never, whatever else is said. */
  readonly block: readonly string[];
  /** Contacts alone ring then. */
  readonly night?: Night | undefined;
  /** Of one member. */
  readonly callsPerMinute: number;
}

/** Who calls, as it was proven. */
export interface Caller {
  /** Whose calls are counted together: the member that they come from. */
  readonly member: string;
  /** False: somebody whom a gateway brings. */
  readonly isMember: boolean;
  /** All that it may be called in settings, in lower case. */
  readonly names: readonly string[];
}

interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly headers?: readonly SipHeader[];
  /** Why, for the log of this host: the caller hears the same in each case but of too many calls. */
  readonly why: 'blocked' | 'no member' | 'no contact' | 'night' | 'too many calls';
}

export interface CallerPorts {
  /** Of the day where this host is. */
  minuteOfDay(): number;
  /** Beside those of the settings: the user's address book. Absent: there is none. */
  isContact?(names: readonly string[]): boolean;
}

/**
 * Who may ring. Asked of what comes from elsewhere alone: nothing that phones of this host dial is ever held up here.
 *
 *   too many ──> 480 with Retry-After    blocked ──> 480    no contact, no member, at night ──> 480    else: it rings
 *
 * A refused caller hears what it hears of a phone that is off.
 */
export class CallerPolicy {
  private readonly settings: CallerSettings;
  private readonly ports: CallerPorts;
  private readonly contacts: ReadonlySet<string>;
  private readonly blocked: ReadonlySet<string>;
  /** Of what phones ring or beep for, and of all else: whose presence is asked for may be called all the same. */
  private readonly rates: { readonly loud: RateLimiter; readonly quiet: RateLimiter };
  /** Keys (`keyOf`), the longest unused first. */
  private readonly calls = new Set<string>();

  constructor(components: { readonly ports: CallerPorts }, settings: CallerSettings) {
    this.ports = components.ports;
    this.settings = settings;
    this.contacts = new Set(settings.contacts.map(callerName));
    this.blocked = new Set(settings.block.map(callerName));
    const rate = { burst: BURST, intervalMs: 60_000 / settings.callsPerMinute };
    this.rates = { loud: new RateLimiter(rate, MAX_MEMBERS), quiet: new RateLimiter(rate, MAX_MEMBERS) };
  }

  /** How much is remembered: bounded, whatever comes. */
  get size(): number {
    return this.calls.size + this.rates.loud.size + this.rates.quiet.size;
  }

  /** A phone of this host calls: what the called one sends in that call is not judged. */
  called(callId: string): void {
    this.remember(keyOf('INVITE', callId));
  }

  /**
   * @param request of somebody else's. In a call or subscription that was let in, all is let in at any time; messages are counted.
   * @param request.isInDialog it has a To tag, which is soon invented
   * @returns undefined: the phones get it.
   */
  refusalOf(
    request: { readonly method: string; readonly callId: string; readonly isInDialog: boolean },
    caller: Caller,
    now: number,
  ): Refusal | undefined {
    const { method, callId, isInDialog } = request;
    if (!isJudged(method, isInDialog)) return undefined;
    const known = isInDialog ? this.knownAs(method, callId) : undefined;
    // First: a flood costs no search in an address book. A phone beeps for each message, and takes one without a dialog of its To tag.
    const tooMany = known === undefined || method === 'MESSAGE' ? this.tooMany(method, caller, now) : undefined;
    if (tooMany !== undefined) return tooMany;
    if (known !== undefined) {
      this.remember(known);
      return undefined;
    }
    // What begins anew is asked about anew: whoever was let in, or was called, may write that Call-ID again.
    const why = this.objection(method, caller);
    if (why !== undefined) return { status: 480, reason: 'Temporarily Unavailable', why };
    if (BEGIN_DIALOGS.has(method)) this.remember(keyOf(method, callId));
    return undefined;
  }

  /** A call may have subscriptions in it; a subscription lets no call in. */
  private knownAs(method: string, callId: string): string | undefined {
    const keys =
      method === 'INVITE' ? [keyOf('INVITE', callId)] : ['INVITE', 'SUBSCRIBE'].map((by) => keyOf(by, callId));
    return keys.find((key) => this.calls.has(key));
  }

  private tooMany(method: string, { member }: Caller, now: number): Refusal | undefined {
    const isLoud = method === 'INVITE' || method === 'MESSAGE';
    const rate = isLoud ? this.rates.loud : this.rates.quiet;
    if (rate.take(member, now)) return undefined;
    const seconds = Math.ceil((rate.availableAt(member, now) - now) / 1000);
    const headers = [{ name: 'Retry-After', value: String(seconds) }];
    return { status: 480, reason: isLoud ? 'Too Many Calls' : 'Too Many Requests', headers, why: 'too many calls' };
  }

  private objection(method: string, { names, isMember }: Caller): Refusal['why'] | undefined {
    const { callers, night } = this.settings;
    if (names.some((name) => this.blocked.has(name))) return 'blocked';
    if (names.some((name) => this.contacts.has(name)) || this.ports.isContact?.(names) === true) return undefined;
    if (callers === 'contacts') return 'no contact';
    if (callers === 'members' && !isMember) return 'no member';
    // What is written is there in the morning.
    return method === 'INVITE' && night !== undefined && isWithin(night, this.ports.minuteOfDay())
      ? 'night'
      : undefined;
  }

  private remember(key: string): void {
    if (key.length > MAX_KEY) return;
    this.calls.delete(key);
    this.calls.add(key);
    if (this.calls.size <= MAX_CALLS) return;
    const [oldest] = this.calls;
    if (oldest !== undefined) this.calls.delete(oldest);
  }
}

/**
 * All that comes outside of dialogs: whoever may not ring learns nothing of phones here, and makes them do nothing. In dialogs, what a
 * phone might do though it knows of none; a call whose agent was begun anew is held and ended as before.
 */
function isJudged(method: string, isInDialog: boolean): boolean {
  return isInDialog ? method === 'MESSAGE' || BEGIN_DIALOGS.has(method) : method !== 'ACK';
}

function keyOf(method: string, callId: string): string {
  return `${method === 'INVITE' ? 'call' : 'subscription'} ${callId}`;
}

function isWithin({ from, to }: Night, minute: number): boolean {
  return from <= to ? from <= minute && minute < to : from <= minute || minute < to;
}

/** What a contact, a URI of an address book, or a caller is called: `+49 (30) 1234-567` and `tel:+49-30-1234567` are `+49301234567`. */
export function callerName(text: string): string {
  const [name = ''] = text
    .trim()
    .toLowerCase()
    .replace(/^(?:sips?|tel):/, '')
    .split(/[;?]/);
  return /^\+?[0-9][0-9 ()/.-]*$/.test(name) ? name.replaceAll(/[ ()/.-]/g, '') : name;
}
