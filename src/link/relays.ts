import type { Candidate, IceParameters } from '../base/candidate.ts';
import { earliest } from '../base/clock.ts';
import { addressToHit, hitToAddress, isHitAddress } from '../base/node-id.ts';
import type { Hit } from '../base/node-id.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { isIndirectAddress } from '../base/stream-address.ts';
import { candidatePriority, formFoundation } from '../ice/candidates.ts';
import type { IceAgent } from '../ice/ice-agent.ts';
import { RELAYED, distanceOf, type Path } from '../ice/path.ts';
import { isDialable, isGloballyReachable } from '../mobility/reachability.ts';
import type { Association } from './association.ts';
import type { ConnectionTable } from './connection-table.ts';
import {
  MAX_OFFERED_RELAYS,
  MAX_RELAYS_KNOWN,
  MAX_RELAYS_TRIED,
  MAX_SERVERS_CONSIDERED,
  RELAY_DIAL_MS,
  RELAY_HEAD_START_MS,
  RELAY_PATIENCE_MS,
} from './constants.ts';
import { type Meeting, type NamedRelay, RelayMeetings } from './relay-meetings.ts';
import type { Renew } from './renewals.ts';

/** What the relays need of the links. */
export interface RelayPorts {
  readonly table: ConnectionTable;
  /** Of the data plane. */
  readonly port: number;
  /** The base of streams, by one of which the path may go. */
  readonly stream: Candidate;
  /** Whether a member holds up the overlay, and so hands on. Undefined: it is not known of anybody, those in the open count. */
  readonly isPeer: ((hit: Hit) => boolean) | undefined;
  readonly dial: (remote: SocketAddress, hit: Hit, patienceMs: number, now: number) => void;
  /** The relay of its path is gone. */
  readonly lost: (association: Association, now: number) => void;
  readonly settle: (association: Association, now: number) => void;
  /** Does it for each, a few in each turn of the event loop. */
  readonly inTurn: (associations: readonly Association[], what: Renew, now: number) => void;
}

/**
 * Ways through a third member that both ends are linked with (native/src/relay/hop.h): where no direct path works, and as long
 * as none does.
 *
 * Each end names some in its offer or answer. On the wire such a candidate has the relay's HIT as its address, port 0, and where
 * the relay is as its related address (RFC 6940 s6.5.1.1: type relay). To ICE there is one remote candidate of type relay, the
 * HIT of the other end with port 0, and one local of each relay: its base is the HIT of the relay. Whoever is linked with none
 * of those that the other end named, or gets nowhere by them, dials the others.
 */
export class Relays {
  private readonly ports: RelayPorts;
  private readonly meetings: RelayMeetings;

  constructor(ports: RelayPorts) {
    this.ports = ports;
    this.meetings = new RelayMeetings((agent) => ports.table.holderOf(agent) === undefined);
  }

  /** Our offer or answer with the relays that lead to us; those that the other end has named too come first. */
  name(parameters: IceParameters, hit: Hit, theirs: readonly NamedRelay[] = []): IceParameters {
    const common = theirs.flatMap(({ hit: relay }) => this.neighbor(relay) ?? []);
    const chosen = [...new Set([...common, ...this.choose(hit)])].slice(0, MAX_OFFERED_RELAYS);
    const candidates = chosen.flatMap(({ hit: relay, path }, i) =>
      relay === undefined || path === undefined ? [] : [offered(relay, path.remote, i)],
    );
    return { ...parameters, candidates: [...parameters.candidates, ...candidates] };
  }

  /** What the other end has told, without its relays: an address of the overlay, or of a stream, is no place for a check. */
  direct(remote: IceParameters): IceParameters {
    return {
      ...remote,
      candidates: remote.candidates.filter(({ address: { address } }) => !isIndirectAddress(address)),
    };
  }

  /** Those that the other end has named. */
  named({ candidates }: IceParameters, hit: Hit): NamedRelay[] {
    const relays = new Map<Hit, NamedRelay>();
    for (const { type, address, relatedAddress } of candidates) {
      if (type !== 'relay' || !isHitAddress(address.address)) continue;
      const relay = addressToHit(address.address);
      const known = relatedAddress !== undefined && relatedAddress.port !== 0 && isDialable(relatedAddress);
      if (relay !== hit) relays.set(relay, { hit: relay, address: known ? relatedAddress : undefined });
    }
    return [...relays.values()].slice(0, MAX_RELAYS_TRIED);
  }

  /** Both ends of a negotiation know each other's candidates. Direct paths are tried first. */
  meet(hit: Hit, agent: IceAgent, theirs: readonly NamedRelay[], now: number): void {
    const ours = this.choose(hit).flatMap(({ hit: relay, path }) =>
      relay === undefined || theirs.some((other) => other.hit === relay) ? [] : [{ hit: relay, address: path?.remote }],
    );
    const relays = [...theirs, ...ours];
    if (relays.length === 0) return;
    this.meetings.set(agent, { relays, theirs: theirs.length, at: now + RELAY_HEAD_START_MS, tried: false });
  }

  nextTimeout({ agents }: Association): number | undefined {
    return earliest(...agents.map((agent) => this.meetings.of(agent)?.at));
  }

  handleTimeout({ agents, hit, ice, repair }: Association, now: number): void {
    for (const agent of agents) {
      const meeting = this.meetings.of(agent);
      if (hit === undefined || meeting?.at === undefined || now < meeting.at) continue;
      meeting.at = undefined;
      const doubtful = agent === ice && repair !== undefined && repair.cause !== 'remapped';
      if (agent.selected !== undefined && distanceOf(agent.selected) !== RELAYED && !doubtful) continue;
      if (!meeting.tried) this.begin(hit, agent, meeting, now);
      else if (agent.selected === undefined) this.dial(meeting, now);
    }
  }

  /** Its path is lost, or in doubt: unless that is mended soon, the relays of before are tried. */
  needed({ ice }: Association, now: number): void {
    const meeting = ice === undefined ? undefined : this.meetings.of(ice);
    if (meeting !== undefined && !meeting.tried) meeting.at ??= now + RELAY_HEAD_START_MS;
  }

  /** The link with a member came up, or ended: it may be a relay of others. */
  changed(relay: Hit, now: number): void {
    const { table, inTurn } = this.ports;
    const concerned = new Set<Association>();
    for (const agent of this.meetings.withRelay(relay)) {
      const association = this.meetings.of(agent)?.tried === true ? table.holderOf(agent) : undefined;
      if (association !== undefined) concerned.add(association);
    }
    if (concerned.size > 0) inTurn([...concerned], (association, at) => this.tryAnew(association, relay, at), now);
  }

  private tryAnew(association: Association, relay: Hit, now: number): void {
    const { table, lost, settle } = this.ports;
    const { hit } = association;
    if (hit === undefined || table.association(association.link) !== association) return;
    for (const agent of association.agents) {
      const meeting = this.meetings.of(agent);
      if (meeting?.tried !== true || !meeting.relays.some((known) => known.hit === relay)) continue;
      const before = agent.selected;
      this.apply(hit, agent, meeting, now);
      const { selected: after } = agent;
      if (before !== undefined && after === undefined && association.ice === agent) lost(association, now);
      settle(association, now);
    }
  }

  /** The other end checks by a relay: from there it is answered, and checked, whatever was named. */
  cameBy(hit: Hit, agent: IceAgent, relay: Hit, now: number): void {
    const meeting = this.meetings.of(agent) ?? { relays: [], theirs: 0, at: undefined, tried: false };
    const isKnown = meeting.relays.some((known) => known.hit === relay);
    if ((isKnown && meeting.tried) || this.neighbor(relay) === undefined) return;
    const found = isKnown ? [] : [{ hit: relay, address: undefined }];
    const relays = [...meeting.relays, ...found].slice(-MAX_RELAYS_KNOWN);
    const used = { ...meeting, relays, tried: true };
    this.meetings.set(agent, used);
    this.apply(hit, agent, used, now);
  }

  /**
   * While the data goes directly: a way through a member that both are linked with. Those links live through moves of either end,
   * so that it is there when the direct path is lost, whatever NATs let in.
   */
  standby({ hit, ice }: Association): Pick<Path, 'local' | 'remote'> | undefined {
    const meeting = ice === undefined ? undefined : this.meetings.of(ice);
    const relay = meeting?.relays.slice(0, meeting.theirs).find((named) => this.neighbor(named.hit) !== undefined);
    if (hit === undefined || relay === undefined) return undefined;
    return { local: this.local(relay.hit, 0).address, remote: theOther(hit).address };
  }

  private begin(hit: Hit, agent: IceAgent, meeting: Meeting, now: number): void {
    meeting.tried = true;
    this.apply(hit, agent, meeting, now);
    const isLinked = meeting.relays.slice(0, meeting.theirs).some((relay) => this.neighbor(relay.hit) !== undefined);
    // Whom both are linked with may not do it.
    if (isLinked) meeting.at = now + RELAY_PATIENCE_MS;
    else this.dial(meeting, now);
  }

  private dial({ relays, theirs }: Meeting, now: number): void {
    for (const { hit, address } of relays.slice(0, theirs))
      if (address !== undefined && this.neighbor(hit) === undefined) this.ports.dial(address, hit, RELAY_DIAL_MS, now);
  }

  private apply(hit: Hit, agent: IceAgent, { relays }: Meeting, now: number): void {
    const usable = relays.filter((relay) => this.neighbor(relay.hit) !== undefined);
    agent.setRelays([...usable.map((relay, i) => this.local(relay.hit, i)), this.ports.stream], theOther(hit), now);
  }

  /** The association with that member, whose path is no relayed one itself. While that is mended, it is a relay still. */
  private neighbor(hit: Hit): Association | undefined {
    const current = this.ports.table.link(hit)?.current;
    if (current?.state !== 'up' || current.path === undefined) return undefined;
    return isHitAddress(current.path.remote.address) ? undefined : current;
  }

  /** Members by whom others can come to us, the best first; not all of many. */
  available(): Hit[] {
    return this.choose(undefined).flatMap(({ hit }) => (hit === undefined ? [] : [hit]));
  }

  /** Those whom everybody reaches first, then the nearest; not `hit` itself. */
  private choose(hit: Hit | undefined): Association[] {
    const found: { readonly association: Association; readonly rank: number }[] = [];
    let considered = 0;
    for (const link of this.ports.table.links) {
      if (considered++ >= MAX_SERVERS_CONSIDERED) break;
      const current = link.hit === hit ? undefined : this.neighbor(link.hit);
      if (current?.pathWorks !== true) continue;
      const open = isOpen(current);
      const { isPeer } = this.ports;
      if (isPeer === undefined ? !open : !isPeer(link.hit)) continue;
      const isGlobal = current.path !== undefined && isGloballyReachable(current.path.remote.address);
      found.push({ association: current, rank: open ? (isGlobal ? 0 : 1) : 2 });
    }
    return found
      .toSorted((a, b) => a.rank - b.rank || rttOf(a.association) - rttOf(b.association))
      .slice(0, MAX_OFFERED_RELAYS)
      .map(({ association }) => association);
  }

  private local(relay: Hit, i: number): Candidate {
    const address = hitToAddress(relay);
    return {
      type: 'relay',
      address: { address, port: this.ports.port },
      priority: candidatePriority('relay', MAX_RELAYS_KNOWN - i),
      foundation: formFoundation('relay', address),
    };
  }
}

function offered(relay: Hit, relatedAddress: SocketAddress, i: number): Candidate {
  const address = hitToAddress(relay);
  return {
    type: 'relay',
    address: { address, port: 0 },
    priority: candidatePriority('relay', MAX_OFFERED_RELAYS - i),
    foundation: formFoundation('relay', address),
    relatedAddress,
  };
}

/** The other end as it is reached by any relay. */
function theOther(hit: Hit): Candidate {
  const address = hitToAddress(hit);
  return {
    type: 'relay',
    address: { address, port: 0 },
    priority: candidatePriority('relay', 0),
    foundation: formFoundation('relay', address),
  };
}

/** Others come to it unasked: a NAT in front of it lets in whom it knows, and whoever dialed us may be behind one. */
function isOpen({ origin, path }: Association): boolean {
  return origin !== 'incoming' && (path?.ice === undefined || path.ice.remoteType === 'host');
}

function rttOf({ ice, framing }: Association): number {
  return ice?.rttMs ?? framing.smoothedRttMs ?? Infinity;
}
