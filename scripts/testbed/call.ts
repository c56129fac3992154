import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TUN_NAME } from './agent.ts';
import type { Agent } from './agent.ts';
import { Capture } from './capture.ts';
import { ScriptError } from './command.ts';
import type { Lab } from './lab.ts';
import { Phone, type PhoneOptions } from './phone.ts';
import { compareDirections, longestGapMs, rtpPackets } from './rtp-stream.ts';
import type { RtpDirection, RtpPacket } from './rtp-stream.ts';
import { NAT_WAN_INTERFACE, PEER_ADDRESS } from './topology.ts';
import type { Host, NatRouter } from './topology.ts';

const ANSWER_TIMEOUT_MS = 15_000;
const REGISTER_TIMEOUT_MS = 10_000;
/** The phone that did not answer is told at once. */
const STOP_RINGING_MS = 2_000;
/** Packets that are under way when a phone hangs up still arrive. */
const TAIL_MS = 300;

export interface Party {
  readonly agent: Agent;
  readonly host: Host;
  /** The router whose outer side is watched: what leaves the home. */
  readonly router: NatRouter;
}

export interface CallEnds {
  readonly lab: Lab;
  readonly label: string;
  readonly family: 4 | 6;
  readonly caller: Party;
  readonly callee: Party;
  /** WAV for both. */
  readonly speech: string;
}

export interface CallPlan extends CallEnds {
  readonly durationMs: number;
  /** Called in the middle of the call. */
  readonly halfway?: () => Promise<void>;
}

/** Where the time from dialling to the first answer went, seen from outside the agents. Milliseconds. */
export interface SetupTimes {
  /** The phone's first DNS question to the last answer before its INVITE. */
  readonly nameToHitMs: number;
  /** The INVITE enters the overlay interface, to the first protected packet between the two homes. */
  readonly hitToLinkMs: number;
  /** ... to the other phone's first answer on the caller's overlay interface. */
  readonly firstPacketMs: number;
  readonly totalMs: number;
}

export interface CallResult {
  readonly forth: RtpDirection;
  readonly back: RtpDirection;
  /** The longest silence at each end from one second before half-time on, milliseconds. */
  readonly gapAfterHalfMs: { readonly atCallee: number; readonly atCaller: number };
  /** DTLS ServerHellos between the two homes' routers after half-time: new handshakes. */
  readonly handshakesAfterHalf: number;
  /** How loud each phone heard the other: root mean square, 0 to 1. */
  readonly loudness: { readonly atCallee: number; readonly atCaller: number };
  /** Offers and answers beyond the first: a phone noticed something. */
  readonly renegotiations: number;
  readonly addresses: { readonly caller: string; readonly callee: string };
}

export interface CallByHostName extends CallResult {
  readonly setup: SetupTimes;
}

export interface CallByAccount extends CallResult {
  /** From dialling until both of the callee's phones ring, ms. */
  readonly ringsMs: number;
  /** What the callee's other phone did: how often it rang, and was answered. */
  readonly otherPhone: { readonly rang: number; readonly answered: number };
}

/** One call by the name of the callee's host, between two unmodified phones. @throws {ScriptError} when it is not answered, or ends by itself */
export async function makeCall(plan: CallPlan): Promise<CallByHostName> {
  const { agent, router } = plan.caller;
  const name = async ({ agent: of }: Party): Promise<string> => {
    const status = await of.status();
    if (status.name === null) throw new ScriptError('an agent has not claimed its name; see the agent log');
    return status.name;
  };
  const [callerName, calleeName] = await Promise.all([name(plan.caller), name(plan.callee)]);
  const [calling, called] = await Promise.all([
    phoneAt(plan, plan.caller, `${agent.name}@${callerName}`),
    phoneAt(plan, plan.callee, `${plan.callee.agent.name}@${calleeName}`),
  ]);
  const { captures, result } = await talk(plan, {
    calling,
    called,
    target: `${plan.callee.agent.name}@${calleeName}`,
  });
  return { ...result, setup: await setupTimes(captures, router.address) };
}

/**
 * One call by the callee's name in the overlay, as people set their phones: an account, and the phones find where to register. The
 * callee has two phones: both ring, one answers. @throws {ScriptError} as `makeCall`
 */
export async function callByAccount(plan: CallPlan): Promise<CallByAccount> {
  const { calling, called, other, target } = await registeredPhones(plan);
  const from = performance.now();
  let ringsMs = 0;
  const answer = async (): Promise<void> => {
    await Promise.all([called, other].map((phone) => phone.next('CALL_INCOMING', ANSWER_TIMEOUT_MS)));
    ringsMs = performance.now() - from;
    await called.accept();
    await calling.established(ANSWER_TIMEOUT_MS);
    await other.next('CALL_CLOSED', STOP_RINGING_MS);
  };
  const { result } = await talk(plan, { calling, called, target, answer });
  const otherPhone = { rang: other.count('CALL_INCOMING'), answered: other.count('CALL_ESTABLISHED') };
  await other.stop();
  return { ...result, ringsMs, otherPhone };
}

/** One of the caller and two of the callee, which ring until they are told to answer; `target` is what is dialled. */
export async function registeredPhones(
  ends: CallEnds,
): Promise<{ readonly calling: Phone; readonly called: Phone; readonly other: Phone; readonly target: string }> {
  const { overlay } = await ends.caller.agent.status();
  if (overlay === null) throw new ScriptError('an agent is in no overlay; see the agent log');
  const account = ({ agent }: Party): string => `${agent.name}@${overlay}`;
  const registered = { registers: 'any' } as const;
  const phones = await Promise.all([
    phoneAt(ends, ends.caller, account(ends.caller), registered),
    phoneAt(ends, ends.callee, account(ends.callee), { ...registered, index: 0, rings: true }),
    phoneAt(ends, ends.callee, account(ends.callee), { ...registered, index: 1, rings: true }),
  ]);
  const [calling, called, other] = phones;
  await Promise.all(phones.map((phone) => phone.registered(REGISTER_TIMEOUT_MS)));
  return { calling, called, other, target: account(ends.callee) };
}

async function phoneAt(
  plan: CallEnds,
  party: Party,
  addressOfRecord: string,
  more: Partial<PhoneOptions> = {},
): Promise<Phone> {
  const nameserver = (await party.agent.status()).dns?.listen;
  return Phone.start({
    namespace: party.host.namespace,
    directory: plan.lab.folder(`${plan.label}-phone-${party.agent.name}${more.index ?? ''}`),
    addressOfRecord,
    family: plan.family,
    interfaceName: TUN_NAME,
    speech: plan.speech,
    ...(nameserver === undefined ? {} : { nameserver }),
    ...more,
  });
}

interface Conversation {
  readonly calling: Phone;
  readonly called: Phone;
  readonly target: string;
  /** Lets the called phone answer. Absent: it does by itself. */
  readonly answer?: () => Promise<void>;
}

async function talk(
  plan: CallPlan,
  { calling, called, target, answer }: Conversation,
): Promise<{ readonly result: CallResult; readonly captures: SetupCaptures }> {
  const { lab, label, caller, callee } = plan;
  const callerStatus = await caller.agent.status();
  const calleeStatus = await callee.agent.status();
  const pick = (status: typeof callerStatus): string => (plan.family === 6 ? status.hit : (status.ipv4 ?? ''));
  const addresses = { caller: pick(callerStatus), callee: pick(calleeStatus) };

  const file = (name: string): string => join(lab.directory, `${label}-${name}.pcapng`);
  const [inCaller, inCallee, dns, outer] = await Promise.all([
    Capture.start(caller.host.namespace, TUN_NAME, file('caller'), 'udp'),
    Capture.start(callee.host.namespace, TUN_NAME, file('callee'), 'udp'),
    Capture.start(caller.host.namespace, 'lo', file('dns'), 'udp port 53'),
    Capture.start(callee.router.namespace, NAT_WAN_INTERFACE, file('outer'), `udp and not host ${PEER_ADDRESS}`),
  ]);
  await calling.dial(`sip:${target}`);
  await answer?.();
  await Promise.all([calling.established(ANSWER_TIMEOUT_MS), called.established(ANSWER_TIMEOUT_MS)]);
  const talkFrom = Date.now() / 1000;
  await delay(plan.durationMs / 2);
  const half = Date.now() / 1000;
  await plan.halfway?.();
  await delay(plan.durationMs - plan.durationMs / 2);
  for (const one of [calling, called])
    if (!one.alive || one.count('CALL_CLOSED') > 0) throw new ScriptError(`${label}: the call ended by itself`);
  const renegotiations = calling.count('CALL_REMOTE_SDP') + called.count('CALL_REMOTE_SDP') - 2;
  const talkTo = Date.now() / 1000;
  await calling.hangUp();
  await delay(TAIL_MS);
  await Promise.all([calling.stop(), called.stop()]);
  const loudness = { atCallee: called.loudnessHeard(), atCaller: calling.loudnessHeard() };
  await Promise.all([inCaller, inCallee, dns, outer].map((capture) => capture.stop()));

  const [atCaller, atCallee] = [await rtpPackets(inCaller), await rtpPackets(inCallee)];
  const from = (packets: readonly RtpPacket[], address: string): RtpPacket[] =>
    packets.filter((packet) => packet.source === address);
  const window = { from: talkFrom, to: talkTo };
  const gapOf = (packets: readonly RtpPacket[]): number =>
    longestGapMs([...packets.map(({ at }) => at).filter((at) => at > half - 1 && at < talkTo), talkTo]);
  const result: CallResult = {
    forth: compareDirections(from(atCaller, addresses.caller), from(atCallee, addresses.caller), window),
    back: compareDirections(from(atCallee, addresses.callee), from(atCaller, addresses.callee), window),
    gapAfterHalfMs: {
      atCallee: gapOf(from(atCallee, addresses.caller)),
      atCaller: gapOf(from(atCaller, addresses.callee)),
    },
    handshakesAfterHalf: await handshakesSince(outer, half),
    loudness,
    renegotiations,
    addresses,
  };
  return { result, captures: { dns, inCaller, outer } };
}

interface SetupCaptures {
  readonly dns: Capture;
  readonly inCaller: Capture;
  readonly outer: Capture;
}

async function setupTimes(captures: SetupCaptures, callerHome: string): Promise<SetupTimes> {
  const sip = await captures.inCaller.fields('sip', ['frame.time_epoch', 'sip.Method', 'sip.Status-Code']);
  const time = (row: Record<string, string> | undefined, what: string): number => {
    if (row === undefined) throw new ScriptError(`the capture shows no ${what}`);
    return Number(row['frame.time_epoch']);
  };
  const invite = time(
    sip.find((row) => row['sip.Method'] === 'INVITE'),
    'INVITE on the overlay interface',
  );
  const answer = time(
    sip.find((row) => row['sip.Status-Code'] !== ''),
    'answer from the other phone',
  );
  const dns = await captures.dns.fields('dns', ['frame.time_epoch', 'dns.flags.response']);
  const question = time(
    dns.find((row) => row['dns.flags.response'] === '0'),
    'DNS question',
  );
  const replies = dns.filter((row) => row['dns.flags.response'] === '1' && Number(row['frame.time_epoch']) <= invite);
  // DTLS application data (23), or the record with a connection ID (25, RFC 9146).
  const records = await captures.outer.fields(
    `ip.src == ${callerHome} && (udp.payload[0] == 17 || udp.payload[0] == 19)`,
    ['frame.time_epoch'],
  );
  const linkUp = time(
    records.find((row) => Number(row['frame.time_epoch']) >= invite),
    'protected packet between the two homes',
  );
  return {
    nameToHitMs: 1000 * (time(replies.at(-1), 'DNS answer') - question),
    hitToLinkMs: 1000 * (linkUp - invite),
    firstPacketMs: 1000 * (answer - linkUp),
    totalMs: 1000 * (answer - question),
  };
}

/** DTLS 1.2 record of type handshake (22) whose message is ServerHello (2): one for each handshake that begins. */
async function handshakesSince(outer: Capture, since: number): Promise<number> {
  const hellos = await outer.fields('udp.payload[0] == 16 && udp.payload[13] == 02', ['frame.time_epoch']);
  return hellos.filter((row) => Number(row['frame.time_epoch']) >= since).length;
}
