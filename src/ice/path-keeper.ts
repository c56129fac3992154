import { earliest } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import { isFresh, isRelayed } from './candidate-pair.ts';
import type { CheckTransaction } from './check-transactions.ts';
import type { Checker } from './checker.ts';
import type { Consent } from './consent.ts';
import { SILENCE_VERIFY_MS } from './constants.ts';
import type { Nominator } from './nominator.ts';
import type { Outbox } from './outbox.ts';
import type { Selection } from './selection.ts';

/**
 * Whether the selected pair still serves: consent (RFC 7675), and silence, which makes it doubtful much earlier. And when
 * everything is checked anew because of that, or in the hope of a direct path; and for how long.
 */
export class PathKeeper {
  private readonly selection: Selection;
  private readonly checker: Checker;
  private readonly nominator: Nominator;
  private readonly outbox: Outbox;
  private readonly logger: Logger;

  constructor(components: {
    selection: Selection;
    checker: Checker;
    nominator: Nominator;
    outbox: Outbox;
    logger: Logger;
  }) {
    this.selection = components.selection;
    this.checker = components.checker;
    this.nominator = components.nominator;
    this.outbox = components.outbox;
    this.logger = components.logger;
  }

  /** While the pair rests nothing is due. */
  nextTimeout(): number | undefined {
    const { consent, look } = this.selection;
    if (consent === undefined || consent.resting) return undefined;
    return earliest(look.at, consent.verifyAt, consent.nextCheckAt, consent.expiresAt);
  }

  handleTimeout(now: number): void {
    const { consent } = this.selection;
    if (consent !== undefined && now >= consent.expiresAt) this.consentExpired(consent, now);
    else if (consent !== undefined && now >= consent.nextCheckAt) this.checkConsent(consent, now);
    // The selected pair did not answer while another one did.
    if (this.selection.consent?.verifyEnded(now) === true) this.nominator.consider(now);
    if (this.checker.isPatienceOver(now)) this.patienceEnded(now);
    // Nothing told of it, but a direct path may work by now.
    if (this.selection.consent?.resting !== true && this.selection.look.take(now)) this.checkAnew(now);
  }

  /** A check was answered. `rttMs`: unless it is unclear which copy was. */
  answered({ pair, purpose, late }: CheckTransaction, rttMs: number | undefined, now: number): void {
    const { consent } = this.selection;
    if (pair !== consent?.pair) return;
    if (consent.answered(rttMs, now)) this.outbox.tell({ type: 'peerRemembers' });
    if (purpose === 'consent' && !late) consent.record(true);
    // It was silent and is not any more: what was tried instead is not needed, unless the peer may have moved there.
    // On a relayed one what is tried is better.
    if (this.checker.isChecking && !this.nominator.isNominating && !isRelayed(pair)) this.nominator.stopChecking();
  }

  /** Whoever is on the way can say so too: on the selected pair the peer itself is asked at once. */
  disowned({ pair, purpose }: CheckTransaction): void {
    this.outbox.tell({ type: 'peerForgot' });
    const { consent } = this.selection;
    if (pair !== consent?.pair) return;
    consent.disowned();
    if (purpose === 'consent') this.checker.checklist.trigger(pair, true);
  }

  /** A check of consent got no answer in time. */
  missed({ pair }: CheckTransaction, now: number): void {
    const { consent } = this.selection;
    if (pair !== consent?.pair || !consent.record(false)) return;
    this.logger.info('ice.silence', { addr: formatSocketAddress(pair.remote.address) });
    consent.beginVerify(now, SILENCE_VERIFY_MS);
    this.checkAnew(now);
  }

  private checkConsent(consent: Consent, now: number): void {
    consent.checkSent(now);
    this.checker.checkConsent(consent.pair, this.nominator.isNominating, consent.answerTimeoutMs, now);
  }

  private consentExpired({ pair }: Consent, now: number): void {
    this.logger.info('ice.consent_expired', { addr: formatSocketAddress(pair.remote.address) });
    pair.expired = true;
    pair.state = 'failed';
    this.nominator.dropSelected();
    this.outbox.tell({ type: 'consentExpired' });
    this.nominator.checkEverything(now);
  }

  private checkAnew(now: number): void {
    if (!this.checker.isChecking) this.nominator.checkEverything(now);
  }

  private patienceEnded(now: number): void {
    const { checker, selection } = this;
    const { active, pairs } = checker.checklist;
    const undecided = active > 0 || pairs.some((pair) => selection.isImprovedBy(pair) && isFresh(pair, now));
    if (undecided && checker.extendPatience(now)) return;
    this.nominator.stopChecking();
    if (selection.pair === undefined) selection.fail();
    else if (isRelayed(selection.pair)) selection.look.later(now);
  }
}
