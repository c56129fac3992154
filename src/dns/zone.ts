import type { Answer } from 'dns-packet';
import { Address4, Address6, AddressError } from 'ip-address';
import { isIpAddress } from '../base/ip-address.ts';
import { addressToHit, hitToAddress } from '../base/node-id.ts';
import { parseIpv4Prefix } from '../base/ipv4-prefix.ts';
import { isMemberLabel } from '../identity/names.ts';
import {
  HEADER_BYTES,
  MAX_HOSTS_TOLD,
  MIN_UDP_PAYLOAD_BYTES,
  NEGATIVE_TTL_S,
  OPT_BYTES,
  POSITIVE_TTL_S,
  QUESTION_TAIL_BYTES,
  RECORD_HEAD_BYTES,
  SIP_PORT,
  SRV_BYTES,
} from './constants.ts';
import { type Question, Rcode, type Response } from './message.ts';
import type { LookupAnswer, LookupKey, OverlayHost } from './name-lookup.ts';
import { IPV4_PROXY, domainRecords, ipv4ProxyRecords, type OwnSip, serviceRecords } from './own-sip.ts';

/** What becomes of a question. */
export type Verdict =
  /** Not ours: forward it. */
  | { readonly kind: 'outside' }
  | { readonly kind: 'answer'; readonly response: Response }
  /** The overlay has to be asked; `respond` turns what it says into the answer. */
  | { readonly kind: 'lookup'; readonly key: LookupKey; readonly respond: (answer: LookupAnswer) => Response };

export interface ZoneOptions {
  /** The overlay's name, `home.example`: the zone. */
  readonly overlay: string;
  /** `198.18.0.0/15`; undefined: the overlay has no IPv4 addresses. */
  readonly ipv4Prefix: string | undefined;
  /** The SIP proxy of this host, as it is now; undefined: there is none. Absent: nor will there be one. */
  readonly ownSip?: () => OwnSip | undefined;
}

/** The seven nibbles of 2001:20::/28, backwards as ip6.arpa has them. */
const HIT_REVERSE_ZONE = '2.0.0.1.0.0.2.ip6.arpa';
/** Names below a member that exist without records of their own (RFC 8020: they must not be NXDOMAIN). */
const EMPTY_BELOW_MEMBER = new Set([
  '_udp',
  '_tcp',
  '_sip._tcp',
  // RFC 3263 s4.1: SIP over TLS, TCP and SCTP. Only UDP is offered, and every phone asks for all of them first.
  '_sips._tcp',
  '_sip._sctp',
  '_sips._sctp',
  '_sctp',
]);

/**
 * What the stub answers for, and nothing else: the overlay's own zone first, then the reverse ones. An IPv4 prefix is cut at the
 * first whole octet that it covers: 18.198.in-addr.arpa and 19.198.in-addr.arpa for 198.18.0.0/15; 128 zones at most.
 * @throws {TypeError} when the prefix is none.
 */
export function zonesOf({ overlay, ipv4Prefix }: ZoneOptions): string[] {
  const name = overlay.toLowerCase().replace(/\.$/, '');
  return [name, HIT_REVERSE_ZONE, ...(ipv4Prefix === undefined ? [] : ipv4ReverseZones(ipv4Prefix))];
}

/**
 * The overlay's part of the DNS, as pure decisions:
 *
 *     NAME.OVERLAY               AAAA (the HIT) and A of each host of the user, NAPTR to the SRV
 *     _sip._udp.NAME.OVERLAY     SRV 0 0 5060 NAME.OVERLAY
 *     OVERLAY                    SOA; where this host has a SIP proxy: AAAA and A of this host itself, NAPTR to the SRV
 *     _sip._udp.OVERLAY, _sip._tcp.OVERLAY               SRV 0 0 5062 ipv4.proxy.OVERLAY, SRV 1 0 5062 OVERLAY, as far as it listens
 *     ipv4.proxy.OVERLAY         A of this host itself
 *     HIT in ip6.arpa, overlay IPv4 in in-addr.arpa      PTR
 *
 * Everything else below these is empty or NXDOMAIN at once. Everything beside them is `outside`.
 */
export class OverlayZone {
  private readonly overlay: string;
  private readonly zones: readonly string[];
  private readonly ownSip: () => OwnSip | undefined;

  /** @throws {TypeError} when the prefix is none. */
  constructor(options: ZoneOptions) {
    this.zones = zonesOf(options);
    [this.overlay = ''] = this.zones;
    this.ownSip = options.ownSip ?? ((): undefined => undefined);
  }

  consider(question: Question): Verdict {
    const name = question.name.toLowerCase().replace(/\.$/, '');
    const zone = this.zones.find((one) => isBelow(name, one));
    if (zone === undefined) return { kind: 'outside' };
    if (question.class !== 'IN' || question.type === 'AXFR' || question.type === 'IXFR') {
      return { kind: 'answer', response: { ...EMPTY, rcode: Rcode.REFUSED, authoritative: false } };
    }
    const below = name.slice(0, Math.max(0, name.length - zone.length - 1));
    if (zone === this.overlay) return this.considerForward(question, below);
    return zone === HIT_REVERSE_ZONE ? this.considerHit(question, below) : this.considerIpv4(question, name, zone);
  }

  private considerForward(question: Question, below: string): Verdict {
    if (below === '') return this.considerDomain(question);
    if (below === IPV4_PROXY) return this.considerIpv4Proxy(question);
    if (EMPTY_BELOW_MEMBER.has(below) || below === '_sip._udp') return this.considerService(question, below);
    const labels = below.split('.');
    const member = labels.at(-1) ?? '';
    if (!isMemberLabel(member)) return this.absent(this.overlay);
    const service = labels.slice(0, -1).join('.');
    if (EMPTY_BELOW_MEMBER.has(service)) return this.empty(this.overlay);
    const key: LookupKey = { by: 'name', name: member };
    if (service === '') return this.ask(key, this.overlay, (hosts) => this.memberRecords(question, member, hosts));
    if (service !== '_sip._udp') return this.absent(this.overlay);
    // Asked whatever the type: a SRV name below nobody is NXDOMAIN.
    return this.ask(key, this.overlay, (hosts) => this.serviceRecords(question, member, hosts));
  }

  private considerDomain(question: Question): Verdict {
    const sip = this.ownSip();
    const answers = sip === undefined ? [] : domainRecords(sip, this.overlay, question, roomBehind(question));
    if (answers.length === 0) return this.considerApex(question, this.overlay);
    if (question.type === 'ANY') answers.unshift(this.soa(question.name));
    return { kind: 'answer', response: { ...EMPTY, answers } };
  }

  /** Without a SIP proxy the SRV names of the domain exist and are empty, so that nobody waits. */
  private considerService(question: Question, below: string): Verdict {
    const sip = this.ownSip();
    const records =
      sip === undefined ? undefined : serviceRecords(sip, this.overlay, below, question, roomBehind(question));
    if (records === undefined) return this.empty(this.overlay);
    return { kind: 'answer', response: { ...EMPTY, ...records } };
  }

  private considerIpv4Proxy(question: Question): Verdict {
    const sip = this.ownSip();
    const answers = sip === undefined ? [] : ipv4ProxyRecords(sip, question.name);
    if (answers.length === 0) return this.absent(this.overlay);
    if (question.type !== 'A' && question.type !== 'ANY') return this.empty(this.overlay);
    return { kind: 'answer', response: { ...EMPTY, answers } };
  }

  private considerApex(question: Question, zone: string): Verdict {
    if (question.type !== 'SOA' && question.type !== 'ANY') return this.empty(zone);
    return { kind: 'answer', response: { ...EMPTY, answers: [this.soa(question.name)] } };
  }

  private considerHit(question: Question, below: string): Verdict {
    if (below === '') return this.considerApex(question, HIT_REVERSE_ZONE);
    const address = fromArpa(`${below}.${HIT_REVERSE_ZONE}`);
    if (address === undefined) return this.absent(HIT_REVERSE_ZONE);
    if (address.subnetMask < 128) return this.empty(HIT_REVERSE_ZONE);
    const hit = addressToHit(address.correctForm());
    return this.ask({ by: 'hit', hit }, HIT_REVERSE_ZONE, (hosts) => this.pointer(question, hosts));
  }

  private considerIpv4(question: Question, name: string, zone: string): Verdict {
    const octets = reverseLabels(name);
    if (name === zone && octets.length < 4) return this.considerApex(question, zone);
    const address = filledUp(octets);
    if (!isIpAddress(address)) return this.absent(zone);
    if (octets.length < 4) return this.empty(zone);
    return this.ask({ by: 'ipv4', address }, zone, (hosts) => this.pointer(question, hosts));
  }

  private ask(key: LookupKey, zone: string, records: (hosts: readonly OverlayHost[]) => Partial<Response>): Verdict {
    const respond = (answer: LookupAnswer): Response => {
      switch (answer.status) {
        case 'absent':
          return this.negative(Rcode.NXDOMAIN, zone);
        case 'failed':
          return { ...EMPTY, rcode: Rcode.SERVFAIL, authoritative: false };
        case 'found': {
          const found = records(answer.hosts);
          return (found.answers ?? []).length === 0 ? this.negative(Rcode.NOERROR, zone) : { ...EMPTY, ...found };
        }
      }
    };
    return { kind: 'lookup', key, respond };
  }

  private memberRecords(question: Question, member: string, hosts: readonly OverlayHost[]): Partial<Response> {
    switch (question.type) {
      case 'A':
      case 'AAAA':
      case 'ANY':
        return { answers: addressesOf(hosts, question.name, question.type, roomBehind(question)) };
      case 'NAPTR': {
        const replacement = `_sip._udp.${member}.${this.overlay}`;
        // RFC 3263 s4.1: the flag "s" says that SRV comes next.
        const data = { order: 10, preference: 10, flags: 's', services: 'SIP+D2U', regexp: '', replacement };
        return { answers: [{ type: 'NAPTR', name: question.name, ttl: POSITIVE_TTL_S, data }] };
      }
      default:
        return {};
    }
  }

  private serviceRecords(question: Question, member: string, hosts: readonly OverlayHost[]): Partial<Response> {
    if (question.type !== 'SRV' && question.type !== 'ANY') return {};
    const target = `${member}.${this.overlay}`;
    const data = { priority: 0, weight: 0, port: SIP_PORT, target };
    return {
      answers: [{ type: 'SRV', name: question.name, ttl: POSITIVE_TTL_S, data }],
      additionals: addressesOf(
        hosts,
        target,
        'ANY',
        roomBehind(question) - SRV_BYTES - nameBytes(question.name) - nameBytes(target),
      ),
    };
  }

  private pointer(question: Question, [host]: readonly OverlayHost[]): Partial<Response> {
    // What would be no label of the DNS (RFC 1035 s2.3.1) leads nowhere.
    if (host?.name === undefined || !isMemberLabel(host.name) || (question.type !== 'PTR' && question.type !== 'ANY'))
      return {};
    const data = `${host.name}.${this.overlay}`;
    return { answers: [{ type: 'PTR', name: question.name, ttl: POSITIVE_TTL_S, data }] };
  }

  private empty(zone: string): Verdict {
    return { kind: 'answer', response: this.negative(Rcode.NOERROR, zone) };
  }

  private absent(zone: string): Verdict {
    return { kind: 'answer', response: this.negative(Rcode.NXDOMAIN, zone) };
  }

  /** RFC 2308 s3: the SOA says for how long the absence may be believed. */
  private negative(rcode: Rcode, zone: string): Response {
    return { ...EMPTY, rcode, authorities: [this.soa(zone)] };
  }

  private soa(owner: string): Answer {
    return {
      type: 'SOA',
      name: owner,
      ttl: NEGATIVE_TTL_S,
      data: {
        mname: this.overlay,
        rname: `hostmaster.${this.overlay}`,
        serial: 1,
        refresh: 3600,
        retry: 600,
        expire: 86400,
        minimum: NEGATIVE_TTL_S,
      },
    };
  }
}

const EMPTY: Response = {
  rcode: Rcode.NOERROR,
  authoritative: true,
  answers: [],
  authorities: [],
  additionals: [],
};

/** Both, always: baresip takes IPv4 of the two, linphone IPv6, twinkle knows only IPv4. */
function addressRecords(name: string, host: OverlayHost): Answer[] {
  const records: Answer[] = [{ type: 'AAAA', name, ttl: POSITIVE_TTL_S, data: hitToAddress(host.hit) }];
  if (host.ipv4 !== undefined) records.push({ type: 'A', name, ttl: POSITIVE_TTL_S, data: host.ipv4 });
  return records;
}

/** Of as many hosts as there is room for, in bytes; of one in any case. */
function addressesOf(hosts: readonly OverlayHost[], name: string, type: string, room: number): Answer[] {
  const answers: Answer[] = [];
  let left = room;
  for (const host of hosts.slice(0, MAX_HOSTS_TOLD)) {
    const records = addressRecords(name, host).filter((record) => type === 'ANY' || record.type === type);
    for (const record of records) left -= nameBytes(name) + RECORD_HEAD_BYTES + (record.type === 'AAAA' ? 16 : 4);
    if (left < 0 && answers.length > 0) break;
    answers.push(...records);
  }
  return answers;
}

/** For records in the smallest datagram that everyone takes (RFC 1035 s4.2.1): phones do not ask again over TCP. */
function roomBehind({ name }: Question): number {
  return MIN_UDP_PAYLOAD_BYTES - HEADER_BYTES - OPT_BYTES - nameBytes(name) - QUESTION_TAIL_BYTES;
}

/** RFC 1035 s3.1: as written, without compression. */
function nameBytes(name: string): number {
  return name.length + 2;
}

function isBelow(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}

function ipv4ReverseZones(prefix: string): string[] {
  const { base, length } = parseIpv4Prefix(prefix);
  const octets = Math.ceil(length / 8);
  return Array.from({ length: 2 ** (octets * 8 - length) }, (_, i) => {
    const first = Address4.fromInteger(base + i * 2 ** (32 - octets * 8)).correctForm();
    return `${first.split('.').slice(0, octets).reverse().join('.')}.in-addr.arpa`;
  });
}

/** `1.2.18.198.in-addr.arpa` gives 198, 18, 2, 1. */
function reverseLabels(name: string): string[] {
  return name.slice(0, -'.in-addr.arpa'.length).split('.').reverse();
}

/** The first address below the octets; more than four give no address. */
function filledUp(octets: readonly string[]): string {
  return [...octets, '0', '0', '0', '0'].slice(0, Math.max(4, octets.length)).join('.');
}

function fromArpa(name: string): Address6 | undefined {
  try {
    return Address6.fromArpa(name);
  } catch (error) {
    if (error instanceof AddressError) return undefined;
    throw error;
  }
}
