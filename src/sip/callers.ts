import type { SipHeader } from './message/message.ts';
import { RateLimiter } from '../overlay/rate-limiter.ts';

// Implementation constants.

/** Of one member at once: whoever is busy dials again, and phones of a family do so together. */
const BURST = 20;
const MAX_MEMBERS = 1_024;
/** Calls of which more requests may come, by Call-ID: those that ring, and those that are talked in. */
const MAX_CALLS = 1_024;
const MAX_CALL_ID = 256;

/** Times of a day, minutes since midnight; over midnight when `to` is before `from`. */
export interface Night {
  readonly from: number;
  readonly to: number;
}

/** Whose calls phones of this host ring for. */
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
  private readonly rate: RateLimiter;
  /** The longest unused first. */
  private readonly calls = new Set<string>();

  constructor(components: { readonly ports: CallerPorts }, settings: CallerSettings) {
    this.ports = components.ports;
    this.settings = settings;
    this.contacts = new Set(settings.contacts.map(callerName));
    this.blocked = new Set(settings.block.map(callerName));
    this.rate = new RateLimiter({ burst: BURST, intervalMs: 60_000 / settings.callsPerMinute }, MAX_MEMBERS);
  }

  /** How much is remembered: bounded, whatever comes. */
  get size(): number {
    return this.calls.size + this.rate.size;
  }

  /** A phone of this host calls: what the called one sends in that call is not judged. */
  called(callId: string): void {
    this.remember(callId);
  }

  /**
   * @param request of somebody else's. In a call that was let in, whatever the time is by now, all is let in.
   * @returns undefined: it rings.
   */
  refusalOf(
    request: { readonly method: string; readonly callId: string },
    caller: Caller,
    now: number,
  ): Refusal | undefined {
    if (!isDisturbing(request.method) || this.calls.has(request.callId)) return undefined;
    // First: a flood costs no search in an address book.
    if (!this.rate.take(caller.member, now)) {
      const seconds = Math.ceil((this.rate.availableAt(caller.member, now) - now) / 1000);
      const headers = [{ name: 'Retry-After', value: String(seconds) }];
      return { status: 480, reason: 'Too Many Calls', headers, why: 'too many calls' };
    }
    const why = this.objection(request.method, caller);
    if (why !== undefined) return { status: 480, reason: 'Temporarily Unavailable', why };
    this.remember(request.callId);
    return undefined;
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

  private remember(callId: string): void {
    if (callId.length > MAX_CALL_ID) return;
    this.calls.delete(callId);
    this.calls.add(callId);
    if (this.calls.size <= MAX_CALLS) return;
    const [oldest] = this.calls;
    if (oldest !== undefined) this.calls.delete(oldest);
  }
}

/** What phones ring, or beep, for. */
function isDisturbing(method: string): boolean {
  return method === 'INVITE' || method === 'MESSAGE';
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
