import { join } from 'node:path';
import type { Result, Status } from '../../src/control/schemas.ts';
import { messageOf } from '../../src/base/errors.ts';
import type { Agent } from './agent.ts';
import { callByAccount, makeCall } from './call.ts';
import type { CallByAccount, CallByHostName } from './call.ts';
import type { Lab } from './lab.ts';
import { speechLike, writeWav } from './speech.ts';
import { OVERLAY, threeHosts } from './three-hosts.ts';
import { type UnansweredCall, unansweredCall, withAnsweringMachines, withMailbox } from './unanswered-call.ts';

const CALL_MS = 10_000;
/** Five seconds before the move and ten after it: a phone that noticed would have said so. */
const MOVING_CALL_MS = 10_000;
/** baresip reads the file once; it must outlast a call. */
const SPEECH_S = 40;
const SPEECH_SEED = 6940;

/** What `idloc ping` says of the way to bob, or why it says nothing. */
export type Path = Pick<Result<'ping'>, 'path' | 'direct' | 'why'>;

/** Everything that the first call shows. */
export interface FirstCall {
  readonly overlay: string;
  readonly hosts: Readonly<Record<'peer' | 'alice' | 'bob', Status>>;
  /** What alice's agent was told about bob's name, and by whom. */
  readonly resolution: Result<'resolve'>;
  /** alice to bob, before the move and after it. */
  readonly pathBefore: Path;
  readonly pathAfter: Path;
  readonly v6: CallByHostName;
  readonly v4: CallByAccount;
  readonly voiceMail: UnansweredCall;
  readonly move: {
    /** Where alice was and where she went: address at home, and of the router. */
    readonly from: string;
    readonly to: string;
    /** How long alice had no network at all, milliseconds. */
    readonly withoutNetworkMs: number;
    /** New DTLS handshakes between the two, as the agents count and as the wire shows. */
    readonly handshakes: number;
  };
  /** Exit status of every agent when it was asked to stop. */
  readonly stopped: Readonly<Record<string, number | null>>;
}

export async function firstCall(lab: Lab, onProgress: (text: string) => void): Promise<FirstCall> {
  const speech = join(lab.directory, 'speech.wav');
  writeWav(speech, speechLike(SPEECH_S, SPEECH_SEED));
  const { homes, peer, alice, bob } = await threeHosts(lab, onProgress, {
    alice: ({ a }) => withAnsweringMachines(lab, a.namespace, 'alice'),
    bob: () => withMailbox(lab),
  });
  const caller = { agent: alice, host: homes.a, router: homes.natA };
  const callee = { agent: bob, host: homes.b, router: homes.natB };
  const bobsStatus = await bob.status();
  const bobsName = bobsStatus.name ?? '';

  onProgress('alice calls bob by the name of his host over IPv6 (HIT to HIT)');
  const v6 = await makeCall({ lab, label: 'v6', family: 6, caller, callee, speech, durationMs: CALL_MS });
  const resolution = await alice.resolve(bobsName);
  const pathBefore = await pathTo(alice, bobsName);
  const handshakesBefore = (await alice.link(bobsStatus.hit))?.handshakes ?? 0;

  onProgress(
    `alice's phone, registered with an account, calls bob@${OVERLAY}, who has two, over IPv4, and moves behind a third NAT`,
  );
  const cable = await homes.natC.lay(homes.a);
  const from = `${homes.a.address} behind ${homes.natA.address}`;
  let withoutNetworkMs = 0;
  const v4 = await callByAccount({
    ...{ lab, label: 'v4', family: 4, caller, callee, speech, durationMs: MOVING_CALL_MS },
    halfway: async () => {
      const lost = performance.now();
      await homes.a.unplug();
      await homes.natC.connect(cable);
      withoutNetworkMs = performance.now() - lost;
    },
  });
  const pathAfter = await pathTo(alice, bobsName);
  const link = await alice.link(bobsStatus.hit);
  // A link that is gone would take a handshake to come back.
  const counted = link === undefined ? 1 : Math.abs((link.handshakes ?? 0) - handshakesBefore);

  onProgress('alice calls bob once more; nobody answers, and she leaves a message');
  const voiceMail = await unansweredCall({ lab, label: 'message', family: 4, caller, callee, speech });

  const hosts = { peer: await peer.status(), alice: await alice.status(), bob: await bob.status() };
  onProgress('agents stop');
  const stopped = { alice: await alice.stop(), bob: await bob.stop(), peer: await peer.stop() };
  return {
    overlay: OVERLAY,
    hosts,
    resolution,
    pathBefore,
    pathAfter,
    v6,
    v4,
    voiceMail,
    move: {
      from,
      to: `${homes.a.address} behind ${homes.natC.address}`,
      withoutNetworkMs,
      handshakes: Math.max(counted, v4.handshakesAfterHalf),
    },
    stopped,
  };
}

async function pathTo(agent: Agent, name: string): Promise<Path> {
  try {
    const { path, direct, why } = await agent.ping(name, 5);
    return { path, direct, why };
  } catch (error) {
    return { path: null, direct: false, why: messageOf(error) };
  }
}
