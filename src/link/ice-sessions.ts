import type { Candidate, IceParameters } from '../base/candidate.ts';
import { isIndirectAddress, isStreamAddress } from '../base/stream-address.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { candidatePriority, formFoundation } from '../ice/candidates.ts';
import { IceAgent } from '../ice/ice-agent.ts';
import type { IceRole } from '../ice/ice-agent.ts';
import type { LocalAddresses } from '../mobility/local-addresses.ts';
import type { Association } from './association.ts';
import type { ConnectionTable } from './connection-table.ts';
import type { Streams } from './streams.ts';

/** Makes the ICE agents of associations, and exchanges them at a restart. */
export class IceSessions {
  /** Our candidates that the peer has by an offer or answer, or that its data plane could see for itself. */
  readonly offered = new WeakMap<IceAgent, readonly Candidate[]>();
  private readonly table: ConnectionTable;
  private readonly addresses: LocalAddresses;
  private readonly streams: Streams;
  private readonly random: Random;
  private readonly logger: Logger;

  constructor(components: {
    table: ConnectionTable;
    addresses: LocalAddresses;
    streams: Streams;
    random: Random;
    logger: Logger;
  }) {
    this.table = components.table;
    this.addresses = components.addresses;
    this.streams = components.streams;
    this.random = components.random;
    this.logger = components.logger;
  }

  make(role: IceRole): IceAgent {
    const { candidates: localCandidates } = this.addresses;
    const agent = new IceAgent({ random: this.random, logger: this.logger }, { role, localCandidates });
    this.offered.set(agent, localCandidates);
    return agent;
  }

  /** What the peer has told, as we can send to it. */
  reach(candidates: readonly Candidate[]): Candidate[] {
    return candidates.map((candidate) => ({ ...candidate, address: this.addresses.reach(candidate.address) }));
  }

  /** Our addresses are others. A path from a deprecated one stays as it is. */
  refreshCandidates({ agents }: Association, now: number): void {
    for (const agent of agents) agent.setLocalCandidates(this.addresses.candidatesBeside(agent.selected?.local), now);
  }

  adopt(association: Association, agent: IceAgent): void {
    association.ice = agent;
    this.table.addAgent(association, agent);
  }

  /** Another association with the same peer goes on with the agent. */
  passOn(from: Association, to: Association): void {
    const { ice } = from;
    if (ice === undefined) return;
    this.table.removeAgent(ice);
    from.ice = undefined;
    to.negotiatedIce = from.negotiatedIce;
    this.adopt(to, ice);
  }

  /** A link without negotiated candidates gets ICE over the addresses that the handshake used. */
  derive(association: Association, now: number): void {
    const { secrets, path } = association;
    if (secrets === undefined || path === undefined) return;
    const client = association.role === 'client';
    const isStream = isStreamAddress(path.remote.address);
    const type = isIndirectAddress(path.remote.address) ? 'relay' : 'host';
    const remote: Candidate = {
      type,
      address: path.remote,
      priority: candidatePriority(type, 65535),
      foundation: formFoundation(type, path.remote.address),
    };
    const agent = new IceAgent(
      { random: this.random, logger: this.logger },
      {
        role: client ? 'controlling' : 'controlled',
        localCandidates: this.addresses.candidates,
        localCredentials: client ? secrets.client : secrets.server,
      },
    );
    this.adopt(association, agent);
    const credentials = client ? secrets.server : secrets.client;
    agent.setRemote({ ...credentials, candidates: type === 'relay' ? [] : [remote] }, now);
    // A stranger came by the relay that `path` says, or by a stream.
    const local = isStream ? this.streams.local : path.local;
    if (type === 'relay' && local !== undefined) agent.setRelays([{ ...remote, address: local }], remote, now);
  }

  /** RFC 8445 s9, with an agent of its own: the old one keeps the path alive, and is all there is when this comes to nothing. */
  startRestart(association: Association, role: IceRole, until: number): IceParameters {
    const agent = this.make(role);
    association.nextIce = agent;
    association.nextIceUntil = until;
    association.nextIceOutdated = false;
    this.table.addAgent(association, agent);
    return agent.localParameters;
  }

  endRestart(association: Association): void {
    const { nextIce } = association;
    if (nextIce === undefined) return;
    this.table.removeAgent(nextIce);
    nextIce.close();
    association.nextIce = undefined;
    association.nextIceUntil = undefined;
  }

  finishRestart(association: Association, agent: IceAgent): void {
    const { ice } = association;
    if (ice !== undefined) {
      this.table.removeAgent(ice);
      ice.close();
    }
    association.ice = agent;
    association.nextIce = undefined;
    association.nextIceUntil = undefined;
  }
}
