import type { Clock, Timed } from '../base/clock.ts';
import { MalformedMessageError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { type CertificateMessage, decodeCertificateMessage } from './certificate-message.ts';
import type { DeskDone, DeskRequest } from './enrollment-desk.ts';
import type { Keeper } from './keeper.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { MembershipRules, MembershipStore, OwnCertificate as Certificate } from './ports.ts';
import { Renewal } from './renewal.ts';

export interface OwnCertificatePorts {
  /** All that may renew it, this host too where it may. */
  readonly inviters: () => readonly Hit[];
  /** @param done never called at once. */
  readonly ask: (inviter: Hit, request: DeskRequest, now: number, done: DeskDone) => void;
  /** Another certificate is about to be in force, of another user: what hangs on the old name is to be given back now. */
  readonly renaming: (from: string | null, now: number) => void;
  /** Another certificate is in force. `asGuest`: others took us for a guest. */
  readonly changed: (asGuest: boolean, now: number) => void;
  /** It has ended before anyone renewed it. */
  readonly lapsed: (now: number) => void;
}

/** This host's certificate: which one is in force, whether it has ended, and that it is renewed before. */
export class OwnCertificate implements Timed {
  private readonly rules: MembershipRules;
  private readonly store: MembershipStore;
  private readonly keeper: Keeper;
  private readonly lifecycle: Lifecycle;
  private readonly ports: OwnCertificatePorts;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly renewal: Renewal;
  private current: Certificate;
  private toldLapsed = false;
  /** Whether it had ended in this second, by what was known then. */
  private judged: { readonly second: number; readonly hasLapsed: boolean } | undefined;

  constructor(
    components: {
      readonly rules: MembershipRules;
      readonly store: MembershipStore;
      readonly keeper: Keeper;
      readonly lifecycle: Lifecycle;
      readonly ports: OwnCertificatePorts;
      readonly random: Random;
      readonly clock: Clock;
      readonly logger: Logger;
    },
    kept: Certificate,
  ) {
    const { rules, store, keeper, lifecycle, ports, random, clock, logger } = components;
    this.rules = rules;
    this.store = store;
    this.keeper = keeper;
    this.lifecycle = lifecycle;
    this.ports = ports;
    this.clock = clock;
    this.logger = logger;
    this.current = kept;
    this.renewal = new Renewal({
      ports: {
        inviters: ports.inviters,
        begins: () => lifecycle.move('renewing'),
        ask: (inviter, now, failed) => {
          ports.ask(inviter, this.renewalRequest, now, (answer, at) => {
            if (answer === undefined || !this.takeAnswer(answer, at)) failed(at);
          });
        },
      },
      random,
      clock,
      logger,
    });
  }

  /** DER, this host's own first, the root's last. */
  get chain(): readonly Uint8Array[] {
    return this.current.chain;
  }

  /** What this host's messages carry: members know the root, but perhaps not the inviter's certificate. */
  get messageChain(): readonly Uint8Array[] {
    return this.chain.slice(0, Math.max(1, this.chain.length - 1));
  }

  get user(): string | null {
    return this.current.user;
  }

  /** When it ends, milliseconds since the epoch. */
  get expires(): number {
    return this.current.notAfter;
  }

  /** It has ended: others take this host for a guest, who may only ask for a new one. */
  get lapsed(): boolean {
    const wallNow = this.clock.wall();
    const second = Math.floor(wallNow / 1000);
    // Asked for each message that comes.
    if (this.judged?.second !== second)
      this.judged = { second, hasLapsed: this.rules.hasLapsed(this.current, wallNow) };
    return this.judged.hasLapsed;
  }

  get renewalRequest(): DeskRequest {
    return { type: 'renew', chain: this.chain };
  }

  /** It was in force in an earlier life: when it is time to renew it, that is done soon. */
  start(now: number): void {
    this.renewal.start(this.current, now);
  }

  stop(): void {
    this.renewal.stop();
  }

  /** There may be a way to an inviter that there was not before. */
  wake(now: number): void {
    this.renewal.wake(now);
  }

  /** Something was learnt by which it may be judged differently. */
  judgeAnew(): void {
    this.judged = undefined;
  }

  /** A certificate for this host (DER, its own first), asked for or not. @returns whether it is in force now. */
  take(chain: readonly Uint8Array[], now: number, asGuest = false): boolean {
    let own: Certificate;
    try {
      own = this.rules.readOwn(chain, this.clock.wall());
    } catch (error) {
      this.logger.warn('certificate refused', { err: messageOf(error) });
      return false;
    }
    // An older one, sent again, could take a name back.
    if (!this.lifecycle.isMember || own.issuedAt < this.current.issuedAt) return false;
    if (own.user !== this.user) this.ports.renaming(this.user, now);
    this.current = own;
    this.toldLapsed = false;
    this.judgeAnew();
    this.lifecycle.move('member');
    this.logger.info('certificate', { user: own.user, until: new Date(own.notAfter).toISOString() });
    this.keeper.keep('certificate', () => this.store.saveCertificates(own.chain), now);
    this.renewal.renewed(own, now);
    this.ports.changed(asGuest, now);
    return true;
  }

  /** The body of an inviter's answer. @returns whether it brought a certificate that is in force now. */
  takeAnswer(body: Uint8Array, now: number, asGuest = false): boolean {
    let answer: CertificateMessage;
    try {
      answer = decodeCertificateMessage(body);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.logger.debug('answer not understood', { err: error.message });
      return false;
    }
    if (answer.type === 'issued') return this.take(answer.chain, now, asGuest);
    if (answer.type === 'refused') this.logger.warn('not renewed', { why: answer.why });
    return false;
  }

  nextTimeout(): number | undefined {
    return this.renewal.nextTimeout();
  }

  handleTimeout(now: number): void {
    this.renewal.handleTimeout(now);
    if (!this.lapsed || this.toldLapsed) return;
    this.toldLapsed = true;
    const at = new Date(this.expires).toISOString();
    this.logger.error('certificate ended', { at, inviters: this.ports.inviters() });
    this.ports.lapsed(now);
  }
}
