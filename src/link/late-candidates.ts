import { RateLimit } from '../base/rate-limit.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import type { Candidate } from '../base/candidate.ts';
import type { IceAgent } from '../ice/ice-agent.ts';
import type { LocalAddresses } from '../mobility/local-addresses.ts';
import type { DataPlane } from '../native/data-plane.ts';
import type { Association } from './association.ts';
import { decodeCandidateList, encodeCandidateList, LIST_NUMBERS } from './candidate-list.ts';
import { LATE_LISTS, LATE_LIST_INTERVAL_MS, LATE_REPEAT_MS, MAX_SENDS } from './constants.ts';
import type { IceSessions } from './ice-sessions.ts';

/** What the two ends of an association have told each other. */
interface Exchange {
  /** Candidates, as `keyOf`, that the peer knows, or is being told; undefined: who knows. */
  told: string | undefined;
  /** Whose candidates the peer has by its offer or answer. */
  agent: IceAgent;
  /** Of our last list. */
  number: number;
  sends: number;
  sentAt: number;
  /** When the next list, or another copy of the last, is sent. */
  at: number | undefined;
  /** Of the peer's last list. */
  heard: number | undefined;
  /** Absent until the peer sends lists. */
  limit: RateLimit | undefined;
}

/**
 * Candidates that turn up while a link is there (RFC 8838, inside of it): a new address of ours, or another one that a NAT gives
 * us, is told to each peer by the path that works, so that a second one opens through its NAT without the overlay. A list is
 * repeated until the peer has taken it; links that rest are told when they carry something again.
 */
export class LateCandidates {
  private readonly dataPlane: DataPlane;
  private readonly addresses: LocalAddresses;
  private readonly sessions: IceSessions;
  private readonly exchanges = new WeakMap<Association, Exchange>();
  private current = '';

  constructor(components: { dataPlane: DataPlane; addresses: LocalAddresses; sessions: IceSessions }) {
    this.dataPlane = components.dataPlane;
    this.addresses = components.addresses;
    this.sessions = components.sessions;
  }

  /** Our candidates may be others. @returns whether they are: then each association is to be considered. */
  changed(): boolean {
    const before = this.current;
    this.current = keyOf(this.addresses.candidates);
    return before !== this.current;
  }

  /** The link may carry a list now: it has come up, works again, or rests no more. @returns whether it will, from `at` on. */
  consider(association: Association, at: number): boolean {
    const { ice, state, pathWorks } = association;
    if (state !== 'up' || !pathWorks || ice === undefined || ice.resting || this.current === '') return false;
    const exchange = this.exchange(association, ice);
    if (exchange.told === this.current) return false;
    if (exchange.told !== undefined || exchange.at === undefined)
      exchange.at = Math.max(at, exchange.sentAt + LATE_LIST_INTERVAL_MS);
    exchange.told = undefined;
    return true;
  }

  nextTimeout(association: Association): number | undefined {
    return this.exchanges.get(association)?.at;
  }

  handleTimeout(association: Association, now: number): void {
    const exchange = this.exchanges.get(association);
    if (exchange?.at === undefined || now < exchange.at) return;
    exchange.at = undefined;
    if (exchange.told !== undefined && exchange.sends >= MAX_SENDS) exchange.told = undefined;
    else if (!association.pathWorks || association.state !== 'up') exchange.told = undefined;
    else this.send(association, exchange, now);
  }

  /**
   * A list of the peer, or its word that it has taken ours. More than some in a second are not taken.
   * @throws {MalformedMessageError}
   */
  receive(association: Association, record: Uint8Array, now: number): void {
    const { number, candidates } = decodeCandidateList(record);
    const { ice } = association;
    if (association.state !== 'up' || ice === undefined) return;
    const exchange = this.exchange(association, ice);
    if (candidates.length === 0) {
      if (number === exchange.number && exchange.told !== undefined) exchange.at = undefined;
      return;
    }
    exchange.limit ??= new RateLimit(LATE_LISTS.perSecond, LATE_LISTS.burst);
    if (!exchange.limit.take(now)) return;
    this.dataPlane.sendRecord(association.link, encodeCandidateList({ number, candidates: [] }));
    if (!isLater(number, exchange.heard)) return;
    exchange.heard = number;
    const reached = this.sessions.reach(candidates);
    for (const agent of association.agents) agent.addRemoteCandidates(reached, now);
  }

  private send(association: Association, exchange: Exchange, now: number): void {
    if (exchange.told === undefined) {
      exchange.told = this.current;
      exchange.number = (exchange.number + 1) % LIST_NUMBERS;
      exchange.sends = 0;
      exchange.sentAt = now;
    }
    const { candidates } = this.addresses;
    this.dataPlane.sendRecord(association.link, encodeCandidateList({ number: exchange.number, candidates }));
    const waitMs = Math.max(LATE_REPEAT_MS, 2 * (association.ice?.rttMs ?? 0));
    exchange.at = now + waitMs * 2 ** exchange.sends++;
  }

  private exchange(association: Association, agent: IceAgent): Exchange {
    let exchange = this.exchanges.get(association);
    if (exchange?.agent === agent) return exchange;
    const offered = this.sessions.offered.get(agent);
    const key = offered === undefined ? undefined : keyOf(offered);
    // One text for all links.
    const told = key === this.current ? this.current : key;
    if (exchange === undefined) {
      const unsent = { number: 0, sends: 0, sentAt: -Infinity, at: undefined };
      exchange = { told, agent, ...unsent, heard: undefined, limit: undefined };
      this.exchanges.set(association, exchange);
    } else Object.assign(exchange, { agent, told, at: undefined });
    return exchange;
  }
}

/** Of those that a list has, in whichever order: behind a NAT that gives each server another mapping, who answered last comes first. */
function keyOf(candidates: readonly Candidate[]): string {
  const told = candidates.filter(({ type }) => type !== 'relay');
  return told
    .map(({ type, address }) => `${type} ${formatSocketAddress(address)}`)
    .sort()
    .join();
}

/** RFC 1982 s3.2. */
function isLater(number: number, than: number | undefined): boolean {
  if (than === undefined) return true;
  const ahead = (number - than + LIST_NUMBERS) % LIST_NUMBERS;
  return ahead > 0 && ahead < LIST_NUMBERS / 2;
}
