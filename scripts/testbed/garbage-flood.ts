import { z } from 'zod';
import { eventually } from './command.ts';
import type { BackgroundProcess } from './command.ts';
import type { Lab, Namespace } from './lab.ts';
import { pingTimes } from './load.ts';
import { tool } from './tools.ts';

const NETWORK = '203.0.113';
const TARGET = `${NETWORK}.1`;
const SOURCES = Array.from({ length: 16 }, (_, i) => `${NETWORK}.${i + 2}`);
const LONGEST_SECONDS = 600;
const START_TIMEOUT_MS = 10_000;
/** A stranger's computer does not wait for the CPU of this one. */
const NICENESS = -10;

const resultSchema = z.object({ sent: z.number(), seconds: z.number() });

/** Someone whom the agent at the other end of his cable does not know. */
export class Stranger {
  private readonly namespace: Namespace;

  private constructor(namespace: Namespace) {
    this.namespace = namespace;
  }

  /** Plugs him into a host, which gets one more interface. */
  static async beside(lab: Lab, host: Namespace): Promise<Stranger> {
    const namespace = await lab.namespace('stranger');
    await lab.cable(namespace, 'eth0', host, 'eth1');
    await namespace.ipBatch(SOURCES.map((source) => `address add ${source}/24 dev eth0`));
    await namespace.ip('link', 'set', 'eth0', 'up');
    await host.ip('address', 'add', `${TARGET}/24`, 'dev', 'eth1');
    await host.ip('link', 'set', 'eth1', 'up');
    await eventually('the stranger reaches the host', 10_000, async () =>
      (await pingTimes(namespace, TARGET, 1, 200)).length > 0 ? true : undefined,
    );
    return new Stranger(namespace);
  }

  /**
   * Throws garbage at a UDP port of the host while `during` runs.
   * @param rate datagrams a second
   * @param during is given the program that throws
   * @returns what `during` gave, and how many datagrams a second it really were
   */
  async flood<T>(
    port: number,
    rate: number,
    seed: number,
    during: (generator: BackgroundProcess) => Promise<T>,
  ): Promise<[T, number]> {
    const args = [TARGET, port, rate, LONGEST_SECONDS, seed, ...SOURCES].map(String);
    const generator = this.namespace.start('nice', ['-n', String(NICENESS), await tool('garbage_flood'), ...args]);
    try {
      await generator.waitFor(/ready/, START_TIMEOUT_MS);
      const result = await during(generator);
      await generator.stop();
      const { sent, seconds } = resultSchema.parse(JSON.parse(generator.stdout.replace('ready', '')));
      return [result, sent / seconds];
    } finally {
      await generator.stop();
    }
  }
}
