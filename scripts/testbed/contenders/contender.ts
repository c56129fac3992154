import { ScriptError, eventually } from '../command.ts';
import type { BackgroundProcess } from '../command.ts';
import type { Lab, Namespace } from '../lab.ts';
import { pingTimes } from '../load.ts';

/** A way from one namespace to another that is measured. Each has two namespaces and a cable of its own. */
export interface Contender {
  /** As in the names of the figures. */
  readonly who: string;
  readonly from: Namespace;
  readonly to: Namespace;
  /** Of `to`, inside the tunnel; null: it does not carry this family. */
  readonly ipv6: string | null;
  readonly ipv4: string | null;
  /** Those that carry the packets, at both ends; empty: the kernel. */
  readonly processes: readonly BackgroundProcess[];
}

/** The inner address for a benchmark that can do with either family. */
export function anyAddress({ ipv6, ipv4 }: Pick<Contender, 'ipv6' | 'ipv4'>): string {
  return ipv6 ?? ipv4 ?? '';
}

const CARRIES_TIMEOUT_MS = 30_000;

/** Waits until a tunnel carries packets: keys are made on the first ones. @throws {ScriptError} when one of its programs ends first */
export async function carries(
  from: Namespace,
  address: string,
  processes: readonly BackgroundProcess[] = [],
): Promise<void> {
  await eventually(`${address} answers ping`, CARRIES_TIMEOUT_MS, async () => {
    const dead = processes.find(({ alive }) => !alive);
    if (dead !== undefined) throw new ScriptError(`its program ended: ${dead.lastWords()}`);
    return (await pingTimes(from, address, 1, 200)).length > 0 ? true : undefined;
  });
}

/** As `carries` from a to b; both try where a NAT wants to hear either first. */
export async function bothCarry(
  { a, b, isBehindNats = false }: CabledPair,
  addresses: { readonly a: string; readonly b: string },
  processes: readonly BackgroundProcess[],
): Promise<void> {
  await Promise.all([
    carries(a, addresses.b, processes),
    ...(isBehindNats ? [carries(b, addresses.a, processes)] : []),
  ]);
}

/** Two hosts that reach each other. */
export interface CabledPair {
  readonly a: Namespace;
  readonly b: Namespace;
  /** By which the other reaches each, outside every tunnel; null: it does not, a speaks first. */
  readonly underlay: { readonly a: string | null; readonly b: string };
  /** Neither hears what it did not ask for: both have to send to open the way. */
  readonly isBehindNats?: boolean;
  /** A host that both reach, for those who find each other by a third. */
  readonly third?: { readonly namespace: Namespace; readonly address: string };
}

/** Of the cable's ends, outside every tunnel. */
export const UNDERLAY = { a: '192.0.2.1', b: '192.0.2.2' } as const;
/** Inside the tunnels of those who let us choose. */
export const INNER = {
  a: { ipv4: '198.51.100.1', ipv6: '2001:db8:1::1' },
  b: { ipv4: '198.51.100.2', ipv6: '2001:db8:1::2' },
  /** Of the third. */
  c: { ipv4: '198.51.100.3', ipv6: '2001:db8:1::3' },
} as const;
export const INNER_IPV4_PREFIX_LENGTH = 24;
export const INNER_IPV6_PREFIX_LENGTH = 64;

export async function cabledPair(lab: Lab, name: string): Promise<CabledPair> {
  const a = await lab.namespace(`${name}-a`);
  const b = await lab.namespace(`${name}-b`);
  await lab.cable(a, 'eth0', b, 'eth0');
  await a.ip('address', 'add', `${UNDERLAY.a}/24`, 'dev', 'eth0');
  await b.ip('address', 'add', `${UNDERLAY.b}/24`, 'dev', 'eth0');
  await a.ip('link', 'set', 'eth0', 'up');
  await b.ip('link', 'set', 'eth0', 'up');
  await a.carrier('eth0');
  return { a, b, underlay: UNDERLAY };
}
