/**
 * Two hosts for `scripts/bench links`: the agent, and a crowd of members that are one process. A data plane tells links apart by
 * the remote address, so each member reaches the agent by an address of its own, which a NAT in the crowd's namespace makes
 * the agent's:
 *
 *     member i 10.81.x.y --> 10.82.x.y (NAT: 10.80.0.1) ---- veth ---- agent 10.80.0.1
 *
 * The agent sees 10.81.x.y as it is.
 */
export const AGENT_ADDRESS = '10.80.0.1';
export const CROWD_ADDRESS = '10.80.0.2';
export const PREFIX_LENGTH = 24;
export const MEMBERS = '10.81.0.0/16';
export const AGENT_SEEN = '10.82.0.0/16';

const inPrefix = (second: number, number: number): string => `10.${second}.${(number + 1) >> 8}.${(number + 1) & 255}`;

export function memberAddress(number: number): string {
  return inPrefix(81, number);
}

/** Where that member finds the agent. */
export function agentSeenBy(number: number): string {
  return inPrefix(82, number);
}
