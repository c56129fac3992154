import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { IdlocError, messageOf } from '../../src/base/errors.ts';
import { type NodeId, addressToHit } from '../../src/base/node-id.ts';
import { request } from '../../src/control/client.ts';
import type { Result } from '../../src/control/schemas.ts';
import { Agent } from './agent.ts';
import {
  ChurnSchedule,
  DOWN_MS,
  LOOKUPS_PER_S,
  LOOKUP_TIMEOUT_MS,
  LOST_PAUSE_MS,
  LOST_TRIES,
  MAX_NOTES,
  MIN_RIGHT,
  REPAIR_MS,
  SETTLE_MS,
  STARTING_AT_ONCE,
} from './churn-schedule.ts';
import { ScriptError, eventually } from './command.ts';
import type { Lab, Namespace } from './lab.ts';
import type { Findings } from './report.ts';

const OVERLAY = 'churn.example';
/** Of all agents: they are told apart by their ports. An address for documentation, which agents take for a public one. */
const ADDRESS = '203.0.113.10';
const FIRST_PORT = 20_000;

const READY_MS = 60_000;

export interface ChurnOptions {
  readonly agents: number;
  readonly minutes: number;
  /** Between kills, when somebody may be killed. */
  readonly killEveryMs: number;
}

/** Something stored that has to be found: the host behind a name, or behind an overlay IPv4 address. */
interface Value {
  readonly target: string;
  readonly hit: string;
}

/** One agent over its lives. */
interface Seat {
  readonly name: string;
  /** As in `status`. */
  readonly hit: string;
  /** By which the ring is sorted. */
  readonly nodeId: NodeId;
  agent: Agent;
  /** In the overlay, so that it may be asked. */
  up: boolean;
}

/**
 * `lab churn`: agents that are killed (SIGKILL) and started again while the others look up what all of them have stored.
 *
 * A value's owner stores it again when it starts, so that most lookups are of those who are away or were away lately: only
 * the copies that others keep can answer those.
 */
export async function churn(
  lab: Lab,
  findings: Findings,
  options: ChurnOptions,
  progress: (text: string) => void,
): Promise<void> {
  const namespace = await lab.namespace('churn');
  await namespace.ipBatch([
    'link add eth0 type veth peer name eth1',
    'link set eth0 up',
    'link set eth1 up',
    `address add ${ADDRESS}/24 dev eth0`,
    'route add default dev eth0',
  ]);
  const seats = await settle(lab, namespace, options.agents, progress);
  const values = await valuesOf(seats);
  await delay(SETTLE_MS);
  const run = new Run(seats, values, findings, progress);
  await run.churn(options);
  await run.verdict(options);
}

async function settle(
  lab: Lab,
  namespace: Namespace,
  count: number,
  progress: (text: string) => void,
): Promise<Seat[]> {
  const start = async (index: number, overlay: { create: string } | { join: string }): Promise<Seat> => {
    const name = `host${index}`;
    const agent = Agent.launch(lab, {
      namespace,
      name,
      overlay,
      tun: false,
      // All are public. Dozens that start at once on few processors may not hear in time how others see them.
      configuration: 'role = "peer"\n[dns]\nenable = false\n',
      arguments: ['--listen', String(FIRST_PORT + index)],
    });
    const { hit, role } = await ready(agent);
    if (role !== 'peer') throw new ScriptError(`${name} is a ${role}, not a peer: what it stores is not measured`);
    return { name, hit, nodeId: addressToHit(hit), agent, up: true };
  };
  const founder = await start(0, { create: OVERLAY });
  const seats = [founder];
  for (let next = 1; next < count; next += STARTING_AT_ONCE) {
    const indexes = Array.from({ length: Math.min(STARTING_AT_ONCE, count - next) }, (_, i) => next + i);
    const joining = indexes.map(async (index) => {
      const { ticket } = await request(founder.agent.socket, 'invite', {});
      return start(index, { join: ticket });
    });
    seats.push(...(await Promise.all(joining)));
    progress(`${seats.length} of ${count} agents are in the overlay`);
  }
  return seats;
}

async function valuesOf(seats: readonly Seat[]): Promise<Value[]> {
  const values: Value[] = [];
  for (const { agent, name, hit } of seats) {
    const { ipv4 } = await eventually(`${name}: it has an IPv4 address`, READY_MS, async () => {
      const status = await statusOf(agent);
      return status?.ipv4 == null ? undefined : status;
    });
    values.push({ target: `${name}.${OVERLAY}`, hit }, { target: ipv4 ?? '', hit });
  }
  return values;
}

/** Undefined while it does not answer. */
async function statusOf(agent: Agent): Promise<Result<'status'> | undefined> {
  try {
    return await request(agent.socket, 'status', {});
  } catch (error) {
    if (error instanceof IdlocError) return undefined;
    throw error;
  }
}

/** In the overlay; asked by its socket, since a command for each look would take the machine's time. */
async function ready(agent: Agent): Promise<Result<'status'>> {
  try {
    return await eventually(`${agent.name}: the agent joins its overlay`, READY_MS, async () => {
      if (!agent.process.alive) throw new ScriptError('the agent ended');
      const status = await statusOf(agent);
      return status?.state === 'joined' || status?.state === 'alone' ? status : undefined;
    });
  } catch (error) {
    throw new ScriptError(`${messageOf(error)} (its last words: ${agent.lastWords()})`, { cause: error });
  }
}

class Run {
  private readonly seats: readonly Seat[];
  private readonly values: readonly Value[];
  private readonly findings: Findings;
  private readonly progress: (text: string) => void;
  private readonly schedule: ChurnSchedule;
  private readonly busy = new Set<Promise<void>>();
  private readonly lost = new Set<string>();
  private readonly failures: string[] = [];
  private total = 0;
  private right = 0;
  private kills = 0;

  constructor(seats: readonly Seat[], values: readonly Value[], findings: Findings, progress: (text: string) => void) {
    this.seats = seats;
    this.values = values;
    this.findings = findings;
    this.progress = progress;
    this.schedule = new ChurnSchedule(
      seats.map(({ nodeId }) => nodeId),
      { repairMs: REPAIR_MS },
    );
  }

  async churn({ minutes, killEveryMs }: ChurnOptions): Promise<void> {
    const end = performance.now() + minutes * 60_000;
    let nextKill = performance.now();
    let nextWord = performance.now() + 60_000;
    while (performance.now() < end) {
      const now = performance.now();
      if (now >= nextKill && this.killOne(now)) nextKill = now + killEveryMs;
      this.begin(this.lookUp());
      if (now >= nextWord) {
        nextWord += 60_000;
        this.progress(
          `${this.kills} killed, ${this.right} of ${this.total} lookups right, ${this.lost.size} values lost`,
        );
      }
      await delay(1000 / LOOKUPS_PER_S);
    }
    while (this.busy.size > 0) await Promise.all(this.busy);
  }

  /** All are there again, and so is everything that was stored. */
  async verdict({ agents, minutes, killEveryMs }: ChurnOptions): Promise<void> {
    for (const value of this.values) await this.lookUp(value);
    const { findings, total, right, kills } = this;
    const up = this.seats.filter(({ up, agent }) => up && agent.process.alive).length;
    findings.figure('agents', up);
    findings.figure('kills', kills);
    findings.figure('lookups.total', total);
    findings.figure('lookups.right', right);
    findings.figure('values.lost', this.lost.size);
    findings.expect('agents', up === agents, `all ${agents} are in the overlay at the end`);
    // Fewer would mean that the machine, and not the overlay, was given the time.
    const wanted = Math.floor((minutes * 60_000) / (3 * killEveryMs));
    findings.expect('kills', kills >= wanted, `at least ${wanted}`);
    findings.expect('lookups.right', right >= MIN_RIGHT * total, `at least ${100 * MIN_RIGHT} % of ${total}`);
    findings.expect('values.lost', this.lost.size === 0, 'none while a replica lives');
    for (const failure of this.failures.slice(0, MAX_NOTES)) findings.note(failure);
    if (this.failures.length > MAX_NOTES) findings.note(`and ${this.failures.length - MAX_NOTES} more`);
  }

  private begin(work: Promise<void>): void {
    const watched: Promise<void> = work.finally(() => this.busy.delete(watched));
    this.busy.add(watched);
  }

  private killOne(now: number): boolean {
    const candidates = this.schedule.candidates(now);
    const seats = this.seats.filter(({ nodeId, up }) => up && candidates.includes(nodeId));
    if (seats.length < 1) return false;
    const seat = oneOf(seats);
    seat.up = false;
    this.kills += 1;
    this.schedule.died(seat.nodeId, now);
    this.begin(this.away(seat));
    return true;
  }

  private async away(seat: Seat): Promise<void> {
    await seat.agent.crash();
    await delay(randomInt(DOWN_MS.least, DOWN_MS.most));
    seat.agent = seat.agent.launchAgain();
    try {
      await ready(seat.agent);
    } catch (error) {
      this.failures.push(messageOf(error));
      return;
    }
    this.schedule.cameBack(seat.nodeId, performance.now());
    seat.up = true;
  }

  private async lookUp(value = this.interesting()): Promise<void> {
    const asked = this.someone();
    this.total += 1;
    const why = await this.ask(asked, value);
    if (why === undefined) this.right += 1;
    // Who was killed while it was asked, answers nobody.
    else if (!asked.up) this.total -= 1;
    else {
      this.failures.push(`${asked.name} asked for ${value.target}: ${why}`);
      await this.search(value);
    }
  }

  /** One that is away, mostly: then it is the others' copies that count. */
  private interesting(): Value {
    const away = new Set(this.seats.filter(({ up }) => !up).map(({ hit }) => hit));
    const theirs = this.values.filter(({ hit }) => away.has(hit));
    return oneOf(theirs.length > 0 && randomInt(3) > 0 ? theirs : this.values);
  }

  private someone(): Seat {
    return oneOf(this.seats.filter(({ up }) => up));
  }

  /** Undefined: it says what is so. */
  private async ask(seat: Seat, { target, hit }: Value): Promise<string | undefined> {
    try {
      const signal = AbortSignal.timeout(LOOKUP_TIMEOUT_MS);
      const answer = await request(seat.agent.socket, 'resolve', { target }, { signal });
      return answer.hit === hit ? undefined : `it is ${answer.hit}, not ${hit}`;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Whether nobody finds it any more. */
  private async search(value: Value): Promise<void> {
    for (let i = 0; i < LOST_TRIES; i++) {
      await delay(LOST_PAUSE_MS);
      if ((await this.ask(this.someone(), value)) === undefined) return;
    }
    this.lost.add(value.target);
  }
}

function oneOf<T>(all: readonly T[]): T {
  const one = all[randomInt(Math.max(1, all.length))];
  if (one === undefined) throw new ScriptError('every agent is away');
  return one;
}
