import type { Hit } from '../base/node-id.ts';

/** A host of the overlay as DNS shows it. */
export interface OverlayHost {
  readonly hit: Hit;
  /** The overlay IPv4 address that it has claimed, dotted. */
  readonly ipv4: string | undefined;
  /** The label below the overlay's name, `bob` of `bob.home.example`; undefined: the host has claimed none. */
  readonly name: string | undefined;
}

export type LookupAnswer =
  /** One at least; of a user that has several, first those that answer soonest, as far as is known. */
  | { readonly status: 'found'; readonly hosts: readonly OverlayHost[] }
  /** The overlay was asked, and there is no such thing. */
  | { readonly status: 'absent' }
  /** The overlay could not be asked. */
  | { readonly status: 'failed'; readonly reason: string };

/**
 * What the DNS stub asks of the overlay. `done` is called once, now or later; a call that comes after the client's
 * patience still serves the next query. Never throws.
 */
export interface NameLookup {
  /** @param name a host label or user, lower case: `bob` of `bob.home.example` */
  lookupName(name: string, done: (answer: LookupAnswer) => void): void;
  lookupHit(hit: Hit, done: (answer: LookupAnswer) => void): void;
  /** @param address dotted, inside the overlay's IPv4 prefix */
  lookupIpv4(address: string, done: (answer: LookupAnswer) => void): void;
}

export type LookupKey =
  | { readonly by: 'name'; readonly name: string }
  | { readonly by: 'hit'; readonly hit: Hit }
  | { readonly by: 'ipv4'; readonly address: string };
