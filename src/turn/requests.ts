import { toHex } from '../base/bytes.ts';
import type { Timed } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import { TRANSACTION_ID_BYTES } from '../stun/constants.ts';
import type { StunAttributes, StunMessage } from '../stun/message.ts';
import { MAX_CHALLENGES, MAX_REQUEST_RTO_MS, REQUEST_RTO_MS, REQUEST_TIMEOUT_MS } from './constants.ts';
import type { LongTermCredentials } from './long-term-credentials.ts';

interface Pending<P> {
  readonly purpose: P;
  readonly method: number;
  readonly attributes: StunAttributes;
  readonly challenges: number;
  /** Of the credentials that it was sent with. */
  readonly realm: string | undefined;
  readonly data: Uint8Array;
  readonly startedAt: number;
  rtoMs: number;
}

export interface Answer<P> {
  readonly purpose: P;
  /** 300 to 699; 0: success; undefined: nobody has answered in time. */
  readonly code: number | undefined;
  readonly attributes: StunAttributes;
}

/**
 * Requests to one TURN server (RFC 8489 s6.2.1, s9.2): repeated, unless what carries them is reliable (s6.2.2), sent again with
 * credentials when the server asks for these, and over when an authentic answer has come or none in time. What is not authentic is
 * passed over.
 */
export class Requests<P> implements Timed {
  private readonly random: Random;
  private readonly credentials: LongTermCredentials;
  private readonly reliable: boolean;
  private readonly pending = new Map<string, Pending<P>>();
  private readonly timers = new TimerQueue<string>();
  private transmits: Uint8Array[] = [];

  constructor(
    components: { readonly random: Random; readonly credentials: LongTermCredentials },
    options: { readonly reliable: boolean },
  ) {
    this.random = components.random;
    this.credentials = components.credentials;
    this.reliable = options.reliable;
  }

  send(purpose: P, method: number, attributes: StunAttributes, now: number, challenges = 0): void {
    const id = toHex(this.random.bytes(TRANSACTION_ID_BYTES));
    const data = this.credentials.encode({ class: 'request', method, transactionId: id, attributes });
    const { realm } = this.credentials;
    const request = { purpose, method, attributes, challenges, realm, data, startedAt: now, rtoMs: REQUEST_RTO_MS };
    this.pending.set(id, request);
    this.transmit(id, request, now);
  }

  has(id: string): boolean {
    return this.pending.has(id);
  }

  /** @returns undefined: it is no answer, or the request was sent again for it. */
  receive(message: StunMessage, raw: Uint8Array, now: number): Answer<P> | undefined {
    const { transactionId: id, attributes } = message;
    const request = this.pending.get(id);
    if (request?.method !== message.method) return undefined;
    if (message.class !== 'success' && message.class !== 'error') return undefined;
    const code = message.class === 'success' ? 0 : attributes.errorCode?.code;
    if (code === undefined) return undefined;
    if (code === 401 || code === 438) {
      this.forget(id);
      const again = request.challenges < MAX_CHALLENGES && this.credentials.challenged(code, attributes, request.realm);
      if (!again) return { purpose: request.purpose, code, attributes };
      this.send(request.purpose, request.method, request.attributes, now, request.challenges + 1);
      return undefined;
    }
    if (!this.credentials.vouches(raw, message)) return undefined;
    this.forget(id);
    // RFC 8489 s6.3.3: what must be understood and is not makes it a failure.
    const isStrange = code === 0 && (message.unknownRequired ?? []).length > 0;
    return { purpose: request.purpose, code: isStrange ? 420 : code, attributes };
  }

  pollTransmit(): Uint8Array | undefined {
    return this.transmits.shift();
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let id = this.timers.due(now); id !== undefined; id = this.timers.due(now)) {
      const request = this.pending.get(id);
      if (request === undefined) continue;
      request.rtoMs = Math.min(2 * request.rtoMs, MAX_REQUEST_RTO_MS);
      this.transmit(id, request, now);
    }
  }

  /** Those that nobody has answered in time. Before `handleTimeout`. */
  takeExpired(now: number): Answer<P>[] {
    const expired = [...this.pending].filter(([, { startedAt }]) => now >= startedAt + REQUEST_TIMEOUT_MS);
    for (const [id] of expired) this.forget(id);
    return expired.map(([, { purpose }]) => ({ purpose, code: undefined, attributes: {} }));
  }

  private transmit(id: string, { data, startedAt, rtoMs }: Pending<P>, now: number): void {
    this.transmits.push(data);
    const timeoutAt = startedAt + REQUEST_TIMEOUT_MS;
    this.timers.set(id, this.reliable ? timeoutAt : Math.min(now + rtoMs, timeoutAt));
  }

  private forget(id: string): void {
    this.pending.delete(id);
    this.timers.clear(id);
  }
}
