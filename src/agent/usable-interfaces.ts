import type { InterfaceAddress } from '../native/data-plane.ts';

/** What stands for hardware in a bridge: a VLAN or a bond of it, or itself, which has no kind. */
const HARDWARE_KINDS: ReadonlySet<string> = new Set(['', 'vlan', 'bond', 'team']);
/** The host's ends of the cables into containers, as docker, systemd-nspawn, LXC, Calico and CNI plugins name them. */
const CONTAINER_CABLE = /^(veth|ve-|vb-|lxc|cali|cni)/;
const BRIDGE_KINDS: ReadonlySet<string> = new Set(['bridge', 'openvswitch']);

/**
 * Without the networks that exist on this host alone: bridges of containers and virtual machines, and the cables to those. No
 * other host reaches them, and each would cost a place in tickets and checks in ICE. A bridge with hardware in it is a real
 * network, and so is the one that the default route leaves by.
 * @param defaultSources the addresses that the kernel sends from by the default routes.
 */
export function withoutContainers(
  addresses: readonly InterfaceAddress[],
  defaultSources: readonly (string | undefined)[],
): InterfaceAddress[] {
  const uplinks = new Set(
    addresses.filter(({ address }) => defaultSources.includes(address)).map(({ interfaceName }) => interfaceName),
  );
  return addresses.filter((entry) => uplinks.has(entry.interfaceName) || !isContainerNetwork(entry));
}

function isContainerNetwork({ kind, interfaceName, portKinds }: InterfaceAddress): boolean {
  if (BRIDGE_KINDS.has(kind)) return !portKinds.some((port) => HARDWARE_KINDS.has(port));
  if (kind === 'dummy') return true;
  return kind === 'veth' && CONTAINER_CABLE.test(interfaceName);
}
