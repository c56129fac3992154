import type { SocketAddress } from '../base/socket-address.ts';
import type { OverlayConfiguration } from '../config/overlay-configuration.ts';
import type { Contact } from '../identity/contacts.ts';
import type { OverlayRole } from '../overlay/events.ts';
import type { Double } from './doubles.ts';

/** What the engine tells whoever runs it. */
export type EngineEvent =
  | { readonly type: 'joined'; readonly role: OverlayRole }
  /** Our overlay IPv4 address is claimed. */
  | { readonly type: 'ipv4'; readonly address: string }
  /** The host's addresses may have changed: to be read anew and given to `setHostAddresses`. */
  | { readonly type: 'network' }
  /** The TUN, its addresses or its routes may have been changed by someone else. */
  | { readonly type: 'tunChanged' }
  /** Someone deleted the TUN: programs are cut off until the agent starts again. */
  | { readonly type: 'tunLost' }
  /** A path of some link carries datagrams of so many bytes. */
  | { readonly type: 'pathMtu'; readonly bytes: number }
  /** A datagram of BitTorrent's DHT. */
  | { readonly type: 'foreign'; readonly data: Uint8Array; readonly remote: SocketAddress }
  /** Another agent has this host's key; the one that was started later, `isAway`, stays out of the overlay. Undefined: no more. */
  | { readonly type: 'double'; readonly double: Double | undefined }
  /** The overlay agrees on something else from now on. */
  | { readonly type: 'configuration'; readonly configuration: OverlayConfiguration }
  /** We are no member of the overlay any more: nobody links with us. */
  | { readonly type: 'revoked' }
  /** What we know of a peer changed; to be kept for the next start. */
  | { readonly type: 'contact'; readonly contact: Contact };
