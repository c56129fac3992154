import { canonicalAddress } from '../base/ip-address.ts';
import { addressToHit, type Hit, isHitAddress } from '../base/node-id.ts';
import type { SipFlow } from './flow.ts';
import type { SipMessage } from './message/message.ts';
import type { Parties } from './parties.ts';
import { replaceInSessions } from './sdp/rewrite.ts';

/**
 * Media between phones of different families. Each host has an overlay address of both, and most phones that speak IPv6 listen to
 * IPv4 by the same socket: a phone that is here by IPv4 is told the IPv4 address of a host that has written its other one. What a phone
 * over IPv6 is told stays: it knows both, or would not be helped.
 */
export class SdpFamilies {
  private readonly parties: Parties;
  private readonly ipv4Of: (hit: Hit) => string | undefined;

  /** @param components.ipv4Of of a member, as far as it is known */
  constructor(components: { parties: Parties; ipv4Of: (hit: Hit) => string | undefined }) {
    this.parties = components.parties;
    this.ipv4Of = components.ipv4Of;
  }

  /** What goes to a phone of this host. */
  readable<M extends SipMessage>(message: M, to: SipFlow): M {
    if (message.body.length === 0 || to.remote.address.includes(':')) return message;
    return replaceInSessions(message, (address) => this.ipv4At(address)).message;
  }

  private ipv4At(address: string): string | undefined {
    const canonical = canonicalAddress(address);
    if (!isHitAddress(canonical)) return undefined;
    return this.parties.isOwn(canonical) ? this.parties.addresses.ipv4 : this.ipv4Of(addressToHit(canonical));
  }
}
