import { hitToAddress, type Hit } from '../base/node-id.ts';
import { isUserName } from '../identity/names.ts';
import type { ContactFlows } from './contact-flows.ts';
import { type SipFlow, tcpFlow, udpFlow } from './flow.ts';
import { encodeSip } from './message/codec.ts';
import type { SipRequest } from './message/message.ts';
import { parseUri, type SipUri } from './message/uri.ts';
import type { Addressee, OverlayNames } from './names.ts';
import { isLoopback, type Parties, type Party } from './parties.ts';
import { SIP_PORT } from './transaction/constants.ts';
import { TRUNK_USER } from './trunk/trunk-flow.ts';
import { type DialledNumber, dialledNumber, isE164, type NumberPlan } from './numbers.ts';
import { type GruuPlace, gruuPlace } from './registrar/gruu.ts';

/** A flow that a request is to take, with the Request-URI that it has there (RFC 3261 s16.5). */
export interface Target {
  readonly uri: string;
  readonly flow: SipFlow;
  /** Preference, 0 to 1; absent: 1. */
  readonly q?: number;
  readonly respondsWithinMs?: number;
  readonly hasAlternatives?: boolean;
  readonly areElsewhere?: boolean;
  /** As `Target` of the proxy. */
  readonly holder?: string;
}

export interface FinalAnswer {
  readonly status: number;
  readonly reason: string;
}

/** A phone that is switched off, or its host: the 500 of RFC 3261 s16.9 is shown as a fault. */
export const UNREACHABLE: FinalAnswer = { status: 480, reason: 'Host Unreachable' };

export type Destinations = { readonly targets: readonly Target[] } | FinalAnswer;

/** A host where a member has phones. */
export interface FoundHost {
  readonly hit: Hit;
  /** False: it is found by its name alone. A phone may listen there that has never registered. */
  readonly isRegistered: boolean;
  /** When its record was written, by its clock: another one is news of it. Undefined: it is known without one. */
  readonly storedAt?: number | undefined;
  /** Its record was not renewed in time: it is likely that the host is no more. */
  readonly isOverdue?: boolean | undefined;
  /** Of those that are found by name, if it has one: not every phone knows IPv6, and all know IPv4. */
  readonly ipv4?: string | undefined;
}

export interface DestinationPorts {
  /** Phones of this host that are registered as `aor`. */
  bindingsOf(aor: string, now: number): readonly Target[];
  /** An address of this host where a phone listens, at SIP's own port, that has not registered; undefined: there is none. */
  unregisteredPhone(): string | undefined;
  /** A GRUU of a phone of this host (RFC 5627). */
  gruu(uri: SipUri, now: number): readonly Target[];
  /** Hosts of a member; undefined: the overlay does not answer. In the call when it is known. */
  lookUp(aor: string, now: number, done: (hosts: readonly FoundHost[] | undefined, now: number) => void): void;
  /** The AoR of the member whose number it is (E.164); undefined: nobody's. In the call when it is known. */
  holderOf(number: string, now: number, done: (aor: string | undefined, now: number) => void): void;
  isListening(local: { readonly address: string; readonly port: number }): boolean;
  /** Where the adaptor of another host listens, as it says; undefined: it is not known to. Absent: of none. */
  portOf?(hit: Hit): number | undefined;
  /** Whether the host was called lately and is still known to be gone. Absent: it is not known. */
  isAbsent?(host: Pick<FoundHost, 'hit' | 'storedAt'>, now: number): boolean;
  /** Hosts that lead out of the overlay, the best first. In the call when it is known. */
  gateways(now: number, done: (hosts: readonly Hit[], now: number) => void): void;
  /** The gateway beside this adaptor; undefined: there is none. */
  trunk(): TrunkPlace | undefined;
}

export interface TrunkPlace {
  readonly flow: SipFlow;
  /** It has a way out now. */
  readonly isReady: boolean;
}

interface Asked {
  readonly request: SipRequest;
  readonly uri: SipUri;
  readonly from: SipFlow;
  readonly party: Party;
}

/** RFC 3261 s18.1.1: what is larger than the path's MTU (1280 within the overlay) less 200 goes by TCP. */
const MAX_UDP_BYTES = 1_080;
/** Via, Record-Route twice, and P-Asserted-Identity. */
const ADDED_BYTES = 320;
/** A gateway that is off costs a caller no more than this. */
const GATEWAY_RESPONDS_WITHIN_MS = 3_000;
/** A host without an adaptor. Longer than it takes to know that a host is gone (`HostWatch`): that is the answer then. */
const HOST_RESPONDS_WITHIN_MS = 6_000;
const MAX_GATEWAYS = 4;
const NOT_FOUND: FinalAnswer = { status: 404, reason: 'Not Found' };
const NOT_OF_THIS_OVERLAY: FinalAnswer = { status: 404, reason: 'Not of This Overlay' };
const GATEWAY_IS_DOWN: FinalAnswer = { status: 503, reason: 'Gateway Has No Way Out' };
const NO_GATEWAY: FinalAnswer = { status: 404, reason: 'No Gateway' };
const SILENT_OVERLAY: FinalAnswer = { status: 504, reason: 'Overlay Does Not Answer' };
const NOBODY_THERE: FinalAnswer = { status: 480, reason: 'Temporarily Unavailable' };

/**
 * Where a request outside of a dialog goes (RFC 3261 s16.5, RFC 7904 s4): of this host's user to its phones, of another member
 * to the adaptors of its hosts, which the overlay knows. A member is led to phones of this host and no further.
 */
export class DestinationFinder {
  private readonly names: OverlayNames;
  private readonly parties: Parties;
  private readonly contacts: ContactFlows;
  private readonly ports: DestinationPorts;
  private readonly self: Hit;
  private readonly options: { readonly user: string | null };
  private readonly port: number;
  private readonly plan: NumberPlan;

  constructor(
    components: { names: OverlayNames; parties: Parties; contacts: ContactFlows; ports: DestinationPorts },
    options: {
      readonly self: Hit;
      /** Of this host's certificate, as it is when it is asked for. */
      readonly user: string | null;
      /** Where this adaptor listens, and those that do not say. */
      readonly port: number;
      readonly plan?: NumberPlan | undefined;
    },
  ) {
    this.names = components.names;
    this.parties = components.parties;
    this.contacts = components.contacts;
    this.ports = components.ports;
    this.self = options.self;
    this.options = options;
    this.port = options.port;
    this.plan = options.plan ?? {};
  }

  private get user(): string | null {
    return this.options.user;
  }

  find(request: SipRequest, from: SipFlow, now: number, done: (found: Destinations, now: number) => void): void {
    const uri = parseUri(request.uri);
    const party = this.parties.of(from);
    const number = dialledNumber(request.uri, this.plan);
    if (uri?.scheme === 'sips' || (uri === undefined && number === undefined)) {
      // SIPS asks for TLS on each hop, and phones here have none to their adaptor.
      done({ status: 416, reason: 'Unsupported URI Scheme' }, now);
      return;
    }
    const addressee = uri === undefined ? undefined : this.names.addresseeOf(uri);
    if (uri === undefined || addressee === undefined) {
      this.byNumber(number, { request, from, party }, now, done);
      return;
    }
    if (this.isOutside(number, addressee)) {
      this.outside(request, party, now, done);
      return;
    }
    switch (addressee.kind) {
      case 'aor':
        this.ofUser(addressee.aor, { request, uri, from, party }, now, (found, at) => {
          // A member may have a number for a name.
          if (number !== undefined && found === NOT_FOUND) this.byNumber(number, { request, from, party }, at, done);
          else done(found, at);
        });
        return;
      case 'address':
        done(this.ofAddress(request.uri, uri, from, party, now), now);
        return;
      case 'domain':
      case 'foreign':
        done(party.kind === 'phone' ? NOT_OF_THIS_OVERLAY : NOT_FOUND, now);
    }
  }

  /** Whether what a member sends goes to the world outside, if anywhere. */
  leadsOutside({ uri: text }: SipRequest): boolean {
    const uri = parseUri(text);
    const number = dialledNumber(text, this.plan);
    const addressee = uri === undefined ? undefined : this.names.addresseeOf(uri);
    if (addressee === undefined) return number !== undefined;
    const isMember = addressee.kind !== 'aor' || addressee.aor === this.user;
    return this.isOutside(number, addressee) || (number !== undefined && !isMember);
  }

  /** Whether phones of this host are among those that ring for what somebody else brings who may call any member. */
  leadsHere({ uri: text }: SipRequest, from: SipFlow): boolean {
    const uri = parseUri(text);
    const addressee = uri === undefined ? undefined : this.names.addresseeOf(uri);
    if (uri === undefined || addressee === undefined) return false;
    const place = gruuPlace(uri);
    if (addressee.kind === 'aor') return place === undefined ? addressee.aor === this.user : place.hit === this.self;
    if (addressee.kind !== 'address') return false;
    const flow = this.flowTo(uri, from);
    return this.isSelf(uri) || (flow !== undefined && this.parties.of(flow).kind !== 'member');
  }

  /** Of what leads outside, a number that may be a member's second name instead; undefined: there is none, or it calls for help. */
  secondNameIn({ uri }: SipRequest): string | undefined {
    const number = dialledNumber(uri, this.plan);
    return number === undefined || number.isEmergency || !isE164(number.number) ? undefined : number.number;
  }

  /** Whether a call is one for help, which goes out whatever its phone says of itself. */
  callsForHelp({ method, uri }: SipRequest): boolean {
    return method === 'INVITE' && dialledNumber(uri, this.plan)?.isEmergency === true;
  }

  private isOutside(number: DialledNumber | undefined, addressee: Addressee): boolean {
    if (addressee.kind === 'foreign' || number?.isEmergency === true) return true;
    // Of a provider that has no domain but its address.
    return (
      number !== undefined &&
      addressee.kind === 'address' &&
      !this.parties.isOfOverlay(addressee.address) &&
      !isLoopback(addressee.address)
    );
  }

  /** Where a URI leads that a Contact or Record-Route has brought: the rest of a dialog goes there. */
  flowTo(uri: SipUri, from: SipFlow): SipFlow | undefined {
    const known = this.contacts.flowTo(uri);
    if (known !== undefined) return known;
    if (uri.user === TRUNK_USER && this.isSelf(uri)) return this.ports.trunk()?.flow;
    const addressee = this.names.addresseeOf(uri);
    if (addressee.kind !== 'address' || !this.parties.isOfOverlay(addressee.address)) return undefined;
    // A member comes to the phones of this host alone: nobody is made a way to others.
    if (this.parties.of(from).kind === 'member' && !this.parties.isOwn(addressee.address)) return undefined;
    return this.flow(addressee.address, uri.port ?? SIP_PORT, uri.params.get('transport') === 'tcp');
  }

  /** Whether a URI of a Route names this adaptor. */
  isSelf({ host, port }: SipUri): boolean {
    if (this.names.isDomain(host)) return port === undefined || port === this.port;
    return this.ports.isListening({ address: host, port: port ?? SIP_PORT });
  }

  private ofUser(aor: string, asked: Asked, now: number, done: (found: Destinations, now: number) => void): void {
    const { request, uri, from, party } = asked;
    const isOwn = aor === this.user;
    const place = gruuPlace(uri);
    if (place !== undefined) {
      this.ofUsersGruu(aor, asked, place, now, done);
      return;
    }
    const here = isOwn ? this.ports.bindingsOf(aor, now).filter(({ flow }) => flow.key !== from.key) : [];
    if (party.kind === 'member') {
      done(isOwn ? orElse(here.length > 0 ? here : this.unregistered(request.uri), NOBODY_THERE) : NOT_FOUND, now);
      return;
    }
    if (!isUserName(aor)) {
      // Nobody can be called that; and what is dialled with a + concerns nobody who stores names.
      done(NOT_FOUND, now);
      return;
    }
    this.ports.lookUp(aor, now, (hosts, at) => {
      if (hosts === undefined && here.length === 0) {
        done(SILENT_OVERLAY, at);
        return;
      }
      const others = (hosts ?? []).filter(({ hit }) => hit !== this.self);
      const living = others.filter((host) => this.ports.isAbsent?.(host, at) !== true);
      const there = this.toHosts(living, asked, { holder: aor, isAlone: here.length === 0 });
      const nobody = others.length > 0 ? UNREACHABLE : NOT_FOUND;
      done(orElse([...here, ...there], isOwn && others.length === 0 ? NOBODY_THERE : nobody), at);
    });
  }

  /**
   * To the adaptors of a member's hosts. Whom only names tell of may have no adaptor: where it is one host, it is asked at 5060 then. What is
   * overdue is asked when the others do not answer: a host that was lost or installed anew keeps nobody waiting.
   */
  private toHosts(
    hosts: readonly FoundHost[],
    { request }: Asked,
    { holder, isAlone }: { readonly holder: string; readonly isAlone: boolean },
  ): Target[] {
    const byTcp = isLarge(request);
    const { uri } = request;
    const inTime = hosts.filter(({ isOverdue }) => isOverdue !== true);
    const first = inTime.length > 0 ? inTime : hosts;
    const last = inTime.length > 0 ? hosts.filter((host) => !inTime.includes(host)) : [];
    const adaptor = (hit: Hit): Pick<Target, 'uri' | 'flow' | 'holder'>[] => {
      const flow = this.adaptorOf(hit, byTcp);
      return flow === undefined ? [] : [{ uri, flow, holder }];
    };
    const isOne = isAlone && first.length === 1;
    const targets = first.flatMap(({ hit, isRegistered, ipv4 }): Target[] => {
      if (isRegistered || !isOne) return adaptor(hit);
      const phone = this.flow(ipv4 ?? hitToAddress(hit), SIP_PORT, false);
      return [
        ...adaptor(hit).map((target) => ({
          ...{ ...target, respondsWithinMs: HOST_RESPONDS_WITHIN_MS, hasAlternatives: true },
        })),
        ...(phone === undefined ? [] : [{ uri, flow: phone, q: 0.5, holder, hasAlternatives: last.length > 0 }]),
      ];
    });
    const others = last.flatMap(({ hit }) => adaptor(hit));
    return [...targets, ...others.map((target) => ({ ...target, q: 0.3, respondsWithinMs: HOST_RESPONDS_WITHIN_MS }))];
  }

  /**
   * A number that is a member's second name leads where the first one does, and nowhere else: what a gateway has given to a member who is
   * gone is not called at somebody's cost. Every other number is one of the world outside.
   */
  private byNumber(
    number: DialledNumber | undefined,
    { request, from, party }: Omit<Asked, 'uri'>,
    now: number,
    done: (found: Destinations, now: number) => void,
  ): void {
    // Whoever is in need of help waits for no lookup.
    if (number === undefined || number.isEmergency || party.kind !== 'phone' || !isE164(number.number)) {
      this.outside(request, party, now, done);
      return;
    }
    this.ports.holderOf(number.number, now, (aor, at) => {
      const uri = aor === undefined ? undefined : parseUri(`sip:${aor}`);
      if (aor === undefined || uri === undefined) this.outside(request, party, at, done);
      else this.ofUser(aor, { request: { ...request, uri: `sip:${aor}` }, uri, from, party }, at, done);
    });
  }

  /**
   * Numbers and other domains: of this host's phones to the gateway beside it, and behind that to those of others, each when the one
   * before cannot; of members to the gateway beside it and no further; what came in there does not go out again.
   */
  private outside(
    request: SipRequest,
    party: Party,
    now: number,
    done: (found: Destinations, now: number) => void,
  ): void {
    const number = dialledNumber(request.uri, this.plan);
    const written = number?.number.replaceAll('#', '%23');
    const uri = written === undefined ? request.uri : `sip:${written}@${this.names.domain};user=phone`;
    const own = this.ports.trunk();
    if (party.kind === 'member') {
      // A provider may connect whoever calls for help, known or not.
      const serves = own?.isReady === true || number?.isEmergency === true;
      const busy = own === undefined ? NOT_FOUND : GATEWAY_IS_DOWN;
      done(own !== undefined && serves ? { targets: [{ uri, flow: own.flow }] } : busy, now);
      return;
    }
    if (party.kind !== 'phone') {
      done(NOT_FOUND, now);
      return;
    }
    this.ports.gateways(now, (hosts, at) => {
      const byTcp = isLarge(request);
      const absent = hosts.filter((hit) => this.ports.isAbsent?.({ hit }, at) === true);
      const others = [...hosts.filter((hit) => !absent.includes(hit)), ...absent]
        .filter((hit) => hit !== this.self)
        .flatMap((hit) => this.adaptorOf(hit, byTcp) ?? []);
      const here = own === undefined ? [] : [own.flow];
      const flows = own?.isReady === false ? [...others, ...here] : [...here, ...others];
      // Whoever is in need of help: what one gateway, or its provider, refuses another may connect.
      const hasAlternatives = number?.isEmergency !== true;
      const targets = flows.slice(0, MAX_GATEWAYS).map((flow, index) => ({
        ...{ uri, flow, q: 1 - index / 10 },
        ...{ respondsWithinMs: GATEWAY_RESPONDS_WITHIN_MS, hasAlternatives, areElsewhere: true },
      }));
      done(orElse(targets, number === undefined ? NOT_OF_THIS_OVERLAY : NO_GATEWAY), at);
    });
  }

  /** Phones that have always been at 5060, where DNS leads too, and know of no registrar. */
  private unregistered(uri: string): Target[] {
    const address = this.ports.unregisteredPhone();
    const flow = address === undefined ? undefined : this.flow(address, SIP_PORT, false);
    return flow === undefined ? [] : [{ uri, flow }];
  }

  /**
   * Anybody can write a GRUU: that a user is on the host that it names, the user's records say, or the certificate of the host. Where the
   * adaptor there listens, the records say, too.
   */
  private ofUsersGruu(
    aor: string,
    asked: Asked,
    place: GruuPlace,
    now: number,
    done: (found: Destinations, now: number) => void,
  ): void {
    // A temporary one names no user, and phones here are known to the registrar.
    if (place.hit === this.self || asked.party.kind === 'member' || !isUserName(aor)) {
      done(this.ofGruu(asked, place, now), now);
      return;
    }
    const isProven = this.parties.userOf(place.hit) === aor;
    if (isProven && this.ports.portOf?.(place.hit) !== undefined) {
      done(this.ofGruu(asked, place, now, { holder: aor }), now);
      return;
    }
    this.ports.lookUp(aor, now, (hosts, at) => {
      const found = hosts?.find(({ hit }) => hit === place.hit);
      if (isProven || found !== undefined)
        done(this.ofGruu(asked, place, at, { holder: aor, storedAt: found?.storedAt }), at);
      else done(hosts === undefined ? SILENT_OVERLAY : NOT_FOUND, at);
    });
  }

  /** One phone of one host (RFC 5627, RFC 7904 s6): the URI says of which. */
  private ofGruu(
    { uri, request, party }: Asked,
    { hit }: GruuPlace,
    now: number,
    { holder, storedAt }: { readonly holder?: string; readonly storedAt?: number | undefined } = {},
  ): Destinations {
    if (hit === this.self) return orElse(this.ports.gruu(uri, now), NOBODY_THERE);
    const flow = party.kind === 'member' ? undefined : this.adaptorOf(hit, isLarge(request));
    if (flow === undefined) return NOT_FOUND;
    if (this.ports.isAbsent?.({ hit, storedAt }, now) === true) return UNREACHABLE;
    return { targets: [{ uri: request.uri, flow, ...(holder === undefined ? {} : { holder }) }] };
  }

  private ofAddress(text: string, uri: SipUri, from: SipFlow, party: Party, now: number): Destinations {
    // sip:bob@ADDRESS:5062 of an adaptor is its user.
    if (this.isSelf(uri) && this.user !== null)
      return orElse(
        this.ports.bindingsOf(this.user, now).filter(({ flow }) => flow.key !== from.key),
        NOBODY_THERE,
      );
    const flow = this.flowTo(uri, from);
    if (flow !== undefined && flow.key !== from.key) return { targets: [{ uri: text, flow }] };
    return party.kind === 'phone' ? NOT_OF_THIS_OVERLAY : NOT_FOUND;
  }

  private adaptorOf(hit: Hit, isTcp: boolean): SipFlow | undefined {
    return this.flow(hitToAddress(hit), this.ports.portOf?.(hit) ?? this.port, isTcp);
  }

  private flow(address: string, port: number, isTcp: boolean): SipFlow | undefined {
    const own = this.parties.towards(address);
    if (own === undefined) return undefined;
    const ends = { local: { address: own, port: this.port }, remote: { address, port } };
    return isTcp ? tcpFlow(ends) : udpFlow(ends);
  }
}

function isLarge(request: SipRequest): boolean {
  return encodeSip(request).length + ADDED_BYTES > MAX_UDP_BYTES;
}

function orElse(targets: readonly Target[], otherwise: FinalAnswer): Destinations {
  return targets.length > 0 ? { targets } : otherwise;
}
