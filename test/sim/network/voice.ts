import type { EventLoop } from './event-loop.ts';
import type { SimNode } from './sim-node.ts';

const INTERVAL_MS = 20;

/** What the hearer of a flow got of it. */
export interface Heard {
  /** The longest time without a packet, ms: between two that came one after the other, or until the end of the flow. */
  readonly silenceMs: number;
  readonly lost: number;
  /** Came after a packet that was sent later. */
  readonly reordered: number;
}

/** 50 packets a second from one program to another, as a call has them in each direction. */
export class Voice {
  private readonly loop: EventLoop;
  private readonly to: SimNode;
  private readonly name: string;
  private readonly startAt: number;
  private readonly count: number;

  /** Begins at once and lasts for `ms`. */
  constructor(loop: EventLoop, from: SimNode, to: SimNode, ms: number) {
    this.loop = loop;
    this.to = to;
    this.startAt = loop.now;
    this.name = `voice of ${from.hit} since ${loop.now}`;
    this.count = Math.ceil(ms / INTERVAL_MS);
    for (let n = 0; n < this.count; n++)
      loop.after(n * INTERVAL_MS, () => from.sendPacket(to.hit, `${this.name}: ${n}`));
  }

  /** So far; a packet that is on its way counts as lost. */
  heard(): Heard {
    const packets = this.to.dataPlane.delivered
      .filter(({ payload }) => payload.startsWith(this.name))
      .map(({ payload, at }) => ({ at, number: Number(payload.slice(this.name.length + 2)) }));
    const numbers = new Set<number>();
    let [last, newest, silenceMs, reordered] = [this.startAt, -1, 0, 0];
    for (const { at, number } of packets) {
      // A copy is nothing that a program hears; the data plane has removed those of one association already.
      if (numbers.has(number)) continue;
      numbers.add(number);
      if (number < newest) reordered += 1;
      newest = Math.max(newest, number);
      silenceMs = Math.max(silenceMs, at - last);
      last = at;
    }
    const end = Math.min(this.loop.now, this.startAt + this.count * INTERVAL_MS);
    return { silenceMs: Math.max(silenceMs, end - last), lost: this.count - numbers.size, reordered };
  }
}
