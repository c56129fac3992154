import { callAddon, loadAddon } from './addon.ts';
import type { InterfaceAddress, InterfaceState, Netlink, Route } from './data-plane.ts';

/** rtnetlink of the network namespace that the process is in. */
export function createNetlink(): Netlink {
  const { netlink } = loadAddon();
  return {
    addresses: (): InterfaceAddress[] => callAddon(() => netlink.addresses()),
    configureInterface: (name, { mtu, txQueueLength, gsoMaxSegments, addresses }): void =>
      callAddon(() => netlink.configureInterface(name, mtu, txQueueLength, gsoMaxSegments, addresses)),
    interfaceState: (name): InterfaceState | undefined => callAddon(() => netlink.interfaceState(name)),
    addRoute: ({ destination, interfaceName, metric }: Route): boolean =>
      callAddon(() => netlink.addRoute(destination, interfaceName ?? null, metric)),
    setRoute: ({ destination, interfaceName, metric }: Route): void =>
      callAddon(() => netlink.setRoute(destination, interfaceName ?? null, metric)),
    deleteRoute: ({ destination, interfaceName, metric }: Route): void =>
      callAddon(() => netlink.deleteRoute(destination, interfaceName ?? null, metric)),
    sourceFor: (remote: string): string | undefined => callAddon(() => netlink.sourceFor(remote)),
  };
}
