import { HOME_NAT, NO_NAT, type Behaviour, type Dependence } from '../access-network.ts';

/** What stands between a host and the internet. */
export interface Kind {
  readonly name: string;
  /** The routers, the outermost first. */
  readonly routers: readonly Behaviour[];
  /** Hosts have IPv6 alone; the routers are behind a NAT64. */
  readonly isNat64?: boolean;
}

const INITIALS: Readonly<Record<Exclude<Dependence, 'none'>, string>> = {
  independent: 'ei',
  address: 'ad',
  'address-port': 'apd',
};
const DEPENDENCES = ['independent', 'address', 'address-port'] as const;

/** As by a line that a carrier shares among customers; hairpins are off wherever nothing else is said. */
export const CARRIER_NAT: Behaviour = HOME_NAT;

/** `apdm-eif`: address-and-port-dependent mapping, endpoint-independent filtering (RFC 4787). Ports are preserved while they are free. */
export const KINDS: readonly Kind[] = [
  { name: 'open', routers: [NO_NAT] },
  { name: 'firewall', routers: [{ mapping: 'none', filtering: 'address-port' }] },
  ...DEPENDENCES.flatMap((mapping) =>
    DEPENDENCES.map((filtering) => ({
      name: `${INITIALS[mapping]}m-${INITIALS[filtering]}f`,
      routers: [{ mapping, filtering }],
    })),
  ),
  { name: 'random', routers: [{ mapping: 'address-port', filtering: 'address-port', ports: 'random' }] },
  { name: 'two-nats', routers: [CARRIER_NAT, HOME_NAT] },
  { name: 'nat64', routers: [HOME_NAT], isNat64: true },
  { name: 'no-udp', routers: [{ ...HOME_NAT, udp: 'off' }] },
];

/** Two hosts that share a NAT which leads nothing back inside: their own, or their carrier's before each one's own. */
export const SHARED = ['one-nat', 'one-carrier'] as const;
export type Shared = (typeof SHARED)[number];

/** The everyday ones. */
export const QUICK = ['open', 'eim-apdf', 'apdm-apdf', ...SHARED];
