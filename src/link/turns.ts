import type { Path } from '../ice/ice-agent.ts';
import type { Association } from './association.ts';
import type { ConnectionTable } from './connection-table.ts';
import { HANDSHAKE_PATIENCE_MS } from './constants.ts';
import type { IceSessions } from './ice-sessions.ts';
import type { NegotiationPorts } from './negotiations.ts';

/** What the turns need of the links. */
export interface TurnPorts {
  readonly table: ConnectionTable;
  readonly sessions: IceSessions;
  readonly open: NegotiationPorts['open'];
  readonly drop: (association: Association, reason: string) => void;
  readonly takePath: (association: Association, path: Path, now: number) => void;
  readonly settle: NegotiationPorts['settle'];
}

/**
 * Whose handshake goes on at an address, which carries one at a time. Both ends must come to the same one, or each waits for
 * what the other has given up:
 *
 * - Where two clients call each other, dialed or negotiated, the data plane at both ends lets the same one live, as the
 *   ClientHello of one meets the other (native/src/data_plane/handshakes.cc).
 * - So what is negotiated leaves an address to the handshake that is under way there, whichever end it is to be. A server's
 *   end that took it from a client of ours would get that client's answers.
 * - It waits and is not ended. When that handshake fails, it goes on; when it is done, nothing more is needed. A client's end
 *   takes its turn after `HANDSHAKE_PATIENCE_MS`, since ICE has shown that the way is open; a server's end leaves that to the
 *   peer's client.
 */
export class Turns {
  private readonly ports: TurnPorts;

  constructor(ports: TurnPorts) {
    this.ports = ports;
  }

  /** ICE has found a path. @returns false when the association is not to take it, or not now. */
  mayTake(association: Association, path: Path, now: number): boolean {
    if (this.isNeedless(association, path)) {
      // A server's end stays: the peer's client may have begun already.
      if (association.role === 'client') this.ports.drop(association, 'another handshake was faster');
      return false;
    }
    const waits = this.ports.table.isBusy(association, path.remote);
    if (waits) this.wait(association, path, now);
    else {
      association.blockedPath = undefined;
      association.blockedUntil = undefined;
    }
    return !waits;
  }

  /** A handshake on some path is over. */
  resume(now: number): void {
    for (const waiting of this.ports.table.blocked)
      if (waiting.blockedPath !== undefined) this.ports.takePath(waiting, waiting.blockedPath, now);
  }

  /** The others had their time. */
  handleTimeout(association: Association, now: number): void {
    const { blockedUntil, blockedPath } = association;
    if (blockedUntil === undefined || blockedPath === undefined || now < blockedUntil) return;
    association.blockedUntil = undefined;
    for (const rival of this.ports.table.rivals(association, blockedPath.remote))
      this.ports.drop(rival, 'no answer, while a way to the peer is open');
  }

  /**
   * The data plane has ended a negotiated client, since the peer's own handshake goes on at its address: another one waits in
   * its place. @returns false when it has ended for another reason.
   */
  postpone(association: Association, now: number): boolean {
    const { hit, origin, role, connected, path, deadline, supersedes } = association;
    if (hit === undefined || origin !== 'negotiated' || role !== 'client' || connected) return false;
    const link = this.ports.table.link(hit);
    if (link?.pending !== association || path?.ice === undefined) return false;
    if (!this.ports.table.isBusy(association, path.remote)) return false;
    const next = this.ports.open('client', hit, now);
    next.deadline = deadline;
    next.supersedes = supersedes;
    this.ports.sessions.passOn(association, next);
    link.pending = next;
    this.ports.drop(association, "the peer's own handshake goes on, this one waits");
    this.wait(next, path.ice, now);
    this.ports.settle(next, now);
    return true;
  }

  private wait(association: Association, path: Path, now: number): void {
    association.blockedPath = path;
    if (association.role === 'client') association.blockedUntil ??= now + HANDSHAKE_PATIENCE_MS;
  }

  /** There is a link over that pair of addresses already, made since this was negotiated. */
  private isNeedless({ hit, connected, startedAt }: Association, { remote }: Path): boolean {
    const current = connected || hit === undefined ? undefined : this.ports.table.link(hit)?.current;
    if (current?.connectedAt === undefined || !current.pathWorks) return false;
    return current.connectedAt >= startedAt && current.isBound(remote);
  }
}
