import { PathMtu } from '../../../src/tunnel/path-mtu.ts';
import type { PathMtuPort } from '../../../src/tunnel/path-mtu.ts';

/** The fate of one datagram: when its answer is back, ms later; undefined: it or its answer is lost. */
export type Fate = (size: number, sentAt: number) => number | undefined;

/** A path in virtual time with path MTU discovery on it. */
export class PathUnderTest implements PathMtuPort {
  readonly discovery: PathMtu;
  /** Sizes told, with their times. */
  readonly told: { readonly at: number; readonly size: number }[] = [];
  /** Sizes of probes that were answered. */
  readonly acknowledged: number[] = [];
  probesSent = 0;
  now = 0;
  private readonly fate: Fate;
  private readonly answers: { readonly at: number; readonly id: number; readonly size: number }[] = [];
  private uses: { readonly every: number; next: number } | undefined;

  constructor(fate: Fate, known?: number) {
    this.fate = fate;
    this.discovery = new PathMtu(this, 0, known);
  }

  sendProbe(size: number): number {
    this.probesSent += 1;
    const id = this.probesSent;
    const after = this.fate(size, this.now);
    if (after === undefined) return id;
    this.answers.push({ at: this.now + after, id, size });
    this.answers.sort((a, b) => a.at - b.at);
    return id;
  }

  setPathMtu(size: number): void {
    this.told.push({ at: this.now, size });
  }

  /** Programs send large packets from now on, as the data plane tells it: every so many ms. */
  sendLarge(every: number | undefined): void {
    this.uses = every === undefined ? undefined : { every, next: this.now };
  }

  /** Lets time pass. */
  run(until: number): void {
    for (;;) {
      const [answer] = this.answers;
      const at = Math.min(
        answer?.at ?? Infinity,
        this.discovery.nextTimeout() ?? Infinity,
        this.uses?.next ?? Infinity,
      );
      if (at > until) break;
      this.now = Math.max(this.now, at);
      if (answer !== undefined && answer.at <= this.now) {
        this.answers.shift();
        this.acknowledged.push(answer.size);
        this.discovery.acknowledged(answer.id, this.now);
      } else if (this.uses !== undefined && this.uses.next <= this.now) {
        this.uses.next += this.uses.every;
        if (this.discovery.pathMtu > 1280) this.discovery.used(this.now);
      } else this.discovery.handleTimeout(this.now);
    }
    this.now = until;
  }
}

/** A path that carries up to `mtu` bytes in both directions. */
export function carries(mtu: number | ((at: number) => number), roundTripMs = 20): Fate {
  return (size, at) => (size <= (typeof mtu === 'number' ? mtu : mtu(at)) ? roundTripMs : undefined);
}
