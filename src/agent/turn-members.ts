import { earliest, type Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import type { LocalAddresses } from '../mobility/local-addresses.ts';
import type { LinkManager } from '../link/link-manager.ts';
import { isGloballyReachable } from '../mobility/reachability.ts';
import type { OverlayNode } from '../overlay/overlay-node.ts';
import { type FoundTurnServer, lookUpTurnServer } from '../overlay/turn-lookup.ts';

// Implementation constants.

/** At once: another one for when the first does not serve. */
const MAX_SERVERS = 2;
/** Random places that are asked in one search, one after the other: RFC 6940 s9 has the reader try again elsewhere. */
const MAX_LOOKUPS = 6;
/** A link with the server, and an allocation there: more round trips than that are no use. */
const PATIENCE_MS = 6_000;
/** After a search in vain; doubled each time. */
const RETRY_MS = { least: 15_000, most: 600_000 } as const;
/** Servers are kept so long after they were needed last: the next call has its relayed address from the first packet on. */
const KEEP_MS = 900_000;
/** Servers that did not serve, for as long as `KEEP_MS`. */
const MAX_USELESS = 16;

export interface TurnMembersComponents {
  readonly self: Hit;
  readonly links: Pick<LinkManager, 'isUp' | 'snapshot'> & {
    readonly addresses: Pick<LocalAddresses, 'isOwn' | 'mayReach' | 'reach'>;
    readonly turn: Pick<LinkManager['turn'], 'setMembers' | 'isRelayed'>;
  };
  /** Undefined: not in the overlay (yet). */
  readonly overlay: () => Pick<OverlayNode, 'settings' | 'requester' | 'fetch'> | undefined;
  readonly dial: (remote: SocketAddress, now: number, hit: Hit) => void;
  /** Asks it for a link, through the overlay. */
  readonly connect: (hit: Hit, now: number) => void;
  /** Where that member accepts streams. */
  readonly streamsOf: (hit: Hit) => readonly SocketAddress[];
  /** Revoked hosts serve nobody. */
  readonly isGone: (hit: Hit) => boolean;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * TURN servers among the members (RFC 6940 s9), for a host whose call has found no way and that has no relayed address:
 *
 *   resting ──needed──> searching ──found──> trying ──allocated──> relayed ──not needed for KEEP_MS──> resting
 *      ^                    └──found nothing──┐ └──nothing comes of it──┐
 *      └───────────────────back-off───────────┴───────────────────────┘
 *
 * Anyone may write anything into his own record: what is sent there is a call for that member alone, whose key is to be proved.
 */
export class TurnMembers implements Timed {
  private readonly components: TurnMembersComponents;
  /** Those that are tried, or used. */
  private readonly found = new Map<Hit, FoundTurnServer>();
  private readonly useless = new Map<Hit, number>();
  private searching = false;
  /** When those that are tried should have given an address. */
  private checkAt: number | undefined;
  private notBefore = -Infinity;
  private retryMs: number = RETRY_MS.least;
  private keptUntil = -Infinity;

  constructor(components: TurnMembersComponents) {
    this.components = components;
  }

  /** A call has found no way. */
  needed(now: number): void {
    const { links } = this.components;
    this.keptUntil = now + KEEP_MS;
    if (links.turn.isRelayed || this.searching || this.checkAt !== undefined || now < this.notBefore) return;
    this.search(now);
  }

  /** For a person: asks a random place, and dials nobody. */
  look(now: number, done: (found: readonly FoundTurnServer[], now: number) => void): void {
    this.lookUp(MAX_LOOKUPS, [], now, done);
  }

  nextTimeout(): number | undefined {
    return earliest(this.checkAt, this.found.size > 0 ? this.keptUntil : undefined);
  }

  handleTimeout(now: number): void {
    if (this.checkAt !== undefined && now >= this.checkAt) this.check(now);
    if (this.found.size > 0 && now >= this.keptUntil) this.consider(now);
  }

  private search(now: number): void {
    this.searching = true;
    this.lookUp(MAX_LOOKUPS, [], now, (servers, at) => {
      this.searching = false;
      this.found.clear();
      for (const server of servers) this.found.set(server.hit, server);
      if (servers.length === 0) this.pause(at);
      else this.tryThem(at);
    });
  }

  /** One place after the other, until there are enough. */
  private lookUp(
    left: number,
    servers: readonly FoundTurnServer[],
    now: number,
    done: (found: readonly FoundTurnServer[], now: number) => void,
  ): void {
    const overlay = this.components.overlay();
    if (left === 0 || servers.length >= MAX_SERVERS || overlay === undefined) {
      done(servers, now);
      return;
    }
    lookUpTurnServer(overlay, this.components.random, now, (server, at) => {
      const isNew = server !== undefined && !servers.some(({ hit }) => hit === server.hit);
      const more = isNew && this.isUsable(server, at) ? [...servers, server] : servers;
      // In a small overlay everybody answers the same.
      this.lookUp(more.length > 0 ? Math.min(left - 1, MAX_SERVERS) : left - 1, more, at, done);
    });
  }

  private isUsable({ hit, address }: FoundTurnServer, now: number): boolean {
    const { self, links, isGone } = this.components;
    const wasUseless = now < (this.useless.get(hit) ?? -Infinity);
    return (
      hit !== self &&
      !isGone(hit) &&
      !wasUseless &&
      isGloballyReachable(address.address) &&
      !links.addresses.isOwn(address)
    );
  }

  private tryThem(now: number): void {
    const { links, dial, connect, streamsOf, logger } = this.components;
    for (const { hit, address } of this.found.values()) {
      logger.info('turn.found', { nodeId: hit, addr: formatSocketAddress(address) });
      if (links.isUp(hit)) continue;
      // It may have others than that of its record, of the family that we have.
      if (links.addresses.mayReach(links.addresses.reach(address).address)) dial(address, now, hit);
      else connect(hit, now);
      // Where UDP passes, the stream is given up.
      for (const remote of streamsOf(hit).slice(0, 1)) dial(remote, now, hit);
    }
    this.checkAt = now + PATIENCE_MS;
    links.turn.setMembers([...this.found.keys()], now);
  }

  private check(now: number): void {
    const { links } = this.components;
    this.checkAt = undefined;
    if (links.turn.isRelayed) {
      this.retryMs = RETRY_MS.least;
      return;
    }
    for (const hit of this.found.keys()) this.useless.set(hit, now + KEEP_MS);
    for (const oldest of this.useless.keys()) {
      if (this.useless.size <= MAX_USELESS) break;
      this.useless.delete(oldest);
    }
    this.leave(now);
    this.pause(now);
  }

  private pause(now: number): void {
    this.notBefore = now + this.retryMs;
    this.retryMs = Math.min(2 * this.retryMs, RETRY_MS.most);
  }

  /** Nobody has asked for them for a while: unless a link goes by one, they are left. */
  private consider(now: number): void {
    const isUsed = this.components.links.snapshot().links.some(({ path }) => path?.over === 'turn');
    if (isUsed) this.keptUntil = now + KEEP_MS;
    else this.leave(now);
  }

  private leave(now: number): void {
    this.found.clear();
    this.components.links.turn.setMembers([], now);
  }
}
