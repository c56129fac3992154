import type { SocketAddress } from '../../../src/base/socket-address.ts';
import type { SimHost } from './host.ts';

/**
 * How the data plane sends (native/src/udp/lane_sockets.h): with two uplinks or more a datagram whose local address belongs to
 * one of them leaves by the socket that is bound to it; all else as the kernel routes.
 * @returns false: the host has no such address, or no way there.
 */
export function sendByUplink(
  host: SimHost,
  { local, port }: { readonly local: string | null; readonly port: number },
  remote: SocketAddress,
  data: Uint8Array,
): boolean {
  const { uplinks } = host;
  const device = local === null ? undefined : host.deviceOf(local);
  const bound = uplinks.length > 1 && device !== undefined && uplinks.includes(device) ? device : undefined;
  return host.send(local, port, remote, data, bound);
}
