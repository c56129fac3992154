import { AgentWorld, type WorldTest } from '../../test/sim/agent/agent-world.ts';
import type { SimAgent } from '../../test/sim/agent/sim-agent.ts';
import type { Random } from '../../src/base/random.ts';
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
import { ScriptError } from './command.ts';
import type { Findings } from './report.ts';

const MINUTE_MS = 60_000;
const READY_MS = 60_000;
const KILL_EVERY_MS = 8_000;
/** How exactly it is seen that an agent is back. */
const LOOK_MS = 100;

/** Of restarts among others of which some have just died. */
const MOST_REJOIN_MS = 10_000;

export interface SimChurnOptions {
  readonly agents: number;
  readonly minutes: number;
  readonly seed: number;
}

/** Something stored that has to be found. */
interface Value {
  readonly of: SimAgent;
  readonly kind: 'name' | 'ipv4';
  readonly text: string;
}

/** `lab churn` in virtual time, with a seed: the same agents, killed and started again while the others look up what all of them have stored. */
export function simChurn(findings: Findings, options: SimChurnOptions, progress: (text: string) => void): void {
  const ends: (() => unknown)[] = [];
  const test = {
    log: progress,
    teardown: (end: () => unknown) => void ends.push(end),
    passed: true,
  } as unknown as WorldTest;
  try {
    const world = new AgentWorld(test, options.seed);
    const churn = new Churn(world, started(world, options.agents));
    churn.run(options.minutes, progress);
    churn.report(findings);
  } finally {
    for (const end of ends.reverse()) end();
  }
}

/** All public, and peers. */
function started(world: AgentWorld, count: number): SimAgent[] {
  const members = Array.from({ length: count - 1 }, () => world.member(world.publicHost(), { role: 'peer' }));
  for (let i = 0; i < members.length; i += STARTING_AT_ONCE) {
    const some = members.slice(i, i + STARTING_AT_ONCE);
    world.started(...some);
    if (!world.until(() => some.every(({ joined }) => joined), READY_MS))
      throw new ScriptError('an agent does not join');
  }
  const all = [world.founder, ...members];
  if (!world.allReady(all, READY_MS)) throw new ScriptError('an agent has no address');
  world.run(SETTLE_MS);
  return all;
}

class Churn {
  private readonly world: AgentWorld;
  private readonly random: Random;
  private readonly agents: readonly SimAgent[];
  private readonly values: readonly Value[];
  private readonly schedule: ChurnSchedule;
  private readonly up: Set<SimAgent>;
  private readonly lost = new Set<string>();
  private readonly failures: string[] = [];
  private readonly rejoinedMs: number[] = [];
  private kills = 0;
  private total = 0;
  private right = 0;

  constructor(world: AgentWorld, agents: readonly SimAgent[]) {
    this.world = world;
    this.random = world.network.random;
    this.agents = agents;
    this.up = new Set(agents);
    this.values = agents.flatMap((of): Value[] => [
      { of, kind: 'name', text: of.user },
      { of, kind: 'ipv4', text: of.ipv4 ?? '' },
    ]);
    this.schedule = new ChurnSchedule(
      agents.map(({ hit }) => hit),
      { repairMs: REPAIR_MS },
    );
  }

  run(minutes: number, progress: (text: string) => void): void {
    const { world } = this;
    const end = world.now + minutes * MINUTE_MS;
    let nextKill = world.now;
    let nextWord = world.now + MINUTE_MS;
    while (world.now < end) {
      if (world.now >= nextKill && this.killOne()) nextKill = world.now + KILL_EVERY_MS;
      this.lookUp(this.interesting());
      if (world.now >= nextWord) {
        nextWord += MINUTE_MS;
        progress(`${this.kills} killed, ${this.right} of ${this.total} lookups right, ${this.lost.size} values lost`);
      }
      world.run(1_000 / LOOKUPS_PER_S);
    }
    world.run(DOWN_MS.most + READY_MS);
    for (const value of this.values) this.lookUp(value);
    world.run(LOOKUP_TIMEOUT_MS + LOST_TRIES * (LOST_PAUSE_MS + LOOKUP_TIMEOUT_MS));
  }

  report(findings: Findings): void {
    const { total, right, kills, agents } = this;
    findings.figure('agents', this.up.size, 0);
    findings.figure('kills', kills, 0);
    findings.figure('lookups.total', total, 0);
    findings.figure('lookups.right', right, 0);
    findings.figure('values.lost', this.lost.size, 0);
    findings.figure('rejoined_worst_ms', Math.max(...this.rejoinedMs), 0);
    findings.expect('agents', this.up.size === agents.length, `all ${agents.length} are in the overlay at the end`);
    findings.expect('lookups.right', right >= MIN_RIGHT * total, `at least ${100 * MIN_RIGHT} % of ${total}`);
    findings.expect('values.lost', this.lost.size === 0, 'none while a replica lives');
    findings.expect('rejoined_worst_ms', Math.max(...this.rejoinedMs) <= MOST_REJOIN_MS, `at most ${MOST_REJOIN_MS}`);
    for (const failure of this.failures.slice(0, MAX_NOTES)) findings.note(failure);
  }

  private killOne(): boolean {
    const { world } = this;
    const candidates = this.schedule.candidates(world.now);
    const agent = this.oneOf([...this.up].filter(({ hit }) => candidates.includes(hit)));
    if (agent === undefined) return false;
    this.up.delete(agent);
    this.kills += 1;
    this.schedule.died(agent.hit, world.now);
    agent.kill();
    world.network.loop.after(DOWN_MS.least + this.random.float() * (DOWN_MS.most - DOWN_MS.least), () => {
      agent.start();
      this.awaitReturn(agent, world.now);
    });
    return true;
  }

  private awaitReturn(agent: SimAgent, since: number): void {
    const { world } = this;
    world.network.loop.after(LOOK_MS, () => {
      if (!agent.joined) {
        this.awaitReturn(agent, since);
        return;
      }
      this.rejoinedMs.push(world.now - since);
      this.schedule.cameBack(agent.hit, world.now);
      this.up.add(agent);
    });
  }

  private lookUp(value: Value): void {
    const asked = this.someone();
    const at = this.world.now;
    this.total += 1;
    this.ask(asked, value, (why) => {
      if (why === undefined) this.right += 1;
      // Who was killed while it was asked, answers nobody.
      else if (!this.up.has(asked)) this.total -= 1;
      else {
        this.failures.push(`${(at / 1000).toFixed(1)} s: ${asked.user} asked for ${value.text}: ${why}`);
        this.search(value, LOST_TRIES);
      }
    });
  }

  /** One that is away, mostly: then it is the others' copies that count. */
  private interesting(): Value {
    const theirs = this.values.filter(({ of }) => !this.up.has(of));
    const chosen = this.oneOf(theirs.length > 0 && this.random.float() < 2 / 3 ? theirs : this.values);
    if (chosen === undefined) throw new ScriptError('nothing is stored');
    return chosen;
  }

  private someone(): SimAgent {
    const one = this.oneOf([...this.up]);
    if (one === undefined) throw new ScriptError('every agent is away');
    return one;
  }

  /** @param done undefined: it says what is so. */
  private ask(asked: SimAgent, { of, kind, text }: Value, done: (why: string | undefined) => void): void {
    let isDone = false;
    const finish = (why: string | undefined): void => {
      if (!isDone) done(why);
      isDone = true;
    };
    this.world.network.loop.after(LOOKUP_TIMEOUT_MS, () => finish('no answer'));
    asked.act(({ names }, now) => {
      if (names === undefined) finish('it has no names yet');
      else if (kind === 'name')
        names.lookupName(text, now, (result) => {
          const found = result.ok && result.value.some(({ hit }) => hit === of.hit);
          finish(found ? undefined : result.ok ? 'it is of others' : result.error.message);
        });
      else
        names.lookupIpv4(text, now, (result) => {
          if (result.ok) finish(result.value.hit === of.hit ? undefined : `it is ${result.value.hit}`);
          else finish(result.error.message);
        });
    });
  }

  /** Whether nobody finds it any more. */
  private search(value: Value, tries: number): void {
    if (tries === 0) {
      this.lost.add(value.text);
      return;
    }
    this.world.network.loop.after(LOST_PAUSE_MS, () =>
      this.ask(this.someone(), value, (why) => {
        if (why !== undefined) this.search(value, tries - 1);
      }),
    );
  }

  private oneOf<T>(all: readonly T[]): T | undefined {
    return all[Math.floor(this.random.float() * all.length)];
  }
}
