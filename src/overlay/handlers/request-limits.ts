import type { NodeId } from '../../base/node-id.ts';
import type { KnownBody } from '../../reload/index.ts';
import {
  ATTACH_RATE,
  CONFIG_UPDATE_RATE,
  JOIN_RATE,
  LEAVE_RATE,
  MAX_LIMITED_NODES,
  ROUTING_TABLE_RATE,
} from '../constants.ts';
import { RateLimiter } from '../rate-limiter.ts';

/** What each node may cause here of the requests that cost more than their answer. */
export class RequestLimits {
  private readonly attach = new RateLimiter(ATTACH_RATE, MAX_LIMITED_NODES);
  private readonly join = new RateLimiter(JOIN_RATE, MAX_LIMITED_NODES);
  private readonly leave = new RateLimiter(LEAVE_RATE, MAX_LIMITED_NODES);
  private readonly configUpdate = new RateLimiter(CONFIG_UPDATE_RATE, MAX_LIMITED_NODES);
  private readonly routingTable = new RateLimiter(ROUTING_TABLE_RATE, MAX_LIMITED_NODES);

  /** Whether the node may ask that now. */
  take(nodeId: NodeId, body: KnownBody, now: number): boolean {
    switch (body.type) {
      case 'attach_req':
      case 'app_attach_req':
        return this.attach.take(nodeId, now);
      case 'join_req':
        return this.join.take(nodeId, now);
      case 'leave_req':
        return this.leave.take(nodeId, now);
      case 'config_update_req':
        return this.configUpdate.take(nodeId, now);
      case 'route_query_req':
        return !body.sendUpdate || this.routingTable.take(nodeId, now);
      default:
        return true;
    }
  }
}
