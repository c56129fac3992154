import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { hitToAddress, type Hit } from '../base/node-id.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { TimerQueue } from '../base/timer-queue.ts';
import type { VerifiedPeer } from '../identity/trust-store.ts';
import type { DataPlane, LinkId } from '../native/data-plane.ts';
import { Association } from './association.ts';
import type { AssociationOrigin, AssociationRepairs } from './association.ts';
import { deriveSecrets } from './association-secrets.ts';
import type { ConnectionTable } from './connection-table.ts';
import {
  CONNECT_TIMEOUT_MS,
  GUEST_TIMEOUT_MS,
  MAX_GUESTS,
  MAX_INCOMING,
  REST_AFTER_MS,
  RETIRE_AFTER_MS,
} from './constants.ts';
import { endsNegotiation, isGlare, losesGlare } from './glare.ts';
import type { IceSessions } from './ice-sessions.ts';
import type { LateCandidates } from './late-candidates.ts';
import type { LinkEvent } from './link-events.ts';
import type { Negotiations } from './negotiations.ts';
import { OwnEnds } from './own-ends.ts';
import type { OwnMoves } from './own-moves.ts';
import type { Paths } from './paths.ts';
import type { Relays } from './relays.ts';
import type { Streams } from './streams.ts';
import type { TurnRelays } from './turn-relays.ts';
import type { Turns } from './turns.ts';

/** What the lives of associations need of the links. */
export interface LifePorts {
  readonly dataPlane: DataPlane;
  readonly table: ConnectionTable;
  readonly timers: TimerQueue<Association>;
  readonly verifyPeer: (chain: readonly Uint8Array[], wallNow: number) => VerifiedPeer;
  readonly selfHit: Hit;
  readonly sessions: IceSessions;
  readonly repairs: AssociationRepairs;
  readonly negotiations: Negotiations;
  readonly turns: Turns;
  readonly paths: Paths;
  readonly late: LateCandidates;
  readonly moves: OwnMoves;
  readonly relays: Relays;
  readonly streams: Streams;
  readonly turn: TurnRelays;
  readonly tell: (event: LinkEvent) => void;
  readonly settle: (association: Association, now: number) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Associations from the first datagram to the last:
 *
 *   open, incoming ──handshake, a proven key──> up (one for each HIT) or guest ──another one of the two ends──> retired
 *         └──no handshake in time, a refusal──┐    └──closed by the peer, given up──┐                             │
 *                                             └─────────────────────────────────────┴────> closed <───────────────┘
 */
export class AssociationLives {
  private readonly ports: LifePorts;
  private readonly ownEnds = new OwnEnds();

  constructor(ports: LifePorts) {
    this.ports = ports;
  }

  /** One more, of which nobody is told yet. */
  open(
    role: 'client' | 'server',
    origin: AssociationOrigin,
    hit: Hit | undefined,
    now: number,
    link = this.ports.dataPlane.openLink(role),
  ): Association {
    const { dataPlane, table } = this.ports;
    const association = new Association(
      { dataPlane, index: table.remotes },
      { link, role, origin, hit, startedAt: now },
    );
    table.add(association);
    return association;
  }

  /** A stranger dials us. */
  incoming(link: LinkId, local: SocketAddress, remote: SocketAddress, now: number): void {
    if (this.ports.table.incomingCount() >= MAX_INCOMING) {
      this.ports.dataPlane.closeLink(link);
      return;
    }
    const association = this.open('server', 'incoming', undefined, now, link);
    association.path = { local, remote };
    association.bind(remote, now);
    association.deadline = now + CONNECT_TIMEOUT_MS;
    this.ports.settle(association, now);
  }

  /** The handshake is done: who is it? */
  connected(link: LinkId, chain: readonly Uint8Array[], exporter: Uint8Array, now: number): void {
    const association = this.ports.table.association(link);
    if (association?.state !== 'connecting') return;
    let peer: VerifiedPeer;
    try {
      peer = this.ports.verifyPeer(chain, this.ports.clock.wall());
    } catch (error) {
      this.drop(association, messageOf(error), true);
      return;
    }
    if (peer.nodeId === this.ports.selfHit) this.metOwnKey(association, exporter);
    else if (association.hit !== undefined && association.hit !== peer.nodeId)
      this.drop(association, `another host answered: ${hitToAddress(peer.nodeId)}`, true);
    else this.established(association, peer, exporter, now);
  }

  private metOwnKey(association: Association, exporter: Uint8Array): void {
    const { role, path } = association;
    const isOurs = this.ownEnds.isOurs(role, deriveSecrets(exporter).id, this.ports.table.isCalling);
    this.drop(association, isOurs ? 'it is ourselves' : 'another host has our key', true);
    if (!isOurs && path !== undefined) this.ports.tell({ type: 'double', remote: path.remote });
  }

  private established(association: Association, peer: VerifiedPeer, exporter: Uint8Array, now: number): void {
    association.hit = peer.nodeId;
    association.peer = peer;
    association.secrets = deriveSecrets(exporter);
    association.connectedAt = now;
    this.ports.table.finish(association);
    association.deadline = undefined;
    association.pathWorks = true;
    association.restAt = now + REST_AFTER_MS;
    if (peer.member) this.promote(association, peer, now);
    else this.admitGuest(association, peer, now);
    if (association.state === 'closed') return;
    this.ports.negotiations.inheritAgent(association, now);
    this.ports.turns.resume(now);
    if (association.ice === undefined) this.ports.sessions.derive(association, now);
    // Selected while the handshake was under way.
    this.ports.paths.addSpares(association);
    if (peer.member) {
      this.ports.relays.changed(peer.nodeId, now);
      this.ports.turn.linkChanged(peer.nodeId, now);
      for (const other of this.ports.streams.needlessBeside(association, this.ports.table.associations))
        this.drop(other, 'UDP was faster', true);
    }
    this.ports.late.consider(association, now);
    this.ports.settle(association, now);
    this.ports.moves.ask(now);
    this.ports.repairs.consider(now);
  }

  private admitGuest(association: Association, peer: VerifiedPeer, now: number): void {
    const { nodeId: hit } = peer;
    const before = this.ports.table.guests.get(hit);
    const link = this.ports.table.link(hit);
    if (before !== undefined) this.drop(before, 'replaced', false);
    if (link?.pending === association) link.pending = undefined;
    // Whoever proves the key without a membership has lost it: the host was set up anew.
    if (link?.current !== undefined) this.drop(link.current, 'the peer is no member any more', true);
    const [oldest] = this.ports.table.guests.values();
    if (this.ports.table.guests.size >= MAX_GUESTS && oldest !== undefined) this.drop(oldest, 'too many guests', true);
    association.state = 'guest';
    association.deadline = now + GUEST_TIMEOUT_MS;
    this.ports.table.addGuest(hit, association);
    this.ports.tell({ type: 'up', hit, peer, link: association.link, replaced: false });
  }

  private promote(association: Association, peer: VerifiedPeer, now: number): void {
    const { nodeId: hit } = peer;
    const guest = this.ports.table.guests.get(hit);
    if (guest !== undefined) this.drop(guest, 'it became a member', false);
    const link = this.ports.table.openLink(hit);
    // On a short path the handshake is done before the answer to our offer came: `accept` still has to tell ICE.
    if (link.pending === association) link.pending = undefined;
    const before = link.current;
    association.state = 'up';
    if (before !== undefined) {
      if (losesGlare(association, before, now)) {
        this.retire(association, now);
        return;
      }
      link.current = association;
      association.framing.inherit(before.framing, now);
      if (endsNegotiation(association, before, now)) this.ports.sessions.passOn(before, association);
      if (isGlare(association, before, now)) this.retire(before, now);
      else this.drop(before, 'replaced', false);
    }
    link.current = association;
    this.ports.logger.info('link.up', {
      nodeId: hit,
      link: association.link,
      role: association.role,
      origin: association.origin,
    });
    this.ports.tell({ type: 'up', hit, peer, link: association.link, replaced: before !== undefined });
  }

  private retire(association: Association, now: number): void {
    association.state = 'retired';
    association.deadline = now + RETIRE_AFTER_MS;
    this.ports.repairs.end(association);
    this.ports.settle(association, now);
  }

  /** By the peer, or by the data plane. */
  closed(link: LinkId, reason: string, now: number): void {
    const association = this.ports.table.association(link);
    if (association === undefined || this.ports.turns.postpone(association, now)) return;
    this.drop(association, reason, true, association.state === 'up');
  }

  /** Ends one association, here and in the data plane. `tell`: listeners learn of it, unless another one lives on. */
  drop(association: Association, reason: string, tell: boolean, byPeer = false): void {
    const { hit, state, origin, path, connected } = association;
    if (state === 'closed') return;
    const link = hit === undefined ? undefined : this.ports.table.link(hit);
    const wasLink = link?.current === association || link?.pending === association || state === 'guest';
    this.ports.repairs.end(association);
    this.ports.table.remove(association);
    for (const agent of association.agents) agent.close();
    this.ports.timers.clear(association);
    association.state = 'closed';
    this.ports.dataPlane.closeLink(association.link);
    this.ports.logger.info('link.closed', { nodeId: hit, link: association.link, reason });
    if (!connected && origin !== 'negotiated') this.ports.turns.resume(this.ports.clock.monotonic());
    if (state === 'up' && hit !== undefined) {
      this.ports.relays.changed(hit, this.ports.clock.monotonic());
      this.ports.turn.linkChanged(hit, this.ports.clock.monotonic());
    }
    if (!tell || state === 'retired') return;
    if (origin === 'dialed' && state === 'connecting') {
      if (path !== undefined) this.ports.tell({ type: 'connectFailed', remote: path.remote, reason });
    } else if (hit !== undefined && wasLink && link?.current === undefined)
      this.ports.tell({ type: 'down', hit, reason, byPeer });
  }
}
