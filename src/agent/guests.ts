import { equalBytes } from '../base/bytes.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { parseCertificate } from '../identity/certificate.ts';
import { outcomeOf } from '../identity/enrollment.ts';
import { CertificateError } from '../identity/errors.ts';
import type { LinkManager } from '../link/link-manager.ts';
import { decodeCertificateMessage } from '../membership/certificate-message.ts';
import type { DeskRequest } from '../membership/enrollment-desk.ts';
import { decodeEnrollmentExchange, encodeEnrollmentExchange } from '../membership/enrollment-exchange.ts';
import type { Membership } from '../membership/membership.ts';

export interface GuestsComponents {
  readonly links: Pick<LinkManager, 'send' | 'certificateOf'>;
  readonly membership: Pick<Membership, 'answerGuest' | 'requestAsGuest' | 'noticeFor' | 'lapsed'>;
  readonly timeIsKnown: () => boolean;
  readonly random: Random;
  readonly logger: Logger;
  /** A guest has its answer: a ticket may be used up. */
  readonly answered: () => void;
}

/**
 * Links whose other end has no certificate that is in force: it may ask for one, and for nothing else. We are such a guest
 * ourselves when ours has ended.
 */
export class Guests {
  private readonly components: GuestsComponents;
  private readonly overlay: string;

  constructor(components: GuestsComponents, options: { readonly overlay: string }) {
    this.components = components;
    this.overlay = options.overlay;
  }

  /** Our certificate has ended, by a time that we know. */
  get includesUs(): boolean {
    const { membership, timeIsKnown } = this.components;
    return membership.lapsed && timeIsKnown();
  }

  /** Asks a member that takes us for a guest to renew our certificate. */
  ask(hit: Hit): void {
    const { links, membership, random } = this.components;
    links.send(hit, membership.requestAsGuest({ overlay: this.overlay, random }));
  }

  /** A guest is linked: one that was revoked while it was away is told so, or it would knock for ever. */
  welcome(hit: Hit): void {
    const { links, membership, random } = this.components;
    const notice = membership.noticeFor(hit, { overlay: this.overlay, random });
    if (notice !== undefined) links.send(hit, notice);
  }

  /** What a guest has sent. */
  answer(hit: Hit, message: Uint8Array, now: number): void {
    const { links, membership } = this.components;
    const request = decodeEnrollmentExchange('exp_a_req', message);
    const certificate = links.certificateOf(hit);
    if (request === undefined || certificate === undefined) return;
    const { transactionId, to, bytes } = request;
    const asked = guestRequest(bytes, certificate.spki);
    if (asked === undefined) return;
    membership.answerGuest(asked, to, now, (answer) => {
      this.log(hit, asked.type, answer);
      if (answer === undefined) return;
      const { overlay } = this;
      links.send(hit, encodeEnrollmentExchange('exp_a_ans', answer, { overlay, transactionId, to: hit }));
      this.components.answered();
    });
  }

  private log(hit: Hit, asked: DeskRequest['type'], answer: Uint8Array | undefined): void {
    const { logger } = this.components;
    if (answer === undefined) {
      logger.warn('guest not answered', { nodeId: hit, reason: 'no inviter answers' });
      return;
    }
    const { admitted, reason } = asked === 'enroll' ? outcomeOf(answer) : renewalOutcome(answer);
    if (admitted) logger.info(asked === 'enroll' ? 'newcomer admitted' : 'guest renewed', { nodeId: hit });
    else logger.warn(asked === 'enroll' ? 'newcomer refused' : 'guest not renewed', { nodeId: hit, reason });
  }
}

/** What the answer to a renewal says; another inviter's may be malformed. */
function renewalOutcome(answer: Uint8Array): { readonly admitted: boolean; readonly reason?: string } {
  try {
    const message = decodeCertificateMessage(answer);
    return message.type === 'refused' ? { admitted: false, reason: message.why } : { admitted: true };
  } catch (error) {
    if (error instanceof MalformedMessageError) return { admitted: false, reason: error.message };
    throw error;
  }
}

/** What a guest may ask, for the key of its link alone. */
function guestRequest(bytes: Uint8Array, spki: Uint8Array): DeskRequest | undefined {
  try {
    const message = decodeCertificateMessage(bytes);
    if (message.type === 'enroll') return equalBytes(message.spki, spki) ? message : undefined;
    const [own] = message.type === 'renew' ? message.chain : [];
    return message.type === 'renew' && own !== undefined && equalBytes(parseCertificate(own).spki, spki)
      ? message
      : undefined;
  } catch (error) {
    if (error instanceof MalformedMessageError || error instanceof CertificateError) return undefined;
    throw error;
  }
}
