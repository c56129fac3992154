import { z } from 'zod';
import { ScriptError, command, eventually } from './command.ts';
import type { Namespace } from './lab.ts';

const PORT = 5201;
const START_TIMEOUT_MS = 10_000;
/** Beyond its duration, for the exchange of results. */
const MARGIN_MS = 20_000;

export type CongestionControl = 'bbr' | 'cubic';

export interface TcpLoad {
  readonly from: Namespace;
  readonly to: Namespace;
  /** Of the receiver. */
  readonly address: string;
  readonly streams: number;
  readonly congestionControl: CongestionControl;
  readonly seconds: number;
}

const iperfSchema = z.object({
  error: z.string().optional(),
  end: z.object({ sum_received: z.object({ bits_per_second: z.number() }).optional() }),
});

/** What arrives at the receiver, in Gb/s, as iperf3 measures it. */
export async function tcpThroughput(load: TcpLoad): Promise<number> {
  const server = load.to.start('iperf3', ['-s', '-1', '--forceflush', '-p', String(PORT)]);
  try {
    await server.waitFor(/Server listening/, START_TIMEOUT_MS);
    const text = await load.from.run(
      'iperf3',
      [
        ...['-c', load.address, '-p', String(PORT), '-J', '-t', String(load.seconds)],
        ...['-P', String(load.streams), '-C', load.congestionControl],
      ],
      { timeoutMs: 1000 * load.seconds + MARGIN_MS },
    );
    const result = iperfSchema.parse(JSON.parse(text));
    const bitsPerSecond = result.end.sum_received?.bits_per_second;
    if (bitsPerSecond === undefined) throw new ScriptError(`iperf3: ${result.error ?? 'no result'}`);
    return bitsPerSecond / 1e9;
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

/** Waits until an address answers: tunnels make their keys on the first packet. */
export async function answersPing(from: Namespace, address: string, timeoutMs = 15_000): Promise<void> {
  await eventually(`${address} answers ping`, timeoutMs, async () =>
    (await pingTimes(from, address, 1, 200)).length > 0 ? true : undefined,
  );
}

/** Which of these the kernel offers. */
export async function congestionControls(): Promise<CongestionControl[]> {
  const available = (await command('sysctl', ['-n', 'net.ipv4.tcp_available_congestion_control'])).trim().split(' ');
  return (['bbr', 'cubic'] as const).filter((name) => available.includes(name));
}
