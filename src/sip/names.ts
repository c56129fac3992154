import { canonicalAddress, isIpAddress } from '../base/ip-address.ts';
import { isMemberLabel } from '../identity/names.ts';
import type { SipUri } from './message/uri.ts';

/** RFC 3261 s8.1.1.3, RFC 3323: who does not want to say. */
export const ANONYMOUS_HOST = 'anonymous.invalid';

/** What the host part of a SIP URI leads to. */
export type Addressee =
  /** `sip:bob@home.example`, and `sip:bob@bob.home.example`, which is the same member by the name of its hosts. */
  | { readonly kind: 'aor'; readonly aor: string }
  /** The domain, or a host of it, without a user. */
  | { readonly kind: 'domain' }
  /** An IP address in the host part. */
  | { readonly kind: 'address'; readonly address: string }
  /** Another domain, or no SIP URI. */
  | { readonly kind: 'foreign' };

/** Reads SIP URIs as names of an overlay (RFC 7904 s3: an AoR without its scheme is the name of a resource). */
export class OverlayNames {
  private readonly overlay: string;

  /** @param overlay `home.example` */
  constructor(overlay: string) {
    this.overlay = overlay.toLowerCase();
  }

  /** `home.example` */
  get domain(): string {
    return this.overlay;
  }

  /** An address record of a user label. */
  aorOf(label: string): string {
    return `${label}@${this.overlay}`;
  }

  isDomain(host: string): boolean {
    return host.replace(/\.$/, '') === this.overlay;
  }

  addresseeOf({ user, host }: Pick<SipUri, 'user' | 'host'>): Addressee {
    if (isIpAddress(host)) return { kind: 'address', address: canonicalAddress(host) };
    const domain = host.replace(/\.$/, '');
    const label = user?.toLowerCase();
    if (domain === this.overlay) {
      if (label === undefined) return { kind: 'domain' };
      return { kind: 'aor', aor: this.aorOf(label) };
    }
    if (!domain.endsWith(`.${this.overlay}`)) return { kind: 'foreign' };
    const member = domain.slice(0, -this.overlay.length - 1);
    if (!isMemberLabel(member)) return { kind: 'foreign' };
    // Whoever asks for another user of a host asks for the host's.
    return label === undefined ? { kind: 'domain' } : { kind: 'aor', aor: this.aorOf(member) };
  }
}
