import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { isGloballyReachable, isGlobalUnicast } from '../mobility/reachability.ts';
import { isPrivate, isUnicast } from '../ice/candidates.ts';
import type { DataPlane } from '../native/data-plane.ts';
import type { TurnUser } from '../turn/server/authenticator.ts';
import { TurnServer } from '../turn/server/turn-server.ts';

export interface TurnServiceOptions {
  readonly realm: string;
  readonly users: readonly TurnUser[];
  readonly bytesPerSecond: number;
  readonly allocations: number;
  readonly allocationsPerUser: number;
  /** Relayed addresses and peers may be in private networks. */
  readonly allowPrivate: boolean;
}

/** This host as a TURN server: allocations over the data plane, from public addresses to public addresses. */
export function turnService(
  components: { readonly dataPlane: DataPlane; readonly random: Random; readonly logger: Logger },
  options: TurnServiceOptions,
): TurnServer {
  const { dataPlane, random, logger } = components;
  dataPlane.setTurnQuota(options.bytesPerSecond);
  // Of the overlay, loopback and link-local never.
  const isPublic = (address: string): boolean =>
    isUnicast(address) && isGloballyReachable(address) && isGlobalUnicast(address);
  const isAllowed = (address: string): boolean => isPublic(address) || (options.allowPrivate && isPrivate(address));
  return new TurnServer(
    {
      random,
      logger,
      ports: {
        open: (id, user, local, client, relayed) => dataPlane.openTurnAllocation(id, { user, local, client }, relayed),
        close: (id) => dataPlane.closeTurnAllocation(id),
        permit: (id, peer, channel) => dataPlane.permitTurnPeer(id, peer, channel),
      },
    },
    { ...options, mayRelayAt: isAllowed, mayReach: isAllowed },
  );
}
