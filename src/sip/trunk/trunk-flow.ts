import type { SocketAddress } from '../../base/socket-address.ts';
import type { SipFlow } from '../flow.ts';

/** User part of the gateway's Contact towards members: what is in a dialog with it comes back to it. */
export const TRUNK_USER = 'gateway';
const KEY = 'trunk';

/** The way between an adaptor and the gateway beside it, in memory: it loses nothing. */
export function trunkFlow(adaptor: SocketAddress): SipFlow {
  return { transport: 'tcp', local: adaptor, remote: { address: adaptor.address, port: 0 }, key: KEY };
}

export function isTrunkFlow({ key }: SipFlow): boolean {
  return key === KEY;
}
