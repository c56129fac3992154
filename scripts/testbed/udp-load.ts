import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Trial } from './highest-rate.ts';
import type { Namespace } from './lab.ts';
import { tool } from './tools.ts';

const PORT = 5202;
const START_TIMEOUT_MS = 10_000;
const WARM_UP_SECONDS = 0.3;
/** For what is still in queues. */
const LINGER_MS = 300;
const MARGIN_MS = 20_000;

/** A sender that makes less than this of the offered rate is at its limit, or held back by the tunnel. */
const LEAST_SENT = 0.95;
const MOST_LOSS = 0.005;

export interface UdpLoad {
  readonly from: Namespace;
  readonly to: Namespace;
  readonly address: string;
  /** Of a datagram's payload. */
  readonly bytes: number;
  readonly seconds: number;
}

const sentSchema = z.object({ sent: z.number(), seconds: z.number() });
const receivedSchema = z.object({ received: z.number() });

/** Offers a rate of datagrams, one by one (no segmentation offload). @param rate of their payload, Gb/s */
export async function udpTrial({ from, to, address, bytes, seconds }: UdpLoad, rate: number): Promise<Trial> {
  const program = await tool('udp_load');
  const receiver = to.start(program, ['receive', String(PORT)]);
  try {
    await receiver.waitFor(/ready/, START_TIMEOUT_MS);
    const perSecond = (rate * 1e9) / (8 * bytes);
    const text = await from.run(
      program,
      ['send', address, String(PORT), String(bytes), String(perSecond), String(WARM_UP_SECONDS), String(seconds)],
      { timeoutMs: 1000 * seconds + MARGIN_MS },
    );
    const sent = sentSchema.parse(JSON.parse(text));
    await delay(LINGER_MS);
    await receiver.stop();
    const { received } = receivedSchema.parse(JSON.parse(receiver.stdout.replace('ready', '')));
    return judged({ ...sent, received }, perSecond, bytes);
  } finally {
    await receiver.stop();
  }
}

/** @param perSecond datagrams that were offered */
export function judged(
  { sent, received, seconds }: { readonly sent: number; readonly received: number; readonly seconds: number },
  perSecond: number,
  bytes: number,
): Trial {
  const clean = sent > 0 && received >= (1 - MOST_LOSS) * sent;
  const kept = clean && sent >= LEAST_SENT * perSecond * seconds;
  return { received: (received * bytes * 8) / seconds / 1e9, kept, clean };
}
