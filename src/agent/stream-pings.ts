import type { Random } from '../base/random.ts';
import type { Guard } from './guard.ts';

// Specification: RFC 5626 s4.4.1.

/** A random time from 80 % of this on; "120 seconds" where the other side has said none. */
const EVERY_MS = 120_000;
/** "If the pong is not received within 10 seconds after sending the ping ..., then the client MUST treat the flow as failed." */
const ANSWERED_WITHIN_MS = 10_000;

export const PING: Uint8Array = Buffer.from('\r\n\r\n');
const PONG: Uint8Array = Buffer.from('\r\n');

/**
 * Signs of life on a connection that we have opened, which also keep it in a NAT:
 *
 *    resting ──96 to 120 s──> asked ──anything comes──> resting
 *                               └──nothing in 10 s──> resting, or once a ping was answered there: it is dead
 *
 * Who has never answered may not know what it is, and is believed to live as long as TCP believes it.
 */
export class StreamPings {
  private readonly guard: Pick<Guard, 'after'>;
  private readonly random: Random;
  private readonly ports: { readonly ping: () => void; readonly dead: () => void };
  private state: 'resting' | 'asked' = 'resting';
  private hasAnswered = false;
  private cancel: () => void;

  /** Begins. */
  constructor(
    components: { readonly guard: Pick<Guard, 'after'>; readonly random: Random },
    ports: { readonly ping: () => void; readonly dead: () => void },
  ) {
    this.guard = components.guard;
    this.random = components.random;
    this.ports = ports;
    this.cancel = this.rest();
  }

  /** Something came. A pong is CRLF: a message says nothing of whether the other side knows pings. */
  heard(bytes: Uint8Array): void {
    if (this.state === 'resting') return;
    const isPong = bytes[0] === PONG[0] && bytes[1] === PONG[1] && bytes[2] !== PONG[0];
    this.hasAnswered = this.hasAnswered || isPong;
    this.cancel();
    this.cancel = this.rest();
  }

  /** Idempotent. */
  stop(): void {
    this.cancel();
  }

  private rest(): () => void {
    this.state = 'resting';
    return this.guard.after('SIP trunk ping', EVERY_MS * (0.8 + this.random.float() / 5), () => this.ask());
  }

  private ask(): void {
    this.state = 'asked';
    this.cancel = this.guard.after('SIP trunk pong', ANSWERED_WITHIN_MS, () => {
      if (this.hasAnswered) this.ports.dead();
      else this.cancel = this.rest();
    });
    this.ports.ping();
  }
}
