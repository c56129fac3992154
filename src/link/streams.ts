import type { Candidate } from '../base/candidate.ts';
import { earliest } from '../base/clock.ts';
import type { Hit } from '../base/node-id.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { isStreamAddress, STREAM_LOCAL_ADDRESS } from '../base/stream-address.ts';
import { candidatePriority, formFoundation } from '../ice/candidates.ts';
import type { DataPlane } from '../native/data-plane.ts';
import { PATH_PREFERENCE } from '../native/data-plane.ts';
import type { Association } from './association.ts';
import { MAX_STREAMS_TRIED, STREAM_HEAD_START_MS, UDP_LOOK_FIRST_MS, UDP_LOOK_MAX_MS } from './constants.ts';

/**
 * Ways by TLS over TCP to peers that accept it, where nothing answers by UDP (base/stream-address.ts). To ICE the other end of one
 * is a candidate of type relay, behind all others; data goes back to UDP as soon as a path there works.
 */
export class Streams {
  private readonly dataPlane: DataPlane;
  private readonly known: (hit: Hit) => readonly SocketAddress[];
  private readonly lookForDirect: (association: Association, now: number) => void;

  constructor(components: {
    readonly dataPlane: DataPlane;
    /** Where that member accepts streams. */
    readonly known: (hit: Hit) => readonly SocketAddress[];
    /** Whether there is a direct path, the peer is to be asked. */
    readonly lookForDirect: (association: Association, now: number) => void;
  }) {
    this.dataPlane = components.dataPlane;
    this.known = components.known;
    this.lookForDirect = components.lookForDirect;
  }

  /** The base of all streams. */
  get local(): SocketAddress {
    return { address: STREAM_LOCAL_ADDRESS, port: this.dataPlane.port };
  }

  /** For an ICE agent, beside the ways by relays: without a remote candidate at a stream there is no pair with it. */
  get candidate(): Candidate {
    return candidateAt(this.local);
  }

  /** The path of a link goes by a stream: its ICE agent checks that as any other. */
  showIce({ ice, path }: Association, now: number): void {
    if (ice === undefined || path === undefined || !isStreamAddress(path.remote.address)) return;
    ice.setRelays([this.candidate], candidateAt(path.remote), now);
  }

  /**
   * A link that was dialed is up.
   * @returns who is dialed by a stream where UDP passes: whoever that is, it would take the place of a better link.
   */
  needlessBeside({ origin, path }: Association, all: Iterable<Association>): Association[] {
    if (origin !== 'dialed' || path === undefined || isStreamAddress(path.remote.address)) return [];
    return [...all].filter(
      (other) =>
        other.origin === 'dialed' &&
        other.state === 'connecting' &&
        other.path !== undefined &&
        isStreamAddress(other.path.remote.address),
    );
  }

  /** Its path is lost, or in doubt. */
  needed(association: Association, now: number): void {
    const { hit, path, connected } = association;
    if (hit === undefined || !connected || path === undefined || this.known(hit).length === 0) return;
    association.streamsAt ??= now + STREAM_HEAD_START_MS;
  }

  nextTimeout(association: Association, now: number): number | undefined {
    const { hit, state, path } = association;
    // Whoever accepted it cannot tell what the other's network lets through.
    const dialed = hit !== undefined && state === 'up' && this.known(hit).length > 0;
    if (!dialed || path === undefined || !isStreamAddress(path.remote.address)) association.udpLook = undefined;
    else association.udpLook ??= { at: now + UDP_LOOK_FIRST_MS, waitedMs: UDP_LOOK_FIRST_MS };
    return earliest(association.streamsAt, association.udpLook?.at);
  }

  handleTimeout(association: Association, now: number): void {
    this.lookForUdp(association, now);
    const { hit, link, path, repair, streamsAt } = association;
    if (hit === undefined || streamsAt === undefined || now < streamsAt) return;
    association.streamsAt = undefined;
    const isOnStream = path !== undefined && isStreamAddress(path.remote.address);
    if (repair === undefined || (repair.cause === 'remapped' && !isOnStream)) return;
    for (const remote of this.known(hit).slice(0, MAX_STREAMS_TRIED)) {
      this.dataPlane.dialStream(remote);
      this.dataPlane.addPath(link, this.local, remote, PATH_PREFERENCE.stream);
    }
    association.streamsAt = now + STREAM_HEAD_START_MS;
  }

  /** The network stays the same and may let UDP through by now. */
  private lookForUdp(association: Association, now: number): void {
    const { udpLook, state, repair } = association;
    if (udpLook === undefined || now < udpLook.at) return;
    const isFree = state === 'up' && repair === undefined;
    const waitedMs = isFree ? Math.min(2 * udpLook.waitedMs, UDP_LOOK_MAX_MS) : udpLook.waitedMs;
    association.udpLook = { at: now + (isFree ? waitedMs : UDP_LOOK_FIRST_MS), waitedMs };
    if (isFree) this.lookForDirect(association, now);
  }
}

function candidateAt(address: SocketAddress): Candidate {
  return {
    type: 'relay',
    address,
    priority: candidatePriority('relay', 0),
    foundation: formFoundation('relay', address.address),
  };
}
