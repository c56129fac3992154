import { isInPrefix, type Ipv4Prefix } from '../base/ipv4-prefix.ts';
import { addressToHit, type Hit, hitToAddress, isHitAddress } from '../base/node-id.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { SipFlow } from './flow.ts';
import { isTrunkFlow } from './trunk/trunk-flow.ts';

/** A member behind an overlay address: the data plane lets no other source through. */
export interface ProvenMember {
  readonly hit: Hit;
  /** `alice@home.example`, as its certificate says; null: it has no name. */
  readonly user: string | null;
}

/** Who is at the other end of a flow. */
export type Party =
  /** A program of this host; `onLan`: a phone on the LAN, by a password. */
  | { readonly kind: 'phone'; readonly onLan: boolean }
  | ({ readonly kind: 'member' } & ProvenMember)
  /** The gateway beside this adaptor: whom it lets in has proven nothing to the overlay. */
  | { readonly kind: 'trunk' }
  /** Nobody that may call. */
  | { readonly kind: 'stranger' };

/** The overlay addresses of this host. */
export interface OwnAddresses {
  /** Of the HIT, canonical text. */
  readonly ipv6: string;
  /** Undefined: none is claimed yet. */
  readonly ipv4: string | undefined;
}

const STRANGER: Party = { kind: 'stranger' };
const TRUNK: Party = { kind: 'trunk' };
const PHONE: Party = { kind: 'phone', onLan: false };
const LAN_PHONE: Party = { kind: 'phone', onLan: true };

/** Who is who by its address: whoever comes to the LAN's address is a phone there, own addresses and loopback are phones of this host, addresses of the overlay are members. */
export class Parties {
  private readonly prefix: Ipv4Prefix;
  private readonly self: Hit;
  private readonly memberAt: (hit: Hit | undefined, address: string) => ProvenMember | undefined;
  private readonly lan: SocketAddress | undefined;
  private own: OwnAddresses;

  /**
   * @param components.memberAt who is behind an overlay address, as its link has proven; `hit`: of an address that is one
   * @param components.lan where phones on the LAN are heard; absent: nowhere
   */
  constructor(components: {
    self: Hit;
    own: OwnAddresses;
    prefix: Ipv4Prefix;
    memberAt: (hit: Hit | undefined, address: string) => ProvenMember | undefined;
    lan?: SocketAddress | undefined;
  }) {
    this.self = components.self;
    this.own = components.own;
    this.prefix = components.prefix;
    this.memberAt = components.memberAt;
    this.lan = components.lan;
  }

  get addresses(): OwnAddresses {
    return this.own;
  }

  addressesChanged(own: OwnAddresses): void {
    this.own = own;
  }

  of(flow: SipFlow): Party {
    if (isTrunkFlow(flow)) return TRUNK;
    const { local, remote } = flow;
    const { address } = remote;
    if (this.lan !== undefined && local.address === this.lan.address) return LAN_PHONE;
    if (this.isOwn(address) || isLoopback(address)) return PHONE;
    if (!this.isOfOverlay(address)) return STRANGER;
    const member = this.provenAt(address);
    return member === undefined ? STRANGER : { kind: 'member', ...member };
  }

  /** Whose overlay address that is, this host's too; undefined: nobody's. */
  hitAt(address: string): Hit | undefined {
    if (this.isOwn(address) || address === this.lan?.address) return this.self;
    return this.isOfOverlay(address) ? this.provenAt(address)?.hit : undefined;
  }

  /** What is known of the certificate of a member; null: it has no user, or nothing is known. */
  userOf(hit: Hit): string | null {
    return this.provenAt(hitToAddress(hit))?.user ?? null;
  }

  private provenAt(address: string): ProvenMember | undefined {
    return this.memberAt(isHitAddress(address) ? addressToHit(address) : undefined, address);
  }

  /** Whether the address is an overlay address of this host. */
  isOwn(address: string): boolean {
    return address === this.own.ipv6 || address === this.own.ipv4;
  }

  /** Whether another host of the overlay is there, whoever it is: no phone on the LAN, and no program here. */
  isOtherHost({ local, remote: { address } }: SipFlow): boolean {
    return local.address !== this.lan?.address && this.isOfOverlay(address) && !this.isOwn(address);
  }

  isOfOverlay(address: string): boolean {
    return isHitAddress(address) || (!address.includes(':') && isInPrefix(this.prefix, address));
  }

  /** Our address that leads to an overlay address; undefined: we have none of that family. */
  towards(address: string): string | undefined {
    return address.includes(':') ? this.own.ipv6 : this.own.ipv4;
  }
}

export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
