import { callAddon, loadAddon } from './addon.ts';
import type { InterfaceAddress, Netlink, Route } from './data-plane.ts';

/** rtnetlink of the network namespace that the process is in. */
export function createNetlink(): Netlink {
  const { netlink } = loadAddon();
  return {
    addresses: (): InterfaceAddress[] => callAddon(() => netlink.addresses()),
    configureInterface: (name, { mtu, txQueueLength, gsoMaxSegments, addresses }): void =>
      callAddon(() => netlink.configureInterface(name, mtu, txQueueLength, gsoMaxSegments, addresses)),
    setRoute: ({ destination, interfaceName, metric }: Route): void =>
      callAddon(() => netlink.setRoute(destination, interfaceName ?? null, metric)),
    deleteRoute: ({ destination, interfaceName, metric }: Route): void =>
      callAddon(() => netlink.deleteRoute(destination, interfaceName ?? null, metric)),
    sourceFor: (remote: string): string | undefined => callAddon(() => netlink.sourceFor(remote)),
  };
}
