import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { Agent } from '../agent.ts';
import { ScriptError } from '../command.ts';
import { Kamailio } from '../kamailio.ts';
import type { Lab } from '../lab.ts';
import { cpuSeconds } from '../processes.ts';
import { type Findings, median, progress } from '../report.ts';
import { type Host, Internet } from '../topology.ts';
import type { BenchmarkOptions } from './benchmark.ts';

const OVERLAY = 'sip.example';
const SCENARIOS = join(import.meta.dirname, '../sipp');
const CALLS_PER_SECOND = 200;
const SECONDS = 10;
const HELD_MS = 200;
const ADAPTOR_PORT = 5_062;
const PHONE_PORT = 5_060;
/** Beyond what the calls take. */
const GRACE_S = 30;
const MOST_SETUP_P99_MS = 50;
const MOST_CORES = 1;

/** Two hosts, with a proxy each between their sipps: `address` is what all of it is bound to. */
interface Stretch {
  readonly who: 'idloc' | 'kamailio';
  readonly caller: Side;
  readonly called: Side;
}

interface Side {
  readonly host: Host;
  /** As sipp writes it: `[2001:db8::1]`. */
  readonly address: string;
  /** Of its proxy. */
  readonly pids: () => readonly number[];
}

interface Calls {
  readonly setupMs: readonly number[];
  readonly perSecond: number;
  /** Of the busier proxy. */
  readonly cores: number;
}

/** Calls of sipp through two proxies, set up and ended: two adaptors over the tunnel, and two kamailios over the plain network. */
export async function benchSip(lab: Lab, findings: Findings, options: BenchmarkOptions): Promise<void> {
  const internet = await Internet.create(lab);
  const hosts = [
    await internet.publicHost('alice', '203.0.113.10'),
    await internet.publicHost('bob', '203.0.113.11'),
  ] as const;
  const seconds = options.seconds ?? SECONDS;
  const idloc = await throughAdaptors(lab, hosts, seconds);
  report(findings, 'idloc', idloc);
  findings.expect(
    'sip.idloc.calls_per_s',
    idloc.perSecond >= 0.95 * CALLS_PER_SECOND,
    `${CALLS_PER_SECOND} calls a second, each answered`,
  );
  const p99 = percentile(idloc.setupMs, 0.99);
  findings.expect('sip.idloc.setup_p99_ms', p99 <= MOST_SETUP_P99_MS, `at most ${MOST_SETUP_P99_MS}`);
  findings.expect('sip.idloc.cores', idloc.cores <= MOST_CORES, `at most ${MOST_CORES} for each adaptor`);
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

async function throughAdaptors(lab: Lab, [a, b]: readonly [Host, Host], seconds: number): Promise<Calls> {
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
  const registered = await b.namespace.tryRun('sipp', [
    ...sippArguments('register', stretch.called),
    ...['-s', 'bob', '-m', '1'],
  ]);
  if (registered.status !== 0) throw new ScriptError(`bob's phone does not register: ${registered.stderr}`);
  const calls = await measured(lab, stretch, seconds);
  await Promise.all([alice.stop(), bob.stop()]);
  return calls;
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

async function measured(lab: Lab, { who, caller, called }: Stretch, seconds: number): Promise<Calls> {
  progress(`${who}: ${CALLS_PER_SECOND} calls a second for ${seconds} s`);
  const answering = called.host.namespace.start('sipp', sippArguments('answer', called));
  const sides = [caller, called];
  const used = async (): Promise<number[]> => Promise.all(sides.map(({ pids }) => cpuSeconds(pids())));
  const before = await used();
  const from = performance.now();
  const count = CALLS_PER_SECOND * seconds;
  const folder = lab.folder(`sipp-call-${who}`);
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

function sippArguments(scenario: 'register' | 'call' | 'answer', { address, host }: Side): string[] {
  const file = join(SCENARIOS, `${scenario}.xml`);
  const keys = ['-key', 'domain', OVERLAY, '-key', 'caller', host.name, '-key', 'expires', '300'];
  const ends = scenario === 'answer' ? [] : [`${address}:${ADAPTOR_PORT}`];
  return ['-sf', file, ...ends, '-i', address, '-p', String(PHONE_PORT), '-t', 'u1', '-nostdin', ...keys];
}

const row = z.tuple([z.string(), z.coerce.number(), z.string()]).rest(z.string());

/** Of each call, in milliseconds: sipp's `Date;response_time(ms);rtd_name`. */
function responseTimes(folder: string): number[] {
  const file = readdirSync(folder).find((name) => name.endsWith('_rtt.csv'));
  if (file === undefined) throw new ScriptError('sipp wrote no response times');
  const [, ...lines] = readFileSync(join(folder, file), 'utf8').trim().split('\n');
  return lines.map((line) => row.parse(line.split(';'))[1]);
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}
