import { earliest, type Timed } from '../base/clock.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { Ipv4Prefix } from '../base/ipv4-prefix.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { CallerPolicy } from './callers.ts';
import { MAILBOX_LABEL } from '../identity/names.ts';
import { ContactFlows } from './contact-flows.ts';
import { DestinationFinder, type FoundHost, type Target, type TrunkPlace, UNREACHABLE } from './destinations.ts';
import { EmergencyCalls } from './emergency-calls.ts';
import type { SipFlow } from './flow.ts';
import { type CallingParty, IdentityPolicy } from './identity-policy.ts';
import { type LanOptions, LanPhones } from './lan-phones.ts';
import { familyOf, FamilyWarnings, knowsIpv6Alone, ONE_WAY } from './media/family-warnings.ts';
import { MediaRelay, type MediaRelayPorts } from './media/media-relay.ts';
import { parseSip } from './message/codec.ts';
import { firstHeader } from './message/headers.ts';
import { KnownSpeakers } from './known-speakers.ts';
import type { SipHeader, SipMessage, SipRequest, SipResponse } from './message/message.ts';
import { formatHostPort, parseUri, type SipUri } from './message/uri.ts';
import { validateRequest } from './message/validation.ts';
import { OverlayNames } from './names.ts';
import type { NumberPlan } from './numbers.ts';
import { ownEventAnswer } from './own-events.ts';
import { type OwnAddresses, Parties, type Party, type ProvenMember } from './parties.ts';
import type { LastResort, ProxyPorts, Refusal, Target as ProxyTarget } from './proxy/ports.ts';
import type { PhoneJournal } from './phone-journal.ts';
import { ProxyCore } from './proxy/proxy-core.ts';
import { nextHop, preprocessRoute } from './proxy/routing.ts';
import { SdpAddresses } from './sdp-addresses.ts';
import { SdpFamilies } from './sdp-families.ts';
import { responseTo, tagOf } from './transaction/responses.ts';
import { TransactionLayer } from './transaction/transaction-layer.ts';
import type { ServerTransaction, TransactionUser } from './transaction/transaction.ts';
import { type MessageCounts, MessageLamp } from './voice-mail/message-lamp.ts';
import type { VoiceMailPorts } from './voice-mail/ports.ts';
import { VoiceMail } from './voice-mail/voice-mail.ts';

/** What this proxy passes on, and what it answers itself (RFC 3261 s20.5). */
const ALLOW =
  'INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER, SUBSCRIBE, NOTIFY, MESSAGE, PUBLISH';

/** What may be answered here: of registrar, voice mail's lamp, and events. */
const OWN_METHODS: ReadonlySet<string> = new Set(['REGISTER', 'OPTIONS', 'SUBSCRIBE', 'PUBLISH']);

/** The registrar of this host's user. */
export interface AdaptorRegistrar extends Timed {
  register(request: SipRequest, flow: SipFlow, now: number): SipResponse;
  bindingsOf(aor: string, now: number): readonly Target[];
  lookUpGruu(uri: SipUri, now: number): readonly Target[];
  flowClosed(flow: SipFlow, now: number): void;
}

export interface AdaptorPorts {
  /** Calls nothing of ours back. Of TCP a connection is opened when there is none. */
  send(flow: SipFlow, message: SipMessage): void;
  /** Who is behind an overlay address, as its link has proven. */
  memberAt(hit: Hit | undefined, address: string): ProvenMember | undefined;
  /** Of a member, as far as it is known. */
  ipv4Of(hit: Hit): string | undefined;
  /** Hosts where a member has phones; undefined: the overlay does not say. */
  lookUp(aor: string, now: number, done: (hosts: readonly FoundHost[] | undefined, now: number) => void): void;
  isListening(local: SocketAddress): boolean;
  /** As `DestinationPorts`; absent: all adaptors listen where this one does. */
  portOf?(hit: Hit): number | undefined;
  /** As `DestinationPorts`. */
  isAbsent?(host: Pick<FoundHost, 'hit' | 'storedAt'>, now: number): boolean;
  /** As `DestinationPorts`; absent: it is not known. */
  unregisteredPhone?(): string | undefined;
  /** Hosts of members that lead out of the overlay, the best first; absent: none. */
  gateways?(now: number, done: (hosts: readonly Hit[], now: number) => void): void;
  /** As `DestinationPorts`; absent: no member has a number. */
  holderOf?(number: string, now: number, done: (aor: string | undefined, now: number) => void): void;
  /** The gateway beside this adaptor; undefined, absent: there is none. */
  trunk?(): TrunkPlace | undefined;
  /** A phone writes addresses into its calls that lead nowhere here. Told once for each. */
  onWrongAddresses(addresses: readonly string[]): void;
  /** rtpengine, for media that cannot go from end to end; absent: there is none. */
  readonly media?: Pick<MediaRelayPorts, 'ask' | 'onAnswer'> | undefined;
  /** Absent: nobody takes messages. */
  readonly voiceMail?: VoiceMailPorts | undefined;
}

export interface AdaptorOptions {
  /** `home.example` */
  readonly overlay: string;
  readonly ipv4Prefix: Ipv4Prefix;
  /** Its user may change while calls run: it is read when it is needed. */
  readonly self: ProvenMember;
  readonly own: OwnAddresses;
  /** Where this adaptor listens, and those of other hosts that do not say. */
  readonly port: number;
  /** AoRs of members whose hosts bring calls of the world outside. */
  readonly gateways?: readonly string[] | undefined;
  readonly numbers?: NumberPlan | undefined;
  /** A header field that tells phones what was proven of who calls; absent: P-Asserted-Identity alone. */
  readonly trustHeader?: string | undefined;
  /** What is wrong with phones of this host; absent: nobody asks. */
  readonly journal?: PhoneJournal | undefined;
  /** Who may ring; absent: whoever may speak. */
  readonly callers?: CallerPolicy | undefined;
  /** Phones on the LAN; absent: none are heard. */
  readonly lan?: LanOptions | undefined;
  /** This host's user takes messages: phones may have a lamp for them. */
  readonly hasMailbox?: boolean | undefined;
}

/**
 * The SIP adaptor of this host (RFC 7904; a registrar and proxy beside the phone):
 *
 *     phone ──REGISTER──> registrar          a request of a phone ──> admit ──> destinations ──> adaptors of other members
 *     phone <──────────── proxy core <── admit <── a request of a member, whom its link has proven
 *
 * Nothing that anyone sends ends it. What goes to a phone says who calls, as it was proven; what comes from a phone has addresses
 * in its SDP that the other end reaches.
 */
export class SipAdaptor implements Timed {
  private readonly random: Random;
  private readonly logger: Logger;
  /** Who this host is: its user may change. */
  private readonly self: ProvenMember;
  private readonly names: OverlayNames;
  private readonly parties: Parties;
  private readonly contacts = new ContactFlows();
  private readonly identities: IdentityPolicy;
  private readonly callers: CallerPolicy | undefined;
  private readonly journal: PhoneJournal | undefined;
  private readonly emergencies: EmergencyCalls;
  private readonly speakers = new KnownSpeakers();
  private readonly finder: DestinationFinder;
  private readonly registrar: AdaptorRegistrar;
  private readonly ports: Pick<AdaptorPorts, 'holderOf'>;
  private readonly sdp: SdpAddresses;
  private readonly lan: LanPhones | undefined;
  private readonly media: MediaRelay | undefined;
  private readonly families: SdpFamilies;
  private readonly familyWarnings = new FamilyWarnings();
  private readonly voiceMail: VoiceMail | undefined;
  private readonly lamp: MessageLamp | undefined;
  private readonly layer: TransactionLayer;
  private readonly core: ProxyCore;

  constructor(
    components: {
      readonly registrar: AdaptorRegistrar;
      readonly ports: AdaptorPorts;
      readonly random: Random;
      readonly logger: Logger;
    },
    options: AdaptorOptions,
  ) {
    const { registrar, ports, random, logger } = components;
    const { overlay, ipv4Prefix: prefix, self, own, port, trustHeader, gateways, numbers, lan } = options;
    this.self = self;
    this.random = random;
    this.logger = logger;
    this.registrar = registrar;
    this.ports = ports;
    this.names = new OverlayNames(overlay);
    const { names, contacts } = this;
    const parties = new Parties({
      self: self.hit,
      own,
      prefix,
      memberAt: (hit, address) => ports.memberAt(hit, address),
      lan,
    });
    this.parties = parties;
    this.callers = options.callers;
    this.journal = options.journal;
    this.lan = lan && new LanPhones({ random, logger }, { realm: overlay, users: lan.users });
    this.identities = new IdentityPolicy({ names, own: self, parties }, { trustHeader, gateways });
    this.emergencies = new EmergencyCalls({ own: () => `sip:${self.user ?? `[${own.ipv6}]`}` });
    this.sdp = new SdpAddresses({ parties, onWrongAddresses: (addresses) => ports.onWrongAddresses(addresses) });
    this.families = new SdpFamilies({ parties, ipv4Of: (hit) => ports.ipv4Of(hit) });
    this.finder = new DestinationFinder(
      {
        names,
        parties,
        contacts,
        ports: {
          bindingsOf: (aor, now) => registrar.bindingsOf(aor, now),
          unregisteredPhone: () => ports.unregisteredPhone?.(),
          gruu: (uri, now) => registrar.lookUpGruu(uri, now),
          lookUp: (aor, now, done) => ports.lookUp(aor, now, done),
          isListening: (local) => ports.isListening(local),
          portOf: (hit) => ports.portOf?.(hit),
          isAbsent: (host, now) => ports.isAbsent?.(host, now) ?? false,
          gateways: (now, done) => (ports.gateways === undefined ? done([], now) : ports.gateways(now, done)),
          holderOf: (number, now, done) =>
            ports.holderOf === undefined ? done(undefined, now) : ports.holderOf(number, now, done),
          trunk: () => ports.trunk?.(),
        },
      },
      {
        ...{ self: self.hit, port, plan: numbers },
        get user() {
          return self.user;
        },
      },
    );
    this.voiceMail =
      ports.voiceMail &&
      new VoiceMail(
        {
          ...{ names, parties, ports: ports.voiceMail, own: self },
          callerOf: (request, party) => this.identities.callerOf(request, party).names[0],
        },
        { port },
      );
    const ownAddress = ({ local: { address } }: SipFlow): SocketAddress => ({
      address,
      port: address === lan?.address ? lan.port : port,
    });
    if (options.hasMailbox === true)
      this.lamp = new MessageLamp(
        {
          random,
          ports: {
            request: (request, flow, now, handlers) => this.layer.request(request, flow, now, handlers),
            contactAt: (flow) => {
              const { address, port } = ownAddress(flow);
              return `sip:${formatHostPort(address, port)}${flow.transport === 'tcp' ? ';transport=tcp' : ''}`;
            },
          },
        },
        { account: `sip:${names.aorOf(MAILBOX_LABEL)}` },
      );
    const send = (flow: SipFlow, message: SipMessage): void => ports.send(flow, message);
    const answered = (flow: SipFlow, response: SipResponse, now: number): void =>
      this.layer.receive(response, flow, now);
    this.media =
      ports.media &&
      new MediaRelay({
        ...{ random, parties, ports: { ...ports.media, send, answered } },
        isUrgent: (request) => this.finder.callsForHelp(request),
      });
    this.layer = new TransactionLayer({
      random,
      logger,
      ports: { send: (flow, message) => (this.media ?? ports).send(flow, message), ownAddress },
      user: this.transactionUser(),
    });
    this.core = new ProxyCore({ random, logger, ports: this.proxyPorts(ownAddress), layer: this.layer });
  }

  /** All 0 when nothing goes on. */
  get sizes(): { readonly transactions: number; readonly requests: number } {
    const { servers, clients, others } = this.layer.sizes;
    const { contexts, timers } = this.core.sizes;
    return { transactions: servers + clients + others, requests: contexts + timers };
  }

  /** A datagram. What is no SIP message is dropped. */
  receiveDatagram(flow: SipFlow, bytes: Uint8Array, now: number): void {
    try {
      this.receive(flow, parseSip(bytes), now);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.logger.debug('sip.malformed', { remote: flow.key, err: error.message });
    }
  }

  /** A message of a stream. */
  receive(flow: SipFlow, message: SipMessage, now: number): void {
    const party = this.parties.of(flow);
    // Of who is neither here nor a member nothing is known that an answer could go to.
    if (party.kind === 'stranger') {
      this.journal?.unheard(message, flow);
      return;
    }
    if (party.kind === 'phone') {
      // Those on the LAN have to say a password first.
      if (!party.onLan) this.contacts.learn(message, flow);
      this.journal?.heard(message, flow);
    }
    this.layer.receive(message, flow, now);
  }

  /** A connection has ended, or could not be made; or nobody is behind the flow's address any more. */
  flowClosed(flow: SipFlow, now: number): void {
    this.contacts.flowClosed(flow);
    this.registrar.flowClosed(flow, now);
    this.layer.transportFailed(flow, now);
  }

  /** Whether a request over this flow would end by its failure (`TransactionLayer.isWaiting`). */
  isWaiting(flow: SipFlow): boolean {
    return this.layer.isWaiting(flow);
  }

  /** Whether another host is there, which a link or the overlay leads to: phones on the LAN have neither. */
  leadsToHost(flow: SipFlow): boolean {
    return this.parties.isOtherHost(flow);
  }

  /** Phones are registered that a former life has heard of: their calls go on where they are. */
  restored(now: number): void {
    const { user } = this.self;
    for (const { uri, flow } of user === null ? [] : this.registrar.bindingsOf(user, now)) {
      const contact = parseUri(uri);
      if (contact !== undefined) this.contacts.note(contact, flow);
    }
  }

  addressesChanged(own: OwnAddresses): void {
    this.parties.addressesChanged(own);
  }

  /** So many messages wait for this host's user. */
  messagesChanged(counts: MessageCounts, now: number): void {
    this.lamp?.changed(counts, now);
  }

  nextTimeout(): number | undefined {
    const { layer, core, registrar, lamp } = this;
    return earliest(layer.nextTimeout(), core.nextTimeout(), registrar.nextTimeout(), lamp?.nextTimeout());
  }

  handleTimeout(now: number): void {
    this.layer.handleTimeout(now);
    this.core.handleTimeout(now);
    this.registrar.handleTimeout(now);
    this.lamp?.handleTimeout(now);
  }

  /** The proxy core, but for what is for this host itself. */
  private transactionUser(): TransactionUser {
    return {
      onRequest: (transaction, request, now) => {
        const answer = this.ownAnswer(transaction, request, now);
        if (answer === undefined) this.core.onRequest(transaction, request, now);
        else this.layer.respond(transaction, answer, now);
        this.lamp?.flush(now);
      },
      onAck: (request, flow, now) => this.core.onAck(request, flow, now),
      onCancel: (invite, cancel, now) => this.core.onCancel(invite, cancel, now),
      onStrayResponse: (response, flow) => this.core.onStrayResponse(response, flow),
      onFailure: (transaction, reason) => this.core.onFailure(transaction, reason),
    };
  }

  private proxyPorts(ownAddress: (flow: SipFlow) => SocketAddress): ProxyPorts {
    return {
      unreachable: UNREACHABLE,
      ownAddress,
      isOwn: (uri) => this.finder.isSelf(uri),
      admit: (request, from, now) => this.admit(request, from, now),
      targets: (request, from, now, done) => {
        if (this.voiceMail?.pickUp(request, from, done) === true) return;
        this.finder.find(
          request,
          from,
          now,
          (found, at) => void done('targets' in found ? this.audible(request, found.targets, at) : found, at),
        );
      },
      lastResort: (request, from, now) => this.lastResort(request, from, now),
      flowTo: (uri, from) => this.finder.flowTo(uri, from),
      mayAnswer: (response, target) => this.mayAnswer(response, target),
      useless: (response, flows) => this.useless(response, flows),
      outgoing: (message, flows) => this.outgoing(message, flows),
    };
  }

  /** Numbers of the world have no mailbox here, but a member who has one for a second name has his. */
  private lastResort(request: SipRequest, from: SipFlow, now: number): LastResort | undefined {
    const { finder, voiceMail, ports } = this;
    if (!finder.leadsOutside(request)) return voiceMail?.lastResortOf(request, from);
    const number = finder.secondNameIn(request);
    if (number === undefined || ports.holderOf === undefined) return undefined;
    return voiceMail?.lastResortOf(request, from, (done) => ports.holderOf?.(number, now, done));
  }

  /** REGISTER of a phone, OPTIONS about this proxy (RFC 3261 s10, s11), and events that it keeps none of; undefined: it is to go on. */
  private ownAnswer({ from }: ServerTransaction, request: SipRequest, now: number): SipResponse | undefined {
    const { method } = request;
    // The proxy core judges what goes on.
    if (!OWN_METHODS.has(method) || validateRequest(request) !== undefined) return undefined;
    if (this.lamp !== undefined && this.isLampAsked(request, from)) {
      const refusal = this.admit(request, from, now);
      return refusal === undefined ? this.lamp.answer(request, from, now) : responseTo(request, refusal, this.random);
    }
    if (this.isAboutOwnUser(request, from)) {
      const answer = ownEventAnswer(request);
      if (answer !== undefined) return responseTo(request, answer, this.random);
    }
    if (method !== 'REGISTER' && !(method === 'OPTIONS' && this.isAboutUs(request))) return undefined;
    const refusal = this.admit(request, from, now);
    if (refusal !== undefined) return responseTo(request, refusal, this.random);
    if (method === 'REGISTER') {
      const answer = this.registrar.register(request, from, now);
      if (answer.status === 403) this.journal?.refused(request, from, answer.reason);
      return answer;
    }
    const headers: SipHeader[] = [
      { name: 'Allow', value: ALLOW },
      { name: 'Accept', value: 'application/sdp' },
    ];
    return responseTo(request, { status: 200, reason: 'OK', headers }, this.random);
  }

  /** Of a phone of this host, outside of a dialog. */
  private isAboutOwnUser(request: SipRequest, from: SipFlow): boolean {
    const uri = parseUri(request.uri);
    if (uri === undefined || this.parties.of(from).kind !== 'phone' || tagOf(request, 'to') !== '') return false;
    const addressee = this.names.addresseeOf(uri);
    return addressee.kind === 'aor' && addressee.aor === this.self.user;
  }

  /** By a phone of this host, of its own user; in a dialog, of this host: the Contact that it was told. */
  private isLampAsked(request: SipRequest, from: SipFlow): boolean {
    const uri = parseUri(request.uri);
    if (uri === undefined || !MessageLamp.isAsked(request) || this.parties.of(from).kind !== 'phone') return false;
    return tagOf(request, 'to') === '' ? this.isAboutOwnUser(request, from) : this.finder.isSelf(uri);
  }

  private isAboutUs(request: SipRequest): boolean {
    const uri = parseUri(request.uri);
    return uri !== undefined && uri.user === undefined && this.finder.isSelf(uri);
  }

  private admit(request: SipRequest, from: SipFlow, now: number): Refusal | undefined {
    const party = this.parties.of(from);
    const isOnLan = party.kind === 'phone' && party.onLan;
    const isUrgent = party.kind === 'phone' && this.finder.callsForHelp(request);
    const unknown = isOnLan ? this.lan?.refusalOf(request, from, now, isUrgent) : undefined;
    if (unknown !== undefined) return unknown;
    if (party.kind !== 'phone' && request.method === 'REGISTER') return { status: 403, reason: 'Not Your Registrar' };
    // In a dialog a phone writes the From by which the other end has called it. Of members each From is looked at: a To tag is soon
    // invented, and a phone may ring for it.
    if (party.kind === 'phone' && !isOnLan && tagOf(request, 'to') !== '') return undefined;
    const isKnown = party.kind === 'member' && this.speakers.has(request, party.hit);
    let refusal = isKnown ? undefined : this.identities.refusalOf(request, party);
    if (refusal !== undefined && party.kind === 'phone') {
      // Who calls for help is this host's user, whatever its phone says.
      this.journal?.refused(request, from, refusal.reason);
      const goesOn = tagOf(request, 'to') !== '' && this.emergencies.has(request);
      if (goesOn || (isUrgent && this.emergencies.begin(request))) refusal = undefined;
    }
    if (refusal === undefined && party.kind === 'member') this.speakers.learn(request, party.hit);
    if (refusal !== undefined) {
      this.logger.info('sip.refused', {
        method: request.method,
        from: firstHeader(request, 'from')?.slice(0, 128),
        remote: from.key,
        reason: refusal.reason,
      });
    } else if (isOnLan) this.contacts.learn(request, from);
    return refusal ?? this.unwanted(request, from, party, now);
  }

  /** Whoever may speak may not ring at any time. */
  private unwanted(request: SipRequest, from: SipFlow, party: Party, now: number): Refusal | undefined {
    const { callers } = this;
    if (callers === undefined) return undefined;
    const callId = firstHeader(request, 'call-id') ?? '';
    if (party.kind === 'phone' && request.method === 'INVITE') callers.called(callId);
    if (party.kind !== 'member' && party.kind !== 'trunk') return undefined;
    if (!this.mayRingHere(request, from, party)) return undefined;
    const caller = this.identities.callerOf(request, party);
    const refusal = callers.refusalOf(
      { method: request.method, callId, isInDialog: tagOf(request, 'to') !== '' },
      caller,
      now,
    );
    if (refusal === undefined) return undefined;
    this.logger.info('sip.notRung', { method: request.method, caller: caller.names[0], why: refusal.why });
    return refusal;
  }

  /**
   * Whether phones of this host may hear of it. They do not of what a member sends to the world outside, or to the gateway in a call there;
   * nor of what the gateway brings to another member, whose hosts judge it. What counts is where it goes, not what it is called by.
   */
  private mayRingHere(request: SipRequest, from: SipFlow, party: CallingParty): boolean {
    const { finder } = this;
    const routed = preprocessRoute(request, (uri) => finder.isSelf(uri));
    const { isRouted, uri } = nextHop(routed);
    const flow = uri === undefined ? undefined : finder.flowTo(uri, from);
    if (flow !== undefined) return !['member', 'trunk'].includes(this.parties.of(flow).kind);
    // By a Route that leads nowhere it goes nowhere.
    if (isRouted) return true;
    return party.kind === 'trunk' ? finder.leadsHere(routed, from) : !finder.leadsOutside(routed);
  }

  /** A record of the overlay may be old, and a URI forged: what counts is the certificate of who answers, as it is now or was when it rang. */
  private mayAnswer(response: SipResponse, { flow, holder }: ProxyTarget): boolean {
    if (holder === undefined) return true;
    const party = this.parties.of(flow);
    const may = party.kind === 'member' && (party.user === holder || this.speakers.has(response, party.hit));
    if (!may)
      this.logger.info('sip.answeredByAnother', {
        ...{ called: holder, remote: flow.key, status: response.status },
        user: party.kind === 'member' ? party.user : null,
      });
    return may;
  }

  /** Without phones here that would hear and not be heard. What never registered may know both families. */
  private audible(request: SipRequest, targets: readonly ProxyTarget[], now: number): readonly ProxyTarget[] | Refusal {
    const { user } = this.self;
    if (this.media !== undefined || user === null || request.method !== 'INVITE' || !knowsIpv6Alone(request))
      return targets;
    const deaf = new Set(
      this.registrar
        .bindingsOf(user, now)
        .filter(({ flow }) => familyOf(flow) === 4)
        .map(({ flow }) => flow.key),
    );
    const left = targets.filter(({ flow }) => !deaf.has(flow.key));
    return left.length > 0 || targets.length === 0 ? left : ONE_WAY;
  }

  /** To a phone of this host. What a relay here answers in its stead is of its family. */
  private useless(response: SipResponse, flows: { readonly from: SipFlow; readonly to: SipFlow }): Refusal | undefined {
    if (this.parties.of(flows.to).kind !== 'phone' || this.media?.relays(response, flows) === true) return undefined;
    const refusal = this.familyWarnings.refusalOf(response);
    if (refusal !== undefined) this.logger.info('sip.otherFamily', { remote: flows.to.key, status: refusal.status });
    return refusal;
  }

  private outgoing<M extends SipMessage>(
    message: M,
    { from, to }: { readonly from: SipFlow; readonly to: SipFlow },
  ): M {
    const sender = this.parties.of(from);
    const isFromLan = sender.kind === 'phone' && sender.onLan;
    if (isFromLan && message.type === 'response') this.contacts.learn(message, from);
    const told = (addresses: readonly string[]): void => this.journal?.replaced(message, from, addresses);
    const receiver: Party = this.parties.of(to);
    let sent = sender.kind === 'phone' && !isFromLan ? this.sdp.reachable(message, to, told) : message;
    if (sender.kind === 'member' && message.type === 'response' && this.identities.isAddressee(message, sender))
      this.speakers.learn(message, sender.hit);
    if (sender.kind === 'phone' && receiver.kind !== 'phone') sent = this.emergencies.outbound(sent);
    else if (sender.kind !== 'phone' && receiver.kind === 'phone') sent = this.emergencies.inbound(sent);
    // The gateway is told who calls, too: this host's own user, where a phone does.
    if (receiver.kind === 'trunk')
      sent = this.identities.toPhone(sent, sender.kind === 'phone' ? { kind: 'member', ...this.self } : sender);
    else if (receiver.kind === 'phone' && sender.kind !== 'phone') sent = this.identities.toPhone(sent, sender);
    else if (sender.kind === 'phone') sent = this.identities.fromPhone(sent);
    // Whoever is in need of help is better heard at one end alone than not connected.
    const isUrgent = sent.type === 'request' && this.finder.callsForHelp(sent);
    if (sender.kind === 'phone' && !isUrgent) this.familyWarnings.noteOwn(sent);
    if (isFromLan) sent = this.lan?.withoutCredentials(sent) ?? sent;
    if (this.media !== undefined) return this.media.relay(sent, { from, to });
    if (receiver.kind === 'phone') {
      sent = this.families.readable(sent, to);
      this.familyWarnings.note(sent, to);
    }
    return sender.kind === 'phone' ? this.familyWarnings.explained(sent, from) : sent;
  }
}
