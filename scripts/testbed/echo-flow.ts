import { z } from 'zod';
import type { Namespace } from './lab.ts';
import { tool } from './tools.ts';

const PORT = 5203;
const START_TIMEOUT_MS = 10_000;
const INTERVAL_MS = 20;
/** An RTP header and 20 ms of G.711 (RFC 3551). */
const BYTES = 172;
const MARGIN_MS = 30_000;

/** RFC 3246. */
export const DSCP_EF = 46;
export const DSCP_DEFAULT = 0;

export interface EchoFlow {
  readonly from: Namespace;
  readonly to: Namespace;
  readonly address: string;
  /** Of both directions. */
  readonly dscp: number;
  readonly seconds: number;
}

const resultSchema = z.object({ sent: z.number(), rttMs: z.array(z.number()) });
export type EchoResult = z.infer<typeof resultSchema>;

/** 50 datagrams a second and their echoes, by programs of ordinary priority at both ends. */
export async function echoFlow({ from, to, address, dscp, seconds }: EchoFlow): Promise<EchoResult> {
  const program = await tool('echo_flow');
  const server = to.start(program, ['serve', String(PORT), String(dscp)]);
  try {
    await server.waitFor(/ready/, START_TIMEOUT_MS);
    const count = Math.round((1000 * seconds) / INTERVAL_MS);
    const flow = [dscp, BYTES, INTERVAL_MS, count].map(String);
    const text = await from.run(program, ['call', address, String(PORT), ...flow], {
      timeoutMs: 1000 * seconds + MARGIN_MS,
    });
    return resultSchema.parse(JSON.parse(text));
  } finally {
    await server.stop();
  }
}
