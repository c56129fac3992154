import type { Answer } from 'dns-packet';
import { NAPTR_BYTES, POSITIVE_TTL_S, RECORD_HEAD_BYTES, SRV_BYTES } from './constants.ts';

const ADDRESS_BYTES = 16;
/** Two bytes of each of six names that are no letters of it (RFC 1035 s3.1). */
const NAME_ENDS = 12;

/** The SIP proxy of this host, to which phones here come with the overlay's name alone. */
export interface OwnSip {
  readonly port: number;
  /** Overlay addresses of this host where it listens. */
  readonly addresses: readonly string[];
  /** At all of these over TCP too. */
  readonly tcp: boolean;
}

/** Service names of RFC 3263 s4.1 below the domain, as they are offered: who finds both without an order of his own takes UDP. */
const SERVICES = [
  { name: '_sip._udp', service: 'SIP+D2U' },
  { name: '_sip._tcp', service: 'SIP+D2T' },
] as const;

/**
 * Where the proxy is over IPv4 alone. Phones that know both families and get both addresses take one of them by chance (libre, and
 * with it baresip, orders them by a hash), and two of them that took different ones do not hear each other. No member has this name: it
 * has two labels.
 */
export const IPV4_PROXY = 'ipv4.proxy';

/**
 * Records of the domain itself: where the proxy is, and how it is found.
 * @param room for them in a datagram, in bytes: of a domain with a very long name only the first service is told by NAPTR.
 */
export function domainRecords(
  sip: OwnSip,
  domain: string,
  question: { name: string; type: string },
  room: number,
): Answer[] {
  const { name, type } = question;
  switch (type) {
    case 'A':
    case 'AAAA':
      return addressRecords(sip, name, type);
    case 'NAPTR':
      return offered(sip).flatMap(({ name: replacement, service }, i) => {
        const bytes = NAPTR_BYTES + 2 * (domain.length + 2) + service.length + replacement.length + 1;
        if (i > 0 && (i + 1) * bytes > room) return [];
        const order = 10 * (i + 1);
        // RFC 3263 s4.1: the flag "s" says that SRV comes next.
        const data = { order, preference: 10, flags: 's', services: service, regexp: '' };
        return { type, name, ttl: POSITIVE_TTL_S, data: { ...data, replacement: `${replacement}.${domain}` } } as const;
      });
    case 'ANY':
      return ['AAAA', 'A', 'NAPTR'].flatMap((each) => domainRecords(sip, domain, { name, type: each }, room));
    default:
      return [];
  }
}

/**
 * The answer to a question for a service below the domain. The target is the domain itself: `alice.home.example` may be several hosts, of which
 * this is one, and any other label may be a member's. Where the proxy is reached over both families, IPv4 comes first.
 * @param room as above: of a domain with a very long name there is one target.
 * @returns undefined: it is not offered.
 */
export function serviceRecords(
  sip: OwnSip,
  domain: string,
  below: string,
  question: { name: string; type: string },
  room: number,
): { readonly answers: Answer[]; readonly additionals: Answer[] } | undefined {
  const { name, type } = question;
  if (!offered(sip).some((each) => each.name === below) || (type !== 'SRV' && type !== 'ANY')) return undefined;
  const ipv4 = `${IPV4_PROXY}.${domain}`;
  const [v4, v6] = [addressRecords(sip, ipv4, 'A'), addressRecords(sip, domain, 'AAAA')];
  const bytes =
    2 * (SRV_BYTES + name.length) +
    2 * (ipv4.length + domain.length) +
    2 * (RECORD_HEAD_BYTES + ADDRESS_BYTES) +
    NAME_ENDS;
  const isEither = v4.length > 0 && v6.length > 0 && bytes <= room;
  const targets = isEither ? [ipv4, domain] : [domain];
  return {
    answers: targets.map((target, priority) => {
      const data = { priority, weight: 0, port: sip.port, target };
      return { type: 'SRV', name, ttl: POSITIVE_TTL_S, data };
    }),
    additionals: isEither ? [...v4, ...v6] : [...v6, ...addressRecords(sip, domain, 'A')],
  };
}

/** Where the proxy is over IPv4. */
export function ipv4ProxyRecords(sip: OwnSip, name: string): Answer[] {
  return addressRecords(sip, name, 'A');
}

function offered({ addresses, tcp }: OwnSip): (typeof SERVICES)[number][] {
  return SERVICES.filter(({ name }) => addresses.length > 0 && (tcp || name === '_sip._udp'));
}

function addressRecords({ addresses }: OwnSip, name: string, type: 'A' | 'AAAA'): Answer[] {
  return addresses
    .filter((address) => address.includes(':') === (type === 'AAAA'))
    .map((data) => ({ type, name, ttl: POSITIVE_TTL_S, data }));
}
