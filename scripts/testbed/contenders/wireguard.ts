import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ScriptError, command, eventually } from '../command.ts';
import type { BackgroundProcess } from '../command.ts';
import type { Lab, Namespace } from '../lab.ts';
import { INNER, INNER_IPV4_PREFIX_LENGTH, INNER_IPV6_PREFIX_LENGTH, cabledPair, bothCarry } from './contender.ts';
import type { CabledPair, Contender } from './contender.ts';

const PORT = 51820;
const START_TIMEOUT_MS = 10_000;
/** Where wireguard-go puts its sockets, whatever the network namespace. */
const SOCKET_FOLDER = '/var/run/wireguard';

const ENVIRONMENT = {
  LOG_LEVEL: 'error',
  // wireguard-go warns and waits where the kernel has WireGuard; boringtun drops the privilege that it needs in a namespace.
  WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD: '1',
  WG_SUDO: '1',
};

let interfaceCount = 0;

/** A WireGuard in user space with the command line of wireguard-go (so have boringtun and gotatun). @param binary path or name */
export async function wireguardContender(
  lab: Lab,
  who: string,
  binary: string,
  given?: CabledPair,
): Promise<Contender> {
  const pair = given ?? (await cabledPair(lab, who));
  const { a, b, underlay, isBehindNats = false } = pair;
  const ends = [
    { namespace: a, underlay: underlay.a, inner: INNER.a, isBehindNats },
    { namespace: b, underlay: underlay.b, inner: INNER.b, isBehindNats },
  ] as const;
  const made = [await makeInterface(lab, binary, ends[0]), await makeInterface(lab, binary, ends[1])] as const;
  await connect(ends[0], made[0], ends[1], made[1]);
  await connect(ends[1], made[1], ends[0], made[0]);
  const processes = made.map(({ program }) => program);
  await bothCarry(pair, { a: INNER.a.ipv6, b: INNER.b.ipv6 }, processes);
  return { who, from: a, to: b, ipv6: INNER.b.ipv6, ipv4: INNER.b.ipv4, processes };
}

interface End {
  readonly namespace: Namespace;
  /** By which the other end reaches it; null: it speaks first. */
  readonly underlay: string | null;
  readonly isBehindNats: boolean;
  readonly inner: { readonly ipv4: string; readonly ipv6: string };
}

interface Interface {
  readonly name: string;
  readonly publicKey: string;
  readonly program: BackgroundProcess;
}

async function makeInterface(lab: Lab, binary: string, { namespace, inner }: End): Promise<Interface> {
  interfaceCount += 1;
  const name = `wg${process.pid}n${interfaceCount}`;
  const socket = join(SOCKET_FOLDER, `${name}.sock`);
  lab.removeAtClose(socket);
  const program = namespace.start(binary, ['-f', name], ENVIRONMENT);
  await eventually(`${binary} starts`, START_TIMEOUT_MS, () => {
    if (!program.alive) throw new ScriptError(`${binary} ended: ${program.lastWords()}`);
    return existsSync(socket) ? true : undefined;
  });
  const key = await command('wg', ['genkey']);
  const keyFile = join(lab.directory, `${name}.key`);
  writeFileSync(keyFile, key, { mode: 0o600 });
  const publicKey = (await command('wg', ['pubkey'], { input: key })).trim();
  await namespace.run('wg', ['set', name, 'private-key', keyFile, 'listen-port', String(PORT)]);
  await namespace.ip('address', 'add', `${inner.ipv4}/${INNER_IPV4_PREFIX_LENGTH}`, 'dev', name);
  await namespace.ip('address', 'add', `${inner.ipv6}/${INNER_IPV6_PREFIX_LENGTH}`, 'dev', name);
  await namespace.ip('link', 'set', name, 'up');
  return { name, publicKey, program };
}

async function connect(here: End, own: Interface, there: End, other: Interface): Promise<void> {
  await here.namespace.run('wg', [
    ...['set', own.name, 'peer', other.publicKey],
    ...(there.underlay === null ? [] : ['endpoint', `${there.underlay}:${PORT}`]),
    // What its makers advise behind NATs.
    ...(here.isBehindNats ? ['persistent-keepalive', '25'] : []),
    ...['allowed-ips', `${there.inner.ipv4}/32,${there.inner.ipv6}/128`],
  ]);
}
