import type { SocketAddress } from '../base/socket-address.ts';
import { parseIpAddress } from '../base/ip-address.ts';
import type { FilteringBehavior } from './filtering.ts';
import { dependsOnDestination, mappingBehavior, type MappingBehavior } from './mapping-behavior.ts';
import { isGloballyReachable } from './reachability.ts';
import type { Reflexive } from './sightings.ts';

/** Of one address family: what the best address of this host is. `shared`: RFC 6598, a carrier's NAT is in front. */
export type AddressKind = 'none' | 'private' | 'shared' | 'global';

/** What is known of the network that this host is in. */
export interface NetworkFacts {
  /** Own addresses, of both families. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** How others see us, without the words of those who stand alone. */
  readonly reflexive: readonly Reflexive[];
  /** undefined: not known. */
  readonly filtering: FilteringBehavior | undefined;
  /** Who was asked how they see us. */
  readonly asked: readonly SocketAddress[];
  /** Who has answered since. */
  readonly answered: readonly SocketAddress[];
  /** Undefined: switched off. `external`: what the router sends on to us. */
  readonly mapping:
    { readonly state: 'asking' | 'mapped' | 'none'; readonly external: SocketAddress | undefined } | undefined;
  /** With their lengths, as 64:ff9b::/96. */
  readonly nat64: readonly string[];
  /** How many members could hand on for us. */
  readonly relays: number;
}

/** The verdict, for a person and for programs. */
export interface NetworkVerdict {
  readonly mapping: MappingBehavior;
  /** Which NAT this is, in plain words. */
  readonly kind: string;
  readonly ipv4: AddressKind;
  readonly ipv6: AddressKind;
  /** To hosts outside of this network. */
  readonly udp: 'works' | 'blocked' | 'unknown';
  /** What will work, a sentence each. */
  readonly works: readonly string[];
  /** What to ask the owner of the network for, the most useful first. */
  readonly ask: readonly string[];
}

/** What follows from the facts. Where they are too few it says so. */
export function judgeNetwork(facts: NetworkFacts): NetworkVerdict {
  const mapping = mappingBehavior(facts.reflexive.filter(({ base }) => !base.address.includes(':')));
  const ipv4 = addressKind(facts.addresses.filter((address) => !address.includes(':')));
  const ipv6 = addressKind(facts.addresses.filter((address) => address.includes(':')));
  const udp = udpState(facts);
  const forwarded = facts.mapping?.external;
  const open = forwarded !== undefined && isGloballyReachable(forwarded.address);
  // A router that is itself behind one gives addresses that lead nowhere.
  const carrier = ipv4 === 'shared' || (forwarded !== undefined && !open);
  const judged = { ...facts, mapping, ipv4, ipv6, udp, open, carrier };
  return { mapping, kind: kindOf(judged), ipv4, ipv6, udp, works: whatWorks(judged), ask: whatToAsk(judged) };
}

type Judged = Omit<NetworkFacts, 'mapping'> &
  Pick<NetworkVerdict, 'mapping' | 'ipv4' | 'ipv6' | 'udp'> & { readonly open: boolean; readonly carrier: boolean };

function addressKind(addresses: readonly string[]): AddressKind {
  if (addresses.some(isGloballyReachable)) return 'global';
  const [first] = addresses;
  if (first === undefined) return 'none';
  return addresses.some((address) => parseIpAddress(address).isCGNAT()) ? 'shared' : 'private';
}

function udpState({ asked, answered }: NetworkFacts): NetworkVerdict['udp'] {
  const far = (servers: readonly SocketAddress[]): number =>
    new Set(servers.map(({ address }) => address).filter(isGloballyReachable)).size;
  if (far(answered) > 0) return 'works';
  // One may be away.
  return far(asked) > 1 ? 'blocked' : 'unknown';
}

function kindOf({ mapping, carrier, ipv4, ipv6, nat64 }: Judged): string {
  const twice = carrier ? ', and behind it another one of the provider (CGNAT)' : '';
  switch (mapping) {
    case 'none':
      return 'no NAT: others see this host at its own address';
    case 'endpoint-independent':
      return `a NAT that keeps one port for all peers, as most home routers do${twice}`;
    case 'address-dependent':
      return `a NAT that gives each host another port (symmetric)${twice}`;
    case 'address-and-port-dependent':
      return `a NAT that gives each peer another port (symmetric)${twice}`;
    case 'unknown':
      if (ipv4 === 'none' && ipv6 !== 'none')
        return nat64.length > 0
          ? 'no IPv4; a NAT64 leads to IPv4 hosts'
          : 'no IPv4, and no NAT64 that leads to IPv4 hosts';
      return ipv4 === 'private' || ipv4 === 'shared'
        ? `a NAT, as the addresses of this host are not public${twice}; too few have told how they see it to know which`
        : 'not known: too few have told how they see this host';
  }
}

type ByFiltering = Readonly<Record<FilteringBehavior | 'unknown', (byRelay: string) => string>>;

const WITHOUT_NAT: ByFiltering = {
  'endpoint-independent': () => 'direct links with every host: no firewall here keeps them out',
  'address-dependent': () => 'direct links with every host: the firewall here lets in all ports of whom it has sent to',
  'address-and-port-dependent': (byRelay) =>
    `direct links with hosts whose NAT keeps its port: the firewall here lets in only ports that it has sent to; with others ${byRelay}`,
  unknown: () =>
    'direct links with every host, unless a firewall here keeps them out: then with all whose NAT keeps its port',
};

/** Of a host whose own NAT keeps its port. */
const WITH_SYMMETRIC: ByFiltering = {
  'endpoint-independent': () => 'direct too, as the NAT here lets everyone in',
  'address-dependent': () => 'direct too, as the NAT here lets in all ports of whom it has sent to',
  'address-and-port-dependent': (byRelay) => `${byRelay}, as the NAT here lets in only ports that it has sent to`,
  unknown: (byRelay) => `direct if the NAT here lets in new ports of a host (filtering not known), else ${byRelay}`,
};

function whatWorks({ mapping, filtering, open, udp, ipv6, nat64, ipv4, relays }: Judged): string[] {
  if (udp === 'blocked')
    return [
      'nobody who was asked on the Internet answers by UDP: links inside of this network, and with all others by TLS through a member that accepts it ([stream] listen)',
    ];
  const works: string[] = [];
  const byRelay =
    relays > 0
      ? `through a relay, of which ${relays} ${relays === 1 ? 'is' : 'are'} known`
      : 'through a relay, but none is known';
  if (open)
    works.push('direct links with every host that UDP gets out of: the router sends on what comes to this host');
  else if (mapping === 'none') works.push(WITHOUT_NAT[filtering ?? 'unknown'](byRelay));
  else if (mapping === 'endpoint-independent') {
    works.push('direct links with hosts without a NAT, and with hosts whose NAT keeps its port');
    works.push(`with hosts whose NAT gives each peer another port: ${WITH_SYMMETRIC[filtering ?? 'unknown'](byRelay)}`);
  } else if (mapping !== 'unknown') {
    works.push('direct links with hosts without a NAT, and with hosts whose NAT lets in new ports of a host');
    works.push(`with all others behind a NAT ${byRelay}`);
  }
  if (ipv6 === 'global') works.push('direct links by IPv6 with hosts that have it too');
  if (ipv4 === 'none' && nat64.length > 0) works.push('hosts that have IPv4 alone, by the NAT64');
  return works.length === 0 ? ['not known yet: there are links with too few'] : works;
}

function whatToAsk({ mapping, open, udp, ipv4, ipv6, nat64, port, carrier, asked }: Judged): string[] {
  const ask: string[] = [];
  if (udp === 'blocked') ask.push(`let UDP out, from port ${port} of this host and to any port`);
  const behindNat = !open && (mapping === 'unknown' ? ipv4 === 'private' || ipv4 === 'shared' : mapping !== 'none');
  if (behindNat && carrier)
    ask.push('a public IPv4 address of its own, or IPv6, from the provider: no port can be forwarded here');
  else if (behindNat)
    ask.push(`switch on PCP, NAT-PMP or UPnP in the router, or forward UDP port ${port} to this host`);
  if (behindNat && dependsOnDestination(mapping))
    ask.push('a NAT with endpoint-independent mapping (RFC 4787 REQ-1; "full cone", "open" or "static port" in menus)');
  if (ipv6 !== 'global' && asked.length > 0 && !open) ask.push('IPv6');
  if (ipv4 === 'none' && ipv6 !== 'none' && nat64.length === 0) ask.push('IPv4, or a NAT64 with DNS64');
  return ask;
}
