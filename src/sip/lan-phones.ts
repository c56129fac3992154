import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { Authenticator, type DigestUser } from './digest/authenticator.ts';
import type { SipFlow } from './flow.ts';
import type { SipMessage, SipRequest } from './message/message.ts';
import type { Refusal } from './proxy/ports.ts';

/** Where phones on the LAN are heard, and who they are. */
export interface LanOptions extends SocketAddress {
  /** The accounts of the host's phones: each is a device of its user. */
  readonly users: readonly DigestUser[];
}

/** Flows that somebody has come by with a password. */
const MAX_KNOWN = 256;
/** Of a name that somebody invented. */
const MAX_LOGGED_NAME = 64;

/**
 * Phones on the LAN, which nothing is known of but their passwords: each of their requests is asked for one. What cannot be asked, an ACK,
 * has to come from where such a request came from.
 */
export class LanPhones {
  private readonly logger: Logger;
  private readonly authenticator: Authenticator;
  /** By key, the longest unused first. */
  private readonly known = new Set<string>();

  /** @param options.realm what phones are told: the overlay's name */
  constructor(
    components: { readonly random: Random; readonly logger: Logger },
    options: { readonly realm: string; readonly users: readonly DigestUser[] },
  ) {
    this.logger = components.logger;
    this.authenticator = new Authenticator(components, options);
  }

  /** Undefined: an account of this host sends it. @param isUrgent a call for help */
  refusalOf(request: SipRequest, from: SipFlow, now: number, isUrgent = false): Refusal | undefined {
    if (request.method === 'ACK')
      return this.known.has(from.key) ? undefined : { status: 403, reason: 'Not Known Here' };
    const verdict = this.authenticator.check(request, from.remote.address, now, isUrgent);
    if (verdict.type === 'known') {
      this.remember(from);
      return undefined;
    }
    const { status, reason, headers, wrongUser } = verdict;
    if (wrongUser !== undefined)
      this.logger.warn('SIP: a phone on the LAN has a wrong password', {
        user: wrongUser.slice(0, MAX_LOGGED_NAME),
        addr: from.remote.address,
        advice: 'its authentication user and password are to be those of [sip.lan.users]',
      });
    return { status, reason, headers };
  }

  /** What goes on from a phone to anybody else. */
  withoutCredentials<M extends SipMessage>(message: M): M {
    return this.authenticator.withoutCredentials(message);
  }

  private remember({ key }: SipFlow): void {
    this.known.delete(key);
    this.known.add(key);
    const [oldest] = this.known;
    if (this.known.size > MAX_KNOWN && oldest !== undefined) this.known.delete(oldest);
  }
}
