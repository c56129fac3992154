import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { seededRandom } from '../../../src/base/random.ts';
import { Agent } from '../agent.ts';
import type { Lab, Namespace } from '../lab.ts';
import { cpuMs } from '../processes.ts';
import { median, progress } from '../report.ts';
import type { Internet } from '../topology.ts';

const MEMBERS = 3;
const RESTARTS_EACH = 2;
/** Of each kind of place. */
const POWER_CUTS = 10;
export const APART_S = [2, 5, 10];
const CROWD = 12;
/** Others start within this. */
const SECOND_MS = 1_000;
/** Contacts are on the disk a second after they changed. */
export const SAVED_MS = 3_000;
const DOWN_MS = 1_000;
/** It has not joined then, and counts as if it took so long. */
const LIMIT_MS = 30_000;

type Place = 'public' | 'behind NATs';

export interface VillageOptions {
  readonly place: Place;
  /** Of its hosts' names. */
  readonly suffix: string;
  /** The last octet of the founder's address; each host that comes has the next one. */
  readonly firstHost: number;
}

export interface CrowdTime {
  /** How long after the last one's start all of them are in. */
  readonly tookMs: number;
  /** What it takes of the cores, which other work on them does not change much. */
  readonly founderCpuMs: number;
  /** The runtime's start included; the median. */
  readonly newcomerCpuMs: number;
}

/** Where an agent runs, and the one that runs there now. */
interface Seat {
  readonly name: string;
  readonly namespace: Namespace;
  agent: Agent;
}

const logLine = z.object({ time: z.iso.datetime(), event: z.string() });

/** A founder with a public address, and members that came by ticket, one after another. */
export class Village {
  readonly firstMs: number[] = [];
  private readonly lab: Lab;
  private readonly internet: Internet;
  private readonly options: VillageOptions;
  private readonly founder: Seat;
  private readonly members: Seat[] = [];
  private readonly random = seededRandom(1);
  private hosts: number;

  private constructor(lab: Lab, internet: Internet, options: VillageOptions, founder: Seat) {
    this.lab = lab;
    this.internet = internet;
    this.options = options;
    this.founder = founder;
    this.hosts = options.firstHost + 1;
  }

  static async create(lab: Lab, internet: Internet, options: VillageOptions): Promise<Village> {
    const { place, suffix, firstHost } = options;
    progress(`${place}: the founder and ${MEMBERS} newcomers, one after another`);
    const name = `founder-${suffix}`;
    const { namespace } = await internet.publicHost(name, `203.0.113.${firstHost}`);
    const overlay = { create: `join-${suffix}.example` };
    const agent = Agent.launch(lab, { namespace, name, overlay, arguments: ['--no-tun'] });
    await agent.process.waitFor(/"event":"joined"/, LIMIT_MS);
    const village = new Village(lab, internet, options, { name, namespace, agent });
    for (let i = 1; i <= MEMBERS; i++) {
      const seat = await village.newcomer(`m${i}-${suffix}`);
      village.members.push(seat);
      village.firstMs.push(await village.lastJoined([seat], 'enrolling'));
    }
    return village;
  }

  /** One after another is killed and started again, among others that live. */
  async restarts(): Promise<number[]> {
    progress(`${this.options.place}: members restart`);
    const times: number[] = [];
    for (let i = 0; i < RESTARTS_EACH * MEMBERS; i++) {
      const seat = this.members[i % MEMBERS];
      if (seat === undefined) break;
      await seat.agent.crash();
      await delay(DOWN_MS);
      this.launch(seat);
      times.push(await this.lastJoined([seat], 'ready'));
    }
    return times;
  }

  async powerCuts(): Promise<number[]> {
    const times: number[] = [];
    for (let i = 0; i < POWER_CUTS; i++) {
      const tookMs = await this.restartAll(() => this.random.float() * SECOND_MS);
      progress(`${this.options.place}: power cut ${i + 1}: everyone joined ${tookMs} ms after the last start`);
      times.push(tookMs);
    }
    return times;
  }

  async startsApart(): Promise<number[]> {
    const times: number[] = [];
    for (const founderIs of ['first', 'last'])
      for (const seconds of APART_S) {
        const tookMs = await this.restartAll((seat) =>
          (seat === this.founder) === (founderIs === 'first') ? 0 : seconds * 1_000,
        );
        progress(`${this.options.place}: the founder ${founderIs} by ${seconds} s: everyone joined after ${tookMs} ms`);
        times.push(tookMs);
      }
    return times;
  }

  async crowd(): Promise<CrowdTime> {
    progress(`${CROWD} newcomers in one second`);
    const tickets: string[] = [];
    const namespaces: Namespace[] = [];
    for (let i = 0; i < CROWD; i++) {
      tickets.push(await this.founder.agent.invite());
      namespaces.push(await this.hostFor(`c${i + 1}-${this.options.suffix}`));
    }
    const founderPid = this.founder.agent.process.pid;
    const founderBefore = cpuMs(founderPid);
    const seats = await Promise.all(
      tickets.map(async (ticket, i): Promise<Seat> => {
        const name = `c${i + 1}-${this.options.suffix}`;
        const namespace = namespaces[i];
        if (namespace === undefined) throw new TypeError('a host for each ticket');
        await delay(this.random.float() * SECOND_MS);
        const agent = Agent.launch(this.lab, {
          namespace,
          name,
          overlay: { join: ticket },
          arguments: ['--no-tun'],
        });
        return { name, namespace, agent };
      }),
    );
    const tookMs = await this.lastJoined(seats, 'enrolling');
    const founderCpuMs = cpuMs(founderPid) - founderBefore;
    const newcomerCpuMs = median(seats.map(({ agent }) => cpuMs(agent.process.pid)));
    for (const { agent } of seats) await agent.crash();
    return { tookMs, founderCpuMs, newcomerCpuMs };
  }

  async end(): Promise<void> {
    for (const { agent } of this.seats) await agent.crash();
  }

  private get seats(): readonly Seat[] {
    return [this.founder, ...this.members];
  }

  private async restartAll(startsAfterMs: (seat: Seat) => number): Promise<number> {
    await delay(SAVED_MS);
    await Promise.all(this.seats.map(({ agent }) => agent.crash()));
    await delay(DOWN_MS);
    await Promise.all(
      this.seats.map(async (seat) => {
        await delay(startsAfterMs(seat));
        this.launch(seat);
      }),
    );
    return this.lastJoined(this.seats, 'ready');
  }

  private launch(seat: Seat): void {
    const { name, namespace } = seat;
    seat.agent = Agent.launch(this.lab, { namespace, name, overlay: 'as before', arguments: ['--no-tun'] });
  }

  private async newcomer(name: string): Promise<Seat> {
    const ticket = await this.founder.agent.invite();
    const namespace = await this.hostFor(name);
    const agent = Agent.launch(this.lab, { namespace, name, overlay: { join: ticket }, arguments: ['--no-tun'] });
    return { name, namespace, agent };
  }

  private async hostFor(name: string): Promise<Namespace> {
    const number = this.hosts;
    this.hosts += 1;
    const address = `203.0.113.${number}`;
    if (this.options.place === 'public') return (await this.internet.publicHost(name, address)).namespace;
    const router = await this.internet.natRouter(`nat-${name}`, address, `192.168.${number}`);
    const host = await this.internet.mobileHost(name);
    await router.plug(host);
    return host.namespace;
  }

  /** From the last `begun` of these agents to the last time that one of them has joined. */
  private async lastJoined(seats: readonly Seat[], begun: 'enrolling' | 'ready'): Promise<number> {
    try {
      await Promise.all(seats.map(({ agent }) => agent.process.waitFor(/"event":"joined"/, LIMIT_MS)));
    } catch {
      return LIMIT_MS;
    }
    const last = (event: string): number => Math.max(...seats.map(({ agent }) => loggedAt(agent, event)));
    return last('joined') - last(begun);
  }
}

/** When the agent logged this for the first time, by the wall clock. */
function loggedAt({ process: { stderr } }: Agent, event: string): number {
  const line = stderr.split('\n').find((text) => text.includes(`"event":"${event}"`));
  return Date.parse(logLine.parse(JSON.parse(line ?? '')).time);
}
