import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { messageOf } from '../../../src/base/errors.ts';
import { addressToHit } from '../../../src/base/node-id.ts';
import { request } from '../../../src/control/client.ts';
import { orchidRing } from '../../../src/overlay/chord/ring.ts';
import { Agent } from '../agent.ts';
import { ScriptError, eventually } from '../command.ts';
import type { BackgroundProcess } from '../command.ts';
import { floods } from '../floods/floods.ts';
import type { Lab, Namespace } from '../lab.ts';
import { percentile, progress } from '../report.ts';
import type { Findings } from '../report.ts';
import { METERED, Meter } from '../metered-agent.ts';
import { type BenchmarkOptions, chosenParts } from './benchmark.ts';

const OVERLAY = 'floods.example';
/** Of all of them: they are told apart by their ports. An address for documentation, which agents take for a public one. */
const ADDRESS = '203.0.113.10';
const PORT = 20_000;
const FLOODER = join(import.meta.dirname, '../floods/flooder.ts');

const RESOURCES = 10_000;
const WARM_UP_SECONDS = 1;
const FLOOD_SECONDS = 4;
const SETTLE_MS = 1_500;
const ANSWER_MS = 180_000;
/** Between questions to the neighbour. */
const ASK_EVERY_MS = 50;
const ASK_TIMEOUT_MS = 5_000;

const MOST_TURN_MS = 10;
/** Bounded memories of peers and requests fill in the first second; what grows after that is a leak. */
const MOST_GROWTH_KB = 1_024;
const MOST_PING_MS = 50;

/**
 * One agent that stores much, while a hostile peer sends it one kind of message after the other, faster than it can look at
 * them: what its event loop, its memory and the link to a neighbour that means well say to that.
 */
export async function benchFloods(lab: Lab, findings: Findings, options: BenchmarkOptions): Promise<void> {
  const chosen = chosenParts(Object.fromEntries(Object.keys(floods).map((name) => [name, name])), options.only);
  const namespace = await oneHost(lab);
  const victim = await agentAt(lab, namespace, 'victim', PORT, { create: OVERLAY }, METERED);
  const neighbor = await agentAt(lab, namespace, 'neighbor', PORT + 1, { join: await victim.invite() });
  const { hit } = await victim.status();
  const meter = new Meter(victim);
  const flooder = new Flooder(namespace.start(process.execPath, [FLOODER, victim.state, `${ADDRESS}:${PORT}`, hit]));
  const { self } = await flooder.ask('join');
  progress(`storing ${RESOURCES} resources`);
  const { resources } = await flooder.ask(`fill ${RESOURCES}`);
  progress(`${String(resources)} resources are stored`);
  findings.figure('floods.resources', Number(resources), 0);
  findings.expect('floods.resources', Number(resources) >= RESOURCES, `all ${RESOURCES}`);
  await delay(SETTLE_MS);
  const names = namesAt(hit, [hit, (await neighbor.status()).hit, String(self)]);
  for (const name of chosen) {
    await flooder.ask(`${name} ${WARM_UP_SECONDS}`);
    await delay(SETTLE_MS);
    const before = await meter.read();
    const neighborSays = new Questions(neighbor, hit, names);
    const { perSecond } = await flooder.ask(`${name} ${options.seconds ?? FLOOD_SECONDS}`);
    const answers = await neighborSays.stop();
    const during = await meter.read();
    await delay(SETTLE_MS);
    const after = await meter.read();
    report(findings, name, {
      worstMs: Math.max(during.worstMs, after.worstMs),
      growthKb: after.heapKb - before.heapKb,
      pingMs: percentile(answers.pings, 99),
      lookupMs: percentile(answers.lookups, 95),
      lost: answers.lost,
      perSecond: Number(perSecond),
      cpuMs: during.cpuMs,
      pauseMs: Math.max(during.worstPauseMs, after.worstPauseMs),
    });
    if (!victim.process.alive) throw new ScriptError(`the agent ended: ${victim.lastWords()}`);
  }
  findings.note(
    "worst_turn_ms: CPU time of the agent's event loop in its longest turn; ping_p99_ms: of a neighbour, through its link",
  );
  await flooder.process.stop();
  await neighbor.stop();
  await victim.stop();
}

/** Names of members that the agent is responsible for. */
function namesAt(address: string, addresses: readonly string[]): string[] {
  const hit = addressToHit(address);
  const peers = addresses.map(addressToHit).sort();
  return Array.from({ length: RESOURCES / 2 }, (_, i) => `paper${i}`)
    .filter((label) => {
      const resource = orchidRing.resourceIdOf(`${label}@${OVERLAY}`);
      return (peers.find((id) => id >= resource) ?? peers[0]) === hit;
    })
    .map((label) => `${label}.${OVERLAY}`);
}

interface FloodFigures {
  readonly worstMs: number;
  readonly growthKb: number;
  readonly pingMs: number;
  readonly lookupMs: number;
  readonly lost: number;
  readonly perSecond: number;
  readonly cpuMs: number;
  readonly pauseMs: number;
}

function report(findings: Findings, name: string, figures: FloodFigures): void {
  const { worstMs, growthKb, pingMs, lookupMs, lost, perSecond, cpuMs } = figures;
  progress(
    `${name}: ${perSecond.toFixed(0)}/s, longest turn ${worstMs.toFixed(1)} ms, heap ${growthKb.toFixed(0)} KB, ` +
      `ping ${pingMs.toFixed(1)} ms, lookup ${lookupMs.toFixed(1)} ms, ${lost} lost; ${cpuMs.toFixed(0)} ms of CPU, pause ${figures.pauseMs.toFixed(1)}`,
  );
  const figure = (key: string): string => `floods.${name}.${key}`;
  findings.figure(figure('worst_turn_ms'), worstMs, 1);
  findings.figure(figure('heap_growth_kb'), growthKb, 0);
  findings.figure(figure('ping_p99_ms'), pingMs, 1);
  findings.figure(figure('lookup_p95_ms'), lookupMs, 1);
  findings.figure(figure('lost'), lost, 0);
  findings.expect(figure('worst_turn_ms'), worstMs <= MOST_TURN_MS, `at most ${MOST_TURN_MS}`);
  findings.expect(figure('heap_growth_kb'), growthKb <= MOST_GROWTH_KB, `at most ${MOST_GROWTH_KB}`);
  findings.expect(figure('ping_p99_ms'), pingMs <= MOST_PING_MS, `at most ${MOST_PING_MS}`);
  findings.expect(figure('lost'), lost === 0, 'none');
}

async function oneHost(lab: Lab): Promise<Namespace> {
  const namespace = await lab.namespace('floods');
  await namespace.ipBatch([
    'link add eth0 type veth peer name eth1',
    'link set eth0 up',
    'link set eth1 up',
    `address add ${ADDRESS}/24 dev eth0`,
    'route add default dev eth0',
  ]);
  return namespace;
}

function agentAt(
  lab: Lab,
  namespace: Namespace,
  name: string,
  port: number,
  overlay: { readonly create: string } | { readonly join: string },
  environment: Readonly<Record<string, string>> = {},
): Promise<Agent> {
  const configuration = '[dns]\nenable = false\n';
  const args = ['--listen', String(port)];
  return Agent.start(lab, { namespace, name, overlay, tun: false, configuration, arguments: args, environment });
}

class Flooder {
  readonly process: BackgroundProcess;
  private answers = 0;

  constructor(process: BackgroundProcess) {
    this.process = process;
  }

  async ask(line: string): Promise<Record<string, unknown>> {
    this.process.write(`${line}\n`);
    const text = await eventually(`the flooder: ${line}`, ANSWER_MS, () => {
      if (!this.process.alive) throw new ScriptError(`the flooder has ended: ${this.process.lastWords()}`);
      return this.process.lines[this.answers];
    });
    this.answers += 1;
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  }
}

/** Pings and lookups of a neighbour, one after the other, until they are stopped. */
class Questions {
  private readonly pings: number[] = [];
  private readonly lookups: number[] = [];
  private lost = 0;
  private readonly names: readonly string[];
  private asked = 0;
  private stopped = false;
  private readonly done: Promise<void>;

  constructor(neighbor: Agent, target: string, names: readonly string[]) {
    this.names = names;
    this.done = this.ask(neighbor, target);
  }

  async stop(): Promise<{
    readonly pings: readonly number[];
    readonly lookups: readonly number[];
    readonly lost: number;
  }> {
    this.stopped = true;
    await this.done;
    return { pings: this.pings, lookups: this.lookups, lost: this.lost };
  }

  /** Another one each time: nobody has it in memory. */
  private someName(): string {
    this.asked += 1;
    return this.names[this.asked % this.names.length] ?? '';
  }

  private async ask(neighbor: Agent, target: string): Promise<void> {
    while (!this.stopped) {
      try {
        const signal = AbortSignal.timeout(ASK_TIMEOUT_MS);
        const { rttMs } = await request(neighbor.socket, 'ping', { target }, { signal });
        const [time] = rttMs;
        if (time == null) this.lost += 1;
        else this.pings.push(time);
        const from = performance.now();
        await request(neighbor.socket, 'resolve', { target: this.someName() }, { signal });
        this.lookups.push(performance.now() - from);
      } catch (error) {
        progress(`the neighbour: ${messageOf(error)}`);
        this.lost += 1;
      }
      await delay(ASK_EVERY_MS);
    }
  }
}
