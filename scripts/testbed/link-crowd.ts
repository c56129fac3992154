/**
 * Many members of one overlay in one process, for `scripts/bench links`: each has an identity, a certificate, a source address,
 * a link manager, a node of the overlay (a client) and a membership of its own, as in the agent, so that it answers what the
 * agent asks; all share one data plane. Run in a namespace of its own, see benchmarks/links.ts.
 *
 *     link-crowd.ts STATE-DIRECTORY-OF-THE-AUTHORITY PORT-OF-THE-AGENT
 *
 * Lines on stdin: `grow N` (members linked in all), `echoes N` (echo requests round all links), `count`. Each is answered by a line of JSON on
 * stdout when it is done.
 */
import { createInterface } from 'node:readline';
import { overlayLinks } from '../../src/agent/overlay-links.ts';
import { settingsOf } from '../../src/agent/membership.ts';
import { earliest, systemClock, type Timed } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { SocketAddress } from '../../src/base/socket-address.ts';
import { TimerQueue } from '../../src/base/timer-queue.ts';
import { type OverlayConfiguration } from '../../src/config/overlay-configuration.ts';
import { readOverlayConfiguration } from '../../src/config/overlay-configuration-reader.ts';
import type { OverlayAuthority } from '../../src/identity/authority.ts';
import { HostIdentity } from '../../src/identity/host-identity.ts';
import { KeyStore } from '../../src/identity/key-store.ts';
import { StateDirectory } from '../../src/identity/state-directory.ts';
import { TrustStore } from '../../src/identity/trust-store.ts';
import { LinkManager, type LinkEvent } from '../../src/link/link-manager.ts';
import { Lifecycle } from '../../src/membership/lifecycle.ts';
import { Membership } from '../../src/membership/membership.ts';
import { ownCertificate, rulesOf } from '../../src/membership/rules.ts';
import { OverlayNode } from '../../src/overlay/overlay-node.ts';
import { counterValue } from '../../src/native/counters.ts';
import { ECHO_REQUEST } from '../../src/native/data-plane.ts';
import type { DataPlane, DataPlaneEvent, LinkId } from '../../src/native/data-plane.ts';
import { createDataPlane } from '../../src/native/native.ts';
import { agentSeenBy, memberAddress } from './crowd-addresses.ts';

/** Handshakes under way: well below the agent's bound of half-open ones, and enough to keep it busy. */
const HANDSHAKES_AT_ONCE = 64;
/**
 * Both ends' handshakes and first checks leave some of two cores then. Faster, the agent has no time for the consent of the
 * links that it has.
 */
const MOST_A_SECOND = 80;
/**
 * Nor has this process, which answers for everyone: nobody joins while it was busy for more than this of the last moments. It is
 * the agent that is to be looked at.
 */
const MOST_UTILIZATION = 0.6;
const UTILIZATION_MS = 250;
/** A handshake that was lost is begun again by its member after this. */
const HANDSHAKE_PATIENCE_MS = 10_000;
/** Echo requests that wait for their answers. */
const ECHOES_AT_ONCE = 64;
/** Those that are not answered then are lost. */
const ECHO_PATIENCE_MS = 250;

/** Every minute a client asks its peer who is responsible for it. These links carry nothing: not even that. */
const CLIENT_CHECK_MS = 24 * 3_600_000;

interface Member {
  readonly manager: LinkManager;
  readonly node: OverlayNode;
  readonly membership: Membership;
  readonly address: string;
  readonly remote: SocketAddress;
  /** Of the link that is up. */
  link: LinkId | undefined;
}

const [directory = '', agentPort = ''] = process.argv.slice(2);
const { authority, document } = readOverlay();
const configuration = readOverlayConfiguration(document, {
  overlay: authority.overlay,
  authority: authority.fingerprint,
});
const trust = new TrustStore({
  overlay: authority.overlay,
  mode: 'invite',
  authority: authority.fingerprint,
  authorityCertificate: authority.certificate,
});
const plane = createDataPlane({ port: 0, tun: null });
const members: Member[] = [];
const memberOfLink = new Map<LinkId, Member>();
const memberAt = new Map<string, Member>();
const timers = new TimerQueue<Member>();
let timer: NodeJS.Timeout | undefined;

function readOverlay(): { authority: OverlayAuthority; document: Uint8Array } {
  const store = new KeyStore(StateDirectory.readOnly(directory));
  const [kept, overlay] = [store.loadAuthority(), store.loadOverlayDocument()];
  if (kept === undefined || overlay === undefined) throw new Error(`${directory} holds no authority`);
  return { authority: kept, document: overlay };
}

/** The shared data plane as one member sees it: its own credentials, its own source address. */
class MemberPlane implements DataPlane {
  readonly port = plane.port;
  readonly counters = plane.counters;
  private readonly chain: readonly Uint8Array[];
  private readonly key: Uint8Array;
  private readonly address: string;
  member: Member | undefined;

  constructor(chain: readonly Uint8Array[], key: Uint8Array, address: string) {
    this.chain = chain;
    this.key = key;
    this.address = address;
  }

  openLink(role: 'client' | 'server'): LinkId {
    const link = plane.openLink(role);
    if (this.member !== undefined) memberOfLink.set(link, this.member);
    return link;
  }

  setPath(link: LinkId, local: SocketAddress | null, remote: SocketAddress): void {
    const begins = this.member?.link === undefined;
    if (begins) plane.setCredentials(this.chain, this.key);
    plane.setPath(link, local ?? { address: this.address, port: plane.port }, remote);
  }

  closeLink(link: LinkId): void {
    memberOfLink.delete(link);
    plane.closeLink(link);
  }

  sendDatagram(local: SocketAddress | null, remote: SocketAddress, data: Uint8Array): void {
    plane.sendDatagram(local ?? { address: this.address, port: plane.port }, remote, data);
  }

  onWake(): void {}
  drain(): DataPlaneEvent[] {
    return [];
  }
  setCredentials(): void {}
  bindRemote(link: LinkId, remote: SocketAddress): void {
    plane.bindRemote(link, remote);
  }
  unbindRemote(link: LinkId, remote: SocketAddress): void {
    plane.unbindRemote(link, remote);
  }
  clearPath(link: LinkId): void {
    plane.clearPath(link);
  }

  addPath(): void {}

  rest(link: LinkId): void {
    plane.rest(link);
  }
  setPathMtu(): void {}
  setRelay(): void {}
  dialStream(): void {}
  dialTurnServer(): void {}
  hangUpTurnServer(): void {}
  showStreamCertificate(): void {}
  setTurnChannel(): void {}
  removeTurnChannel(): void {}
  setTurnQuota(): void {}
  openTurnAllocation(): boolean {
    return false;
  }
  closeTurnAllocation(): void {}
  permitTurnPeer(): void {}
  sendProbe(): void {}
  authorize(): void {}
  refuse(): void {}
  setLocalAddresses(): void {}
  sendRecord(link: LinkId, data: Uint8Array): void {
    plane.sendRecord(link, data);
  }
  linkCounters(link: LinkId): ReturnType<DataPlane['linkCounters']> {
    return plane.linkCounters(link);
  }
  paths(): ReturnType<DataPlane['paths']> {
    return plane.paths();
  }
  close(): void {}
}

function join(number: number): Member {
  const identity = HostIdentity.generate();
  const chain = [...authority.issue(identity.spki, null, systemClock.wall(), systemRandom), authority.certificate];
  const address = memberAddress(number);
  const own = new MemberPlane(chain, identity.pkcs8, address);
  const manager = new LinkManager({
    dataPlane: own,
    verifyPeer: (peerChain, wallNow) => trust.verify(peerChain, wallNow),
    selfHit: identity.hit,
    random: systemRandom,
    clock: systemClock,
    logger: silentLogger,
  });
  const membership = membershipOf(identity, chain);
  const node = new OverlayNode(
    {
      identity,
      certificates: membership.own.messageChain,
      trust,
      configuration: { ...settingsOf({ configuration, document }), clientCheckIntervalMs: CLIENT_CHECK_MS },
      links: overlayLinks(manager, () => {}),
      random: systemRandom,
      clock: systemClock,
      logger: silentLogger,
      acceptConfiguration: membership.acceptConfiguration,
      experimental: membership.answer,
    },
    { role: 'client' },
  );
  membership.enter({
    node,
    holdersOf: (_user, at, done) => done(undefined, at),
    reserve: (_user, _hits, at, done) => done('kept', at),
    formerHoldersOf: (_user, at, done) => done([], at),
    hasCome: (_hit, at, done) => done(undefined, at),
  });
  const member: Member = {
    manager,
    node,
    membership,
    address,
    remote: { address: agentSeenBy(number), port: Number(agentPort) },
    link: undefined,
  };
  own.member = member;
  manager.onEvent((event) => heard(member, event));
  node.onEvent((event, at) => {
    if (event.type === 'joined') membership.joined(at);
  });
  memberAt.set(address, member);
  members.push(member);
  const now = systemClock.monotonic();
  manager.setHostAddresses([address], now);
  manager.connectDirect(member.remote, now, undefined, HANDSHAKE_PATIENCE_MS);
  arm(member);
  return member;
}

/** It keeps nothing, and lets nobody in. */
function membershipOf(identity: HostIdentity, chain: readonly Uint8Array[]): Membership {
  const rules = rulesOf({
    identity,
    trust,
    root: authority.certificate,
    enrollmentBy: () => {
      throw new Error('no member of the crowd may invite');
    },
    random: systemRandom,
    lifetimeMs: () => configuration.certificateLifetimeS * 1000,
  });
  return new Membership(
    {
      self: identity.hit,
      spki: identity.spki,
      rules,
      store: { saveCertificates: () => {}, saveOverlayDocument: () => {}, saveRecords: () => {} },
      lifecycle: new Lifecycle('member'),
      random: systemRandom,
      clock: systemClock,
      logger: silentLogger,
      readConfiguration: (bytes): OverlayConfiguration =>
        bytes === document
          ? configuration
          : readOverlayConfiguration(bytes, { overlay: authority.overlay, authority: authority.fingerprint }),
    },
    { own: ownCertificate(chain), document, records: undefined, inviting: undefined },
  );
}

/** As src/agent/engine.ts hands it on. */
function heard(member: Member, event: LinkEvent): void {
  const { node, membership } = member;
  const now = systemClock.monotonic();
  switch (event.type) {
    case 'up':
      member.link = event.link;
      if (!event.peer.member) return;
      node.linkUp(event.hit, now);
      node.join(event.hit, now);
      membership.linkUp(event.hit, now);
      progressed();
      return;
    case 'down':
      member.link = undefined;
      lost += 1;
      node.linkDown(event.hit, now);
      membership.linkDown(event.hit);
      return;
    case 'message':
      node.receive(event.hit, event.data, now);
      return;
    case 'mended':
      node.linkMended(event.hit, now);
      return;
    case 'silent':
      node.silent(event.hit, now);
      return;
    case 'doubtful':
      node.doubtful(event.hit, now);
      return;
    case 'connectFailed':
    case 'double':
    case 'path':
    case 'needsRelay':
    case 'needsRestart':
    case 'noneWorks':
  }
}

let lost = 0;
let progressed = (): void => {};

function machinesOf({ manager, node, membership }: Member): readonly Timed[] {
  return [manager, node, membership];
}

function arm(member: Member): void {
  const next = earliest(...machinesOf(member).map((machine) => machine.nextTimeout()));
  if (next === undefined) timers.clear(member);
  else timers.set(member, next);
}

function armTimer(): void {
  clearTimeout(timer);
  const next = timers.next();
  if (next === undefined) return;
  timer = setTimeout(
    () => {
      // What has come is read before what is late is done, as in src/agent/driver.ts.
      readTurn();
      const now = systemClock.monotonic();
      for (let due = timers.due(now); due !== undefined; due = timers.due(now)) {
        for (const machine of machinesOf(due))
          if ((machine.nextTimeout() ?? Infinity) <= now) machine.handleTimeout(now);
        arm(due);
      }
      armTimer();
    },
    Math.max(0, Math.ceil(next - systemClock.monotonic())),
  );
}

function memberOf(event: DataPlaneEvent): Member | undefined {
  if (event.type === 'stun') return memberAt.get(event.local.address);
  if (event.type === 'connected' || event.type === 'closed' || event.type === 'record' || event.type === 'stirred')
    return memberOfLink.get(event.link);
  return undefined;
}

function readTurn(): void {
  const now = systemClock.monotonic();
  for (const event of plane.drain(256)) {
    const member = memberOf(event);
    if (member === undefined) continue;
    member.manager.handleEvent(event, now);
    arm(member);
  }
}

plane.onWake(() => {
  readTurn();
  armTimer();
});

const linked = (): number => members.reduce((count, { link }) => count + Number(link !== undefined), 0);

/** Members join until so many are linked. */
async function grow(wanted: number): Promise<object> {
  const from = performance.now();
  let up = linked();
  let open = 0;
  let pace: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    let last = performance.eventLoopUtilization();
    let lookedAt = from;
    let isBusy = false;
    const step = (): void => {
      if (performance.now() - lookedAt > UTILIZATION_MS) {
        isBusy = performance.eventLoopUtilization(last).utilization > MOST_UTILIZATION;
        last = performance.eventLoopUtilization();
        lookedAt = performance.now();
      }
      if (isBusy || open >= HANDSHAKES_AT_ONCE || members.length >= wanted) return;
      open += 1;
      join(members.length);
      armTimer();
    };
    progressed = () => {
      open -= 1;
      up += 1;
      if (up % 1000 === 0) process.stderr.write(`${up} links\n`);
      if (up === wanted) resolve();
    };
    pace = setInterval(step, 1000 / MOST_A_SECOND);
  });
  clearInterval(pace);
  progressed = () => {};
  return { linked: linked(), seconds: (performance.now() - from) / 1000, lost };
}

/** Echo requests to the agent, one link after the other; some may get lost. */
async function echoes(count: number): Promise<object> {
  const received = (): number => Number(counterValue(plane.counters, 'recordsReceived'));
  const before = received();
  const request = Uint8Array.of(ECHO_REQUEST, ...new Uint8Array(8));
  const up = members.filter(({ link }) => link !== undefined);
  const from = performance.now();
  let sent = 0;
  let answered = 0;
  let given = 0;
  let movedAt = from;
  while (answered + given < count) {
    while (sent < count && sent - answered - given < ECHOES_AT_ONCE) {
      const link = up[sent % up.length]?.link;
      if (link !== undefined) plane.sendRecord(link, request);
      sent += 1;
    }
    await new Promise((resolve) => setImmediate(resolve));
    const now = received() - before;
    if (now !== answered) movedAt = performance.now();
    answered = now;
    if (performance.now() - movedAt < ECHO_PATIENCE_MS) continue;
    given = sent - answered;
    movedAt = performance.now();
  }
  return { sent, answered, seconds: (performance.now() - from) / 1000 };
}

const count = (): object => ({ linked: linked(), lost });

const commands: Readonly<Record<string, (count: number) => object | Promise<object>>> = { grow, echoes, count };

process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  const [name = '', count = ''] = line.split(' ');
  const result = await commands[name]?.(Number(count));
  process.stdout.write(`${JSON.stringify({ done: line, ...result })}\n`);
}
plane.close();
process.exit(0);
