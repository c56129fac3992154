import type { Candidate, IceParameters } from '../base/candidate.ts';
import type { Hit } from '../base/node-id.ts';
import type { IceAgent } from '../ice/ice-agent.ts';
import type { Association, AssociationRepairs as Repairs } from './association.ts';
import { nameAssociation, namedAssociation } from './association-secrets.ts';
import type { ConnectionTable, Link } from './connection-table.ts';
import type { ExpectedPaths } from './expected-paths.ts';
import { CONNECT_TIMEOUT_MS, OFFER_TIMEOUT_MS, RESTART_TIMEOUT_MS } from './constants.ts';
import type { IceSessions } from './ice-sessions.ts';
import type { Relays } from './relays.ts';
import type { RelayWants } from './relay-wants.ts';
import type { TurnRelays } from './turn-relays.ts';

/** What the negotiations need of the links. */
export interface NegotiationPorts {
  readonly table: ConnectionTable;
  readonly sessions: IceSessions;
  readonly relays: Relays;
  readonly expected: ExpectedPaths;
  readonly wants: RelayWants;
  readonly repairs: Pick<Repairs, 'due'>;
  readonly open: (role: Association['role'], hit: Hit, now: number) => Association;
  /** Nobody is told. */
  readonly drop: (association: Association, reason: string) => void;
  /** Asks how others see us. */
  readonly askReflexive: (now: number) => void;
  readonly turn: Pick<TurnRelays, 'doubt'>;
  readonly settle: (association: Association, now: number) => void;
}

/**
 * Offer and answer through the overlay (Attach, AppAttach): the sender of Attach controls ICE and is the DTLS server (RFC 6940
 * s6.5.1.13). With a living association they restart its ICE, and name it, so that both ends see whether they have the same.
 */
export class Negotiations {
  private readonly table: ConnectionTable;
  private readonly sessions: IceSessions;
  private readonly relays: Relays;
  private readonly expected: ExpectedPaths;
  private readonly wants: RelayWants;
  private readonly repairs: NegotiationPorts['repairs'];
  private readonly open: NegotiationPorts['open'];
  private readonly drop: NegotiationPorts['drop'];
  private readonly askReflexive: NegotiationPorts['askReflexive'];
  private readonly turn: NegotiationPorts['turn'];
  private readonly settle: NegotiationPorts['settle'];

  constructor(ports: NegotiationPorts) {
    this.table = ports.table;
    this.sessions = ports.sessions;
    this.relays = ports.relays;
    this.expected = ports.expected;
    this.wants = ports.wants;
    this.repairs = ports.repairs;
    this.open = ports.open;
    this.drop = ports.drop;
    this.askReflexive = ports.askReflexive;
    this.turn = ports.turn;
    this.settle = ports.settle;
  }

  /** What our Attach or AppAttach carries. On a living link it restarts ICE; the association stays, if the peer has it. */
  offer(hit: Hit, now: number): IceParameters {
    const link = this.table.openLink(hit);
    this.abandon(link);
    const association = link.current;
    if (association?.secrets !== undefined) {
      const parameters = this.sessions.startRestart(association, 'controlling', now + OFFER_TIMEOUT_MS);
      startOffering(link, 'restart', now);
      this.settle(association, now);
      return this.relays.name(nameAssociation(parameters, association.secrets.id), hit);
    }
    const agent = this.sessions.make('controlling');
    link.pending = this.open('server', hit, now);
    startOffering(link, 'new', now);
    this.sessions.adopt(link.pending, agent);
    link.pending.deadline = now + OFFER_TIMEOUT_MS;
    this.settle(link.pending, now);
    return this.relays.name(agent.localParameters, hit);
  }

  /** The peer's offer came: what our answer carries. An offer of our own that is still open gives way. */
  answer(hit: Hit, remote: IceParameters, now: number): IceParameters {
    const link = this.table.openLink(hit);
    this.abandon(link);
    const { current } = link;
    if (current?.secrets !== undefined && namedAssociation(remote) === current.secrets.id) {
      const parameters = this.sessions.startRestart(current, 'controlled', now + RESTART_TIMEOUT_MS);
      if (current.nextIce !== undefined)
        this.expected.named(current, this.told(hit, current.nextIce, remote, 'they', now));
      this.settle(current, now);
      // The peer has lost us: perhaps our NAT or our TURN server has forgotten us, and what we answer is of no use any more.
      this.askReflexive(now);
      this.turn.doubt(now);
      return this.relays.name(nameAssociation(parameters, current.secrets.id), hit, this.relays.named(remote, hit));
    }
    const agent = this.sessions.make('controlled');
    const pending = this.open('client', hit, now);
    link.pending = pending;
    pending.supersedes = current !== undefined;
    pending.deadline = now + CONNECT_TIMEOUT_MS;
    this.sessions.adopt(pending, agent);
    this.told(hit, agent, remote, 'they', now);
    this.settle(pending, now);
    return this.relays.name(agent.localParameters, hit, this.relays.named(remote, hit));
  }

  /** @returns where the peer says that it is. */
  private told(
    hit: Hit,
    agent: IceAgent,
    remote: IceParameters,
    called: 'we' | 'they',
    now: number,
  ): readonly Candidate[] {
    const direct = this.relays.direct(remote);
    const candidates = this.sessions.reach(direct.candidates);
    agent.setRemote({ ...direct, candidates }, now);
    this.relays.meet(hit, agent, this.relays.named(remote, hit), now);
    this.wants.begin(agent, called, now);
    return candidates;
  }

  /** The answer to our offer came. Without an open offer it is too late, and nothing happens. */
  accept(hit: Hit, remote: IceParameters, now: number): void {
    const link = this.table.link(hit);
    if (link === undefined || link.offering === 'none') return;
    const { current } = link;
    const kept = link.offering === 'restart' && current?.secrets?.id === namedAssociation(remote);
    if (link.offering === 'restart' && !kept && current?.nextIce !== undefined) {
      // The peer has lost the association: the same candidates serve for a new one.
      const agent = current.nextIce;
      this.table.removeAgent(agent);
      current.nextIce = undefined;
      current.nextIceUntil = undefined;
      link.pending = this.open('server', hit, now);
      link.pending.supersedes = true;
      this.sessions.adopt(link.pending, agent);
      this.settle(current, now);
    }
    link.offering = 'none';
    if (kept && current?.nextIceOutdated === true) {
      this.sessions.endRestart(current);
      this.repairs.due(current, now);
      this.settle(current, now);
      return;
    }
    const association = kept ? current : (link.pending ?? current);
    if (association === undefined) return;
    if (kept) association.nextIceUntil = now + RESTART_TIMEOUT_MS;
    else if (!association.connected) association.deadline = now + CONNECT_TIMEOUT_MS;
    const agent = kept ? association.nextIce : association.ice;
    if (agent !== undefined) {
      const candidates = this.told(hit, agent, remote, 'we', now);
      if (kept) this.expected.named(association, candidates);
    }
    this.settle(association, now);
  }

  /** Our offer failed. A living link stays as it is. */
  cancel(hit: Hit, now: number): void {
    const link = this.table.link(hit);
    if (link === undefined || link.offering === 'none') return;
    this.abandon(link);
    // Whoever mends the link has waited for the answer, and asks again.
    link.current?.repair?.unblock();
    if (link.current !== undefined) this.settle(link.current, now);
  }

  /**
   * What was dialed, or came as a stranger's, is with a host that the overlay is linking us with at this moment: that
   * negotiation's candidates serve this association. It happens too when the ClientHello of a negotiated link overtakes
   * our knowledge of the address that it comes from.
   */
  inheritAgent(association: Association, now: number): void {
    const { hit, origin, state, role } = association;
    if (origin === 'negotiated' || state !== 'up' || hit === undefined) return;
    const pending = this.table.link(hit)?.pending;
    const agent = pending?.ice;
    if (pending?.role !== role || agent === undefined) return;
    this.table.removeAgent(agent);
    pending.ice = undefined;
    // An answer that is still to come is for the agent that is inherited.
    const { offering } = this.table.link(hit) ?? { offering: 'none' as const };
    this.drop(pending, 'another handshake was faster');
    const link = this.table.link(hit);
    if (link !== undefined) link.offering = offering;
    association.negotiatedIce = true;
    this.sessions.adopt(association, agent);
    if (agent.selected !== undefined)
      association.take({ local: agent.selected.local, remote: agent.selected.remote, ice: agent.selected }, now);
  }

  /** What is negotiated for this link through the overlay comes to nothing. The living association stays. */
  private abandon(link: Link): void {
    link.offering = 'none';
    if (link.current !== undefined) this.sessions.endRestart(link.current);
    if (link.pending !== undefined) this.drop(link.pending, 'given up');
    // An entry with nothing in it is not kept; whoever goes on with it puts it back.
    if (link.current !== undefined || this.table.link(link.hit) === link) return;
    this.table.restore(link);
  }
}

function startOffering(link: Link, what: 'new' | 'restart', now: number): void {
  link.offering = what;
  link.offeringUntil = now + OFFER_TIMEOUT_MS;
}
