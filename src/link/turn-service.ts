import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { isGloballyReachable, isGlobalUnicast } from '../mobility/reachability.ts';
import { isPrivate, isUnicast } from '../ice/candidates.ts';
import type { DataPlane } from '../native/data-plane.ts';
import type { TurnUser } from '../turn/server/authenticator.ts';
import type { ConnectionTable } from './connection-table.ts';
import { TurnServer } from '../turn/server/turn-server.ts';

export interface TurnServiceOptions {
  /** Whether members of the overlay are let in, who find it there. */
  readonly members: boolean;
  readonly realm: string;
  readonly users: readonly TurnUser[];
  readonly bytesPerSecond: number;
  readonly allocations: number;
  readonly allocationsPerUser: number;
  /** Relayed addresses and peers may be in private networks. */
  readonly allowPrivate: boolean;
}

/**
 * This host as a TURN server: allocations over the data plane, from public addresses to public addresses. A member's password is made
 * of its link with us: both ends have it, and it is sent nowhere.
 */
export function turnService(
  components: {
    readonly dataPlane: DataPlane;
    readonly table: ConnectionTable;
    readonly random: Random;
    readonly logger: Logger;
  },
  options: TurnServiceOptions,
): TurnServer {
  const { dataPlane, table, random, logger } = components;
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
    {
      ...options,
      passwordsOf: (name) => (options.members ? memberPasswords(table, name) : []),
      mayRelayAt: isAllowed,
      mayReach: isAllowed,
    },
  );
}

/** Of each association with that member: two ends may not have the same one as their link at this moment. */
function memberPasswords(table: ConnectionTable, hit: string): string[] {
  const passwords: string[] = [];
  for (const { hit: other, peer, secrets } of table.associations)
    if (other === hit && peer?.member === true && secrets !== undefined) passwords.push(secrets.turnPassword);
  return passwords;
}
