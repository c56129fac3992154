import { toHex } from '../base/bytes.ts';
import type { Clock, Timed } from '../base/clock.ts';
import { earliest } from '../base/clock.ts';
import { IdlocError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { formatSocketAddress, sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { acceptEnrollmentAnswer, enrollmentRequest, type Membership } from '../identity/enrollment.ts';
import { secretOfCode } from '../identity/code-secret.ts';
import { EnrollmentError } from '../identity/errors.ts';
import type { HostIdentity } from '../identity/host-identity.ts';
import type { Ticket } from '../identity/ticket.ts';
import { TrustStore } from '../identity/trust-store.ts';
import { LinkManager, type LinkEvent } from '../link/link-manager.ts';
import type { DataPlane } from '../native/data-plane.ts';
import type { MeetingPlace } from '../rendezvous/meeting-place.ts';
import { Rendezvous } from '../rendezvous/rendezvous.ts';
import { Bootstrap } from './bootstrap.ts';
import { takeTurn } from './event-turn.ts';
import { encodeCertificateMessage } from '../membership/certificate-message.ts';
import { decodeEnrollmentExchange, encodeEnrollmentExchange } from '../membership/enrollment-exchange.ts';
import type { Lifecycle } from '../membership/lifecycle.ts';

// Implementation constants.
/** The inviter has to be running when its ticket is used. */
const ENROLLMENT_TIMEOUT_MS = 30_000;
/** Whoever lets us in has no room on its disk just now. */
const ASK_AGAIN_MS = 5_000;
/**
 * The ticket's own way comes first. Then any member will do, which may know another inviter; newcomers who look for members
 * find each other too, and in a crowd of them that costs more than all the rest.
 */
const ANY_MEMBER_MS = 2_000;
/** A member has our request: an inviter of which a crowd wants certificates takes its time, and more links would take that from it. */
const ANSWER_PATIENCE_MS = 5_000;
/** Through meeting places: it looks for newcomers every two minutes at least. */
const MEETING_TIMEOUT_MS = 150_000;

export type EnrollmentResult =
  { readonly ok: true; readonly membership: Membership } | { readonly ok: false; readonly error: Error };

/**
 * The newcomer's side of a ticket: links to the addresses in it as a guest, and asks the inviter for a certificate.
 *
 *   invited ──link to a member──> enrolling ──certificate, or the inviter's refusal──> done
 *        └────────────────^  └─any other answer, or none: the others are asked─┘
 *
 * It ends with its first result; the data plane is free for the Engine then.
 */
export class Enroller implements Timed {
  readonly links: LinkManager;
  private readonly identity: HostIdentity;
  private readonly lifecycle: Lifecycle;
  private readonly ticket: Ticket;
  private readonly user: string | null;
  private readonly random: Random;
  private readonly clock: Clock;
  private readonly bootstrap: Bootstrap;
  private readonly rendezvous: Rendezvous | undefined;
  private readonly onForeign: (data: Uint8Array, remote: SocketAddress) => void;
  /** With the request that each was sent; undefined: it has answered. */
  private readonly asked = new Map<Hit, Uint8Array | undefined>();
  /** Linked, but no members: they look for one as we do. */
  private readonly newcomers = new Set<Hit>();
  private readonly dataPlane: DataPlane;
  private deadline: number | undefined;
  private anyMemberAt: number | undefined;
  private askAgainAt: number | undefined;
  private lastFailure = 'no answer';
  private done: (result: EnrollmentResult) => void = () => {};

  constructor(
    components: {
      readonly dataPlane: DataPlane;
      readonly identity: HostIdentity;
      /** That of an invited host. */
      readonly lifecycle: Lifecycle;
      /** Where the inviter may be found beside the ticket's addresses; none: nowhere. */
      readonly places?: readonly MeetingPlace[];
      /** Takes datagrams of BitTorrent's DHT. */
      readonly onForeign?: (data: Uint8Array, remote: SocketAddress) => void;
      readonly random: Random;
      readonly clock: Clock;
      readonly logger: Logger;
    },
    options: { readonly ticket: Ticket; readonly user: string | null },
  ) {
    const { dataPlane, identity, random, clock, logger } = components;
    this.dataPlane = dataPlane;
    this.identity = identity;
    this.lifecycle = components.lifecycle;
    this.ticket = options.ticket;
    this.user = options.user;
    this.random = random;
    this.clock = clock;
    const { overlay, mode, authority } = options.ticket;
    const trust = new TrustStore({ overlay, mode, authority });
    this.links = new LinkManager({
      dataPlane,
      // Our clock may be wrong, and what counts is the authority's signature below what it gives us.
      verifyPeer: (chain, wallNow) => trust.verify(chain, wallNow, { anyTime: true }),
      selfHit: identity.hit,
      random,
      clock,
      logger,
    });
    this.links.onEvent((event) => {
      this.onLinkEvent(event);
    });
    const connect = (remote: SocketAddress, now: number): void => {
      if (!this.isNewcomerAt(remote)) this.links.connectDirect(remote, now);
    };
    this.bootstrap = new Bootstrap({ connect, random }, { patient: true });
    this.onForeign = components.onForeign ?? ((): void => undefined);
    const { places = [] } = components;
    const { secret } = options.ticket;
    if (places.length > 0 && secret !== null)
      this.rendezvous = new Rendezvous(
        { places, random, clock, tell: (address, now) => this.found(address, now) },
        { secret },
      );
  }

  /** `done` is called once. Host addresses must be known before. */
  start(now: number, done: (result: EnrollmentResult) => void): void {
    this.done = done;
    this.deadline = now + (this.rendezvous === undefined ? ENROLLMENT_TIMEOUT_MS : MEETING_TIMEOUT_MS);
    this.bootstrap.start(this.ticket.addresses, now);
    const { code } = this.ticket;
    if (code !== null) this.rendezvous?.attend(`ticket ${toHex(secretOfCode(code).id)}`, 'arrive', now);
    this.anyMemberAt = now + ANY_MEMBER_MS;
  }

  /** @returns whether there may be more */
  drainEvents(now: number): boolean {
    return takeTurn(this.dataPlane, this.clock, now, (event, at) => {
      if (event.type === 'foreign') this.onForeign(event.data, event.remote);
      else this.links.handleEvent(event, at);
    });
  }

  nextTimeout(): number | undefined {
    return earliest(
      this.links.nextTimeout(),
      this.bootstrap.nextTimeout(),
      this.rendezvous?.nextTimeout(),
      this.anyMemberAt,
      this.askAgainAt,
      this.deadline,
    );
  }

  handleTimeout(now: number): void {
    for (const machine of [this.links, this.bootstrap, this.rendezvous]) {
      if ((machine?.nextTimeout() ?? Infinity) <= now) machine?.handleTimeout(now);
    }
    if (this.anyMemberAt !== undefined && this.anyMemberAt <= now) {
      this.anyMemberAt = undefined;
      this.rendezvous?.attend('overlay', 'arrive', now);
    }
    if (this.askAgainAt !== undefined && this.askAgainAt <= now) {
      this.askAgainAt = undefined;
      const hits = [...this.asked.keys()];
      this.asked.clear();
      for (const hit of hits) this.ask(hit);
    }
    if (this.deadline !== undefined && this.deadline <= now) {
      const tried = this.ticket.addresses.map(formatSocketAddress).join(', ');
      const why = `nobody at ${tried} let us into ${this.ticket.overlay}: ${this.lastFailure}`;
      this.finish({
        ok: false,
        error: new IdlocError('enrollment_timeout', `${why}; is the host that made the ticket running?`),
      });
    }
  }

  private onLinkEvent(event: LinkEvent): void {
    switch (event.type) {
      case 'up':
        if (!event.peer.member) {
          this.newcomers.add(event.hit);
          return;
        }
        // It may be none that lets us in: the search goes on when nothing comes of it.
        this.bootstrap.rest(this.clock.monotonic(), ANSWER_PATIENCE_MS);
        this.seekAnyMember(this.clock.monotonic() + ANSWER_PATIENCE_MS);
        this.ask(event.hit);
        return;
      case 'message':
        this.answered(event.hit, event.data);
        return;
      case 'connectFailed':
        this.lastFailure = event.reason;
        return;
      case 'down':
        this.newcomers.delete(event.hit);
        this.lastFailure = event.reason;
        if (!this.asked.delete(event.hit)) return;
        if (this.asked.size === 0) this.lifecycle.move('invited');
        this.searchOn();
        return;
      case 'mended':
      case 'silent':
      case 'noneWorks':
      case 'doubtful':
      case 'double':
      case 'path':
      case 'needsRestart':
      case 'needsRelay':
    }
  }

  /** Who was asked is gone. */
  private searchOn(): void {
    const now = this.clock.monotonic();
    this.bootstrap.start(this.ticket.addresses, now);
    this.seekAnyMember(now);
  }

  private seekAnyMember(at: number): void {
    if (this.anyMemberAt !== undefined) this.anyMemberAt = at;
  }

  private found(address: SocketAddress, now: number): boolean {
    if (this.links.addresses.isOwn(address)) return false;
    this.bootstrap.add(address, now);
    return true;
  }

  /** It ends the link when it has become a member; until then another one would lead no further. */
  private isNewcomerAt(address: SocketAddress): boolean {
    return [...this.newcomers].some((hit) => {
      const remote = this.links.remoteOf(hit);
      return remote !== undefined && sameSocketAddress(remote, address);
    });
  }

  private ask(hit: Hit): void {
    if (this.asked.has(hit)) return;
    const { overlay, code, inviter } = this.ticket;
    const request = enrollmentRequest(this.identity, { overlay, code, user: this.user });
    this.asked.set(hit, request);
    this.lifecycle.move('enrolling');
    const transactionId = new DataView(this.random.bytes(8).buffer).getBigUint64(0);
    const message = encodeCertificateMessage({ type: 'enroll', spki: this.identity.spki, request });
    this.links.send(hit, encodeEnrollmentExchange('exp_a_req', message, { overlay, transactionId, to: inviter }));
  }

  private answered(hit: Hit, message: Uint8Array): void {
    const answer = decodeEnrollmentExchange('exp_a_ans', message);
    const request = this.asked.get(hit);
    if (answer === undefined || request === undefined) return;
    this.asked.set(hit, undefined);
    const { overlay, authority, inviter } = this.ticket;
    try {
      const asked = { overlay, authority, inviter, request };
      this.finish({ ok: true, membership: acceptEnrollmentAnswer(answer.bytes, this.identity, asked) });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.lastFailure = error.message;
      // Any member may stand in the way: who is no inviter has no say, and the others are tried on.
      if (!(error instanceof EnrollmentError)) {
        this.seekAnyMember(this.clock.monotonic());
        return;
      }
      if (error.refusal === 'cannot_write') this.waitForRoom(this.clock.monotonic());
      else this.finish({ ok: false, error });
    }
  }

  /** An inviter was found, and has no room: it is asked again, but the time to find one is over. */
  private waitForRoom(now: number): void {
    this.askAgainAt ??= now + ASK_AGAIN_MS;
    if (this.deadline !== undefined) this.deadline = Math.min(this.deadline, now + ENROLLMENT_TIMEOUT_MS);
  }

  private finish(result: EnrollmentResult): void {
    if (this.deadline === undefined) return;
    this.deadline = undefined;
    this.askAgainAt = undefined;
    this.anyMemberAt = undefined;
    this.bootstrap.stop();
    this.links.stop('enrolled');
    this.done(result);
  }
}
