import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from '../agent.ts';
import { ScriptError } from '../command.ts';
import { DSCP_EF, type EchoResult, echoFlow } from '../echo-flow.ts';
import { Kamailio } from '../kamailio.ts';
import type { Lab } from '../lab.ts';
import { cpuSeconds } from '../processes.ts';
import { type Findings, median, progress } from '../report.ts';
import { type Host, Internet } from '../topology.ts';
import { type Benchmark, type BenchmarkOptions, chosenParts } from './benchmark.ts';
import { coldCalls } from './sip-cold.ts';
import {
  ADAPTOR_PORT,
  OVERLAY,
  PHONE_PORT,
  registerBob,
  responseTimes,
  sippArguments,
  type SippSide,
} from './sipp-runs.ts';

const CALLS_PER_SECOND = 200;
const SECONDS = 10;
const HELD_MS = 200;
/** Beyond what the calls take. */
const GRACE_S = 30;
const MOST_SETUP_P99_MS = 50;
const MOST_CORES = 1;
/** As of the benchmark `voice`. */
const MOST_VOICE_P99_MS = 5;
/** The calls have begun before the voice does, and go on behind it. */
const VOICE_MARGIN_S = 1;

/** Two hosts, with a proxy each between their sipps: `address` is what all of it is bound to. */
interface Stretch {
  readonly who: 'idloc' | 'kamailio';
  readonly caller: Side;
  readonly called: Side;
}

interface Side extends SippSide {
  /** Of its proxy. */
  readonly pids: () => readonly number[];
}

interface Calls {
  readonly setupMs: readonly number[];
  readonly perSecond: number;
  /** Of the busier proxy. */
  readonly cores: number;
}

const PARTS: Readonly<Record<string, Benchmark>> = {
  calls: manyCalls,
  cold: async (_, findings) => coldCalls(findings),
};

export async function benchSip(lab: Lab, findings: Findings, options: BenchmarkOptions): Promise<void> {
  for (const part of chosenParts(PARTS, options.only)) await part(lab, findings, options);
}

/**
 * Calls of sipp through two proxies, set up and ended: two adaptors over the tunnel, and two kamailios over the plain network. Once more
 * through the adaptors, with a voice beside them.
 */
async function manyCalls(lab: Lab, findings: Findings, options: BenchmarkOptions): Promise<void> {
  const internet = await Internet.create(lab);
  const hosts = [
    await internet.publicHost('alice', '203.0.113.10'),
    await internet.publicHost('bob', '203.0.113.11'),
  ] as const;
  const seconds = options.seconds ?? SECONDS;
  const { alone: idloc, voice } = await throughAdaptors(lab, hosts, seconds);
  report(findings, 'idloc', idloc);
  findings.expect(
    'sip.idloc.calls_per_s',
    idloc.perSecond >= 0.95 * CALLS_PER_SECOND,
    `${CALLS_PER_SECOND} calls a second, each answered`,
  );
  const p99 = percentile(idloc.setupMs, 0.99);
  findings.expect('sip.idloc.setup_p99_ms', p99 <= MOST_SETUP_P99_MS, `at most ${MOST_SETUP_P99_MS}`);
  findings.expect('sip.idloc.cores', idloc.cores <= MOST_CORES, `at most ${MOST_CORES} for each adaptor`);
  findings.figure('sip.voice_p99_ms', percentile(voice.rttMs, 0.99), 2);
  findings.figure('sip.voice_lost', voice.sent - voice.rttMs.length, 0);
  findings.expect(
    'sip.voice_p99_ms',
    percentile(voice.rttMs, 0.99) <= MOST_VOICE_P99_MS,
    `at most ${MOST_VOICE_P99_MS}: of a voice beside the calls`,
  );
  findings.expect('sip.voice_lost', voice.sent === voice.rttMs.length, 'none');
  const kamailio = await throughKamailios(lab, hosts, seconds);
  report(findings, 'kamailio', kamailio);
  // sipp counts whole milliseconds: the median of kamailio is none.
  findings.figure('sip.setup_p99_ratio', p99 / Math.max(1, percentile(kamailio.setupMs, 0.99)), 2);
  findings.figure('sip.cores_ratio', idloc.cores / kamailio.cores, 2);
  findings.note(
    `${CALLS_PER_SECOND} calls a second for ${seconds} s, held for ${HELD_MS} ms; set up: from INVITE to 200 at the caller; cores: of the busier proxy, idloc with its data plane`,
  );
}

function report(findings: Findings, who: string, { setupMs, perSecond, cores }: Calls): void {
  findings.figure(`sip.${who}.calls_per_s`, perSecond, 0);
  findings.figure(`sip.${who}.setup_p50_ms`, median(setupMs), 1);
  findings.figure(`sip.${who}.setup_p99_ms`, percentile(setupMs, 0.99), 1);
  findings.figure(`sip.${who}.cores`, cores, 2);
}

async function throughAdaptors(
  lab: Lab,
  [a, b]: readonly [Host, Host],
  seconds: number,
): Promise<{ alone: Calls; voice: EchoResult }> {
  progress(`idloc: two hosts join ${OVERLAY}`);
  const alice = await Agent.start(lab, { namespace: a.namespace, name: 'alice', overlay: { create: OVERLAY } });
  const ticket = await alice.invite();
  // One member calls more than any person would.
  const configuration = '[sip]\ncalls_per_minute = 60000\n';
  const bob = await Agent.start(lab, { namespace: b.namespace, name: 'bob', overlay: { join: ticket }, configuration });
  const side = async (host: Host, agent: Agent): Promise<Side> => {
    const { hit } = await agent.status();
    return { host, address: `[${hit}]`, pids: () => [agent.process.pid] };
  };
  const stretch = { who: 'idloc' as const, caller: await side(a, alice), called: await side(b, bob) };
  await registerBob(stretch.called);
  const alone = await measured(lab, stretch, seconds);
  progress('the same, and a voice');
  const address = stretch.called.address.slice(1, -1);
  const flow = { from: a.namespace, to: b.namespace, address, dscp: DSCP_EF, seconds };
  const [, voice] = await Promise.all([
    measured(lab, stretch, seconds + 2 * VOICE_MARGIN_S, 'voice'),
    delay(1_000 * VOICE_MARGIN_S).then(async () => echoFlow(flow)),
  ]);
  await Promise.all([alice.stop(), bob.stop()]);
  return { alone, voice };
}

async function throughKamailios(lab: Lab, [a, b]: readonly [Host, Host], seconds: number): Promise<Calls> {
  progress('kamailio: two proxies');
  const at = ({ address }: Host, port: number): string => `${address}:${port}`;
  const first = await Kamailio.start(lab, a.namespace, {
    ...{ name: 'alice', listen: at(a, ADAPTOR_PORT), next: at(b, ADAPTOR_PORT) },
  });
  const second = await Kamailio.start(lab, b.namespace, {
    ...{ name: 'bob', listen: at(b, ADAPTOR_PORT), next: at(b, PHONE_PORT) },
  });
  const caller = { host: a, address: a.address, pids: () => first.pids };
  const called = { host: b, address: b.address, pids: () => second.pids };
  const calls = await measured(lab, { who: 'kamailio', caller, called }, seconds);
  await Promise.all([first.stop(), second.stop()]);
  return calls;
}

async function measured(
  lab: Lab,
  { who, caller, called }: Stretch,
  seconds: number,
  label: string = who,
): Promise<Calls> {
  progress(`${who}: ${CALLS_PER_SECOND} calls a second for ${seconds} s`);
  const answering = called.host.namespace.start('sipp', sippArguments('answer', called));
  const sides = [caller, called];
  const used = async (): Promise<number[]> => Promise.all(sides.map(({ pids }) => cpuSeconds(pids())));
  const before = await used();
  const from = performance.now();
  const count = CALLS_PER_SECOND * seconds;
  const folder = lab.folder(`sipp-call-${label}`);
  const result = await caller.host.namespace.tryRun(
    'sipp',
    [
      ...sippArguments('call', caller),
      ...['-s', 'bob', '-m', String(count), '-r', String(CALLS_PER_SECOND), '-d', String(HELD_MS), '-l', String(count)],
      ...['-trace_rtt', '-rtt_freq', '1', '-timeout', String(seconds + GRACE_S)],
    ],
    { timeoutMs: (seconds + 2 * GRACE_S) * 1000, directory: folder },
  );
  const tookS = (performance.now() - from) / 1000 - HELD_MS / 1000;
  const after = await used();
  await answering.stop('SIGKILL');
  const setupMs = responseTimes(folder);
  if (setupMs.length < count / 2)
    throw new ScriptError(`${who}: ${setupMs.length} of ${count} calls: ${result.stdout.slice(-1_000)}`);
  const cores = Math.max(...after.map((seconds_, index) => seconds_ - (before[index] ?? 0))) / tookS;
  return { setupMs, perSecond: setupMs.length / tookS, cores };
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}
