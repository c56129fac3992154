import { isAllocationAddress } from '../base/allocation-address.ts';
import { earliest } from '../base/clock.ts';
import type { Hit } from '../base/node-id.ts';
import { formatSocketAddress, sameSocketAddress } from '../base/socket-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { isIndirectAddress, isStreamAddress } from '../base/stream-address.ts';
import type { IceAgent, Path } from '../ice/ice-agent.ts';
import { distanceOf } from '../ice/path.ts';
import type { VerifiedPeer } from '../identity/trust-store.ts';
import { PATH_PREFERENCE } from '../native/data-plane.ts';
import type { DataPlane, LinkId } from '../native/data-plane.ts';
import type { AssociationSecrets } from './association-secrets.ts';
import { MAX_BOUND_REMOTES, MAX_UNPROVEN_REMOTES } from './constants.ts';
import { Framing } from './framing.ts';
import type { RemoteIndex } from './remote-index.ts';
import type { Repair } from '../mobility/repair.ts';
import type { Repairs } from '../mobility/repairs.ts';

/**
 * `connecting` ──handshake, certificate of a member──> `up` ──replaced at a glare──> `retired` ──> `closed`
 *      └────────handshake, any other certificate──> `guest` ──> `closed`
 */
export type AssociationState = 'connecting' | 'guest' | 'up' | 'retired' | 'closed';

/** Who made it: we towards an address, a stranger towards us, both through the overlay. */
export type AssociationOrigin = 'dialed' | 'incoming' | 'negotiated';

/** Where datagrams of an association go. A dialed one leaves its source address to the kernel, until ICE has chosen. */
export interface AssociationPath {
  readonly local: SocketAddress | undefined;
  readonly remote: SocketAddress;
  /** Absent until ICE has chosen. */
  readonly ice?: Path;
}

export type AssociationRepairs = Repairs<Association>;

/**
 * One DTLS association of the data plane with everything that is told by it: the ICE agent that finds and keeps its path,
 * the framing of RELOAD messages. A plain holder; LinkManager decides.
 */
export class Association {
  readonly link: LinkId;
  readonly role: 'client' | 'server';
  readonly origin: AssociationOrigin;
  readonly startedAt: number;
  readonly framing = new Framing();
  /** The HIT that was asked for, later the one that was proven. Absent: any. */
  hit: Hit | undefined;
  state: AssociationState = 'connecting';
  peer: VerifiedPeer | undefined;
  secrets: AssociationSecrets | undefined;
  connectedAt: number | undefined;
  /** Since when it has an address, and its handshake may be under way there. */
  handshakeSince: number | undefined;
  ice: IceAgent | undefined;
  /** An ICE restart (RFC 8445 s9): takes over from `ice` when it has selected a pair; `ice` goes on until then. */
  nextIce: IceAgent | undefined;
  /** When `nextIce` is given up. */
  nextIceUntil: number | undefined;
  /** We moved after its candidates were sent: the answer will be of no use. */
  nextIceOutdated = false;
  path: AssociationPath | undefined;
  /** `ice` was made for a negotiation with this peer, of which another handshake may still come. */
  negotiatedIce = false;
  /** Found by ICE, but another handshake is under way there. */
  blockedPath: Path | undefined;
  /** A client's end waits no longer than that. */
  blockedUntil: number | undefined;
  /** Data sent now is expected to arrive. */
  pathWorks = false;
  repair: Repair | undefined;
  /** Its path is in doubt: when streams are tried. */
  streamsAt: number | undefined;
  /** Its path is a stream that we dialed: when we look whether UDP passes by now, and how long it was waited for that. */
  udpLook: { at: number; waitedMs: number } | undefined;
  /** Listeners were told that the peer is silent. */
  toldSilent = false;
  /** From then on it may rest, when nothing else speaks against it. */
  restAt = 0;
  /** When its state ends by itself: an unfinished handshake, a guest, a retired one. */
  deadline: number | undefined;
  /** Takes the place of a living one without asking: the peer said that it has lost that. */
  supersedes = false;
  private readonly dataPlane: DataPlane;
  private readonly index: RemoteIndex<Association>;
  /** The longest unused first. One as a rule: in an array without room for more. */
  private remotes: readonly SocketAddress[] = [];
  private unproven = 0;

  constructor(
    components: { readonly dataPlane: DataPlane; readonly index: RemoteIndex<Association> },
    options: {
      readonly link: LinkId;
      readonly role: 'client' | 'server';
      readonly origin: AssociationOrigin;
      readonly hit: Hit | undefined;
      readonly startedAt: number;
    },
  ) {
    this.dataPlane = components.dataPlane;
    this.index = components.index;
    this.link = options.link;
    this.role = options.role;
    this.origin = options.origin;
    this.hit = options.hit;
    this.startedAt = options.startedAt;
  }

  get connected(): boolean {
    return this.connectedAt !== undefined;
  }

  get agents(): readonly IceAgent[] {
    return [this.ice, this.nextIce].filter((agent) => agent !== undefined);
  }

  /** Messages may go by it: its path works, and is in no doubt. On a stream a repair only looks for something better. */
  get isSound(): boolean {
    const { pathWorks, path, repair } = this;
    if (!pathWorks || repair === undefined) return pathWorks;
    return repair.cause === 'remapped' && path !== undefined && isStreamAddress(path.remote.address);
  }

  /** Its path goes through another member, by a TURN server of either end, or by a stream. */
  get isIndirect(): boolean {
    const { path } = this;
    if (path === undefined) return false;
    const { local, remote, ice } = path;
    const byOurs = local !== undefined && isAllocationAddress(local.address);
    const byTheirs = ice?.remoteType === 'relay' && sameSocketAddress(ice.remote, remote);
    return byOurs || byTheirs || isIndirectAddress(remote.address);
  }

  /** The path works and has just proven it; there is nothing that JavaScript waits for. */
  mayRest(now: number): boolean {
    const { state, pathWorks, repair, nextIce, ice, framing } = this;
    if (state !== 'up' || !pathWorks || now < this.restAt) return false;
    return repair === undefined && nextIce === undefined && framing.idle && ice?.isSteady(now) === true;
  }

  isBound(remote: SocketAddress): boolean {
    return this.remotes.some((bound) => sameSocketAddress(bound, remote));
  }

  sharesRemote(other: Association): boolean {
    return this.remotes.some((remote) => other.isBound(remote));
  }

  /** Datagrams from `remote` are this association's. Of too many, the longest unused that is no path is let go. */
  bind(remote: SocketAddress, now: number): void {
    this.handshakeSince ??= now;
    this.remotes = this.remotes.filter((bound) => !sameSocketAddress(bound, remote)).concat(remote);
    this.index.add(formatSocketAddress(remote), this);
    this.dataPlane.bindRemote(this.link, remote);
    const mayGo = this.remotes.filter(
      (bound) => bound !== remote && (this.path === undefined || !sameSocketAddress(bound, this.path.remote)),
    );
    for (const oldest of mayGo.slice(0, Math.max(0, this.remotes.length - MAX_BOUND_REMOTES))) {
      this.remotes = this.remotes.filter((bound) => bound !== oldest);
      this.index.remove(formatSocketAddress(oldest), this);
      this.dataPlane.unbindRemote(this.link, oldest);
    }
  }

  /** A check came from there: the peer's handshake may be next. More than a few such addresses are not bound. */
  bindUnproven(remote: SocketAddress, now: number): void {
    if (this.unproven >= MAX_UNPROVEN_REMOTES) return;
    this.unproven += 1;
    this.bind(remote, now);
  }

  /** Its end: it holds no address any more. */
  release(): void {
    for (const remote of this.remotes) this.index.remove(formatSocketAddress(remote), this);
    this.remotes = [];
  }

  take(path: AssociationPath, now: number): void {
    this.path = path;
    this.bind(path.remote, now);
    this.dataPlane.setPath(this.link, path.local ?? null, path.remote, preferenceOf(path.ice ?? path));
  }

  /** Other ways to the peer, which the data plane tries, and goes over to by itself. */
  addPaths(paths: readonly Path[]): void {
    for (const path of paths) this.dataPlane.addPath(this.link, path.local, path.remote, preferenceOf(path));
  }

  /** Where the peer is now, as it says by others, or was seen before: the data plane finds out, and sends some packets there meanwhile. */
  expectAt({ local, remote }: Pick<Path, 'local' | 'remote'>): void {
    this.dataPlane.addPath(this.link, local, remote, PATH_PREFERENCE.unknown, true);
  }

  /** A way through another member, which is taken when all direct ones are lost. */
  addStandby({ local, remote }: Pick<Path, 'local' | 'remote'>): void {
    this.dataPlane.addPath(this.link, local, remote, PATH_PREFERENCE.relay);
  }

  /** Consent to `path` is over. Where the data plane has followed the peer meanwhile, it goes on: the peer has proven to be there. */
  leavePath(): void {
    const { path } = this;
    if (path?.ice !== undefined && sameSocketAddress(path.ice.remote, path.remote)) this.dataPlane.clearPath(this.link);
  }

  nextTimeout(): number | undefined {
    return earliest(
      this.deadline,
      this.blockedUntil,
      this.nextIceUntil,
      this.framing.nextTimeout(),
      this.ice?.nextTimeout(),
      this.nextIce?.nextTimeout(),
      this.repair?.nextTimeout(),
    );
  }

  handleTimeout(now: number): void {
    this.framing.handleTimeout(now);
    for (const agent of this.agents) agent.handleTimeout(now);
  }
}

function preferenceOf(path: Path | AssociationPath): number {
  if (isStreamAddress(path.remote.address)) return PATH_PREFERENCE.stream;
  if (!('localType' in path)) return PATH_PREFERENCE.unknown;
  return [PATH_PREFERENCE.host, PATH_PREFERENCE.throughNat][distanceOf(path)] ?? PATH_PREFERENCE.relay;
}
