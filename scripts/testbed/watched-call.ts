import { z } from 'zod';
import { Dialogue } from './dialogue.ts';
import type { Namespace } from './lab.ts';
import { tool } from './tools.ts';

/** None of them is another program's: an agent listens to its router at 5350 and to its neighbours at 5353. */
const FIRST_PORT = 7_000;
const PORTS = 1_000;

const lookSchema = z.object({ nowMs: z.number(), heardMs: z.number().nullable(), streamMs: z.number().nullable() });
type Look = z.infer<typeof lookSchema>;

const endReportSchema = z.object({
  sentMs: z.array(z.number()),
  heard: z.array(z.tuple([z.number(), z.number()])),
  streamMs: z.array(z.number()),
});
/** What one end of a call did and heard, milliseconds of the monotonic clock (native/bench/call_flow.cc). */
export type EndReport = z.infer<typeof endReportSchema>;

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What became of the datagrams of one direction that were sent in a window. */
export interface Direction {
  /** The longest silence at the receiver; what is still missing at the end of the window counts. */
  readonly gapMs: number;
  readonly sent: number;
  readonly lost: number;
  /** Those that came after a later one. */
  readonly reordered: number;
}

/** @param receiver its report goes on after the window, so that what is under way at the end is no loss */
export function directionOf(sender: EndReport, receiver: EndReport, { fromMs, toMs }: Window): Direction {
  const isIn = (at: number): boolean => at >= fromMs && at <= toMs;
  const heard = new Set(receiver.heard.map(([number]) => number));
  const sent = [...sender.sentMs.keys()].filter((number) => isIn(sender.sentMs[number] ?? NaN));
  let latest = -1;
  let reordered = 0;
  for (const [number, at] of receiver.heard) {
    if (number < latest && isIn(at)) reordered += 1;
    latest = Math.max(latest, number);
  }
  return {
    gapMs: longestSilenceMs(
      receiver.heard.map(([, at]) => at),
      { fromMs, toMs },
    ),
    sent: sent.length,
    lost: sent.filter((number) => !heard.has(number)).length,
    reordered,
  };
}

/** @param times ascending */
export function longestSilenceMs(times: readonly number[], { fromMs, toMs }: Window): number {
  const marks = [fromMs, ...times.filter((at) => at > fromMs && at < toMs), toMs];
  return marks.reduce((longest, at, i) => Math.max(longest, at - (marks[i - 1] ?? at)), 0);
}

/** The clock of the reports. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export interface CallEnds {
  readonly a: Namespace;
  readonly b: Namespace;
  /** By which the other end reaches it. */
  readonly addressOfA: string;
  readonly addressOfB: string;
  /** False: a listens only, and there is no stream, whose acknowledgements would make it speak. */
  readonly aSends: boolean;
}

/** 50 datagrams a second from b to a, and from a to b beside a TCP stream that a fetches from b. */
export class WatchedCall {
  private static calls = 0;
  private readonly a: Dialogue;
  private readonly b: Dialogue;
  readonly aSends: boolean;

  private constructor(a: Dialogue, b: Dialogue, aSends: boolean) {
    this.a = a;
    this.b = b;
    this.aSends = aSends;
  }

  static async start({ a, b, addressOfA, addressOfB, aSends }: CallEnds): Promise<WatchedCall> {
    const program = await tool('call_flow');
    // What is under way of the call before is no part of this one: at a long round trip it came, and all that followed seemed late.
    const port = FIRST_PORT + (WatchedCall.calls % PORTS);
    WatchedCall.calls += 1;
    const end = (namespace: Namespace, ...args: readonly string[]): Dialogue =>
      new Dialogue(namespace.start(program, [String(port), ...args]));
    const call = new WatchedCall(
      end(a, addressOfB, aSends ? 'send' : 'silent', aSends ? 'fetch' : 'no-stream'),
      end(b, addressOfA, 'send', aSends ? 'serve' : 'no-stream'),
      aSends,
    );
    await Promise.all([call.a.nextLine(), call.b.nextLine()]);
    return call;
  }

  /** Since when each end that listens has heard nothing, in milliseconds; Infinity: it never did. */
  async silencesMs(): Promise<number[]> {
    const looks = await Promise.all([this.a, ...(this.aSends ? [this.b] : [])].map(async (end) => look(end)));
    return looks.map(({ nowMs, heardMs }) => (heardMs === null ? Infinity : nowMs - heardMs));
  }

  async end(): Promise<{ readonly a: EndReport; readonly b: EndReport }> {
    const [a, b] = await Promise.all(
      [this.a, this.b].map(async (end) => endReportSchema.parse(JSON.parse(await end.ask('end')))),
    );
    if (a === undefined || b === undefined) throw new Error('two ends report');
    return { a, b };
  }

  kill(): void {
    this.a.process.kill();
    this.b.process.kill();
  }
}

async function look(end: Dialogue): Promise<Look> {
  return lookSchema.parse(JSON.parse(await end.ask('look')));
}
