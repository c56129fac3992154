import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AccessNetwork, type Backbone, HOME_NAT, NO_NAT } from './access-network.ts';
import type { Lab, Namespace } from './lab.ts';
import { Host } from './topology.ts';

/** A network's own: with the well-known one (RFC 6052 s2.1) nobody is reached at an address for documentation. */
const PREFIX = 'fd64:ff9b::/96';
const FROM_TRANSLATOR_TABLE = 103;
/** Numbers in the LAN of the NAT behind the translator: its own, and those of whom it translates. */
const OWN_NUMBER = 2;
const POOL_NUMBER = 64;
const POOL_PREFIX_LENGTH = 26;
const DNS64 = join(import.meta.dirname, 'dns64.ts');
const DNS64_PATIENCE_MS = 20_000;
const NETNS_FOLDER = '/etc/netns';

/**
 * An access network as of a mobile operator: IPv6 only; IPv4 is reached by NAT64 (tayga and a home's NAT behind it), whose prefix
 * the resolver tells (RFC 7050).
 * @param tayga the program
 */
export async function nat64Network(
  lab: Lab,
  backbone: Backbone,
  name: string,
  tayga = 'tayga',
): Promise<AccessNetwork> {
  const network = await backbone.access(name, NO_NAT, backbone, [6]);
  const nat = await backbone.access(`${name}-nat`, HOME_NAT);
  const { namespace } = network;
  const { interfaceName } = await nat.lay(new Host(`${name}-translator`, namespace), OWN_NUMBER);
  const [own, pool] = [nat.addressOf(OWN_NUMBER), `${nat.addressOf(POOL_NUMBER)}/${POOL_PREFIX_LENGTH}`];
  const folder = lab.folder(`tayga-${name}`);
  const configuration = join(folder, 'tayga.conf');
  writeFileSync(
    configuration,
    [
      'tun-device nat64',
      `ipv4-addr ${nat.addressOf(POOL_NUMBER + 1)}`,
      `ipv6-addr ${network.gateway6.replace(/::1$/, '::6464')}`,
      `prefix ${PREFIX}`,
      `dynamic-pool ${pool}`,
      `data-dir ${folder}`,
      '',
    ].join('\n'),
  );
  await namespace.run(tayga, ['--config', configuration, '--mktun']);
  await namespace.ipBatch([
    'link set nat64 up',
    `address add ${own}/${nat.prefixLength} dev ${interfaceName}`,
    `route add ${pool} dev nat64`,
    `route add ${PREFIX} dev nat64`,
    `route add default via ${nat.gateway} dev ${interfaceName} table ${FROM_TRANSLATOR_TABLE}`,
    `rule add iif nat64 lookup ${FROM_TRANSLATOR_TABLE}`,
  ]);
  await nat.namespace.ip('route', 'add', pool, 'via', own);
  namespace.start(tayga, ['--config', configuration, '--nodetach']);
  // Until tayga has opened the device, what is sent there is lost.
  await namespace.carrier('nat64');
  await namespace.start(process.execPath, [DNS64, network.gateway6, PREFIX]).waitFor(/ready/, DNS64_PATIENCE_MS);
  return network;
}

/** Programs in `namespace` from now on ask that resolver. */
export function useResolver(lab: Lab, namespace: Namespace, address: string): void {
  const folder = join(NETNS_FOLDER, namespace.name);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'resolv.conf');
  writeFileSync(file, `nameserver ${address}\n`);
  lab.removeAtClose(file);
}
