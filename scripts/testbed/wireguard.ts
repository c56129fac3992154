import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command, eventually } from './command.ts';
import type { Lab, Namespace } from './lab.ts';

const PORT = 51820;
const START_TIMEOUT_MS = 10_000;
/** Where wireguard-go puts its sockets, whatever the network namespace. */
const SOCKET_FOLDER = '/var/run/wireguard';

let interfaceCount = 0;

export interface TunnelEnd {
  readonly namespace: Namespace;
  /** By which the other end reaches it. */
  readonly underlay: string;
  /** CIDR, both families. */
  readonly addresses: readonly string[];
}

/** A wireguard-go tunnel between two namespaces: the peer to compare with. @param binary path or name of the program */
export async function wireguardTunnel(lab: Lab, binary: string, a: TunnelEnd, b: TunnelEnd): Promise<void> {
  const made = [await makeInterface(lab, binary, a), await makeInterface(lab, binary, b)] as const;
  await connect(a, made[0], b, made[1]);
  await connect(b, made[1], a, made[0]);
}

interface Interface {
  readonly name: string;
  readonly keyFile: string;
  readonly publicKey: string;
}

async function makeInterface(lab: Lab, binary: string, end: TunnelEnd): Promise<Interface> {
  interfaceCount += 1;
  const name = `wg${process.pid}n${interfaceCount}`;
  const socket = join(SOCKET_FOLDER, `${name}.sock`);
  lab.removeAtClose(socket);
  end.namespace.start(binary, ['-f', name], { LOG_LEVEL: 'error', WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD: '1' });
  await eventually(`${binary} starts`, START_TIMEOUT_MS, () => (existsSync(socket) ? true : undefined));
  const key = await command('wg', ['genkey']);
  const keyFile = join(lab.directory, `${name}.key`);
  writeFileSync(keyFile, key, { mode: 0o600 });
  const publicKey = (await command('wg', ['pubkey'], { input: key })).trim();
  await end.namespace.run('wg', ['set', name, 'private-key', keyFile, 'listen-port', String(PORT)]);
  for (const address of end.addresses) await end.namespace.ip('address', 'add', address, 'dev', name);
  await end.namespace.ip('link', 'set', name, 'up');
  return { name, keyFile, publicKey };
}

async function connect(here: TunnelEnd, own: Interface, there: TunnelEnd, other: Interface): Promise<void> {
  const allowed = there.addresses.map(
    (address) => `${address.split('/')[0] ?? ''}/${address.includes(':') ? 128 : 32}`,
  );
  await here.namespace.run('wg', [
    ...['set', own.name, 'peer', other.publicKey, 'endpoint', `${there.underlay}:${PORT}`],
    ...['allowed-ips', allowed.join(',')],
  ]);
}
