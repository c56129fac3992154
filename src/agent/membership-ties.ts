import type { Clock } from '../base/clock.ts';
import type { Hit } from '../base/node-id.ts';
import type { HostIdentity } from '../identity/host-identity.ts';
import type { LinkManager } from '../link/link-manager.ts';
import type { Membership, MembershipEvent } from '../membership/membership.ts';
import type { OwnCertificate } from '../membership/own-certificate.ts';
import type { DataPlane } from '../native/data-plane.ts';
import { ERROR_CODES } from '../reload/index.ts';
import type { Acquaintances, Known } from './acquaintances.ts';
import type { Entry } from './entry.ts';
import type { Guests } from './guests.ts';
import type { LinkedMembers } from './linked-members.ts';
import type { MemberLinks } from './member-links.ts';
import type { NodeParts, OwnNode } from './own-node.ts';
import type { PeerClaims } from './peer-claims.ts';

export interface MembershipTiesComponents {
  readonly dataPlane: Pick<DataPlane, 'setCredentials'>;
  readonly identity: Pick<HostIdentity, 'pkcs8'>;
  readonly membership: Pick<Membership, 'enter' | 'user' | 'revoked' | 'inviting'> & {
    readonly own: Pick<OwnCertificate, 'chain'>;
  };
  readonly links: Pick<LinkManager, 'close' | 'closeAll'>;
  readonly members: Pick<LinkedMembers, 'all'>;
  readonly memberLinks: Pick<MemberLinks, 'leave'>;
  readonly guests: Pick<Guests, 'includesUs'>;
  readonly node: Pick<OwnNode, 'names' | 'roster' | 'userRecords'>;
  readonly claims: Pick<PeerClaims, 'forget'>;
  readonly entry: Pick<Entry, 'stop'>;
  readonly acquaintances: Pick<Acquaintances, 'byUser'>;
  readonly clock: Clock;
  readonly remember: (hit: Hit, known: Known) => void;
  /** We are no member any more: nobody links with us. */
  readonly revoked: () => void;
  /** Another configuration document is in force. */
  readonly configured: (now: number) => void;
}

/** What follows from what our membership says, and what it asks of the overlay. */
export class MembershipTies {
  private readonly components: MembershipTiesComponents;

  constructor(components: MembershipTiesComponents) {
    this.components = components;
  }

  /** Our node was made. */
  enter({ overlay, names, reservations }: NodeParts): void {
    this.components.membership.enter({
      node: overlay,
      holdersOf: (user, at, done) => this.holdersOf(user, at, done),
      reserve: (...call) => reservations.reserve(...call),
      formerHoldersOf: (user, at, done) => {
        names.lookupFormerHosts(user, at, (result, later) => done(result.ok ? result.value : [], later));
      },
      hasCome: (hit, at, done) => {
        names.lookupHit(hit, at, (result, later) => {
          if (result.ok) done(true, later);
          else done(result.error.errorCode === ERROR_CODES.not_found ? false : undefined, later);
        });
      },
    });
  }

  /** Who has a name: also what we remember, since the overlay forgets a host that was away for long. */
  holdersOf(user: string, now: number, done: (hits: readonly Hit[] | undefined, now: number) => void): void {
    const { acquaintances, node, membership } = this.components;
    const known = acquaintances.byUser(user).map(({ hit }) => hit);
    if (node.names === undefined) {
      done(known, now);
      return;
    }
    node.names.lookupName(user, now, (result, at) => {
      const found = result.ok ? result.value.map(({ hit }) => hit) : [];
      done(
        [...known, ...found].filter((hit) => !membership.revoked.has(hit)),
        at,
      );
    });
  }

  /** The certificates that new links show, and the key that proves them. */
  showCertificates(): void {
    const { dataPlane, membership, identity } = this.components;
    dataPlane.setCredentials(membership.own.chain, identity.pkcs8);
  }

  onMembershipEvent(event: MembershipEvent, now: number): void {
    const { links, members, memberLinks, membership, guests, node, claims, entry, clock } = this.components;
    switch (event.type) {
      case 'renaming':
        node.names?.releaseName(now);
        for (const records of node.userRecords) records.releaseName(now);
        return;
      case 'certificates':
        this.certified(event.asGuest, now);
        return;
      case 'revoked':
        links.close(event.hit, 'revoked');
        // The address may have another host by now.
        claims.forget(event.hit);
        return;
      case 'lapsed':
        // Others close theirs no sooner: as a guest, a new link can ask for a certificate.
        if (guests.includesUs) memberLinks.leave('our certificate has ended', now);
        return;
      case 'ended':
        entry.stop();
        links.closeAll('revoked');
        this.components.revoked();
        return;
      case 'leaving':
        this.components.remember(event.hit, { user: null, ipv4: null });
        return;
      case 'inviter':
        // Their names are taken from the first newcomer on.
        for (const peer of members.all.values()) membership.inviting?.sawMember(peer, clock.wall());
        return;
      case 'configuration':
        this.components.configured(now);
    }
  }

  /** Running links keep what their handshakes proved; new ones, and what we sign, show the new certificate. */
  private certified(asGuest: boolean, now: number): void {
    const { membership, node, memberLinks } = this.components;
    this.showCertificates();
    if (membership.user !== null) node.names?.claimName(membership.user, now);
    // What is stored is good as long as the certificate that it was signed with.
    node.names?.refresh(now);
    node.roster?.changed(now);
    for (const records of node.userRecords) records.changed(now);
    // Whoever took us for a guest is to take us for a member.
    if (asGuest) memberLinks.leave('our certificate was renewed', now);
  }
}
