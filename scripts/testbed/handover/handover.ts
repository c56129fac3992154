import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../src/base/errors.ts';
import { ScriptError, eventually } from '../command.ts';
import { median, table, type Findings } from '../report.ts';
import { WatchedCall, directionOf, longestSilenceMs, monotonicMs, type EndReport } from '../watched-call.ts';
import { MOVES, type Move } from './moves.ts';
import { Scene, type SceneKind } from './scene.ts';
import { knownTunnels, type Tunnel } from './tunnels.ts';

export const FLOWS = ['both_send', 'mover_silent'] as const;
export type Flow = (typeof FLOWS)[number];

export interface HandoverOptions {
  readonly moves: readonly string[];
  readonly who: readonly string[];
  readonly flows: readonly Flow[];
  readonly roundTripsMs: readonly number[];
  readonly repetitions: number;
  /** Of the mover in `many`. */
  readonly links: number;
}

/** A call is up when each end that listens heard the other so lately. */
const UP_MS = 100;
/** Until two ends hear each other at the beginning. */
const BEGIN_TIMEOUT_MS = 20_000;
/** What is measured begins so long before the move. */
const LEAD_MS = 500;
const STEADY_MS = 1500;
/** A call that is up so long after the move is healed. */
const HEALED_AFTER_MS = 1500;
const LOOK_EVERY_MS = 50;
/** Longer silences count as so long: nobody holds a phone for more. */
const GIVE_UP_MS = 30_000;
/** CPU time of one turn of the mover's event loop, as many links as it may have. */
const MOST_TURN_MS = 10;
/** What is under way when the window ends still arrives. */
const TAIL_MS = 400;

/** One move during one call. */
export interface Outcome {
  /** The longer silence of the directions that speak. */
  readonly gapMs: number;
  /** Of all directions. */
  readonly lost: number;
  readonly reordered: number;
  readonly handshakes: number | undefined;
  /** The longest time in which the TCP stream brought nothing; undefined: there was none. */
  readonly streamGapMs: number | undefined;
  /** Of the mover's event loop, the longest; undefined: it was not measured. */
  readonly turnMs?: number | undefined;
  readonly isUp: boolean;
}

/** `lab handover`: calls while hosts move, NATs forget and paths die. */
export async function handover(
  findings: Findings,
  options: HandoverOptions,
  progress: (text: string) => void,
): Promise<void> {
  const rows = new Map<string, Map<string, string>>();
  const play = async (who: string): Promise<void> => {
    for (const kind of ['open', 'families', 'nat', 'nats', 'crowd'] as const) {
      const moves = options.moves.filter((name) => MOVES[name]?.scene === kind);
      if (moves.length === 0) continue;
      for (const { row, cell } of await inScene(findings, { ...options, moves }, who, kind, progress)) {
        const cells = rows.get(row) ?? new Map<string, string>();
        rows.set(row, cells.set(who, cell));
      }
    }
  };
  // Who is held to bounds has the machine for himself. The others spend most of their time in waiting for what never comes back.
  for (const who of options.who.filter(hasBounds)) await play(who);
  await Promise.all(options.who.filter((who) => !hasBounds(who)).map(play));
  findings.note(
    `silence in ms, the median (the worst)\n${table(
      [
        ['', ...options.who],
        ...[...rows].map(([row, cells]) => [row, ...options.who.map((who) => cells.get(who) ?? '-')]),
      ],
      '    ',
    )}`,
  );
  findings.note(
    `${options.repetitions} repetitions: the median, and _worst; gap: the longest silence of either direction, ` +
      `${GIVE_UP_MS} when it does not end (the others are not asked again for what did not); lost and reordered of both directions; in mover_silent there is no TCP stream`,
  );
}

function hasBounds(who: string): boolean {
  return who === 'idloc';
}

async function inScene(
  findings: Findings,
  { moves, flows, roundTripsMs, repetitions, links }: HandoverOptions,
  who: string,
  kind: SceneKind,
  progress: (text: string) => void,
): Promise<readonly Line[]> {
  const lines: Line[] = [];
  const stage = new Stage(kind, who, links, progress);
  try {
    for (const roundTripMs of roundTripsMs)
      for (const name of moves)
        for (const flow of flows) {
          const move = MOVES[name];
          if (move === undefined) continue;
          const outcomes: Outcome[] = [];
          const row = `${name}${roundTripMs === 0 ? '' : `_${roundTripMs}`}.${flow}`;
          const title = `${row}.${who}`;
          for (let i = 0; i < repetitions; i++)
            try {
              const outcome = await stage.perform(move, flow, roundTripMs);
              progress(`${title}: ${inWords(outcome)}`);
              outcomes.push(outcome);
              if (!outcome.isUp && !hasBounds(who)) break;
            } catch (error) {
              const why = `${title}: ${messageOf(error)}`;
              progress(why);
              findings.note(why);
              stage.close();
            }
          conclude(findings, title, move, outcomes, { roundTripMs, repetitions, isBound: hasBounds(who) });
          lines.push({ row, cell: cellOf(outcomes) });
        }
    return lines;
  } finally {
    stage.close();
  }
}

/** Of the table for people. */
interface Line {
  readonly row: string;
  readonly cell: string;
}

function cellOf(outcomes: readonly Outcome[]): string {
  if (outcomes.length === 0) return '-';
  const inMs = (gapMs: number): string => (gapMs >= GIVE_UP_MS ? 'never' : gapMs.toFixed(0));
  const gaps = outcomes.map(({ gapMs }) => gapMs);
  return `${inMs(median(gaps))} (${inMs(Math.max(...gaps))})`;
}

/** A scene and whoever plays in it: made when needed, and anew when a move was survived by nobody. */
class Stage {
  private readonly kind: SceneKind;
  private readonly who: string;
  private readonly links: number;
  private readonly progress: (text: string) => void;
  private now: { readonly scene: Scene; readonly tunnel: Tunnel } | undefined;

  constructor(kind: SceneKind, who: string, links: number, progress: (text: string) => void) {
    this.kind = kind;
    this.who = who;
    this.links = links;
    this.progress = progress;
  }

  async perform(move: Move, flow: Flow, roundTripMs: number): Promise<Outcome> {
    const { scene, tunnel } = await this.ready();
    await scene.setRoundTrip(roundTripMs);
    await Promise.all([scene.a.ready(), scene.b.ready()]);
    await move.prepare?.(scene);
    const call = await WatchedCall.start({
      a: scene.a.host.namespace,
      b: scene.b.host.namespace,
      addressOfA: tunnel.addressOfA,
      addressOfB: tunnel.addressOfB,
      aSends: flow === 'both_send',
    });
    try {
      await isUp(call, BEGIN_TIMEOUT_MS);
      await delay(STEADY_MS);
      const outcome = await watch(call, tunnel, async () => move.act(scene));
      await move.undo?.(scene);
      if (!outcome.isUp) this.close();
      return outcome;
    } finally {
      call.kill();
    }
  }

  close(): void {
    this.now?.scene.close();
    this.now = undefined;
  }

  private async ready(): Promise<{ readonly scene: Scene; readonly tunnel: Tunnel }> {
    if (this.now !== undefined && (await this.now.tunnel.isWhole?.()) === false) this.close();
    if (this.now !== undefined) return this.now;
    this.progress(`${this.who}: two hosts with two networks each, ${SCENE_WORDS[this.kind]}`);
    // The others ask nobody which port a NAT has given them.
    const ports = hasBounds(this.who) || this.kind === 'nat' ? 'random' : 'preserve';
    const scene = await Scene.create(this.kind, { ports, links: this.links });
    try {
      const make = knownTunnels().get(this.who);
      if (make === undefined) throw new ScriptError(`nobody is called ${this.who}`);
      this.now = { scene, tunnel: await make(scene) };
      return this.now;
    } catch (error) {
      scene.close();
      throw error;
    }
  }
}

const SCENE_WORDS: Readonly<Record<SceneKind, string>> = {
  open: 'no NAT',
  nat: 'the mover behind a NAT',
  nats: 'both behind NATs',
  crowd: 'no NAT, and a crowd',
  families: 'no NAT, one of the mover IPv4 only, the other IPv6 only',
};

async function isUp(call: WatchedCall, timeoutMs: number): Promise<void> {
  await eventually('the two ends hear each other', timeoutMs, async () =>
    (await call.silencesMs()).every((silence) => silence < UP_MS) ? true : undefined,
  );
}

async function watch(call: WatchedCall, tunnel: Tunnel, act: () => Promise<void>): Promise<Outcome> {
  const before = await tunnel.handshakes();
  await tunnel.worstTurnMs?.();
  const fromMs = monotonicMs() - LEAD_MS;
  await act();
  const actedMs = monotonicMs();
  let upSince = Infinity;
  while (monotonicMs() - actedMs < GIVE_UP_MS && monotonicMs() - upSince < HEALED_AFTER_MS) {
    await delay(LOOK_EVERY_MS);
    const silences = await call.silencesMs();
    upSince = silences.every((silence) => silence < UP_MS) ? Math.min(upSince, monotonicMs()) : Infinity;
  }
  const toMs = monotonicMs();
  await delay(TAIL_MS);
  const after = await tunnel.handshakes();
  const turnMs = await tunnel.worstTurnMs?.();
  const { a, b } = await call.end();
  const speaking: readonly (readonly [EndReport, EndReport])[] = call.aSends
    ? [
        [a, b],
        [b, a],
      ]
    : [[b, a]];
  const directions = speaking.map(([sender, receiver]) => directionOf(sender, receiver, { fromMs, toMs }));
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return {
    gapMs: Math.max(...directions.map(({ gapMs }) => gapMs)),
    lost: sum(directions.map(({ lost }) => lost)),
    reordered: sum(directions.map(({ reordered }) => reordered)),
    handshakes: before === undefined || after === undefined ? undefined : after - before,
    streamGapMs: call.aSends ? longestSilenceMs(a.streamMs, { fromMs, toMs }) : undefined,
    turnMs,
    isUp: upSince !== Infinity,
  };
}

function inWords({ gapMs, lost, reordered, handshakes, streamGapMs, turnMs, isUp }: Outcome): string {
  return [
    isUp ? `${gapMs.toFixed(0)} ms` : 'never again',
    `${lost} lost`,
    ...(reordered > 0 ? [`${reordered} reordered`] : []),
    ...(handshakes === undefined ? [] : [`${handshakes} handshakes`]),
    ...(streamGapMs === undefined ? [] : [`TCP ${streamGapMs.toFixed(0)} ms`]),
    ...(turnMs === undefined ? [] : [`a turn of ${turnMs.toFixed(0)} ms`]),
  ].join(', ');
}

export interface Terms {
  readonly roundTripMs: number;
  readonly repetitions: number;
  /** Whether it is held to the bounds. */
  readonly isBound: boolean;
}

/** @param title of the figures: MOVE.FLOW.WHO */
export function conclude(
  findings: Findings,
  title: string,
  move: Move,
  outcomes: readonly Outcome[],
  terms: Terms,
): void {
  const { roundTripMs, repetitions, isBound } = terms;
  const numbers = (pick: (outcome: Outcome) => number | undefined): number[] =>
    outcomes.map(pick).filter((value) => value !== undefined);
  const figure = (name: string, values: readonly number[]): void => {
    if (values.length === 0) return;
    findings.figure(`${title}.${name}`, median(values), 0);
    findings.figure(`${title}.${name}_worst`, Math.max(...values), 0);
  };
  const gaps = numbers(({ gapMs }) => gapMs);
  const handshakes = numbers((outcome) => outcome.handshakes);
  figure('gap_ms', gaps);
  figure(
    'lost',
    numbers(({ lost }) => lost),
  );
  figure(
    'reordered',
    numbers(({ reordered }) => reordered),
  );
  figure('handshakes', handshakes);
  figure(
    'tcp_gap_ms',
    numbers(({ streamGapMs }) => streamGapMs),
  );
  const turns = numbers(({ turnMs }) => turnMs);
  figure('turn_ms', turns);
  if (!isBound) return;
  const all = outcomes.length === repetitions && outcomes.every((outcome) => outcome.isUp);
  findings.expect(`${title}.gap_ms`, all, `the call is up again within ${GIVE_UP_MS / 1000} s, each time`);
  findings.expect(`${title}.handshakes`, all && Math.max(...handshakes) === 0, 'none');
  if (move.bound !== undefined) {
    const most = move.bound.ms + move.bound.roundTrips * roundTripMs;
    findings.expect(
      `${title}.gap_ms`,
      median(gaps) <= most,
      `at most ${most}, ${move.bound.roundTrips} round trips of them`,
    );
  }
  if (turns.length > 0) findings.expect(`${title}.turn_ms`, median(turns) <= MOST_TURN_MS, `at most ${MOST_TURN_MS}`);
  if (move.losesNothing === true)
    for (const [name, values] of [
      ['lost', numbers(({ lost }) => lost)],
      ['reordered', numbers(({ reordered }) => reordered)],
    ] as const)
      findings.expect(`${title}.${name}`, all && Math.max(...values) === 0, 'none');
}
