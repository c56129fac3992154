import type { Logger } from '../base/logger.ts';
import { sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { isIndirectAddress } from '../base/stream-address.ts';
import type { LocalAddresses } from '../mobility/local-addresses.ts';
import type { RepairCause } from '../mobility/repair.ts';
import type { Forwarded } from '../mobility/sightings.ts';
import type { DataPlane } from '../native/data-plane.ts';
import type { Association, AssociationRepairs as Repairs } from './association.ts';
import { bindingServers } from './binding-servers.ts';
import type { ConnectionTable } from './connection-table.ts';
import { OUTDATED_ANSWER_MS, UNHEARD_INTERVAL_MS } from './constants.ts';
import type { ExpectedPaths } from './expected-paths.ts';
import type { IceSessions } from './ice-sessions.ts';
import type { LateCandidates } from './late-candidates.ts';
import type { Renewals } from './renewals.ts';

/** What the moves of this host need of its links. */
export interface OwnMovesPorts {
  readonly dataPlane: DataPlane;
  readonly table: ConnectionTable;
  readonly addresses: LocalAddresses;
  readonly sessions: IceSessions;
  readonly expected: ExpectedPaths;
  readonly repairs: Repairs;
  /** Its time is ours. */
  readonly renewals: Renewals;
  readonly late: LateCandidates;
  readonly logger: Logger;
  readonly beginRepair: (association: Association, cause: RepairCause, now: number) => void;
  readonly settle: (association: Association, now: number) => void;
}

/**
 * What becomes of all links when the addresses of this host change, or how others see them: candidates, repairs, whom to tell.
 */
export class OwnMoves {
  private readonly ports: OwnMovesPorts;
  private readonly renewals: Renewals;
  private unheardAt = -Infinity;
  private doubtedAt = -Infinity;
  private handler: (atOwnAddress: boolean) => void = () => {};

  constructor(ports: OwnMovesPorts) {
    this.ports = ports;
    this.renewals = ports.renewals;
  }

  /** Told whether a peer sees us at an address of our own, or at one that a NAT gives us; at once when it is known. */
  onReflexive(handler: (atOwnAddress: boolean) => void): void {
    this.handler = handler;
    const [known] = this.ports.addresses.reflexive;
    if (known !== undefined) handler(sameSocketAddress(known.base, known.mapped));
  }

  setHosts(addresses: readonly string[], deprecated: readonly string[], now: number): void {
    const { table, logger } = this.ports;
    if (this.ports.addresses.setHosts(addresses, deprecated)) {
      logger.info('link.addresses', { addresses });
      for (const association of table.associations) this.outdateRestart(association);
      this.ports.late.changed();
      this.renewals.begin(table.associations, this.leaveOldAddresses, now);
    }
    this.ask(now);
    this.considerRepairs(now);
  }

  setForwarded(forwarded: Forwarded | undefined, now: number): void {
    if (!this.ports.addresses.setForwarded(forwarded)) return;
    this.lookForDirect(now);
    this.tellCandidates(now);
    this.considerRepairs(now);
  }

  /** Whoever has no NAT in front of it can tell how it sees us; `others` too when links are few. @returns who is asked */
  ask(now: number, others: readonly SocketAddress[] = [], eager = false): readonly SocketAddress[] {
    const { addresses, table } = this.ports;
    const linked = addresses.any ? bindingServers(table.associations, (address) => addresses.mayReach(address)) : [];
    const further = others.filter(({ address }) => !linked.some((server) => server.address === address));
    const asked = addresses.ask([...linked, ...further], now, eager);
    this.pump(now);
    return asked;
  }

  /** The path of a link is in doubt. However many are in one instant, it is asked once for all. */
  askInDoubt(now: number): void {
    if (now === this.doubtedAt) return;
    this.doubtedAt = now;
    this.ask(now);
  }

  /** Somebody does not answer on the only path there is: perhaps our NAT has another mapping for us. */
  unheard(now: number): void {
    if (now < this.unheardAt + UNHEARD_INTERVAL_MS) return;
    this.unheardAt = now;
    this.ask(now, [], true);
  }

  /** Where it did not a moment ago: nobody could tell how we are seen, and links through others may become direct ones. */
  udpPasses(now: number): void {
    this.ask(now);
    this.lookForDirect(now);
  }

  /** Takes what was told, and sends what is to be asked. */
  pump(now: number): void {
    const { addresses, dataPlane } = this.ports;
    const isFirst = addresses.reflexive.length === 0;
    let learned = false;
    for (let seen = addresses.pollReflexive(now); seen !== undefined; seen = addresses.pollReflexive(now)) {
      learned = true;
      const atOwnAddress = sameSocketAddress(seen.base, seen.mapped);
      this.handler(atOwnAddress);
      if (!atOwnAddress) this.reflexiveKnown(now, isFirst);
      this.considerRepairs(now);
    }
    if (addresses.takeMoved()) {
      learned = true;
      // Our address is the same, but not the one that others see: another NAT, or the same after a restart.
      this.ports.logger.info('link.mapping_moved');
      this.renewals.begin(this.ports.table.associations, this.leaveOldMapping, now);
      this.considerRepairs(now);
    }
    if (learned) this.tellCandidates(now);
    for (let out = addresses.pollTransmit(); out !== undefined; out = addresses.pollTransmit())
      dataPlane.sendDatagram(out.local, out.remote, out.data);
  }

  /** This host has slept: each peer is asked whether it still knows us, and how it sees us. */
  awake(now: number): void {
    this.ports.addresses.doubt(now);
    this.renewals.begin(this.ports.table.associations, this.askWhetherItKnowsUs, now);
    this.ask(now);
  }

  nextTimeout(): number | undefined {
    return this.renewals.nextTimeout();
  }

  handleTimeout(now: number): void {
    if ((this.renewals.nextTimeout() ?? Infinity) > now) return;
    this.renewals.handleTimeout(now);
    this.considerRepairs(now);
  }

  private readonly leaveOldAddresses = (association: Association, now: number): void => {
    const { sessions, addresses, late, beginRepair, settle } = this.ports;
    if (!this.isAlive(association)) return;
    sessions.refreshCandidates(association, now);
    const { path } = association;
    // Without a pair of ICE's, the source address was the kernel's choice: it is gone or not, we cannot tell.
    // The link with a relaying member moves by itself.
    const own = path?.local !== undefined && !isIndirectAddress(path.remote.address);
    const lost = path?.local === undefined || (own && !addresses.has(path.local.address));
    if (association.state === 'up') this.ports.expected.outOfReach(association);
    if (association.state === 'up' && lost) beginRepair(association, 'broken', now);
    else if (association.state === 'up' && association.isIndirect) beginRepair(association, 'remapped', now);
    late.consider(association, now);
    settle(association, now);
  };

  private readonly leaveOldMapping = (association: Association, now: number): void => {
    const { table, sessions, beginRepair, settle } = this.ports;
    if (!this.isAlive(association)) return;
    sessions.refreshCandidates(association, now);
    // What we answered a moment ago names the old mapping. Either our checks get through to the peer all the same, or it has to hear
    // of the new one.
    const { hit, nextIceUntil } = association;
    const isAnswered = hit !== undefined && table.link(hit)?.offering !== 'restart';
    if (nextIceUntil !== undefined && isAnswered)
      association.nextIceUntil = Math.min(nextIceUntil, now + OUTDATED_ANSWER_MS);
    if (association.state === 'up' && association.path?.ice?.remoteType !== 'host')
      beginRepair(association, 'remapped', now);
    settle(association, now);
  };

  private readonly askWhetherItKnowsUs = (association: Association, now: number): void => {
    if (!this.isAlive(association)) return;
    for (const agent of association.agents) agent.doubt(now);
    this.ports.settle(association, now);
  };

  /** The peer was told of addresses that we no longer have, and behind a NAT it hears nothing of the new ones. */
  private outdateRestart(association: Association): void {
    const { hit, nextIce } = association;
    if (hit === undefined || nextIce === undefined) return;
    if (this.ports.table.link(hit)?.offering === 'restart') association.nextIceOutdated = true;
    else this.ports.sessions.endRestart(association);
  }

  /** On a path through another member, or a stream: a new address of ours may make a direct one, and the peer has to be told of it. */
  private lookForDirect(now: number): void {
    this.renewals.begin([...this.ports.table.associations].filter(isUpIndirectly), this.leaveIndirect, now);
  }

  private readonly leaveIndirect = (association: Association, now: number): void => {
    if (!isUpIndirectly(association)) return;
    this.ports.beginRepair(association, 'remapped', now);
    this.mend(association, now);
  };

  /** Paths from this relayed address are none any more. */
  relayedLost(local: string, now: number): void {
    const isFromThere = ({ path }: Association): boolean => path?.local?.address === local;
    const leave = (association: Association, at: number): void => {
      if (this.isAlive(association) && isFromThere(association)) this.leaveRelayed(association, at);
    };
    this.renewals.begin([...this.ports.table.associations].filter(isFromThere), leave, now);
  }

  private leaveRelayed(association: Association, now: number): void {
    const { sessions, beginRepair, settle } = this.ports;
    sessions.refreshCandidates(association, now);
    if (association.state === 'up') beginRepair(association, 'broken', now);
    settle(association, now);
  }

  /** We have another relayed address: links that are being mended are to have it. */
  relayedKnown(now: number): void {
    this.renewals.begin(this.ports.repairs.open, this.offerRelayed, now);
    this.considerRepairs(now);
  }

  private readonly offerRelayed = (association: Association, now: number): void => {
    if (!this.isAlive(association) || association.repair === undefined) return;
    this.outdateRestart(association);
    association.repair.askAnew(now);
    // Where the peer was it may be reached from there, before the overlay is.
    this.ports.sessions.refreshCandidates(association, now);
    this.mend(association, now);
  };

  /** A peer that was told of no address outside our NAT would look for us in vain: asked before ours was known. */
  private reflexiveKnown(now: number, isFirst: boolean): void {
    // Where UDP did not pass nobody could see it, and where it passes again relayed links may become direct ones.
    if (isFirst) this.lookForDirect(now);
    this.renewals.begin(this.ports.repairs.open.filter(lacksReflexive), this.offerReflexive, now);
  }

  private readonly offerReflexive = (association: Association, now: number): void => {
    if (!this.isAlive(association) || association.repair === undefined || !lacksReflexive(association)) return;
    this.outdateRestart(association);
    this.mend(association, now);
  };

  /** Something of it has changed that its repair may have waited for. */
  private mend(association: Association, now: number): void {
    this.ports.repairs.due(association, now);
    if (this.isAlive(association)) this.ports.settle(association, now);
  }

  private isAlive(association: Association): boolean {
    return this.ports.table.association(association.link) === association;
  }

  /** Links that are up, of where we can be reached by now. */
  private tellCandidates(now: number): void {
    if (this.ports.late.changed()) this.renewals.begin(this.ports.table.associations, this.tellCandidatesTo, now);
  }

  private readonly tellCandidatesTo = (association: Association, now: number): void => {
    const { late, settle } = this.ports;
    if (!this.isAlive(association)) return;
    if (late.consider(association, now)) settle(association, now);
  };

  private considerRepairs(now: number): void {
    const { repairs, settle } = this.ports;
    for (const association of repairs.consider(now)) settle(association, now);
  }
}

function isUpIndirectly({ state, isIndirect }: Association): boolean {
  return state === 'up' && isIndirect;
}

/** The peer was, or is being, told of none by a restart of ICE. */
function lacksReflexive({ nextIce }: Association): boolean {
  return nextIce?.localParameters.candidates.some(({ type }) => type === 'srflx') === false;
}
