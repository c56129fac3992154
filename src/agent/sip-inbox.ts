import type { Clock } from '../base/clock.ts';
import type { SipFlow } from '../sip/flow.ts';
import type { SipMessage } from '../sip/message/message.ts';
import { TURN_MS } from './event-turn.ts';

// Implementation constants.

/** Phones of a family ring at once with a dozen messages. */
const MAX_WAITING = 1_024;
/** Whoever floods fills his own share. */
const MAX_WAITING_OF_ONE = 64;

/** A datagram, or what was cut from a stream. */
export type Incoming = Uint8Array | SipMessage;

interface Waiting {
  readonly flow: SipFlow;
  readonly incoming: Incoming;
  readonly done: (() => void) | undefined;
}

/**
 * Messages that came and are not handled yet: as many are in one turn of the event loop as it has time for, so that a flood holds up
 * nothing else. Those of datagrams are dropped when it is full; a stream is not read on until its own are done.
 */
export class SipInbox {
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly handle: (flow: SipFlow, incoming: Incoming) => void;
  private waiting: Waiting[] = [];
  private next = 0;
  private readonly ofSource = new Map<string, number>();
  private turn: NodeJS.Immediate | undefined;
  private closed = false;

  /** @param components.handle must not throw. */
  constructor(components: {
    readonly clock: Pick<Clock, 'monotonic'>;
    readonly handle: (flow: SipFlow, incoming: Incoming) => void;
  }) {
    this.clock = components.clock;
    this.handle = components.handle;
  }

  /** @returns false: there is no room. */
  datagram(flow: SipFlow, bytes: Uint8Array): boolean {
    const ofSource = this.ofSource.get(flow.remote.address) ?? 0;
    if (this.waiting.length - this.next >= MAX_WAITING || ofSource >= MAX_WAITING_OF_ONE) return false;
    this.add({ flow, incoming: bytes, done: undefined });
    return true;
  }

  /** @param done called when all of them are handled; the stream is not to be read until then. */
  stream(flow: SipFlow, messages: readonly SipMessage[], done: () => void): void {
    for (const [i, incoming] of messages.entries())
      this.add({ flow, incoming, done: i === messages.length - 1 ? done : undefined });
  }

  /** What waits is dropped, and so is what comes. */
  close(): void {
    this.closed = true;
    clearImmediate(this.turn);
    this.waiting = [];
    this.next = 0;
    this.ofSource.clear();
  }

  private add(entry: Waiting): void {
    if (this.closed) return;
    const { address } = entry.flow.remote;
    this.waiting.push(entry);
    this.ofSource.set(address, (this.ofSource.get(address) ?? 0) + 1);
    this.turn ??= setImmediate(() => this.takeTurn());
  }

  private takeTurn(): void {
    this.turn = undefined;
    const end = this.clock.monotonic() + TURN_MS;
    while (this.next < this.waiting.length && !this.closed) {
      this.takeOne();
      if (this.clock.monotonic() >= end) break;
    }
    if (this.next < this.waiting.length) this.turn = setImmediate(() => this.takeTurn());
    // What was handled is kept no longer than the rest is long.
    if (this.next * 2 < this.waiting.length) return;
    this.waiting.splice(0, this.next);
    this.next = 0;
  }

  private takeOne(): void {
    const entry = this.waiting[this.next];
    if (entry === undefined) return;
    this.next += 1;
    const { address } = entry.flow.remote;
    const left = (this.ofSource.get(address) ?? 1) - 1;
    if (left === 0) this.ofSource.delete(address);
    else this.ofSource.set(address, left);
    this.handle(entry.flow, entry.incoming);
    entry.done?.();
  }
}
