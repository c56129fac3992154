/**
 * A hostile peer for `scripts/bench floods`: a real node of the overlay, linked to the agent that is measured, which at a command
 * sends that one messages as fast as it takes them, without waiting for answers.
 *
 *     flooder.ts STATE-DIRECTORY-OF-THE-AUTHORITY ADDRESS-OF-THE-AGENT HIT-OF-THE-AGENT
 *
 * Lines on stdin: `join`, `fill N` (resources at the agent), `FLOOD SECONDS` (floods.ts). Each is answered by a line of JSON
 * on stdout when it is done.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { concatBytes } from '../../../src/base/bytes.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { addressToHit, hitToAddress } from '../../../src/base/node-id.ts';
import { OverlayClock } from '../../../src/base/overlay-clock.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { parseSocketAddress } from '../../../src/base/socket-address.ts';
import { Driver } from '../../../src/agent/driver.ts';
import { Engine } from '../../../src/agent/engine.ts';
import { Guard } from '../../../src/agent/guard.ts';
import { memberOf } from '../../../src/agent/member.ts';
import { adoptMembership, settingsOf } from '../../../src/agent/membership.ts';
import { parseCertificate } from '../../../src/identity/certificate.ts';
import { HostIdentity } from '../../../src/identity/host-identity.ts';
import { KeyStore } from '../../../src/identity/key-store.ts';
import { StateDirectory } from '../../../src/identity/state-directory.ts';
import { MAX_FRAME_MESSAGE_BYTES } from '../../../src/link/constants.ts';
import { Lifecycle } from '../../../src/membership/lifecycle.ts';
import { RELOAD_ACK_FRAME } from '../../../src/native/data-plane.ts';
import { createDataPlane } from '../../../src/native/native.ts';
import { CertificateCache } from '../../../src/overlay/security/certificate-cache.ts';
import { Signing } from '../../../src/overlay/security/signing.ts';
import {
  ERROR_CODES,
  MESSAGE_CODES,
  PROBE_INFORMATION_TYPES,
  WHOLE_MESSAGE_FRAGMENT,
  decodeEnvelope,
  encodeForwardingHeader,
  encodeFrame,
  fragmentMessage,
  overlayField,
} from '../../../src/reload/index.ts';
import { eventually } from '../command.ts';
import { type FloodMessage, type Manners, floods } from './floods.ts';
import { PaperMember } from './members.ts';

const JOIN_TIMEOUT_MS = 30_000;
/** As many records as the agent lets one link keep waiting. */
const WINDOW = 64;
const LOST_AFTER_MS = 100;
/** Of what the agent is to store nothing is to be lost: it takes its time for a window of signatures, and the flooder's own node has to say something, too. */
const FILL = { window: 32, patienceMs: 2_000, repetitions: 4 };
/** Distinct messages of a flood, sent over and over: signing each anew would make the flood slow. */
const DISTINCT = 2_000;
const FILL_SECONDS = 120;
const INITIAL_TTL = 100;

const [directory = '', at = '', victimAddress = ''] = process.argv.slice(2);
const authorityStore = new KeyStore(StateDirectory.readOnly(directory));
const authority = authorityStore.loadAuthority();
const document = authorityStore.loadOverlayDocument();
const address = parseSocketAddress(at);
const victim = addressToHit(victimAddress);
if (authority === undefined || document === undefined || address === undefined)
  throw new Error('flooder.ts STATE-DIRECTORY-OF-THE-AUTHORITY ADDRESS-OF-THE-AGENT HIT-OF-THE-AGENT');

const folder = mkdtempSync(join(tmpdir(), 'idloc-flooder-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(0));
const store = new KeyStore(StateDirectory.open(folder));
const identity = HostIdentity.generate();
const clock = new OverlayClock(systemClock);
const tools = { random: systemRandom, clock };
const user = `flooder@${authority.overlay}`;
const [certificate] = authority.issue(identity.spki, user, systemClock.wall(), systemRandom);
if (certificate === undefined) throw new Error('no certificate');
const certificates = [certificate, authority.certificate];
const enrolled = { certificate: parseCertificate(certificate), certificates, configuration: document, secret: null };
const membership = adoptMembership(store, enrolled, tools);
const plane = createDataPlane({ port: 0, tun: null });
const lifecycle = new Lifecycle('member');
const engine = new Engine(
  {
    dataPlane: plane,
    identity,
    membership: memberOf(membership, { store, identity, lifecycle, ...tools, logger: silentLogger }).membership,
    trust: membership.trust,
    overlay: settingsOf(membership),
    ...tools,
    logger: silentLogger,
    guard: new Guard({ logger: silentLogger }),
  },
  {
    role: 'peer',
    founder: false,
    start: [address],
    contacts: [],
    ipv4Prefix: membership.configuration.ipv4Prefix,
    ipv4: undefined,
    rendezvousSecret: null,
  },
);
const driver = new Driver(engine, systemClock, new Guard({ logger: silentLogger }));
const overlay = overlayField(authority.overlay);
const own = new Signing({
  key: identity,
  chain: certificates,
  user,
  overlay,
  cache: new CertificateCache(membership.trust),
});
const members: PaperMember[] = [];
let manners: Manners = 'honest';
/** Stores of `fill` that the agent has not answered. */
const unanswered = new Map<bigint, readonly Uint8Array[]>();
/** Numbers that the link's own framing will not reach. */
let frames = 2 ** 31;
/** Frames of ours that are not acknowledged. */
let underWay = 0;
let onAcknowledged = (): void => {};

/** Acknowledgements say how fast the agent looks at what it is sent. */
const drain = plane.drain.bind(plane);
plane.drain = (max) => {
  const events = drain(max);
  const acks = events.filter((event) => event.type === 'record' && event.data[0] === RELOAD_ACK_FRAME).length;
  underWay = Math.max(0, underWay - acks);
  if (acks > 0) onAcknowledged();
  return events;
};

function victimLink(): number | undefined {
  return engine.links['table'].link(victim)?.current?.link;
}

/** A node as any other, but for what its manners say. */
async function enter(): Promise<Record<string, unknown>> {
  engine.setHostAddresses([address?.address ?? ''], clock.monotonic());
  plane.onWake(() => driver.feed('data plane', (now) => engine.drainEvents(now)));
  driver.run((now) => engine.start(now));
  await eventually('the flooder is a peer', JOIN_TIMEOUT_MS, () =>
    engine.overlay?.state === 'joined' ? true : undefined,
  );
  await eventually('the flooder is linked', JOIN_TIMEOUT_MS, victimLink);
  const node = engine.overlay;
  if (node === undefined) throw new Error('no node');
  const receive = node.receive.bind(node);
  node.receive = (from, message, now) => {
    if (unanswered.size > 0 && from === victim) unanswered.delete(decodeEnvelope(message).header.transactionId);
    if (manners === 'honest' || !isMisbehaved(from, message)) receive(from, message, now);
  };
  return { self: hitToAddress(identity.hit) };
}

/** @returns true: it was dealt with as the manners say */
function isMisbehaved(from: string, message: Uint8Array): boolean {
  const { header, code } = decodeEnvelope(message);
  const isRequest = code !== MESSAGE_CODES.error && code % 2 === 1;
  if (!isRequest) return false;
  if (manners === 'wrong') {
    refuse(from, header.transactionId, 'not_found');
    return true;
  }
  if (code !== MESSAGE_CODES.store_req) return false;
  if (manners === 'refusing') refuse(from, header.transactionId, 'forbidden');
  return true;
}

function refuse(to: string, transactionId: bigint, code: keyof typeof ERROR_CODES): void {
  const payload = own.seal(transactionId, { type: 'error', code: ERROR_CODES[code], info: new Uint8Array() });
  engine.links.send(to, concatBytes(headerFor(to, transactionId, payload.length), payload));
}

function headerFor(to: string, transactionId: bigint, length: number, sequence?: number, via?: string): Uint8Array {
  return encodeForwardingHeader(
    {
      overlay,
      configurationSequence: sequence ?? membership.configuration.sequence,
      ttl: INITIAL_TTL,
      fragment: WHOLE_MESSAGE_FRAGMENT,
      transactionId,
      maxResponseLength: 0,
      viaList: via === undefined ? [] : [{ type: 'node', nodeId: via }],
      destinationList: [{ type: 'node', nodeId: to }],
      options: [],
    },
    length,
  );
}

/** The pieces of one message as links carry them, without the numbers of the frames. */
function piecesOf(
  { body, by, sequence, certificates }: FloodMessage,
  transactionId = toBigInt(systemRandom.bytes(8)),
): readonly Uint8Array[] {
  const payload = (by?.signing ?? own).seal(transactionId, body, certificates);
  const message = concatBytes(headerFor(victim, transactionId, payload.length, sequence, by?.id), payload);
  return fragmentMessage(message, MAX_FRAME_MESSAGE_BYTES);
}

function toBigInt(bytes: Uint8Array): bigint {
  return Buffer.from(bytes).readBigUInt64BE();
}

function send(pieces: readonly Uint8Array[]): void {
  const link = victimLink();
  if (link === undefined) throw new Error('the link is gone');
  for (const message of pieces) {
    plane.sendRecord(link, encodeFrame({ type: 'data', sequence: frames, message }));
    frames = frames + 1 >= 2 ** 32 ? 2 ** 31 : frames + 1;
    underWay += 1;
  }
}

/**
 * Sends without waiting for answers: as much is always under way as the agent lets one link keep waiting.
 * @returns how many messages were sent, until the time was over or there was none left
 */
async function sendFor(
  seconds: number,
  next: () => readonly Uint8Array[] | undefined,
  { window, patienceMs } = { window: WINDOW, patienceMs: LOST_AFTER_MS },
): Promise<number> {
  const end = performance.now() + seconds * 1000;
  for (let sent = 0; ;) {
    while (underWay < window && performance.now() < end) {
      const pieces = next();
      if (pieces === undefined) return sent;
      send(pieces);
      sent += 1;
    }
    if (performance.now() >= end) return sent;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    onAcknowledged = (): void => resolve(undefined);
    const patience = setTimeout(() => {
      underWay = 0;
      resolve(undefined);
    }, patienceMs);
    await promise;
    clearTimeout(patience);
  }
}

/** Stores values of so many members at the agent, two each: it is the first replica of whoever is responsible, or that itself. */
async function fill(resources: number): Promise<Record<string, unknown>> {
  if (authority === undefined) return {};
  while (members.length < resources / 2) {
    members.push(new PaperMember(members.length, authority, membership.trust));
    if (members.length % 100 === 0) await delay(1);
  }
  const wallNow = systemClock.wall() - 60_000;
  let index = 0;
  const next = (): readonly Uint8Array[] | undefined => {
    const member = members[index >> 1];
    if (member === undefined) return undefined;
    const body = index % 2 === 0 ? member.host(1, wallNow) : member.name(1, wallNow);
    index += 1;
    const transactionId = toBigInt(systemRandom.bytes(8));
    const pieces = piecesOf({ body, certificates: member.certificates }, transactionId);
    unanswered.set(transactionId, pieces);
    return pieces;
  };
  await sendFor(FILL_SECONDS, next, FILL);
  // What was lost comes again, as from any peer (RFC 6940 s6.2.1).
  for (let round = 0; round < FILL.repetitions && unanswered.size > 0; round++) {
    await delay(FILL.patienceMs);
    const again = [...unanswered.values()].values();
    await sendFor(FILL_SECONDS, () => again.next().value, FILL);
  }
  unanswered.clear();
  return { resources: await resourcesAtVictim() };
}

async function resourcesAtVictim(): Promise<number | undefined> {
  return new Promise((resolve) => {
    const body = { type: 'probe_req' as const, requestedInfo: [PROBE_INFORMATION_TYPES.num_resources] };
    driver.run((now) =>
      engine.overlay?.requester.request({ destination: [{ type: 'node', nodeId: victim }], body }, now, (result) => {
        const info = result.ok && result.body.type === 'probe_ans' ? result.body.info : [];
        resolve(info.find((one) => one.type === 'num_resources')?.numResources);
      }),
    );
  });
}

async function flood(name: string, seconds: number): Promise<Record<string, unknown>> {
  const chosen = floods[name];
  if (chosen === undefined) throw new Error(`no flood ${name}`);
  const next = chosen.messages({
    self: identity.hit,
    target: victim,
    members,
    ipv4Prefix: membership.configuration.ipv4Prefix,
    sequence: membership.configuration.sequence,
    wallNow: systemClock.wall(),
  });
  const made = Array.from({ length: chosen.distinct ?? DISTINCT }, (_, i) => piecesOf(next(i)));
  manners = chosen.manners ?? 'honest';
  let index = 0;
  const began = performance.now();
  const sent = await sendFor(seconds, () => made[index++ % made.length]);
  manners = 'honest';
  return { sent, perSecond: (1000 * sent) / (performance.now() - began) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [what = '', first = ''] = line.split(' ');
  const answer =
    what === 'join' ? await enter() : what === 'fill' ? await fill(Number(first)) : await flood(what, Number(first));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
