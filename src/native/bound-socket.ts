import { canonicalAddress } from '../base/ip-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { callAddon, loadAddon } from './addon.ts';

/**
 * A socket at an address of this host that hears only what comes by the interface that has it, or from this host itself. Any other
 * socket also hears what somebody on a LAN sends to that address, with whatever sender he writes.
 * @returns the descriptor, which the caller owns; of TCP it does not listen yet.
 * @throws {IdlocError} with the errno's name as code: `EADDRINUSE`, `EADDRNOTAVAIL`, `ENODEV` without the interface, ...
 */
export function bindSocket(transport: 'udp' | 'tcp', { address, port }: SocketAddress, interfaceName: string): number {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new RangeError(`not a port: ${port}`);
  return callAddon(() => loadAddon().bindSocket(transport, address, port, interfaceName));
}

/** Where the socket of this descriptor listens for connections; undefined: it is none of IP, or does not listen. */
export function listeningAddress(descriptor: number): SocketAddress | undefined {
  const found = loadAddon().listeningAddress(descriptor);
  return found === undefined ? undefined : { address: canonicalAddress(found.address), port: found.port };
}
