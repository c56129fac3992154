import { toHex } from '../base/bytes.ts';
import type { Timed } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import { ECHO_REQUEST } from '../native/data-plane.ts';
import { ECHO_TIMEOUT_MS, MAX_ECHOES } from './constants.ts';

/** undefined: no answer in time. */
export type EchoDone = (rttMs: number | undefined) => void;

const ID_BYTES = 8;

/** Link control echoes (first byte 0x20; answered with 0x21 and the same rest) that wait for their answers. */
export class Echoes implements Timed {
  private readonly random: Random;
  private readonly waiting = new Map<string, { sentAt: number; done: EchoDone }>();
  private readonly timers = new TimerQueue<string>();

  constructor(random: Random) {
    this.random = random;
  }

  /** @returns the record to send; undefined when too many wait. */
  start(now: number, done: EchoDone): Uint8Array | undefined {
    if (this.waiting.size >= MAX_ECHOES) return undefined;
    const id = this.random.bytes(ID_BYTES);
    const key = toHex(id);
    this.waiting.set(key, { sentAt: now, done });
    this.timers.set(key, now + ECHO_TIMEOUT_MS);
    return Uint8Array.of(ECHO_REQUEST, ...id);
  }

  /** `at`: when the record was received. */
  answered(record: Uint8Array, at: number): void {
    const key = toHex(record.subarray(1, 1 + ID_BYTES));
    const echo = this.waiting.get(key);
    if (echo !== undefined) this.end(key, at - echo.sentAt);
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let key = this.timers.due(now); key !== undefined; key = this.timers.due(now)) this.end(key, undefined);
  }

  private end(key: string, rttMs: number | undefined): void {
    const echo = this.waiting.get(key);
    this.waiting.delete(key);
    this.timers.clear(key);
    echo?.done(rttMs);
  }
}
