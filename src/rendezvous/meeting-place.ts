import type { SocketAddress } from '../base/socket-address.ts';

/**
 * Why a place is visited. `arrive`: we look for others; `wait`: others are likely to be looking for us; `keep`: they can come only
 * when we send to them too; `miss`: some were lost, and may be in a ring of their own; `watch`: only now and then.
 */
export type Urgency = 'arrive' | 'wait' | 'keep' | 'miss' | 'watch';

/**
 * Where hosts find each other without knowing an address: the LAN (mDNS), the DNS, BitTorrent's Mainline DHT. A visit leaves our
 * address under the key, where the place is for that, and asks who else did. Answers come at any later time; none, or a place
 * that does not work here, is no error.
 */
export interface MeetingPlace {
  readonly name: string;
  /** Between two visits under one key: what the place, or its neighbours, can bear. */
  readonly leastPauseMs: number;
  /** Told each address that someone left under a key that was visited. What is told is anyone's word. */
  onFound(handler: (address: SocketAddress) => void): void;
  visit(key: Uint8Array): void;
}
