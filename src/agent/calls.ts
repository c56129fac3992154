import type { Hit } from '../base/node-id.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { LinkManager } from '../link/link-manager.ts';
import type { ResolverResult } from '../resolver/resolver.ts';
import type { Acquaintances } from './acquaintances.ts';
import { AWAY, type Doubles } from './doubles.ts';
import type { OwnNode } from './own-node.ts';
import type { PeerFinder } from './peer-finder.ts';

export interface CallsComponents {
  readonly links: Pick<LinkManager, 'connectDirect' | 'isUp'>;
  readonly node: Pick<OwnNode, 'joined'>;
  readonly doubles: Pick<Doubles, 'isAway' | 'keepsBack'>;
  readonly finder: Pick<PeerFinder, 'seekAtRecord'>;
  readonly acquaintances: Pick<Acquaintances, 'toRelink'>;
}

/** Whom we ask for a link, and how: by an address, or by a HIT through the overlay. Not in the place of our double. */
export class Calls {
  private readonly components: CallsComponents;

  constructor(components: CallsComponents) {
    this.components = components;
  }

  /**
   * @param expected who is to be there; undefined: anybody of the overlay
   * @param patienceMs how long it may take to prove who is there; undefined: as long as any link
   * @returns false when there was nothing to do.
   */
  dial(remote: SocketAddress, now: number, expected?: Hit, patienceMs?: number): boolean {
    const { doubles, links } = this.components;
    return !doubles.keepsBack(now) && links.connectDirect(remote, now, expected, patienceMs);
  }

  /** Asks a host for a link, or for a new path of the one that is there. */
  connect(hit: Hit, now: number, done: (result: ResolverResult<undefined>) => void): void {
    const { node, doubles, finder } = this.components;
    const { joined } = node;
    if (joined === undefined || doubles.isAway) {
      done({ ok: false, reason: doubles.isAway ? AWAY : 'not in the overlay (yet)' });
      return;
    }
    joined.overlay.connect(hit, now, (result, at) => {
      // A peer that no message gets to may be where it says, in a ring of its own.
      if (!result.ok) finder.seekAtRecord(hit, at);
      done(result.ok ? { ok: true, value: undefined } : { ok: false, reason: result.error.message });
    });
  }

  /** A known peer uses an association that we no longer have (we were killed): it gets a new link at once. */
  relink(remote: SocketAddress, now: number): void {
    const { acquaintances, links, node } = this.components;
    const hit = acquaintances.toRelink(remote, (known) => links.isUp(known), now);
    if (hit === undefined) return;
    if (node.joined !== undefined) this.connect(hit, now, () => {});
    // It sends to us from there: no NAT is in the way.
    else this.dial(remote, now, hit);
  }
}
