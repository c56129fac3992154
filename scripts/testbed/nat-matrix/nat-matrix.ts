import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { messageOf } from '../../../src/base/errors.ts';
import { request } from '../../../src/control/client.ts';
import type { Status } from '../../../src/control/schemas.ts';
import { Agent } from '../agent.ts';
import { type AccessNetwork, Backbone } from '../access-network.ts';
import type { Lab } from '../lab.ts';
import { percentile, table, type Findings } from '../report.ts';
import { nat64Network, useResolver } from '../nat64.ts';
import { eventually } from '../command.ts';
import { tool } from '../tools.ts';
import type { Host } from '../topology.ts';
import { directWay, type DirectWay, type Place } from './direct-way.ts';
import { CARRIER_NAT, SHARED, type Kind, type Shared } from './kinds.ts';

const ECHO_PORT = 5203;
/** Both cores are busy with each agent's start. */
const STARTS_AT_ONCE = 3;
const START_TIMEOUT_MS = 120_000;
/** Longest that whoever calls somebody waits. */
const PATIENCE_MS = 15_000;
/** A pair that takes longer than the bound is left to itself while the next one begins. */
const NEXT_AFTER_MS = 2000;
/** After the first answer, for a relayed path to be replaced by a direct one. */
const DIRECT_TIMEOUT_MS = 10_000;
const LOOK_EVERY_MS = 250;
/** What a first call does before, a link that everything else has, is over by then. */
const SETTLE_MS = 5000;
/** A host whose links carry nothing asks for a sign of life after 16 to 20 s, and then finds that UDP passes no more. */
const NOTICE_MS = 60_000;

const MOST_P50_MS = 250;
const MOST_P99_MS = 1500;

interface Member {
  readonly kind: Kind;
  readonly host: Host;
  readonly agent: Agent;
  readonly hit: string;
}

interface Pair {
  readonly title: string;
  readonly from: Member;
  readonly to: Member;
  readonly way: DirectWay;
}

interface Outcome extends Pair {
  /** It says nothing about first packets then. */
  readonly wasLinked: boolean;
  /** From the first packet of a program to the first answer; undefined: never. */
  readonly firstPacketMs: number | undefined;
  /** Of the link afterwards, as `idloc status` shows it. */
  readonly pathType: string | undefined;
}

export interface MatrixOptions {
  readonly kinds: readonly Kind[];
  readonly places: readonly Shared[];
}

/** `lab nat-matrix`: every kind of NAT with every other, by members of one overlay that were not linked before. */
export async function natMatrix(
  lab: Lab,
  findings: Findings,
  options: MatrixOptions,
  progress: (text: string) => void,
): Promise<void> {
  const { pairs, close } = await buildMatrix(lab, options, progress);
  const outcomes = await tryAll(pairs, progress);
  await close();
  conclude(findings, options.kinds, outcomes);
}

async function buildMatrix(
  lab: Lab,
  { kinds, places }: MatrixOptions,
  progress: (text: string) => void,
): Promise<{ readonly pairs: readonly Pair[]; readonly close: () => Promise<void> }> {
  const backbone = await Backbone.create(lab);
  const founder = Agent.launch(lab, {
    namespace: (await backbone.publicHost('founder')).namespace,
    name: 'founder',
    overlay: { create: 'nat-matrix.example' },
    configuration: '[stream]\nlisten = ["0.0.0.0:443"]\n',
  });
  await founder.ready(START_TIMEOUT_MS);
  const ticket = (await founder.cli('invite', '--uses', '100')).trim();
  const waiting: (() => Promise<void>)[] = [];
  const agents: Agent[] = [founder];
  const silenced: AccessNetwork[] = [];

  /** Its host is a member when `waiting` is done. */
  const member = async (name: string, kind: Kind, network: AccessNetwork): Promise<() => Member> => {
    const host = await backbone.host(name);
    await network.plug(host, 2 + (name.endsWith('-b') ? 1 : 0));
    if (kind.isNat64 === true) useResolver(lab, host.namespace, network.gateway6);
    let made: Member | undefined;
    waiting.push(async () => {
      const agent = Agent.launch(lab, {
        namespace: host.namespace,
        name,
        overlay: { join: ticket },
        // Peers are linked with each other; these are to meet for the first time.
        configuration: 'role = "client"\n',
      });
      agents.push(agent);
      const { hit } = await agent.ready(START_TIMEOUT_MS);
      host.namespace.start(await tool('echo_flow'), ['serve', String(ECHO_PORT), '0']);
      made = { kind, host, agent, hit };
    });
    return () => {
      if (made === undefined) throw new Error(`${name} has not joined`);
      return made;
    };
  };
  const behind = async (name: string, kind: Kind): Promise<() => Member> => {
    if (kind.isNat64 === true) return member(name, kind, await nat64Network(lab, backbone, `${name}-r`));
    let network: AccessNetwork | undefined;
    for (const [i, router] of kind.routers.entries()) {
      // Whoever comes into such a network is a member already.
      network = await backbone.access(`${name}-r${i}`, { ...router, udp: 'on' }, network);
      if (router.udp === 'off') silenced.push(network);
    }
    if (network === undefined) throw new Error('each kind has a router');
    return member(name, kind, network);
  };

  const neighboursOf = async (shared: Shared): Promise<() => Pair> => {
    const above = await backbone.access(shared, CARRIER_NAT);
    const isCarrier = shared === 'one-carrier';
    const kind: Kind = { name: shared, routers: isCarrier ? [CARRIER_NAT, CARRIER_NAT] : [CARRIER_NAT] };
    const neighbour = async (name: string): Promise<() => Member> =>
      member(name, kind, isCarrier ? await backbone.access(`${name}-r`, CARRIER_NAT, above) : above);
    const [one, two] = [await neighbour(`${shared}-a`), await neighbour(`${shared}-b`)];
    return () => pairOf(one(), two(), isCarrier ? 'behind one carrier' : 'behind one NAT');
  };

  progress(`${kinds.length} kinds of networks, two of each`);
  const ends = await Promise.all(
    kinds.map(async (kind) => ({
      one: await behind(`${kind.name}-a`, kind),
      two: await behind(`${kind.name}-b`, kind),
    })),
  );
  const neighbours = await Promise.all(places.map(async (shared) => neighboursOf(shared)));

  progress(`${waiting.length} members join by ticket`);
  await atOnce(STARTS_AT_ONCE, waiting);
  for (const network of silenced) await network.set({ udp: 'off' });
  await delay(SETTLE_MS);
  const cutOff = agents.filter(({ name }) =>
    kinds.some((kind) => isSilenced(kind) && [`${kind.name}-a`, `${kind.name}-b`].includes(name)),
  );
  await Promise.all(cutOff.map(async (agent) => noticed(agent)));

  const pairs = ends.flatMap(({ one }, i) => ends.slice(i).map(({ two }) => pairOf(one(), two())));
  return {
    pairs: [...pairs, ...neighbours.map((pair) => pair())],
    close: async () => {
      await Promise.all(agents.map(async (agent) => agent.crash()));
    },
  };
}

function isSilenced({ routers }: Kind): boolean {
  return routers.some(({ udp }) => udp === 'off');
}

/** It goes by a stream now. */
async function noticed(agent: Agent): Promise<void> {
  await eventually(`${agent.name} is linked by TLS`, NOTICE_MS, async () => {
    const { links } = await request(agent.socket, 'status', {});
    return links.some(({ path }) => path?.over === 'tls') ? true : undefined;
  });
}

function pairOf(from: Member, to: Member, place: Place = 'apart'): Pair {
  return {
    title: place === 'apart' ? `${from.kind.name} - ${to.kind.name}` : `two ${place}, no hairpin`,
    from,
    to,
    way: directWay(from.kind, to.kind, place),
  };
}

async function atOnce(most: number, tasks: readonly (() => Promise<void>)[]): Promise<void> {
  const left = [...tasks];
  const worker = async (): Promise<void> => {
    for (let task = left.shift(); task !== undefined; task = left.shift()) await task();
  };
  await Promise.all(Array.from({ length: most }, worker));
}

/** One after the other, as long as they answer; no host is in two pairs at once. */
async function tryAll(pairs: readonly Pair[], progress: (text: string) => void): Promise<readonly Outcome[]> {
  const left = [...pairs];
  const outcomes: Outcome[] = [];
  const running = new Map<Promise<void>, Pair>();
  const isBusy = (member: Member): boolean =>
    [...running.values()].some(({ from, to }) => from === member || to === member);
  while (left.length > 0) {
    const index = left.findIndex(({ from, to }) => !isBusy(from) && !isBusy(to));
    const [pair] = index === -1 ? [] : left.splice(index, 1);
    if (pair === undefined) {
      await Promise.race(running.keys());
      continue;
    }
    const attempt: Promise<void> = tryPair(pair).then((outcome) => {
      outcomes.push(outcome);
      running.delete(attempt);
      progress(`${outcomes.length} of ${pairs.length}: ${pair.title}: ${inWords(outcome)}`);
    });
    running.set(attempt, pair);
    await Promise.race([attempt, delay(NEXT_AFTER_MS)]);
  }
  await Promise.all(running.keys());
  const place = new Map(pairs.map(({ title }, i) => [title, i]));
  return outcomes.sort((one, two) => (place.get(one.title) ?? 0) - (place.get(two.title) ?? 0));
}

const firstSchema = z.object({ ms: z.number().nullable() });

async function tryPair(pair: Pair): Promise<Outcome> {
  const { from, to, way } = pair;
  const wasLinked = (await linkOf(from, to)) !== undefined;
  const args = ['first', to.hit, String(ECHO_PORT), String(PATIENCE_MS)];
  const answer = await from.host.namespace.run(await tool('echo_flow'), args, { timeoutMs: 2 * PATIENCE_MS });
  const { ms } = firstSchema.parse(JSON.parse(answer));
  if (ms === null) return { ...pair, wasLinked, firstPacketMs: undefined, pathType: undefined };
  const end = performance.now() + DIRECT_TIMEOUT_MS;
  for (;;) {
    const type = (await linkOf(from, to))?.path?.type;
    if ((type !== undefined && (type !== 'relay' || !way.isPossible)) || performance.now() > end)
      return { ...pair, wasLinked, firstPacketMs: ms, pathType: type };
    await delay(LOOK_EVERY_MS);
  }
}

async function linkOf(from: Member, to: Member): Promise<Status['links'][number] | undefined> {
  try {
    const { links } = await request(from.agent.socket, 'status', {});
    return links.find(({ hit }) => hit === to.hit);
  } catch (error) {
    throw new Error(`${from.agent.name}: ${messageOf(error)}`, { cause: error });
  }
}

function isDirect({ pathType: type }: Outcome): boolean {
  return type !== undefined && type !== 'relay';
}

function inWords(outcome: Outcome): string {
  const { firstPacketMs, pathType: type, way } = outcome;
  const seen =
    firstPacketMs === undefined
      ? 'not connected'
      : `first packet ${firstPacketMs.toFixed(0)} ms, ${isDirect(outcome) ? 'direct' : (type ?? 'no path')}`;
  return `${seen}; ${way.isPossible ? 'direct is possible' : 'only a relay'}: ${way.why}`;
}

function conclude(findings: Findings, kinds: readonly Kind[], outcomes: readonly Outcome[]): void {
  const connected = outcomes.filter(({ firstPacketMs }) => firstPacketMs !== undefined);
  const possible = outcomes.filter(({ way }) => way.isPossible);
  const times = connected.filter(({ wasLinked }) => !wasLinked).map(({ firstPacketMs }) => firstPacketMs ?? NaN);
  const [p50, p99] = [percentile(times, 50), percentile(times, 99)];
  findings.figure('pairs.total', outcomes.length);
  findings.figure('pairs.connected', connected.length);
  findings.figure('pairs.direct', outcomes.filter(isDirect).length);
  findings.figure('pairs.direct_possible', possible.length);
  if (times.length > 0) {
    findings.figure('first_packet_ms.p50', p50, 0);
    findings.figure('first_packet_ms.p99', p99, 0);
  }
  findings.expect('pairs.connected', connected.length === outcomes.length, 'all');
  findings.expect('pairs.direct', possible.every(isDirect), 'wherever it is possible');
  findings.expect('first_packet_ms.p50', p50 <= MOST_P50_MS, `at most ${MOST_P50_MS}, of those that connect`);
  findings.expect('first_packet_ms.p99', p99 <= MOST_P99_MS, `at most ${MOST_P99_MS}, of those that connect`);

  findings.note(
    `ms to the first answer; r: by a relay; -: not connected; !: direct would be possible\n${grid(kinds, outcomes)}`,
  );
  for (const outcome of outcomes)
    if (
      SHARED.some((shared) => shared === outcome.from.kind.name) ||
      outcome.way.isPossible !== isDirect(outcome) ||
      !outcome.way.isPossible
    )
      findings.note(`${outcome.title}: ${inWords(outcome)}`);
  const linked = outcomes.filter(({ wasLinked }) => wasLinked);
  if (linked.length > 0) findings.note(`${linked.length} pairs were linked before: not in first_packet_ms`);
}

function grid(kinds: readonly Kind[], outcomes: readonly Outcome[]): string {
  const cell = (one: Kind, two: Kind): string => {
    const outcome = outcomes.find(({ from, to }) => from.kind === one && to.kind === two);
    if (outcome === undefined) return '';
    const { firstPacketMs, way } = outcome;
    const seen = firstPacketMs === undefined ? '-' : `${isDirect(outcome) ? '' : 'r'}${firstPacketMs.toFixed(0)}`;
    return way.isPossible && !isDirect(outcome) ? `${seen}!` : seen;
  };
  return table(
    [['', ...kinds.map(({ name }) => name)], ...kinds.map((one) => [one.name, ...kinds.map((two) => cell(one, two))])],
    '    ',
  );
}
