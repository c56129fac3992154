import { toHex } from '../base/bytes.ts';
import type { Hit } from '../base/node-id.ts';
import { sameSocketAddress } from '../base/socket-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { IceAgent } from '../ice/ice-agent.ts';
import type { LinkId } from '../native/data-plane.ts';
import type { Association } from './association.ts';
import { TRANSACTION_GENERATION_MS } from './constants.ts';
import { GenerationMap } from './generation-map.ts';
import { RemoteIndex } from './remote-index.ts';

/** What there is with one host: the link that is up, and the one in the making that may replace it. */
export interface Link {
  readonly hit: Hit;
  current: Association | undefined;
  pending: Association | undefined;
  /** Our offer has no answer yet: for a new association, or for a restart of the current one's ICE. */
  offering: 'none' | 'new' | 'restart';
  /** Later than this no answer is expected. */
  offeringUntil: number;
}

/** Associations by data-plane link, by HIT, by STUN username and by STUN transaction. */
export class ConnectionTable {
  readonly remotes = new RemoteIndex<Association>();
  private readonly byLink = new Map<LinkId, Association>();
  private readonly byHit = new Map<Hit, Link>();
  /** Whose handshakes are not done: few, however many links there are. */
  private readonly unfinished = new Set<Association>();
  private readonly guestsByHit = new Map<Hit, Association>();
  private readonly byUfrag = new Map<string, { association: Association; agent: IceAgent }>();
  private readonly byTransaction = new GenerationMap<string, Association>(TRANSACTION_GENERATION_MS);

  get associations(): IterableIterator<Association> {
    return this.byLink.values();
  }

  get links(): IterableIterator<Link> {
    return this.byHit.values();
  }

  get guests(): ReadonlyMap<Hit, Association> {
    return this.guestsByHit;
  }

  add(association: Association): void {
    this.byLink.set(association.link, association);
    this.unfinished.add(association);
  }

  /** The handshake of the association is done. */
  finish(association: Association): void {
    this.unfinished.delete(association);
  }

  /** Forgets the association everywhere. */
  remove(association: Association): void {
    this.byLink.delete(association.link);
    this.unfinished.delete(association);
    association.release();
    for (const agent of association.agents) this.removeAgent(agent);
    const { hit } = association;
    if (hit === undefined) return;
    if (this.guestsByHit.get(hit) === association) this.guestsByHit.delete(hit);
    const link = this.byHit.get(hit);
    if (link === undefined) return;
    if (link.current === association) {
      link.current = undefined;
      if (link.offering === 'restart') link.offering = 'none';
    }
    if (link.pending === association) {
      link.pending = undefined;
      if (link.offering === 'new') link.offering = 'none';
    }
    if (link.current === undefined && link.pending === undefined) this.byHit.delete(hit);
  }

  association(link: LinkId): Association | undefined {
    return this.byLink.get(link);
  }

  link(hit: Hit): Link | undefined {
    return this.byHit.get(hit);
  }

  /** Makes the entry when there is none; the caller puts an association in. */
  openLink(hit: Hit): Link {
    let link = this.byHit.get(hit);
    if (link === undefined) {
      link = { hit, current: undefined, pending: undefined, offering: 'none', offeringUntil: 0 };
      this.byHit.set(hit, link);
    }
    return link;
  }

  /** Puts back an entry that was forgotten when the last association in it ended. */
  restore(link: Link): void {
    this.byHit.set(link.hit, link);
  }

  /** Some link is up, and messages may go by it. */
  hasWorkingLink(): boolean {
    for (const { current } of this.links) if (current?.state === 'up' && current.isSound) return true;
    return false;
  }

  /** Offer and answer for a link with its host, or a path that they have begun, may still come to something. */
  isNegotiating({ hit, nextIce }: Association, now: number): boolean {
    const link = hit === undefined ? undefined : this.byHit.get(hit);
    const offering = link !== undefined && link.offering !== 'none' && now < link.offeringUntil;
    return offering || link?.pending !== undefined || nextIce !== undefined;
  }

  addGuest(hit: Hit, association: Association): void {
    this.guestsByHit.set(hit, association);
  }

  addAgent(association: Association, agent: IceAgent): void {
    this.byUfrag.set(agent.localParameters.ufrag, { association, agent });
  }

  removeAgent(agent: IceAgent): void {
    if (this.byUfrag.get(agent.localParameters.ufrag)?.agent === agent)
      this.byUfrag.delete(agent.localParameters.ufrag);
  }

  /** Undefined: it is nobody's any more. */
  holderOf(agent: IceAgent): Association | undefined {
    const found = this.byUfrag.get(agent.localParameters.ufrag);
    return found?.agent === agent ? found.association : undefined;
  }

  /** Whose credentials a check asks for (RFC 8445 s7.2.2: the fragment before the colon is the one of who is asked). */
  agentFor(username: string): { association: Association; agent: IceAgent } | undefined {
    const [ufrag = ''] = username.split(':', 1);
    const found = this.byUfrag.get(ufrag);
    return found?.agent.owns(username) === true ? found : undefined;
  }

  /** Handshakes that are under way at an address, dialed by us or begun by the peer as a stranger: see Turns. */
  rivals(association: Association, remote: SocketAddress): Association[] {
    if (association.connected) return [];
    return this.remotes
      .at(remote)
      .filter((other) => other !== association && !other.connected && other.origin !== 'negotiated');
  }

  isBusy(association: Association, remote: SocketAddress): boolean {
    return this.rivals(association, remote).length > 0;
  }

  /** Notes the transaction of a STUN request that leaves, so that its answer finds the way back; nothing of other messages. */
  noteTransaction(data: Uint8Array, association: Association, now: number): void {
    if (!isRequest(data)) return;
    this.byTransaction.set(toHex(data.subarray(8, 20)), association, now);
  }

  associationOfTransaction(id: string): Association | undefined {
    return this.byTransaction.get(id);
  }

  /** It was answered: nothing more is expected. */
  forgetTransaction(id: string): void {
    this.byTransaction.delete(id);
  }

  boundTo(remote: SocketAddress): Association | undefined {
    return this.remotes.at(remote)[0];
  }

  dialing(remote: SocketAddress): boolean {
    return this.remotes
      .at(remote)
      .some(
        ({ origin, state, path }) =>
          origin === 'dialed' && state === 'connecting' && path !== undefined && sameSocketAddress(path.remote, remote),
      );
  }

  /** Whether a handshake at `remote` that we did not dial began less than `patienceMs` ago. */
  isCalledAt(remote: SocketAddress, now: number, patienceMs: number): boolean {
    return this.remotes
      .at(remote)
      .some(
        ({ origin, state, handshakeSince }) =>
          origin !== 'dialed' &&
          state === 'connecting' &&
          handshakeSince !== undefined &&
          now - handshakeSince <= patienceMs,
      );
  }

  /** Whether some handshake that this end began is under way. */
  get isCalling(): boolean {
    for (const { role, state } of this.associations) if (role === 'client' && state === 'connecting') return true;
    return false;
  }

  incomingCount(): number {
    let count = 0;
    for (const { origin, state } of this.unfinished) if (origin === 'incoming' && state === 'connecting') count += 1;
    return count;
  }

  /** Found by ICE for a handshake that has not begun, since another one is under way there. */
  get blocked(): Association[] {
    return [...this.unfinished].filter(({ blockedPath }) => blockedPath !== undefined);
  }
}

/** RFC 8489 s5: both class bits clear. */
function isRequest(data: Uint8Array): boolean {
  return ((data[0] ?? 0) & 0x01) === 0 && ((data[1] ?? 0) & 0x10) === 0;
}
