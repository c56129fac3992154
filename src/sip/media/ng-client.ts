import { earliest, type Timed } from '../../base/clock.ts';
import { MalformedMessageError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { MAX_NG_BYTES, MAX_NG_COMMANDS, NG_COOKIE_BYTES, NG_REPEAT_MS, NG_TIMEOUT_MS } from './constants.ts';
import { decodeNg, encodeNg, type NgAnswer, type NgCommand } from './ng-codec.ts';

/** @param answer undefined: there was none in time. */
export type NgDone = (answer: NgAnswer | undefined, now: number) => void;

interface Waiting {
  readonly bytes: Uint8Array;
  readonly done: NgDone;
  readonly startedAt: number;
  repetitions: number;
}

/**
 * The client of rtpengine's `ng` protocol over UDP: each command is repeated with its cookie until it is answered or its time is up.
 *
 *     ask ──> waiting ──an answer with its cookie──> done(answer)
 *              │   └──after 100, 300, 700 ms: sent again
 *              └──after 1.2 s──> done(undefined)
 *
 * No answer ends it.
 */
export class NgClient implements Timed {
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly send: (bytes: Uint8Array) => void;
  private readonly waiting = new Map<string, Waiting>();
  /** They are told later, not while they ask. */
  private refused: NgDone[] = [];

  /** @param components.send calls nothing of ours back. */
  constructor(components: {
    readonly random: Random;
    readonly logger: Logger;
    readonly send: (bytes: Uint8Array) => void;
  }) {
    this.random = components.random;
    this.logger = components.logger;
    this.send = components.send;
  }

  /** @param done called once, and never in the call; with undefined also when there are too many, or the command is too long. */
  ask(command: NgCommand, now: number, done: NgDone): void {
    const cookie = Buffer.from(this.random.bytes(NG_COOKIE_BYTES)).toString('hex');
    const bytes = encodeNg(cookie, command);
    if (bytes.length > MAX_NG_BYTES || this.waiting.size >= MAX_NG_COMMANDS) {
      this.refused.push(done);
      return;
    }
    this.waiting.set(cookie, { bytes, done, startedAt: now, repetitions: 0 });
    this.send(bytes);
  }

  receive(bytes: Uint8Array, now: number): void {
    try {
      const { cookie, answer } = decodeNg(bytes);
      const asked = this.waiting.get(cookie);
      this.waiting.delete(cookie);
      asked?.done(answer, now);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.logger.debug('ng.malformed', { err: error.message });
    }
  }

  nextTimeout(): number | undefined {
    return this.refused.length > 0 ? 0 : earliest(...[...this.waiting.values()].map(dueAt));
  }

  handleTimeout(now: number): void {
    const refused = this.refused;
    this.refused = [];
    for (const done of refused) done(undefined, now);
    for (const [cookie, asked] of [...this.waiting]) {
      if (dueAt(asked) > now) continue;
      if (asked.repetitions < NG_REPEAT_MS.length) {
        asked.repetitions += 1;
        this.send(asked.bytes);
      } else {
        this.waiting.delete(cookie);
        asked.done(undefined, now);
      }
    }
  }
}

function dueAt({ startedAt, repetitions }: Waiting): number {
  if (repetitions >= NG_REPEAT_MS.length) return startedAt + NG_TIMEOUT_MS;
  return startedAt + NG_REPEAT_MS.slice(0, repetitions + 1).reduce((sum, ms) => sum + ms, 0);
}
