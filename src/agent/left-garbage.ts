import { type PerformanceEntry, PerformanceObserver, constants, performance } from 'node:perf_hooks';
import { preferSize } from './v8-flags.ts';

/** Handshakes that leave enough of it. */
const WORTHWHILE = 256n;
/** How often it is looked whether the storm is over, while there is anything to do at all. */
const LOOK_MS = 2_000;
/** Of the time in between: less is rest. */
const REST_UTILIZATION = 0.1;
/** V8 looks every eight seconds whether it is to begin, and marks for a while. */
const COLLECT_MS = 20_000;

interface Ports {
  /** Of this process so far. */
  readonly handshakes: () => bigint;
  /** Of the event loop since the last call: 0 to 1. */
  readonly utilization: () => number;
  /** Whether V8 is to collect what garbage there is, and to make its heap small. */
  readonly collect: (on: boolean) => void;
  /** Calls back once when it has; the answer ends that. */
  readonly onCollected: (done: () => void) => () => void;
}

/** As Node documents it; its types leave the detail out. */
interface Collection extends PerformanceEntry {
  readonly detail?: { readonly kind?: number };
}

/**
 * What many links that came up one after the other leave behind. V8 collects garbage when the heap has grown by a part of itself,
 * so that at the end of a storm up to a half of it is garbage, and stays for as long as the links rest. It would collect it when
 * little is allocated, but takes the rate of the storm for that of the silence after it. So it is told to prefer size, for a while,
 * in such a silence: the marking is done in small steps, and what is compacted at their end is one pause, which nobody waits for
 * then. Once is enough: it would do so again. An agent with few links never gets there.
 */
export class LeftGarbage {
  private readonly ports: Ports;
  private timer: NodeJS.Timeout | undefined;
  private collected = 0n;
  private stopped = false;
  /** How often it was looked since V8 was told; undefined: it is not. */
  private looks: number | undefined;
  private unwatch = (): void => {};

  constructor(ports: Pick<Ports, 'handshakes'> & Partial<Ports>) {
    this.ports = { utilization: eventLoopUtilization(), collect: preferSize, onCollected, ...ports };
  }

  /** Something has come. */
  stirred(): void {
    if (!this.stopped) this.timer ??= setTimeout(() => this.look(), LOOK_MS).unref();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.end();
  }

  private look(): void {
    this.timer = undefined;
    const isResting = this.ports.utilization() < REST_UTILIZATION;
    const handshakes = this.ports.handshakes();
    if (this.looks !== undefined) {
      this.looks += 1;
      if (!isResting || this.looks * LOOK_MS >= COLLECT_MS) this.end();
      else this.stirred();
      return;
    }
    if (handshakes - this.collected < WORTHWHILE) return;
    if (isResting) {
      this.collected = handshakes;
      this.looks = 0;
      this.ports.collect(true);
      this.unwatch = this.ports.onCollected(() => this.end());
    }
    this.stirred();
  }

  private end(): void {
    if (this.looks === undefined) return;
    this.looks = undefined;
    this.unwatch();
    this.ports.collect(false);
  }
}

function eventLoopUtilization(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}

function onCollected(done: () => void): () => void {
  const observer = new PerformanceObserver((list) => {
    if ((list.getEntries() as Collection[]).some(({ detail }) => detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR))
      done();
  });
  observer.observe({ entryTypes: ['gc'] });
  return () => observer.disconnect();
}
