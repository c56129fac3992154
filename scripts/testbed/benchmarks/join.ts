import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { seededRandom } from '../../../src/base/random.ts';
import { Agent } from '../agent.ts';
import type { Lab, Namespace } from '../lab.ts';
import { median, progress } from '../report.ts';
import type { Findings } from '../report.ts';
import { Internet } from '../topology.ts';

const MEMBERS = 3;
const RESTARTS_EACH = 2;
/** Of each kind of place. */
const POWER_CUTS = 10;
const APART_S = [2, 5, 10];
const CROWD = 12;
/** Others start within this. */
const SECOND_MS = 1_000;
/** Contacts are on the disk a second after they changed. */
const SAVED_MS = 3_000;
const DOWN_MS = 1_000;
/** It has not joined then, and counts as if it took so long. */
const LIMIT_MS = 30_000;

const MOST_FIRST_MS = 300;
const MOST_RESTART_MS = 200;
const MOST_POWER_CUT_MS = 1_000;
const MOST_POWER_CUT_WORST_MS = 3_000;
const MOST_APART_MS = 1_000;
const MOST_CROWD_MS = 2_000;

type Place = 'public' | 'behind NATs';

/** Where an agent runs, and the one that runs there now. */
interface Seat {
  readonly name: string;
  readonly namespace: Namespace;
  agent: Agent;
}

const logLine = z.object({ time: z.iso.datetime(), event: z.string() });

/** How long agents take into their overlay, by their own logs: from their first datagram on, without the start of the runtime. */
export async function benchJoin(lab: Lab, findings: Findings): Promise<void> {
  const internet = await Internet.create(lab);
  const first: number[] = [];
  const restart: number[] = [];
  const cuts: number[] = [];
  const apart: number[] = [];
  for (const place of ['public', 'behind NATs'] as const) {
    const village = await Village.create(lab, internet, place);
    first.push(...village.firstMs);
    await delay(SAVED_MS);
    restart.push(...(await village.restarts()));
    await delay(SAVED_MS);
    cuts.push(...(await village.powerCuts()));
    apart.push(...(await village.startsApart()));
    if (place === 'public') await crowd(village, findings);
    await village.end();
  }
  report(findings, 'join.first_ms', median(first), MOST_FIRST_MS);
  report(findings, 'join.restart_ms', median(restart), MOST_RESTART_MS);
  report(findings, 'join.power_cut_ms', median(cuts), MOST_POWER_CUT_MS);
  report(findings, 'join.power_cut_worst_ms', Math.max(...cuts), MOST_POWER_CUT_WORST_MS);
  report(findings, 'join.apart_worst_ms', Math.max(...apart), MOST_APART_MS);
  const shown = (times: readonly number[]): string => `${times.map((ms) => ms.toFixed(0)).join(', ')} ms`;
  findings.note(`the first half public, the second behind NATs: newcomers ${shown(first)}; restarts ${shown(restart)}`);
  findings.note(`power cuts ${shown(cuts)}; the founder first and last by ${APART_S.join(', ')} s ${shown(apart)}`);
}

async function crowd(village: Village, findings: Findings): Promise<void> {
  const tookMs = await village.crowd();
  report(findings, 'join.crowd_ms', tookMs, MOST_CROWD_MS);
}

function report(findings: Findings, name: string, value: number, most: number): void {
  findings.figure(name, value, 0);
  findings.expect(name, value <= most, `at most ${most}`);
}

/** A founder with a public address, and members that came by ticket, one after another. */
class Village {
  readonly firstMs: number[] = [];
  private readonly lab: Lab;
  private readonly internet: Internet;
  private readonly place: Place;
  private readonly founder: Seat;
  private readonly members: Seat[] = [];
  private readonly random = seededRandom(1);
  private hosts: number;

  private constructor(lab: Lab, internet: Internet, place: Place, founder: Seat, hosts: number) {
    this.lab = lab;
    this.internet = internet;
    this.place = place;
    this.founder = founder;
    this.hosts = hosts;
  }

  static async create(lab: Lab, internet: Internet, place: Place): Promise<Village> {
    const suffix = place === 'public' ? 'p' : 'n';
    const hosts = place === 'public' ? 10 : 100;
    progress(`${place}: the founder and ${MEMBERS} newcomers, one after another`);
    const name = `founder-${suffix}`;
    const { namespace } = await internet.publicHost(name, `203.0.113.${hosts}`);
    const overlay = { create: `join-${suffix}.example` };
    const agent = Agent.launch(lab, { namespace, name, overlay, arguments: ['--no-tun'] });
    await agent.process.waitFor(/"event":"joined"/, LIMIT_MS);
    const village = new Village(lab, internet, place, { name, namespace, agent }, hosts + 1);
    for (let i = 1; i <= MEMBERS; i++) {
      const seat = await village.newcomer(`m${i}-${suffix}`);
      village.members.push(seat);
      village.firstMs.push(await village.lastJoined([seat], 'enrolling'));
    }
    return village;
  }

  /** One after another is killed and started again, among others that live. */
  async restarts(): Promise<number[]> {
    progress(`${this.place}: members restart`);
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
      progress(`${this.place}: power cut ${i + 1}: everyone joined ${tookMs} ms after the last start`);
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
        progress(`${this.place}: the founder ${founderIs} by ${seconds} s: everyone joined after ${tookMs} ms`);
        times.push(tookMs);
      }
    return times;
  }

  /** @returns how long after the last one's start all of them are in. */
  async crowd(): Promise<number> {
    progress(`${CROWD} newcomers in one second`);
    const tickets: string[] = [];
    const namespaces: Namespace[] = [];
    for (let i = 0; i < CROWD; i++) {
      tickets.push(await this.founder.agent.invite());
      namespaces.push(await this.hostFor(`c${i + 1}`));
    }
    const seats = await Promise.all(
      tickets.map(async (ticket, i): Promise<Seat> => {
        const name = `c${i + 1}`;
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
    for (const { agent } of seats) await agent.crash();
    return tookMs;
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
    if (this.place === 'public') return (await this.internet.publicHost(name, address)).namespace;
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
