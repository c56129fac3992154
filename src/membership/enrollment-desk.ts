import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import type { CertificateRequest } from '../identity/enrollment.ts';
import { type CertificateMessage, encodeCertificateMessage } from './certificate-message.ts';
import type { Reserve } from '../overlay/reservations.ts';
import { MAX_RELAYS } from './constants.ts';
import type { Inviting } from './ports.ts';
import { shuffled } from './shuffled.ts';

export interface EnrollmentDeskPorts {
  /** Absent where this host may not invite. */
  readonly inviting: () => Inviting | undefined;
  /** Other hosts that may invite. */
  readonly inviters: () => readonly Hit[];
  /** A message through the overlay; `done` with the inviter's answer, or undefined. */
  readonly ask: (
    inviter: Hit,
    message: CertificateMessage,
    now: number,
    done: (answer: Uint8Array | undefined, now: number) => void,
  ) => void;
  /** Hosts that have the name, as far as can be known; undefined: the overlay could not be asked. */
  readonly holdersOf: (
    user: string,
    now: number,
    done: (hits: readonly Hit[] | undefined, now: number) => void,
  ) => void;
  /** Whether a host has told the overlay of itself; undefined: nobody can say now. */
  readonly hasCome: (hit: Hit, now: number, done: (come: boolean | undefined, now: number) => void) => void;
  /** A host that another inviter has let in and that never came loses its name: it is to be a member no more. */
  readonly handedOn: (hit: Hit, now: number) => void;
  /** Keeps the name for a host: from then on no other inviter gives it away. */
  readonly reserve: Reserve;
  /** Hosts that have given the name back, as the overlay says. */
  readonly formerHoldersOf: (
    user: string,
    now: number,
    done: (left: readonly FormerHolder[], now: number) => void,
  ) => void;
  /** A host has left while this one was away. */
  readonly left: (hit: Hit, now: number) => void;
}

export interface FormerHolder {
  readonly hit: Hit;
  /** Milliseconds since the epoch. */
  readonly leftAt: number;
}

/** What a host asks. */
export type DeskRequest = Extract<CertificateMessage, { type: 'enroll' | 'renew' }>;
/** The body of the answer; undefined: there is none. */
export type DeskDone = (answer: Uint8Array | undefined, now: number) => void;

/** An inviter may be off: so many are asked for one request of a guest. */
const MAX_INVITERS_ASKED = 3;

/**
 * Where requests for certificates come to: a guest's over its link, a member's or a relayed one through the overlay. What
 * this host may not answer itself goes to an inviter, once: what came through the overlay is not passed on again.
 */
export class EnrollmentDesk {
  private readonly ports: EnrollmentDeskPorts;
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly self: Hit;
  private relays = 0;

  constructor(components: { self: Hit; ports: EnrollmentDeskPorts; random: Random; logger: Logger }) {
    this.self = components.self;
    this.ports = components.ports;
    this.random = components.random;
    this.logger = components.logger;
  }

  /**
   * A request of a guest, who is linked with us alone.
   * @param inviter whom the guest wants to ask: that of its ticket; undefined: any.
   */
  fromGuest(request: DeskRequest, inviter: Hit | undefined, now: number, wallNow: number, done: DeskDone): void {
    const mine = inviter === undefined || inviter === this.self;
    if (mine && this.ports.inviting() !== undefined) {
      this.fromOverlay(request, now, wallNow, done);
      return;
    }
    const others = inviter === undefined ? shuffled(this.ports.inviters(), this.random) : mine ? [] : [inviter];
    this.relay(request, others.slice(0, MAX_INVITERS_ASKED), now, done);
  }

  /** A request that came through the overlay, or this host's own. */
  fromOverlay(request: DeskRequest, now: number, wallNow: number, done: DeskDone): void {
    const inviting = this.ports.inviting();
    try {
      if (inviting === undefined) done(undefined, now);
      else if (request.type === 'enroll')
        this.enroll(inviting, { bytes: request.request, spki: request.spki }, now, wallNow, done);
      else this.renew(inviting, request.chain, now, wallNow, done);
    } catch (error) {
      this.logger.error('nothing issued', { err: messageOf(error) });
      done(undefined, now);
    }
  }

  private relay(request: DeskRequest, inviters: readonly Hit[], now: number, done: DeskDone): void {
    if (this.relays >= MAX_RELAYS) {
      done(undefined, now);
      return;
    }
    this.relays += 1;
    const left = [...inviters];
    const next = (at: number): void => {
      const inviter = left.shift();
      if (inviter === undefined) {
        this.relays -= 1;
        done(undefined, at);
        return;
      }
      this.ports.ask(inviter, request, at, (answer, later) => {
        if (answer === undefined) {
          next(later);
          return;
        }
        this.relays -= 1;
        done(answer, later);
      });
    };
    next(now);
  }

  /** A taken name is looked up first: whoever had it may have given it back while this host was away. */
  private enroll(inviting: Inviting, request: CertificateRequest, now: number, wallNow: number, done: DeskDone): void {
    const taken = inviting.takenName(request, wallNow);
    if (taken === undefined) {
      this.enrollChecked(inviting, request, now, wallNow, done);
      return;
    }
    this.ports.formerHoldersOf(taken, now, (left, at) => {
      for (const { hit, leftAt } of left) if (inviting.sawLeaving(hit, leftAt, taken)) this.ports.left(hit, at);
      this.enrollChecked(inviting, request, at, wallNow, done);
    });
  }

  /**
   * Whose place is taken since it never came is looked up, too: a member is linked with its neighbours, which its inviter need
   * not be one of.
   */
  private enrollChecked(
    inviting: Inviting,
    request: CertificateRequest,
    now: number,
    wallNow: number,
    done: DeskDone,
  ): void {
    const [failed, ...others] = inviting.failedHosts(request, wallNow);
    const checkNext = (hit: Hit | undefined, left: readonly Hit[], at: number): void => {
      if (hit === undefined) {
        this.enrollFree(inviting, request, at, wallNow, done);
        return;
      }
      this.ports.hasCome(hit, at, (come, later) => {
        if (come === undefined)
          done(
            this.attempt(() => inviting.refuseNow(request, 'the place of another host')),
            later,
          );
        else if (come) {
          inviting.sawShown(hit);
          // Another one, perhaps, or it is refused by now. One less each time.
          this.enrollChecked(inviting, request, later, wallNow, done);
        } else checkNext(left[0], left.slice(1), later);
      });
    };
    checkNext(failed, others, now);
  }

  /** A free name is looked up, too: another inviter may have given it away. */
  private enrollFree(
    inviting: Inviting,
    request: CertificateRequest,
    now: number,
    wallNow: number,
    done: DeskDone,
  ): void {
    const chosen = inviting.chosenName(request, wallNow);
    if (chosen === undefined) {
      const given = inviting.givenName(request, wallNow);
      const answer = this.attempt(() => inviting.enroll(request, wallNow));
      // What the name was kept for until now was the ticket, whoever came with it.
      if (given !== undefined && answer !== undefined) this.ports.reserve(given.user, [given.hit], now, () => {});
      done(answer, now);
      return;
    }
    this.ports.holdersOf(chosen.user, now, (hits, at) => {
      const refuse = (): Uint8Array => inviting.refuseName(request, chosen.user);
      if (hits?.some((hit) => hit !== chosen.hit) === true) {
        done(this.attempt(refuse), at);
        return;
      }
      this.ports.reserve(chosen.user, [chosen.hit], at, (outcome, later, former) => {
        const answers = {
          kept: () => inviting.enroll(request, wallNow),
          others: () => inviting.refuseKept(request, chosen.user),
          unknown: () => inviting.refuseNow(request, chosen.user),
        };
        const answer = (when: number): void => done(this.attempt(answers[outcome]), when);
        if (outcome !== 'kept' || former === undefined) answer(later);
        else
          this.endFormer(former, chosen.user, later, (known, when) => {
            if (known) answer(when);
            else
              done(
                this.attempt(() => inviting.refuseNow(request, chosen.user)),
                when,
              );
          });
      });
    });
  }

  /**
   * Another inviter kept the name for a host, and does no more. When that host never came, it is not to come any more.
   * @param done false: nobody can say whether it has.
   */
  private endFormer(former: Hit, user: string, now: number, done: (known: boolean, now: number) => void): void {
    this.ports.hasCome(former, now, (come, at) => {
      if (come !== false) {
        done(come !== undefined, at);
        return;
      }
      this.ports.formerHoldersOf(user, at, (left, later) => {
        // It came, and has left since: its key may come back under another name.
        if (left.every(({ hit }) => hit !== former)) this.ports.handedOn(former, later);
        done(true, later);
      });
    });
  }

  private renew(inviting: Inviting, chain: readonly Uint8Array[], now: number, wallNow: number, done: DeskDone): void {
    const renewed = inviting.renew(chain, wallNow, false);
    if (renewed.ok !== 'ask') {
      done(bodyOf(renewed), now);
      return;
    }
    const { hit, user } = renewed;
    this.ports.holdersOf(user, now, (hits, at) => {
      const others = hits !== undefined && hits.length > 0 && !hits.includes(hit);
      const why = `${user} is somebody else by now: ask for a new ticket`;
      const answer = others ? { ok: false as const, why } : inviting.renew(chain, wallNow, true);
      done(answer.ok === 'ask' ? undefined : bodyOf(answer), at);
    });
  }

  private attempt(action: () => Uint8Array): Uint8Array | undefined {
    try {
      return action();
    } catch (error) {
      this.logger.error('nothing issued', { err: messageOf(error) });
      return undefined;
    }
  }
}

function bodyOf(
  renewed: { readonly ok: true; readonly chain: readonly Uint8Array[] } | { readonly ok: false; readonly why: string },
): Uint8Array {
  return encodeCertificateMessage(
    renewed.ok ? { type: 'issued', chain: renewed.chain } : { type: 'refused', why: renewed.why },
  );
}
