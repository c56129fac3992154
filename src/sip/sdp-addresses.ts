import type { SipFlow } from './flow.ts';
import type { SipMessage } from './message/message.ts';
import type { Parties } from './parties.ts';
import { rewriteSessions } from './sdp/rewrite.ts';

/** Of wrong addresses so many are remembered, each to be told of once. */
const MAX_TOLD = 64;

/**
 * Media of phones of this host: a phone may write its Wi-Fi address, ::1 or 127.0.0.1 into its SDP; the other end reaches the
 * host's overlay address.
 */
export class SdpAddresses {
  private readonly parties: Parties;
  private readonly onWrongAddresses: (addresses: readonly string[]) => void;
  private readonly told = new Set<string>();

  constructor(components: { parties: Parties; onWrongAddresses: (addresses: readonly string[]) => void }) {
    this.parties = components.parties;
    this.onWrongAddresses = components.onWrongAddresses;
  }

  /**
   * What a phone of this host sends, as whoever is at `to`, or a media relay here, can use it. Two phones of one host reach each
   * other anyhow.
   * @param onReplaced told each time, within the call
   */
  reachable<M extends SipMessage>(message: M, to: SipFlow, onReplaced?: (addresses: readonly string[]) => void): M {
    const receiver = this.parties.of(to);
    if (message.body.length === 0 || (receiver.kind === 'phone' && !receiver.onLan)) return message;
    const { parties } = this;
    const { message: changed, changed: wrong } = rewriteSessions(message, parties.addresses, (address) =>
      parties.isOfOverlay(address),
    );
    if (wrong.length > 0) onReplaced?.(wrong);
    const fresh = wrong.filter((address) => !this.told.has(address));
    if (fresh.length > 0 && this.told.size < MAX_TOLD) {
      for (const address of fresh) this.told.add(address);
      this.onWrongAddresses(fresh);
    }
    return changed;
  }
}
