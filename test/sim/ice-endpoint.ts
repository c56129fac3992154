import type { Candidate, IceParameters } from '../../src/base/candidate.ts';
import { earliest } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import type { Random } from '../../src/base/random.ts';
import type { SocketAddress } from '../../src/base/socket-address.ts';
import { hostCandidates, reflexiveCandidate } from '../../src/ice/candidates.ts';
import type { IceAgentOptions, IceEvent, IceRole } from '../../src/ice/ice-agent.ts';
import { IceAgent } from '../../src/ice/ice-agent.ts';
import { BindingClient } from '../../src/stun/binding-client.ts';
import { answerBinding } from '../../src/stun/binding-server.ts';
import { decodeStun } from '../../src/stun/codec.ts';
import type { StunMessage } from '../../src/stun/message.ts';
import type { EventLoop } from './network/event-loop.ts';
import type { SimHost } from './network/host.ts';
import { sendByUplink } from './network/uplink-sockets.ts';

export const ICE_PORT = 6084;

/** Answers Binding requests: what any public host of the overlay does. */
export function stunServer(host: SimHost, address: string): SocketAddress {
  host.bind(ICE_PORT, ({ source, destination, data }) => {
    const answer = answerBinding(decodeStun(data), source);
    if (answer !== undefined) host.send(destination.address, ICE_PORT, source, answer);
  });
  return { address, port: ICE_PORT };
}

/** One agent on one simulated host, driven as the link layer does it; at a restart a second one, until it has taken over. */
export class IceEndpoint {
  readonly host: SimHost;
  agent: IceAgent;
  readonly events: (IceEvent & { readonly at: number })[] = [];
  /** Every request that arrived, oldest first. */
  readonly requests: StunMessage[] = [];
  private readonly loop: EventLoop;
  private readonly random: Random;
  private readonly binding: BindingClient;
  private reflexive: Candidate[] = [];
  private restarted: IceAgent | undefined;
  private wakeAt: number | undefined;

  constructor(
    components: { loop: EventLoop; random: Random; host: SimHost },
    role: IceRole,
    options: Partial<IceAgentOptions> = {},
  ) {
    this.loop = components.loop;
    this.random = components.random;
    this.host = components.host;
    this.binding = new BindingClient({ random: components.random, logger: silentLogger });
    this.agent = new IceAgent(
      { random: components.random, logger: silentLogger },
      { role, localCandidates: this.candidates(), ...options },
    );
    this.host.bind(ICE_PORT, ({ source, destination, data }) => {
      const message = decodeStun(data);
      if (message.class === 'request') this.requests.push(message);
      if (!this.binding.receive(message, destination, source, this.loop.now))
        this.agents.some((agent) => agent.receive(message, data, destination, source, this.loop.now));
      this.pump();
    });
  }

  private get agents(): IceAgent[] {
    return this.restarted === undefined ? [this.agent] : [this.agent, this.restarted];
  }

  candidates(): Candidate[] {
    return [...hostCandidates(this.host.addresses, ICE_PORT), ...this.reflexive];
  }

  /** Learns reflexive addresses before the peer is told the candidates. */
  gather(server: SocketAddress, limitMs = 5_000): void {
    for (const address of this.host.addresses) this.binding.query({ address, port: ICE_PORT }, server, this.loop.now);
    this.pump();
    let answered = 0;
    this.loop.runUntil(() => {
      for (let event = this.binding.pollEvent(); event !== undefined; event = this.binding.pollEvent()) {
        answered += 1;
        if (event.type !== 'mapped') continue;
        const { local, mapped } = event;
        const base = hostCandidates(this.host.addresses, ICE_PORT).find((c) => c.address.address === local.address);
        if (base !== undefined) this.reflexive.push(reflexiveCandidate(base, mapped, server.address));
      }
      return answered >= this.host.addresses.length;
    }, limitMs);
    for (const agent of this.agents) agent.setLocalCandidates(this.candidates(), this.loop.now);
  }

  setRemote(remote: IceParameters): void {
    (this.restarted ?? this.agent).setRemote(remote, this.loop.now);
    this.pump();
  }

  /** RFC 8445 s9, as IceSessions does it: `setRemote` is for the new agent, which takes over when it has selected a pair. */
  restart(role: IceRole): IceParameters {
    this.restarted?.close();
    this.restarted = new IceAgent(
      { random: this.random, logger: silentLogger },
      { role, localCandidates: this.candidates() },
    );
    return this.restarted.localParameters;
  }

  /** As the agent of this host hears of it from rtnetlink. */
  addressesChanged(): void {
    this.reflexive = this.reflexive.filter(
      ({ relatedAddress }) => relatedAddress !== undefined && this.host.addresses.includes(relatedAddress.address),
    );
    for (const agent of this.agents) agent.setLocalCandidates(this.candidates(), this.loop.now);
    this.pump();
  }

  has(type: IceEvent['type']): boolean {
    return this.events.some((event) => event.type === type);
  }

  /** Carries out what the agents want, and comes back when they ask to be called. */
  pump(): void {
    for (const source of [...this.agents, this.binding])
      for (let out = source.pollTransmit(); out !== undefined; out = source.pollTransmit())
        sendByUplink(this.host, { local: out.local.address, port: out.local.port }, out.remote, out.data);
    for (const agent of this.agents)
      for (let event = agent.pollEvent(); event !== undefined; event = agent.pollEvent()) this.handle(agent, event);
    const next = earliest(...this.agents.map((agent) => agent.nextTimeout()), this.binding.nextTimeout());
    if (next === undefined || (this.wakeAt !== undefined && this.wakeAt <= next && this.wakeAt > this.loop.now)) return;
    const wakeAt = Math.max(next, this.loop.now);
    this.wakeAt = wakeAt;
    this.loop.at(wakeAt, () => {
      if (this.wakeAt !== wakeAt) return;
      this.wakeAt = undefined;
      for (const agent of this.agents) agent.handleTimeout(this.loop.now);
      this.binding.handleTimeout(this.loop.now);
      this.pump();
    });
  }

  private handle(agent: IceAgent, event: IceEvent): void {
    if (agent === this.restarted && event.type === 'selected') {
      this.agent.close();
      this.agent = agent;
      this.restarted = undefined;
    } else if (agent === this.restarted && event.type === 'failed') {
      agent.close();
      this.restarted = undefined;
      return;
    }
    this.events.push({ ...event, at: this.loop.now });
  }
}
