import { z } from 'zod';
import { ScriptError, command } from './command.ts';
import type { Namespace } from './lab.ts';

const PORT = 5201;
const START_TIMEOUT_MS = 10_000;
/** Beyond its duration, for the exchange of results. */
const MARGIN_MS = 20_000;

/** Slow start and the first round trips, which are not counted. */
export const WARM_UP_SECONDS = 1;

export const CONGESTION_CONTROLS = ['bbr', 'cubic'] as const;
export type CongestionControl = (typeof CONGESTION_CONTROLS)[number];

export interface TcpLoad {
  readonly from: Namespace;
  readonly to: Namespace;
  /** Of the receiver. */
  readonly address: string;
  readonly streams: number;
  readonly congestionControl: CongestionControl;
  /** Counted, after the warm-up. */
  readonly seconds: number;
}

/** What one load brought. */
export interface Throughput {
  /** What arrives at the receiver, without the warm-up, as iperf3 measures it. */
  readonly gbps: number;
  /** What was sent, the warm-up included, in Gbit. */
  readonly sentGbit: number;
}

const iperfSchema = z.object({
  error: z.string().optional(),
  intervals: z.array(z.object({ sum: z.object({ bytes: z.number() }) })).default([]),
  end: z.object({ sum_received: z.object({ bits_per_second: z.number() }).optional() }).default({}),
});

/** Of the JSON text of `iperf3 -c ... -J`. @throws {ScriptError} with iperf3's own words when it failed */
export function iperfThroughput(text: string): Throughput {
  const { error, intervals, end } = iperfSchema.parse(JSON.parse(text));
  const bitsPerSecond = end.sum_received?.bits_per_second;
  if (error !== undefined || bitsPerSecond === undefined) throw new ScriptError(`iperf3: ${error ?? 'no result'}`);
  const bytes = intervals.reduce((sum, interval) => sum + interval.sum.bytes, 0);
  return { gbps: bitsPerSecond / 1e9, sentGbit: (8 * bytes) / 1e9 };
}

/** TCP as fast as it goes. */
export async function tcpThroughput(load: TcpLoad): Promise<Throughput> {
  const server = load.to.start('iperf3', ['-s', '-1', '--forceflush', '-p', String(PORT)]);
  try {
    await server.waitFor(/Server listening/, START_TIMEOUT_MS);
    const { stdout } = await load.from.tryRun(
      'iperf3',
      [
        ...['-c', load.address, '-p', String(PORT), '-J', '-t', String(load.seconds), '-O', String(WARM_UP_SECONDS)],
        ...['-P', String(load.streams), '-C', load.congestionControl],
      ],
      { timeoutMs: 1000 * (load.seconds + WARM_UP_SECONDS) + MARGIN_MS },
    );
    if (stdout === '') throw new ScriptError(`iperf3 to ${load.address} says nothing; does the tunnel carry TCP?`);
    return iperfThroughput(stdout);
  } finally {
    await server.stop();
  }
}

/** Round-trip times in milliseconds, in the order of sending; lost ones are missing. */
export async function pingTimes(
  from: Namespace,
  address: string,
  count: number,
  intervalMs: number,
): Promise<number[]> {
  const args = ['-n', '-c', String(count), '-i', String(intervalMs / 1000), '-W', '1', address];
  const { stdout } = await from.tryRun('ping', args);
  return [...stdout.matchAll(/ time=([\d.]+) ms/g)].map((match) => Number(match[1]));
}

/** Which of them the kernel offers. */
export async function congestionControls(): Promise<CongestionControl[]> {
  const available = (await command('sysctl', ['-n', 'net.ipv4.tcp_available_congestion_control'])).trim().split(' ');
  return CONGESTION_CONTROLS.filter((name) => available.includes(name));
}
