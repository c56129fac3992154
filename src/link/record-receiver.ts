import type { Timed } from '../base/clock.ts';
import { earliest } from '../base/clock.ts';
import { MalformedMessageError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { ECHO_REPLY, LATE_CANDIDATES, RELOAD_ACK_FRAME, RELOAD_DATA_FRAME } from '../native/data-plane.ts';
import { Reassembler } from '../reload/reassembler.ts';
import type { Association } from './association.ts';
import { Echoes } from './echoes.ts';
import type { LateCandidates } from './late-candidates.ts';

/** What comes in records: frames, of which messages are put together, answers to echoes, and late candidates. Malformed ones are counted. */
export class RecordReceiver implements Timed {
  readonly echoes: Echoes;
  private readonly late: LateCandidates;
  private readonly logger: Logger;
  private readonly reassembler = new Reassembler();
  private malformed = 0;

  constructor(components: { random: Random; logger: Logger; late: LateCandidates }) {
    this.late = components.late;
    this.echoes = new Echoes(components.random);
    this.logger = components.logger;
  }

  get counters(): { recordsMalformed: number; reassemblyTimedOut: number; fragmentsDropped: number } {
    const { timedOutMessages, droppedFragments } = this.reassembler.counters;
    return {
      recordsMalformed: this.malformed,
      reassemblyTimedOut: timedOutMessages,
      fragmentsDropped: droppedFragments,
    };
  }

  /** @returns the whole RELOAD message that the record completes. */
  receive(association: Association, hit: Hit, data: Uint8Array, at: number, now: number): Uint8Array | undefined {
    const [first] = data;
    if (first === ECHO_REPLY) {
      this.echoes.answered(data, at);
      return undefined;
    }
    if (first !== RELOAD_DATA_FRAME && first !== RELOAD_ACK_FRAME && first !== LATE_CANDIDATES) {
      this.malformed += 1;
      return undefined;
    }
    try {
      if (first === LATE_CANDIDATES) {
        this.late.receive(association, data, now);
        return undefined;
      }
      const framed = association.framing.receive(data, now);
      return framed === undefined ? undefined : this.reassembler.receive(framed, hit, now);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.malformed += 1;
      this.logger.debug('link.malformed_frame', { nodeId: hit, err: messageOf(error) });
      return undefined;
    }
  }

  nextTimeout(): number | undefined {
    return earliest(this.echoes.nextTimeout(), this.reassembler.nextTimeout());
  }

  handleTimeout(now: number): void {
    this.echoes.handleTimeout(now);
    this.reassembler.handleTimeout(now);
  }
}
