import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import type { LinkEvent, LinkManager } from '../link/link-manager.ts';
import type { LocalAddresses } from '../mobility/local-addresses.ts';
import type { Membership } from '../membership/membership.ts';
import type { DataPlane } from '../native/data-plane.ts';
import type { TimeKeeper } from '../overlay/time-keeper.ts';
import type { Resolver } from '../resolver/resolver.ts';
import type { Known } from './acquaintances.ts';
import type { Calls } from './calls.ts';
import { AWAY, type Doubles } from './doubles.ts';
import type { Entry } from './entry.ts';
import type { Guests } from './guests.ts';
import type { LinkedMembers } from './linked-members.ts';
import type { Meetings } from './meetings.ts';
import type { OwnNode } from './own-node.ts';
import type { PeerClaims } from './peer-claims.ts';
import type { PeerFinder } from './peer-finder.ts';
import type { TurnMembers } from './turn-members.ts';
import { UserNumbers } from './user-numbers.ts';

export interface MemberLinksComponents {
  readonly dataPlane: Pick<DataPlane, 'authorize'>;
  readonly links: Pick<LinkManager, 'close' | 'closeAll' | 'remoteOf' | 'dataPlaneLinkOf'> & {
    readonly addresses: Pick<LocalAddresses, 'known'>;
  };
  readonly members: LinkedMembers;
  readonly membership: Pick<
    Membership,
    'state' | 'lapsed' | 'answeredAsGuest' | 'noticed' | 'inviting' | 'linkUp' | 'linkDown'
  >;
  readonly guests: Pick<Guests, 'ask' | 'answer' | 'welcome' | 'includesUs'>;
  readonly node: Pick<OwnNode, 'overlay' | 'names' | 'receive'>;
  readonly doubles: Pick<Doubles, 'isAway' | 'linkUp' | 'suspect' | 'met'>;
  readonly resolver: Pick<Resolver, 'linkUp' | 'linkDown'>;
  readonly time: Pick<TimeKeeper, 'linkUp' | 'linkDown'>;
  readonly entry: Pick<Entry, 'linkUp' | 'linkDown' | 'noneWorks'>;
  readonly finder: Pick<PeerFinder, 'linkUp'>;
  readonly claims: Pick<PeerClaims, 'linkUp' | 'addresses'>;
  /** Undefined: members meet nowhere. */
  readonly meetings: Pick<Meetings, 'linked' | 'consider'> | undefined;
  readonly calls: Pick<Calls, 'connect'>;
  readonly turn: Pick<TurnMembers, 'needed'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly remember: (hit: Hit, known: Known) => void;
}

/** What comes of our links: who is told, and in which order, when a member's link comes up, is mended or ends. */
export class MemberLinks {
  private readonly components: MemberLinksComponents;
  /** Linked members that have not sent anything yet. */
  private readonly unheard = new Set<Hit>();
  private readonly users = new UserNumbers();

  constructor(components: MemberLinksComponents) {
    this.components = components;
  }

  onLinkEvent(event: LinkEvent, now: number): void {
    const { links, members, membership, guests, node, doubles, entry, meetings, calls, logger } = this.components;
    switch (event.type) {
      case 'up':
        if (doubles.isAway) {
          links.close(event.hit, AWAY);
          return;
        }
        if (membership.state === 'revoked') {
          links.close(event.hit, 'revoked');
          return;
        }
        meetings?.linked(event.hit);
        if (!event.peer.member) {
          guests.welcome(event.hit);
          return;
        }
        this.unheard.add(event.hit);
        // Others may take us for a guest; or our clock is wrong, and they do not.
        if (membership.lapsed) guests.ask(event.hit);
        if (!guests.includesUs) this.up(event, now);
        return;
      case 'mended':
        if (members.has(event.hit)) this.mended(event.hit, now);
        return;
      case 'silent':
        node.overlay?.silent(event.hit, now);
        return;
      case 'noneWorks':
        entry.noneWorks(now);
        return;
      case 'doubtful':
        node.overlay?.doubtful(event.hit, now);
        return;
      case 'down':
        if (event.byPeer && members.has(event.hit)) doubles.suspect(event.hit, now);
        this.down(event.hit, now);
        return;
      case 'double':
        doubles.met(event.remote, now);
        return;
      case 'message':
        if (!event.member) guests.answer(event.hit, event.data, now);
        // Who takes us for a revoked host says so before anything else.
        else if (this.unheard.delete(event.hit) && membership.noticed(event.data, now)) return;
        else if (!membership.lapsed || !membership.answeredAsGuest(event.data, now))
          node.receive(event.hit, event.data, now);
        return;
      case 'path':
        // By a relay it is nowhere, and the other end of a stream need not be where streams are accepted.
        if (members.has(event.hit) && event.path.type !== 'relay')
          this.components.remember(event.hit, { locators: [links.addresses.known(event.path.remote)] });
        return;
      case 'needsRestart':
        meetings?.consider(now);
        calls.connect(event.hit, now, (result) => {
          if (!result.ok) logger.debug('restart failed', { nodeId: event.hit, reason: result.reason });
        });
        return;
      case 'needsRelay':
        this.components.turn.needed(now);
        return;
      case 'connectFailed':
        logger.debug('connect failed', { addr: formatSocketAddress(event.remote), reason: event.reason });
    }
  }

  /** Our node was made: it, and whoever asks others through it, learns of the links that are up already. */
  nodeMade(now: number): void {
    const { members, node, time, membership } = this.components;
    for (const hit of members.hits) {
      node.overlay?.linkUp(hit, now);
      time.linkUp(hit, now);
      membership.linkUp(hit, now);
    }
  }

  /** Lets a member's packets in: from its HIT, and from the IPv4 address that it holds. */
  authorize(hit: Hit): void {
    const { links, dataPlane, claims, members } = this.components;
    const link = links.dataPlaneLinkOf(hit);
    const user = this.users.of(members.all.get(hit)?.user ?? null);
    if (link !== undefined) dataPlane.authorize(link, hit, claims.addresses.ipv4Of(hit) ?? null, user);
  }

  /** Whose certificate was not in force when its link was made, as it turns out, has been let in by mistake. */
  judge(): void {
    const { node, members, clock, links } = this.components;
    node.overlay?.trustChanged();
    for (const hit of members.letInByMistake(clock)) links.close(hit, 'its certificate was not valid');
  }

  /** Ends all links; the way in is looked for anew. */
  leave(why: string, now: number): void {
    const { members, links, entry } = this.components;
    const linked = [...members.hits];
    links.closeAll(why);
    for (const hit of linked) this.down(hit, now);
    if (linked.length === 0) entry.linkDown(now);
  }

  private up({ hit, peer, replaced }: LinkEvent & { type: 'up' }, now: number): void {
    const { members, membership, node, doubles, resolver, time, entry, finder, claims, meetings } = this.components;
    const { overlay, names } = node;
    members.add(hit, peer, now);
    membership.inviting?.sawMember(peer, this.components.clock.wall());
    this.authorize(hit);
    overlay?.linkUp(hit, now);
    // First of all that is asked: the link may be another agent's in a moment.
    doubles.linkUp(now);
    if (overlay !== undefined) membership.linkUp(hit, now);
    resolver.linkUp(hit, now);
    if (overlay !== undefined) time.linkUp(hit, now);
    entry.linkUp(hit, now);
    finder.linkUp(hit);
    // It was started anew, perhaps with nothing in its storage.
    const keeper = overlay?.responsiblePeer;
    // While it was silent a client has had none, or has none yet.
    if (replaced && (keeper === hit || (overlay?.role === 'client' && keeper === undefined))) names?.refresh(now);
    claims.linkUp(hit, now);
    // The path was selected before the handshake on it was done.
    const remote = this.components.links.remoteOf(hit);
    this.components.remember(hit, { user: peer.user, ...(remote !== undefined && { locators: [remote] }) });
    meetings?.consider(now);
  }

  /** Nothing of what it knows, and of what is known of it, is in doubt; but what was spread meanwhile may have been lost. */
  private mended(hit: Hit, now: number): void {
    const { membership, node, resolver, entry, meetings } = this.components;
    node.overlay?.linkMended(hit, now);
    if (node.overlay !== undefined) membership.linkUp(hit, now);
    resolver.linkUp(hit, now);
    entry.linkUp(hit, now);
    meetings?.consider(now);
  }

  private down(hit: Hit, now: number): void {
    const { members, membership, node, resolver, time, entry, meetings } = this.components;
    this.unheard.delete(hit);
    // Also for an attempt that failed: whoever waits for it is told.
    node.overlay?.linkDown(hit, now);
    time.linkDown(hit);
    membership.linkDown(hit);
    resolver.linkDown(hit, now);
    if (members.remove(hit)) entry.linkDown(now);
    meetings?.consider(now);
  }
}
