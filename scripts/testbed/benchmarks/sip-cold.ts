import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type AccessNetwork, Backbone, HOME_NAT } from '../access-network.ts';
import { Agent } from '../agent.ts';
import { ScriptError } from '../command.ts';
import { Lab } from '../lab.ts';
import { type Findings, median, progress } from '../report.ts';
import type { Host } from '../topology.ts';
import { OVERLAY, registerBob, responseTimes, sippArguments, type SippSide } from './sipp-runs.ts';

const REPETITIONS = 5;
/** Between the two callers: half of it to the peer that knows both. */
const ROUND_TRIPS = [
  { ms: 0, figure: 'sip.cold_call_ms', mostMs: 150 },
  { ms: 60, figure: 'sip.cold_call_60_ms', mostMs: 1_000 },
] as const;
/** From a registration to its record in the overlay. */
const PUBLISHED_MS = 3_000;
const CALL_TIMEOUT_S = 20;
/** Hosts that keep no part of the overlay are linked to a peer alone: the two of them are strangers before the call. */
const CLIENT = 'role = "client"\n';

interface Home {
  readonly host: Host;
  readonly network: AccessNetwork;
  agent: Agent;
}

/** From INVITE to ringing, by address of record, with agents that have just started and know nothing of the callee. */
export async function coldCalls(findings: Findings): Promise<void> {
  const lab = Lab.open();
  try {
    const backbone = await Backbone.create(lab);
    const founder = await Agent.start(lab, {
      ...{ namespace: (await backbone.publicHost('peer')).namespace, name: 'peer', overlay: { create: OVERLAY } },
    });
    const home = async (name: string): Promise<Home> => {
      const network = await backbone.access(`${name}1`, HOME_NAT);
      const host = await backbone.host(name);
      await network.plug(host);
      const join = await founder.invite();
      const agent = await Agent.start(lab, {
        ...{ namespace: host.namespace, name, overlay: { join }, configuration: CLIENT },
      });
      return { host, network, agent };
    };
    const [alice, bob] = [await home('alice'), await home('bob')];
    for (const { ms, figure, mostMs } of ROUND_TRIPS) {
      for (const { network } of [alice, bob]) await network.set({ delay: ms / 4 });
      const times: number[] = [];
      for (let repetition = 0; repetition < REPETITIONS; repetition += 1)
        times.push(await coldCall(lab, alice, bob, `${figure}-${repetition}`));
      progress(`${figure}: ${times.map((time) => time.toFixed(0)).join(', ')} ms`);
      findings.figure(figure, median(times), 0);
      findings.expect(figure, median(times) <= mostMs, `a median of at most ${mostMs}`);
      findings.note(`${figure}: ${REPETITIONS} times: ${times.map((time) => time.toFixed(0)).join(', ')} ms`);
    }
  } finally {
    lab.close();
  }
}

async function coldCall(lab: Lab, alice: Home, bob: Home, label: string): Promise<number> {
  await Promise.all([alice.agent.stop(), bob.agent.stop()]);
  for (const { agent } of [alice, bob]) forgetOthers(agent);
  [alice.agent, bob.agent] = await Promise.all([alice.agent.startAgain(), bob.agent.startAgain()]);
  const side = async ({ host, agent }: Home): Promise<SippSide> => ({
    host,
    address: `[${(await agent.status()).hit}]`,
  });
  const [caller, called] = [await side(alice), await side(bob)];
  await registerBob(called);
  const answering = bob.host.namespace.start('sipp', sippArguments('answer', called));
  await delay(PUBLISHED_MS);
  if ((await alice.agent.link((await bob.agent.status()).hit)) !== undefined)
    throw new ScriptError('the two hosts are linked before the call');
  const folder = lab.folder(label);
  const { stdout } = await alice.host.namespace.tryRun(
    'sipp',
    [
      ...sippArguments('ring', caller),
      ...['-s', 'bob', '-m', '1', '-trace_rtt', '-rtt_freq', '1', '-timeout', String(CALL_TIMEOUT_S)],
    ],
    { timeoutMs: 2_000 * CALL_TIMEOUT_S, directory: folder },
  );
  await answering.stop('SIGKILL');
  const [time] = responseTimes(folder);
  if (time === undefined) throw new ScriptError(`${label}: it did not ring: ${stdout.slice(-1_000)}`);
  return time;
}

const kept = z.looseObject({ contacts: z.array(z.looseObject({ peer: z.boolean() })) });

/** Of those that it knew in its former life only the peers are left. */
function forgetOthers({ state }: Agent): void {
  const file = join(state, 'contacts.json');
  const { contacts, ...rest } = kept.parse(JSON.parse(readFileSync(file, 'utf8')));
  writeFileSync(file, JSON.stringify({ ...rest, contacts: contacts.filter(({ peer }) => peer) }));
}
