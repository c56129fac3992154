import { callAddon, loadAddon } from './addon.ts';
import type { InterfaceAddress, InterfaceState, Netlink, Route, Rule } from './data-plane.ts';

/** RT_TABLE_MAIN */
const MAIN_TABLE = 254;

/** rtnetlink of the network namespace that the process is in. */
export function createNetlink(): Netlink {
  const { netlink } = loadAddon();
  return {
    addresses: (): InterfaceAddress[] => callAddon(() => netlink.addresses()),
    configureInterface: (name, { mtu, txQueueLength, gsoMaxSegments, addresses }): void =>
      callAddon(() => netlink.configureInterface(name, mtu, txQueueLength, gsoMaxSegments, addresses)),
    interfaceState: (name): InterfaceState | undefined => callAddon(() => netlink.interfaceState(name)),
    addRoute: ({ destination, interfaceName, metric, table = MAIN_TABLE }: Route): boolean =>
      callAddon(() => netlink.addRoute(destination, interfaceName ?? null, metric, table)),
    setRoute: ({ destination, interfaceName, metric, table = MAIN_TABLE }: Route): void =>
      callAddon(() => netlink.setRoute(destination, interfaceName ?? null, metric, table)),
    deleteRoute: ({ destination, interfaceName, metric, table = MAIN_TABLE }: Route): void =>
      callAddon(() => netlink.deleteRoute(destination, interfaceName ?? null, metric, table)),
    addRule: ({ source, table, priority }: Rule): boolean => callAddon(() => netlink.addRule(source, table, priority)),
    deleteRule: ({ source, table, priority }: Rule): void =>
      callAddon(() => netlink.deleteRule(source, table, priority)),
    sourceFor: (remote: string): string | undefined => callAddon(() => netlink.sourceFor(remote)),
  };
}
