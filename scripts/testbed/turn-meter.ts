/**
 * Preloaded (`node --import`) into an agent whose event loop is measured: what each turn costs, in CPU time of its thread, so that
 * other programs of the machine do not count. At SIGUSR2 it collects garbage and writes to stderr, in a line that begins with
 * `turns `, what was since the last time: TurnFigures.
 */
import { type PerformanceEntry, PerformanceObserver, constants } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface TurnFigures {
  /** The longest turn, ms. It may hold a millisecond of the turns before it. */
  readonly worstMs: number;
  /** Turns of more than 10 ms. */
  readonly long: number;
  readonly cpuMs: number;
  /** The longest pause of the garbage collector, ms of the clock: it is a part of a turn. */
  readonly worstPauseMs: number;
  /** After the garbage was collected. */
  readonly heapKb: number;
}

const TICK_MS = 1;
const LONG_MS = 10;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function cpuMs(): number {
  // The kernel brings a thread's count up to date when it is asked for that of the process; otherwise at its own ticks, every
  // 4 ms with Debian's, so that a turn of one millisecond is told as none or as four.
  process.cpuUsage();
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

let last = cpuMs();
let began = last;
let worstMs = 0;
let long = 0;
let worstPauseMs = 0;

/** As Node documents it; its types leave the detail out. */
interface Collection extends PerformanceEntry {
  readonly detail?: { readonly flags?: number };
}

new PerformanceObserver((list) => {
  for (const { duration, detail } of list.getEntries() as Collection[]) {
    // Not those that this file asks for.
    const isForced = ((detail?.flags ?? 0) & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) !== 0;
    if (!isForced) worstPauseMs = Math.max(worstPauseMs, duration);
  }
}).observe({ entryTypes: ['gc'] });

// Due in every turn of a busy loop: what was used since the last time is that of one turn.
setInterval(() => {
  const now = cpuMs();
  const spent = now - last;
  last = now;
  if (spent > worstMs) worstMs = spent;
  if (spent > LONG_MS) long += 1;
}, TICK_MS).unref();

process.on('SIGUSR2', () => {
  const spentMs = cpuMs() - began;
  // Twice: what finalizers let go of is garbage, too.
  collectGarbage();
  collectGarbage();
  const heapKb = process.memoryUsage().heapUsed / 1024;
  const figures: TurnFigures = { worstMs, long, cpuMs: spentMs, worstPauseMs, heapKb };
  process.stderr.write(`turns ${JSON.stringify(figures)}\n`);
  last = began = cpuMs();
  worstMs = worstPauseMs = long = 0;
});
