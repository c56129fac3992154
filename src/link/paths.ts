import { isStreamAddress } from '../base/stream-address.ts';
import { addressToHit, isHitAddress } from '../base/node-id.ts';
import type { Logger } from '../base/logger.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { formatSocketAddress, sameSocketAddress } from '../base/socket-address.ts';
import type { IceAgent, IceEvent, Path } from '../ice/ice-agent.ts';
import { RELAYED, distanceOf } from '../ice/path.ts';
import type { DataPlaneEvent, LinkId } from '../native/data-plane.ts';
import type { RepairCause } from '../mobility/repair.ts';
import type { Association, AssociationPath, AssociationRepairs } from './association.ts';
import type { ConnectionTable } from './connection-table.ts';
import { FORGOTTEN_GRACE_MS, MAX_SPARES, REST_AFTER_MS } from './constants.ts';
import type { IceSessions } from './ice-sessions.ts';
import type { LateCandidates } from './late-candidates.ts';
import type { LinkEvent } from './link-events.ts';
import { describePath } from './link-snapshot.ts';
import type { Relays } from './relays.ts';
import type { Streams } from './streams.ts';
import type { Turns } from './turns.ts';

/** What the paths need of the links. */
export interface PathPorts {
  readonly table: ConnectionTable;
  readonly sessions: IceSessions;
  readonly repairs: AssociationRepairs;
  readonly streams: Streams;
  readonly relays: Relays;
  readonly turns: Turns;
  readonly late: LateCandidates;
  readonly tell: (event: LinkEvent) => void;
  /** Listeners are told. */
  readonly drop: (association: Association, reason: string) => void;
  readonly beginRepair: (association: Association, cause: RepairCause, now: number) => void;
  /** Nobody answers on its path any more. */
  readonly silent: (association: Association, cause: 'silent' | 'broken', now: number) => void;
  readonly settle: (association: Association, now: number) => void;
  readonly logger: Logger;
  readonly askReflexive: (now: number) => void;
  /** A stream has given way to UDP: other paths may, too. */
  readonly udpPasses: (now: number) => void;
}

/** What the ICE agents of associations and the data plane have found out, and what becomes of the paths by it. */
export class Paths {
  private readonly ports: PathPorts;

  constructor(ports: PathPorts) {
    this.ports = ports;
  }

  handle(
    association: Association,
    agent: IceAgent,
    event: Exclude<IceEvent, { type: 'peerForgot' }>,
    now: number,
  ): void {
    const current = agent === association.ice;
    switch (event.type) {
      case 'valid':
        if (!this.ports.table.isBusy(association, event.path.remote)) association.bind(event.path.remote, now);
        this.valid(association, event.path, now);
        return;
      case 'selected':
        this.selected(association, agent, event.path, now);
        return;
      case 'failed':
        if (!current) this.ports.sessions.endRestart(association);
        else if (association.state === 'connecting') this.ports.drop(association, 'no path to it works');
        else if (association.path?.ice !== undefined) this.ports.beginRepair(association, 'broken', now);
        return;
      case 'consentExpired':
        if (!current || association.state !== 'up') return;
        association.leavePath();
        this.ports.silent(association, 'broken', now);
        return;
      case 'peerRemembers':
        if (current) this.ports.repairs.notForgotten(association);
        return;
    }
  }

  /** Data goes another way already, which has proven to work: because the peer came from there, or the one before fell silent or is gone. */
  moved({ link, local, remote, cause }: Extract<DataPlaneEvent, { type: 'moved' }>, now: number): void {
    const { table, repairs } = this.ports;
    const association = table.association(link);
    if (association?.connected !== true) return;
    const { hit, path } = association;
    this.ports.logger.info('link.moved', { nodeId: hit, link, addr: formatSocketAddress(remote), cause });
    association.path = { ...path, local, remote };
    const holder = table.boundTo(remote);
    if (holder === undefined || holder.hit === hit) association.bind(remote, now);
    const worked = association.pathWorks;
    if (!worked) {
      association.pathWorks = true;
      association.framing.resume(now);
    }
    const mended = association.repair !== undefined || association.toldSilent;
    repairs.end(association);
    association.toldSilent = false;
    if (association.state === 'up' && hit !== undefined) {
      this.ports.tell({ type: 'path', hit, path: describePath(association.path) });
      if (mended) this.ports.tell({ type: 'mended', hit });
    }
    if (!worked || cause === 'gone') this.ports.askReflexive(now);
    if (isFromStream(path, remote)) this.ports.udpPasses(now);
    repairs.consider(now);
    this.ports.streams.showIce(association, now);
    this.handedOn(association, { local, remote, cause }, now);
    association.ice?.adopt(local, remote, now);
    this.ports.late.consider(association, now);
    this.ports.settle(association, now);
  }

  /** The data goes through another member by now. Direct ways are sought, by the end that has lost its own. */
  private handedOn(
    association: Association,
    { local, remote, cause }: Pick<Extract<DataPlaneEvent, { type: 'moved' }>, 'local' | 'remote' | 'cause'>,
    now: number,
  ): void {
    const { hit, ice } = association;
    if (!isHitAddress(remote.address) || hit === undefined) return;
    if (ice !== undefined) this.ports.relays.cameBy(hit, ice, addressToHit(local.address), now);
    if (cause !== 'peer') this.ports.beginRepair(association, 'remapped', now);
  }

  /** Programs send, and nobody answers on any path that the data plane knows: the overlay may know others. */
  silent(link: LinkId, now: number): void {
    const association = this.ports.table.association(link);
    if (association?.state !== 'up') return;
    this.ports.logger.info('link.no_path', { nodeId: association.hit, link });
    this.ports.silent(association, 'silent', now);
    if (this.ports.table.association(link) === association) this.ports.settle(association, now);
  }

  /** `source` does not know our credentials. */
  forgotten(association: Association, agent: IceAgent, source: SocketAddress | undefined, now: number): void {
    // While the ends of a new link or of a restart do not finish at the same time, this is to be expected.
    if (agent !== association.ice || association.nextIce !== undefined || association.state !== 'up') return;
    if (now - (association.connectedAt ?? now) <= FORGOTTEN_GRACE_MS) return;
    // Another host has the private address that the peer has in its own network.
    const selected = association.path?.ice?.remote;
    if (selected === undefined || source === undefined || !sameSocketAddress(selected, source)) return;
    this.ports.beginRepair(association, 'forgotten', now);
  }

  /** RFC 8445 s12.1: data may be sent on a valid pair, before one is nominated. */
  private valid(association: Association, path: Path, now: number): void {
    // A client begins its handshake on it. A server that is connected before a pair is selected answers on it at once.
    const waiting = association.connected ? !association.pathWorks : association.path === undefined;
    if (waiting) this.take(association, path, now);
    else if (association.connected) association.addPaths([path]);
  }

  private selected(association: Association, agent: IceAgent, path: Path, now: number): void {
    const isNew = agent === association.nextIce;
    const mended = isNew || association.repair !== undefined || association.toldSilent;
    if (isNew) this.ports.sessions.finishRestart(association, agent);
    this.take(association, path, now);
    this.addSpares(association);
    if (agent.rttMs !== undefined) association.framing.measuredByIce(agent.rttMs);
    const { hit, state, repair } = association;
    if (hit === undefined || state !== 'up') return;
    // Where we are now the peer does not know, nor we where it is.
    const looksOn = repair !== undefined && !isNew && isHitAddress(path.remote.address);
    if (!looksOn || repair.cause !== 'remapped') this.ports.repairs.end(association);
    if (looksOn) this.ports.beginRepair(association, 'remapped', now);
    this.ports.tell({ type: 'path', hit, path: describePath({ local: path.local, remote: path.remote, ice: path }) });
    association.toldSilent = false;
    // Whoever asked for the restart waits to hear that it is done.
    if (mended) this.ports.tell({ type: 'mended', hit });
    this.ports.repairs.consider(now);
  }

  /** Other ways, for when the selected one is lost. */
  addSpares(association: Association): void {
    const { ice, connected } = association;
    if (!connected || ice?.selected === undefined) return;
    association.addPaths(ice.spares(MAX_SPARES));
    const standby = distanceOf(ice.selected) === RELAYED ? undefined : this.ports.relays.standby(association);
    if (standby !== undefined) association.addStandby(standby);
  }

  take(association: Association, path: Path, now: number): void {
    if (!this.ports.turns.mayTake(association, path, now)) return;
    const isSeenAgain = isFromStream(association.path, path.remote);
    association.take({ local: path.local, remote: path.remote, ice: path }, now);
    association.restAt = now + REST_AFTER_MS;
    if (isSeenAgain) this.ports.udpPasses(now);
    if (!association.connected || association.pathWorks) return;
    association.pathWorks = true;
    if (association.repair?.cause === 'broken') this.ports.repairs.end(association);
    association.framing.resume(now);
    this.ports.askReflexive(now);
    this.ports.repairs.consider(now);
  }
}

/** UDP passes again, and nobody has told how others see us. */
function isFromStream(before: AssociationPath | undefined, remote: SocketAddress): boolean {
  return before !== undefined && isStreamAddress(before.remote.address) && !isStreamAddress(remote.address);
}
