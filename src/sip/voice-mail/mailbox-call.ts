import type { LastResort, Target } from '../proxy/ports.ts';
import type { MailOffer } from './ports.ts';

type Known = (ringMs: number, now: number) => void;
type Opened = (target: Target | undefined, now: number) => boolean;

export interface MailboxCallPorts {
  /** @param done called once, now or later */
  lookUp(done: (offer: MailOffer | undefined, now: number) => void): void;
  /** @param done called once, now or later */
  answer(offer: MailOffer, done: Opened): void;
}

/**
 * The mailbox of whom one call is for. What it offers is asked for at once, beside the search for the phones, which does not wait for it.
 *
 *     asking ──no offer──> none: open() says so
 *       └──offer──> offered: ringing has a limit ──open()──> a machine is started
 */
export class MailboxCall implements LastResort {
  private readonly ports: MailboxCallPorts;
  /** Undefined: it is asked for; null: there is none. */
  private offer: MailOffer | null | undefined;
  private known: Known | undefined;
  private opened: Opened | undefined;

  constructor(ports: MailboxCallPorts) {
    this.ports = ports;
    ports.lookUp((offer, now) => {
      this.offer = offer ?? null;
      if (offer !== undefined) this.known?.(offer.ringMs, now);
      this.known = undefined;
      const { opened } = this;
      this.opened = undefined;
      if (opened !== undefined) this.open(now, opened);
    });
  }

  onKnown(now: number, known: Known): void {
    if (this.offer === undefined) this.known = known;
    else if (this.offer !== null) known(this.offer.ringMs, now);
  }

  open(now: number, done: Opened): void {
    if (this.offer === undefined) this.opened = done;
    else if (this.offer === null) done(undefined, now);
    else this.ports.answer(this.offer, done);
  }
}
