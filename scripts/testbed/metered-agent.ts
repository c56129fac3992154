import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import type { Agent } from './agent.ts';
import { eventually } from './command.ts';
import type { TurnFigures } from './turn-meter.ts';

const ANSWER_MS = 10_000;

/** Environment of an agent whose turns are measured. */
export const METERED = { NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, 'turn-meter.ts')).href}` };

const turnSchema: z.ZodType<TurnFigures> = z.object({
  worstMs: z.number(),
  long: z.number(),
  cpuMs: z.number(),
  worstPauseMs: z.number(),
  heapKb: z.number(),
});

/** Reads what turn-meter.ts has measured. */
export class Meter {
  private readonly agent: Agent;

  /** @param agent started in `METERED` */
  constructor(agent: Agent) {
    this.agent = agent;
  }

  /** Since the last time. */
  async read(): Promise<TurnFigures> {
    const lines = (): string[] => {
      const whole = this.agent.process.stderr.split('\n').slice(0, -1);
      return whole.filter((line) => line.startsWith('turns '));
    };
    const before = lines().length;
    process.kill(this.agent.process.pid, 'SIGUSR2');
    const line = await eventually('the agent says what its turns cost', ANSWER_MS, () => lines()[before]);
    return turnSchema.parse(JSON.parse(line.slice('turns '.length)));
  }
}
