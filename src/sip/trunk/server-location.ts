import { isIpAddress, canonicalAddress } from '../../base/ip-address.ts';
import type { Random } from '../../base/random.ts';
import type { SocketAddress } from '../../base/socket-address.ts';
import type { SipTransport } from '../flow.ts';
import { SIP_PORT, SIPS_PORT } from '../transaction/constants.ts';

// Specification: RFC 3263.

const SERVICES: ReadonlyMap<string, SipTransport> = new Map([
  ['SIP+D2U', 'udp'],
  ['SIP+D2T', 'tcp'],
  ['SIPS+D2T', 'tls'],
]);

// Implementation constants.

/** Servers of one domain that one request tries. */
const MAX_SERVERS = 8;
const MAX_RECORDS = 16;

/** Where a request may go; earlier ones first. */
export interface Server {
  readonly transport: SipTransport;
  readonly remote: SocketAddress;
}

export interface NaptrRecord {
  readonly order: number;
  readonly preference: number;
  readonly flags: string;
  readonly service: string;
  readonly replacement: string;
}

export interface SrvRecord {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly name: string;
}

/** Each gives nothing where there is no such record, or no answer. */
export interface Resolver {
  naptr(name: string): Promise<readonly NaptrRecord[]>;
  srv(name: string): Promise<readonly SrvRecord[]>;
  /** A and AAAA, in the order in which they are to be tried. */
  addresses(name: string): Promise<readonly string[]>;
}

export interface Wanted {
  /** Host part of the URI. */
  readonly host: string;
  readonly port?: number | undefined;
  /** Of a URI, or a setting, that says so. TLS is never left for another one. */
  readonly transport?: SipTransport | undefined;
}

/**
 * The servers of a SIP URI (RFC 3263 s4): by NAPTR and SRV, or by its address; over TLS where that is wanted, and nowhere else.
 * @returns the order in which they are tried; empty: there is none.
 */
export async function locateServers(wanted: Wanted, resolver: Resolver, random: Random): Promise<Server[]> {
  const { host, port, transport = 'udp' } = wanted;
  const usual = transport === 'tls' ? SIPS_PORT : SIP_PORT;
  if (isIpAddress(host)) return [{ transport, remote: { address: canonicalAddress(host), port: port ?? usual } }];
  // s4.2: "If the TARGET was not a numeric IP address, but a port is present in the URI", it is looked up as it is.
  if (port !== undefined) return serversAt(host, port, transport, resolver);
  const services = await servicesOf(wanted, resolver);
  const servers: Server[] = [];
  for (const { name, transport: by } of services) {
    if (servers.length >= MAX_SERVERS) break;
    const records = ordered((await resolver.srv(name)).slice(0, MAX_RECORDS), random);
    for (const record of records) {
      // RFC 2782: "A Target of "." means that the service is decidedly not available".
      if (record.name === '' || record.name === '.' || servers.length >= MAX_SERVERS) continue;
      servers.push(...(await serversAt(record.name, record.port, by, resolver)));
    }
  }
  return servers.length > 0 ? servers.slice(0, MAX_SERVERS) : serversAt(host, usual, transport, resolver);
}

/** s4.1: names of SRV records by falling preference. */
async function servicesOf(
  { host, transport }: Wanted,
  resolver: Resolver,
): Promise<{ name: string; transport: SipTransport }[]> {
  const isSecure = transport === 'tls';
  if (transport !== undefined && !isSecure) return [{ name: `_sip._${transport}.${host}`, transport }];
  const records = (await resolver.naptr(host)).slice(0, MAX_RECORDS);
  const found = records
    .toSorted((a, b) => a.order - b.order || a.preference - b.preference)
    .flatMap(({ flags, service, replacement }) => {
      const by = SERVICES.get(service.toUpperCase());
      const isWanted = by !== undefined && (by === 'tls') === isSecure && flags.toLowerCase() === 's';
      return isWanted ? [{ name: replacement, transport: by }] : [];
    });
  if (found.length > 0) return found;
  if (isSecure) return [{ name: `_sips._tcp.${host}`, transport }];
  return (['udp', 'tcp'] as const).map((by) => ({ name: `_sip._${by}.${host}`, transport: by }));
}

async function serversAt(name: string, port: number, transport: SipTransport, resolver: Resolver): Promise<Server[]> {
  const addresses = isIpAddress(name) ? [name] : await resolver.addresses(name);
  return addresses.slice(0, MAX_SERVERS).map((address) => ({ transport, remote: { address, port } }));
}

/** By priority, and within one by weight, at random (RFC 2782). */
function ordered(records: readonly SrvRecord[], random: Random): SrvRecord[] {
  const left = records.toSorted((a, b) => a.priority - b.priority || a.weight - b.weight);
  const order: SrvRecord[] = [];
  while (left.length > 0) {
    const group = left.filter(({ priority }) => priority === left[0]?.priority);
    const total = group.reduce((sum, { weight }) => sum + weight, 0);
    let ticket = random.float() * total;
    const chosen = group.find(({ weight }) => (ticket -= weight) <= 0) ?? group[0];
    if (chosen === undefined) break;
    order.push(chosen);
    left.splice(left.indexOf(chosen), 1);
  }
  return order;
}
