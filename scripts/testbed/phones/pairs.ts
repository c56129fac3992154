import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../src/base/errors.ts';
import { Agent, type AgentOptions, TUN_NAME } from '../agent.ts';
import { Capture } from '../capture.ts';
import { ScriptError } from '../command.ts';
import { type MovingHost, Scene } from '../handover/scene.ts';
import type { Namespace } from '../lab.ts';
import { table, type Findings } from '../report.ts';
import { type RtpPacket, rtpPackets } from '../rtp-stream.ts';
import type { LabPhone, PhoneMaker } from './lab-phone.ts';
import { placeBeside, settle } from './places.ts';
import { knownPhones } from './known-phones.ts';

const OVERLAY = 'home.example';
/** On a machine that others use too. */
const START_TIMEOUT_MS = 90_000;
const ANSWER_TIMEOUT_MS = 12_000;
const END_TIMEOUT_MS = 6_000;
/** Of the call before the move, and after it. */
const TALK_MS = 2_000;
/** From a registration to its record in the overlay, which callers read; they remember for a while that there was none. */
const PUBLISHED_MS = 2_500;
/** Until both hear each other: an answered phone opens its sound, the NATs their mappings. */
const SETTLE_MS = 500;
/** A move is over after that. */
const HEAL_MS = 1_500;
/** A phone that calls for a set time hangs up so much after the last word that counts. */
const SPARE_MS = 3_000;
const PACKETS_EACH_S = 50;
/** Of the packets that a phone sends in that time; twice as long ones are packets too. */
const LEAST_PART = 0.4;

export interface PairsOptions {
  readonly callers: readonly string[];
  readonly callees: readonly string[];
}

/** What became of one call. */
interface Outcome {
  readonly setUp: boolean;
  readonly setUpMs: number | undefined;
  /** Both ways, each at least `LEAST_PART` of what is spoken. */
  readonly heard: boolean;
  readonly heardAfterMove: boolean;
  readonly ended: boolean;
  /** For people: what was heard, or why nothing was. */
  readonly words: string;
}

/** An end of the network with its agent. */
interface End {
  readonly host: MovingHost;
  readonly agent: Agent;
}

/** `lab phones`: every phone calls every phone by its AoR, with ordinary settings; in mid-call the caller's host moves. */
export async function phonePairs(
  findings: Findings,
  { callers, callees }: PairsOptions,
  progress: (text: string) => void,
): Promise<void> {
  const rows: string[][] = [['caller \\ callee', ...callees]];
  const outcomes: Outcome[] = [];
  const scene = await Scene.create('nats', { ports: 'random', links: 0 });
  try {
    const stage = await PhoneStage.create(scene);
    for (const caller of callers) {
      const cells: string[] = [];
      for (const callee of callees) {
        const outcome = await stage.call(caller, callee);
        progress(`${caller} calls ${callee}: ${outcome.words}`);
        if (outcome.setUpMs !== undefined) findings.figure(`${caller}.${callee}.setup_ms`, outcome.setUpMs, 0);
        for (const [name, holds] of [
          ['set_up', outcome.setUp],
          ['heard', outcome.heard],
          ['heard_after_move', outcome.heardAfterMove],
          ['ended', outcome.ended],
        ] as const) {
          findings.figure(`${caller}.${callee}.${name}`, holds ? 1 : 0, 0);
          findings.expect(`${caller}.${callee}.${name}`, holds, outcome.words);
        }
        outcomes.push(outcome);
        cells.push(outcome.words);
      }
      rows.push([caller, ...cells]);
    }
  } finally {
    scene.close();
  }
  const percent = (holds: (outcome: Outcome) => boolean): number =>
    (100 * outcomes.filter(holds).length) / outcomes.length;
  findings.figure('pairs', outcomes.length, 0);
  findings.figure(
    'set_up_percent',
    percent(({ setUp }) => setUp),
    1,
  );
  findings.figure(
    'both_heard_percent',
    percent(({ heard }) => heard),
    1,
  );
  findings.figure(
    'both_heard_after_move_percent',
    percent(({ heardAfterMove }) => heardAfterMove),
    1,
  );
  findings.note(
    `ms to answer; packets/s that the callee and the caller heard, before and after the caller's move\n${table(rows, '    ')}`,
  );
}

/** Two hosts behind NATs with their agents, and a peer that let them in. */
class PhoneStage {
  private readonly scene: Scene;
  private readonly a: End;
  private readonly b: End;
  private readonly makers: ReadonlyMap<string, PhoneMaker>;
  private calls = 0;

  private constructor(scene: Scene, a: End, b: End) {
    this.scene = scene;
    this.a = a;
    this.b = b;
    this.makers = knownPhones(SETTLE_MS + TALK_MS + HEAL_MS + TALK_MS + SPARE_MS);
  }

  static async create(scene: Scene): Promise<PhoneStage> {
    const { lab, publicHost, a, b } = scene;
    const joined = async (namespace: Namespace, name: string, overlay: AgentOptions['overlay']): Promise<Agent> => {
      const agent = Agent.launch(lab, { namespace, name, overlay });
      await agent.ready(START_TIMEOUT_MS);
      return agent;
    };
    const founder = await joined(publicHost.namespace, 'founder', { create: OVERLAY });
    const end = async (host: MovingHost, name: string): Promise<End> => {
      const { namespace } = host.host;
      const agent = await joined(namespace, name, { join: await founder.invite() });
      await settle(lab, namespace, agent);
      return { host, agent };
    };
    const [alice, bob] = await Promise.all([end(a, 'alice'), end(b, 'bob')]);
    return new PhoneStage(scene, alice, bob);
  }

  async call(caller: string, callee: string): Promise<Outcome> {
    this.calls += 1;
    await Promise.all([this.a.host.ready(), this.b.host.ready()]);
    const phones: LabPhone[] = [];
    const start = async (kind: string, end: End): Promise<LabPhone> => {
      const make = this.makers.get(kind);
      if (make === undefined) throw new ScriptError(`no phone is called ${kind}`);
      const phone = await make(
        await placeBeside(this.scene.lab, {
          agent: end.agent,
          namespace: end.host.host.namespace,
          domain: OVERLAY,
          folder: `${this.calls}-${end.agent.name}-${kind}`,
        }),
      );
      phones.push(phone);
      return phone;
    };
    const captures: Capture[] = [];
    try {
      for (const [index, { host }] of [this.a, this.b].entries()) {
        const file = join(this.scene.lab.directory, `${this.calls}-${index}.pcapng`);
        captures.push(await Capture.start(host.host.namespace, TUN_NAME, file, 'udp or icmp or icmp6'));
      }
      const [calling, called] = await Promise.all([start(caller, this.a), start(callee, this.b)]);
      await delay(PUBLISHED_MS);
      return await this.talk(calling, called, captures);
    } catch (error) {
      const [words = ''] = messageOf(error).split('\n');
      return { setUp: false, setUpMs: undefined, heard: false, heardAfterMove: false, ended: false, words };
    } finally {
      await Promise.allSettled([...phones, ...captures].map(async (one) => one.stop()));
    }
  }

  private async talk(calling: LabPhone, called: LabPhone, captures: readonly Capture[]): Promise<Outcome> {
    const from = performance.now();
    await calling.dial(`sip:bob@${OVERLAY}`);
    await Promise.all([calling.established(ANSWER_TIMEOUT_MS), called.established(ANSWER_TIMEOUT_MS)]);
    const setUpMs = performance.now() - from;
    await delay(SETTLE_MS);
    const before = await talkWindow();
    await this.a.host.moveAtOnce();
    await delay(HEAL_MS);
    const after = await talkWindow();
    const ended = await hungUp(calling, called);
    const [atCaller, atCallee] = [
      await heardAt(captures[0], await addressesOf(this.a)),
      await heardAt(captures[1], await addressesOf(this.b)),
    ];
    const rates = [before, after].map((window) => [atCallee, atCaller].map((heard) => rateIn(heard, window)));
    const [heard, heardAfterMove] = rates.map((both) => both.every((rate) => rate >= LEAST_PART * PACKETS_EACH_S));
    const said = rates.map((both) => both.map((rate) => rate.toFixed(0)).join('+')).join(', ');
    return {
      setUp: true,
      setUpMs,
      heard: heard === true,
      heardAfterMove: heardAfterMove === true,
      ended: ended === undefined,
      words: `${setUpMs.toFixed(0)} ms, ${said}${ended === undefined ? '' : `, ${ended}`}`,
    };
  }
}

async function addressesOf({ agent }: End): Promise<readonly string[]> {
  const { hit, ipv4 } = await agent.status();
  return ipv4 === null ? [hit] : [hit, ipv4];
}

interface Window {
  /** Seconds since the epoch. */
  readonly from: number;
  readonly to: number;
}

async function talkWindow(): Promise<Window> {
  const from = Date.now() / 1000;
  await delay(TALK_MS);
  return { from, to: Date.now() / 1000 };
}

/** Why the call did not end at both ends; undefined: it did. */
async function hungUp(calling: LabPhone, called: LabPhone): Promise<string | undefined> {
  try {
    await calling.hangUp();
    await Promise.all([calling.ended(END_TIMEOUT_MS), called.ended(END_TIMEOUT_MS)]);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** What came from the other end, less what no program took: of a port that is closed the kernel tells the sender. */
interface Heard {
  readonly packets: readonly RtpPacket[];
  readonly refusedAt: readonly number[];
}

async function heardAt(capture: Capture | undefined, own: readonly string[]): Promise<Heard> {
  if (capture === undefined) return { packets: [], refusedAt: [] };
  const packets = await rtpPackets(capture);
  const refusals = await capture.fields('icmp.type == 3 || icmpv6.type == 1', [
    'frame.time_epoch',
    'ip.src',
    'ipv6.src',
  ]);
  return {
    packets: packets.filter(({ source }) => !own.includes(source)),
    refusedAt: refusals
      // RTP has even ports (RFC 3550 s11); not every phone listens to RTCP.
      .filter((row) => Number(row['udp.dstport']) % 2 === 0)
      .filter((row) => own.includes(row['ip.src'] ?? '') || own.includes(row['ipv6.src'] ?? ''))
      .map((row) => Number(row['frame.time_epoch'])),
  };
}

/** Packets a second; 0 where the kernel refused some: its refusals are few, whatever comes. */
function rateIn({ packets, refusedAt }: Heard, { from, to }: Window): number {
  const within = (at: number): boolean => at >= from && at <= to;
  if (refusedAt.some(within)) return 0;
  return packets.filter(({ at }) => within(at)).length / (to - from);
}
