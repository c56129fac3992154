import { earliest, type Timed } from '../../base/clock.ts';
import { MalformedMessageError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { SocketAddress } from '../../base/socket-address.ts';
import { isIpAddress } from '../../base/ip-address.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import { flowBy, type SipFlow, type SipTransport } from '../flow.ts';
import { parseSip } from '../message/codec.ts';
import { firstHeader, headerRows } from '../message/headers.ts';
import type { SipHeader, SipMessage, SipRequest } from '../message/message.ts';
import { formatHostPort, parseUri } from '../message/uri.ts';
import { validateRequest } from '../message/validation.ts';
import type { OverlayNames } from '../names.ts';
import { responseTo, tagOf } from '../transaction/responses.ts';
import { TransactionLayer } from '../transaction/transaction-layer.ts';
import type { ServerTransaction, TransactionUser } from '../transaction/transaction.ts';
import type { TrunkAccount } from './account.ts';
import { CallBook } from './call-book.ts';
import type { CallSide, End } from './call-side.ts';
import { DigestClient } from './digest.ts';
import type { TrunkMedia } from './trunk-media.ts';
import { allowing, capabilities, DOES, unsupported } from './passing.ts';
import { MAX_KEPT_CALLS, readCall, readHead, writeCall, writeHead } from './kept-calls.ts';
import { NO_SERVER, Registration } from './registration.ts';
import { type Replaces, replacesOf } from './replaces.ts';
import type { Server, Wanted } from './server-location.ts';
import { type CallStart, type Place, TrunkCall, type TrunkCallPorts } from './trunk-call.ts';
import { TrunkClient } from './trunk-client.ts';
import { TRUNK_USER, trunkFlow } from './trunk-flow.ts';
import type { TrunkState } from './trunk-state.ts';
import { TrunkNames } from './trunk-names.ts';
import { SIP_PORT, SIPS_PORT } from '../transaction/constants.ts';

// Implementation constants.

/** Without a word of signalling: whoever crashed has not said BYE. */
const MAX_CALL_MS = 12 * 3_600_000;
/** While calls run, when it was alive is written down so often: what it was away is known to that. */
const HEARTBEAT_MS = 60_000;
/** Who was away for longer ends its calls: their ends have hung up, and their lines are needed. */
const MAX_AWAY_MS = 300_000;
/** Ends of calls of a former life are asked whether they are there still: when links and connections are, and not all at once. */
const CHECK_AFTER_MS = 5_000;
const CHECK_EVERY_MS = 50;
/** Addresses of the provider that calls are taken from: of the latest answers of DNS. */
const MAX_KNOWN = 64;
/** Calls for help at a time, which need no line that is free: of one member, and of all. More are a fault, or somebody plays with them. */
const MAX_HELP_OF_ONE = 4;
const MAX_HELP = 64;

export interface TrunkPorts {
  /** To the adaptor of this host, as from a phone. Calls nothing of ours back. */
  sendInside(message: SipMessage): void;
  sendOutside(flow: SipFlow, message: SipMessage): void;
  /** RFC 3263. @param done called once, now or later; empty: it is nowhere */
  locate(wanted: Wanted, now: number, done: (servers: readonly Server[], now: number) => void): void;
  /** Our end of what goes there; undefined: there is no way now. */
  localOutside(remote: SocketAddress, transport: SipTransport): SocketAddress | undefined;
  /** It serves, or does not any more. */
  changed(now: number): void;
  /** The snapshot is another one, or is to say that we live. Absent: calls end with a life. */
  callsChanged?(): void;
}

export interface TrunkComponents {
  readonly ports: TrunkPorts;
  /** Absent: SDP goes as it is, for ends that reach each other without help. */
  readonly media?: TrunkMedia | undefined;
  readonly names: OverlayNames;
  readonly random: Random;
  readonly logger: Logger;
}

type Where = Place['where'];

interface CallEnd {
  readonly call: TrunkCall;
  readonly end: End;
}

type Refuse = (status: number, reason: string, ...headers: readonly SipHeader[]) => void;

/**
 * The gateway to the SIP world of a whole overlay: a user agent on both sides.
 *
 *    members, phones <──> adaptor <──in memory──> inside layer ── calls ── outside layer <──sockets──> provider, other domains
 *                                                                  └── media relay         registration ──┘
 *
 * It takes calls of the adaptor, which has proven the caller, and of the provider's addresses; of anybody only when it is open.
 */
export class Trunk implements Timed {
  private readonly ports: TrunkPorts;
  private readonly media: TrunkMedia | undefined;
  private readonly names: TrunkNames;
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly account: TrunkAccount;
  private readonly insideFlow: SipFlow;
  private readonly layers: { readonly inside: TransactionLayer; readonly outside: TransactionLayer };
  private readonly clients: { readonly inside: TrunkClient; readonly outside: TrunkClient };
  private readonly sides: { readonly inside: CallSide; readonly outside: CallSide };
  private readonly digest: DigestClient | undefined;
  private readonly registration: Registration | undefined;
  /** By `inside` or `outside`, and Call-ID. */
  private readonly calls = new Map<string, CallEnd>();
  private readonly inviting = new Map<ServerTransaction, TrunkCall>();
  /** Some of them while it is looked for where they go. */
  private readonly cancelled = new WeakSet<ServerTransaction>();
  /** Calls for help, by whom: P-Asserted-Identity. */
  private readonly helping = new Map<TrunkCall, string>();
  private readonly idle = new TimerQueue<TrunkCall>();
  private readonly book: CallBook<TrunkCall>;
  /** Calls of a former life. */
  private readonly checks = new TimerQueue<TrunkCall>();
  private heartbeatAt: number | undefined;
  private readonly known = new Set<string>();
  /** Where calls of a former life lead: they are heard, and given no password. */
  private readonly former = new Set<string>();
  private noServer: string | undefined;
  /** By flow, what has ended it, for people. */
  private readonly troubles = new Map<string, string>();

  constructor(
    components: TrunkComponents,
    options: { readonly account: TrunkAccount; /** Where the adaptor listens. */ readonly adaptor: SocketAddress },
  ) {
    const { ports, media, names, random, logger } = components;
    const { account, adaptor } = options;
    this.ports = ports;
    this.media = media;
    this.random = random;
    this.logger = logger;
    this.account = account;
    this.names = new TrunkNames(account, names);
    this.insideFlow = trunkFlow(adaptor);
    const common = { random, logger };
    this.layers = {
      inside: new TransactionLayer({
        ...common,
        ports: { send: (_, message) => ports.sendInside(message), ownAddress: () => adaptor },
        user: this.user('inside'),
      }),
      outside: new TransactionLayer({
        ...common,
        ports: { send: (flow, message) => ports.sendOutside(flow, message), ownAddress: ({ local }) => local },
        user: this.user('outside'),
      }),
    };
    this.clients = { inside: new TrunkClient(this.layers.inside), outside: new TrunkClient(this.layers.outside) };
    this.book = new CallBook({
      ports: {
        lineOf: (call) => {
          const kept = call.kept();
          return kept && writeCall(kept);
        },
        changed: () => ports.callsChanged?.(),
      },
    });
    const { credentials, user, domain } = account;
    this.digest = credentials && new DigestClient(credentials, random);
    this.sides = { inside: this.insideSide(), outside: this.outsideSide() };
    if (this.digest !== undefined && user !== undefined)
      this.registration = new Registration(
        {
          client: this.clients.outside,
          ports: {
            locate: (now, done) => this.flowsTo(account.server, now, done),
            contact: ({ local }) => local,
            trouble: (flows) => flows.map(({ key }) => this.troubles.get(key)).find((why) => why !== undefined),
            changed: (now) => ports.changed(now),
          },
          ...common,
        },
        { user, domain, digest: this.digest },
      );
  }

  /** Whether calls may go out here: a trunk that is not registered is none now. */
  get isReady(): boolean {
    return this.registration === undefined || this.registration.flow !== undefined;
  }

  /** `peer`: calls pass without a registration. */
  get state(): TrunkState {
    const { registration, account } = this;
    if (registration?.flow !== undefined) return { domain: account.domain, state: 'registered', why: null };
    const why = registration === undefined ? this.noServer : registration.problem;
    const state = why !== undefined ? 'failed' : registration === undefined ? 'peer' : 'registering';
    return { domain: account.domain, state, why: why ?? null };
  }

  /** Calls at a time: 0 when nothing goes on. */
  get size(): number {
    return this.calls.size / 2;
  }

  /** Of the provider, that are taken. */
  private get lines(): number {
    const calls = new Set([...this.calls.values()].map(({ call }) => call));
    return [...calls].reduce((sum, { lines }) => sum + lines, 0);
  }

  private get isFull(): boolean {
    return this.lines >= this.account.maxCalls;
  }

  start(now: number): void {
    if (this.registration !== undefined) this.registration.start(now);
    // Who are the peer's servers has to be known before it calls.
    else this.flowsTo(this.account.server, now, () => this.ports.changed(now));
  }

  /** Calls that are answered, as text for `restorer` in the next life: a head, and a few lines in each piece. */
  *snapshot(now: number, wallNow: number): Generator<string> {
    yield writeHead({ domain: this.account.domain, savedAt: wallNow, now });
    yield* this.book.pieces();
  }

  /**
   * Calls of a former life go on: the provider and the members know of none. After a long time away they are ended, at both ends.
   * @param head the first line of what `snapshot` gave then, or anything
   * @returns what takes each of the other lines; undefined: they are of no use here
   */
  restorer(head: string, wallNow: number): ((line: string, now: number) => void) | undefined {
    const kept = readHead(head);
    if (kept?.domain !== this.account.domain) return undefined;
    const awayMs = wallNow - kept.savedAt;
    let left = MAX_KEPT_CALLS;
    return (line, now) => {
      const one = readCall(line);
      if (one === undefined || (left -= 1) < 0) return;
      const { caller, callee } = one.flows;
      const sides = { caller: this.sideBy(caller), callee: this.sideBy(callee) };
      const saidAt = Math.min(now, now - awayMs - (kept.now - one.saidAt));
      const call: TrunkCall = TrunkCall.restored(
        this.portsOf(() => call, sides),
        one,
        this.insideFlow,
        saidAt,
      );
      const isOver = awayMs > MAX_AWAY_MS;
      for (const flow of [caller, callee]) if (flow !== null) this.former.add(flow.remote.address);
      this.enter(call, saidAt);
      this.logger.info('SIP trunk: a call of a former life', { goesOn: !isOver });
      if (isOver) call.end(now);
      else {
        this.alive(call, now);
        this.checks.set(call, now + CHECK_AFTER_MS + this.checks.size * CHECK_EVERY_MS);
      }
    };
  }

  networkChanged(now: number): void {
    this.registration?.restart(now);
  }

  stop(now: number): void {
    for (const { call } of new Set(this.calls.values())) call.end(now);
    this.registration?.stop(now);
  }

  receiveInside(message: SipMessage, now: number): void {
    this.layers.inside.receive(message, this.insideFlow, now);
  }

  /** Whether anything is read of such a sender: the provider's servers, or of an open gateway everybody. */
  isWelcome(address: string): boolean {
    return this.account.isOpen || this.known.has(address) || this.former.has(address);
  }

  /** What is no SIP message, or comes from nobody that may call, is dropped. */
  receiveOutside(flow: SipFlow, incoming: Uint8Array | SipMessage, now: number): void {
    // Whose certificate nobody has seen is nobody's provider.
    const isSecure = flow.transport === 'tls' || this.account.server.transport !== 'tls';
    if (!isSecure || !this.isWelcome(flow.remote.address)) return;
    this.troubles.delete(flow.key);
    try {
      const message = incoming instanceof Uint8Array ? parseSip(incoming) : incoming;
      this.layers.outside.receive(message, flow, now);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.logger.debug('sip.malformed', { remote: flow.key, err: error.message });
    }
  }

  /** @param why for people; undefined: as connections end */
  flowClosed(flow: SipFlow, now: number, why?: string): void {
    this.layers.outside.transportFailed(flow, now);
    this.registration?.flowClosed(flow, now);
    if (why === undefined) return;
    this.troubles.set(flow.key, why);
    const [oldest] = this.troubles.keys();
    if (this.troubles.size > MAX_KNOWN && oldest !== undefined) this.troubles.delete(oldest);
  }

  nextTimeout(): number | undefined {
    const { inside, outside } = this.layers;
    return earliest(
      ...[inside, outside, this.clients.inside, this.clients.outside].map((timed) => timed.nextTimeout()),
      this.registration?.nextTimeout(),
      this.idle.next(),
      this.book.nextTimeout(),
      this.checks.next(),
      this.heartbeatAt,
    );
  }

  handleTimeout(now: number): void {
    this.layers.inside.handleTimeout(now);
    this.layers.outside.handleTimeout(now);
    this.clients.inside.handleTimeout(now);
    this.clients.outside.handleTimeout(now);
    this.registration?.handleTimeout(now);
    for (let due = this.idle.due(now); due !== undefined; due = this.idle.due(now)) due.end(now);
    for (let due = this.checks.due(now); due !== undefined; due = this.checks.due(now)) due.check(now);
    this.book.handleTimeout(now);
    if (this.heartbeatAt === undefined || now < this.heartbeatAt) return;
    this.heartbeatAt = now + HEARTBEAT_MS;
    this.ports.callsChanged?.();
  }

  private user(where: 'inside' | 'outside'): TransactionUser {
    return {
      onRequest: (transaction, request, now) => this.onRequest(where, transaction, request, now),
      onAck: (request, _, now) => {
        const found = this.callOf(where, request);
        found?.call.receiveAck(found.end, request, now);
      },
      onCancel: (invite, cancel, now) => {
        this.cancelled.add(invite);
        this.inviting.get(invite)?.cancel(headerRows(cancel.headers, 'reason'), now);
      },
      onStrayResponse: () => undefined,
      onFailure: () => undefined,
    };
  }

  private onRequest(
    where: 'inside' | 'outside',
    transaction: ServerTransaction,
    request: SipRequest,
    now: number,
  ): void {
    const refuse: Refuse = (status, reason, ...headers) => {
      this.layers[where].respond(transaction, responseTo(request, { status, reason, headers }, this.random), now);
    };
    const invalid = validateRequest(request);
    const { method } = request;
    const does = DOES[where];
    const foreign = unsupported(request, does);
    if (invalid !== undefined) refuse(invalid.status, invalid.reason);
    else if (!does.allow.includes(method)) refuse(405, 'Method Not Allowed', allowing(does));
    else if (foreign.length > 0) refuse(420, 'Bad Extension', { name: 'Unsupported', value: foreign.join(', ') });
    else if (tagOf(request, 'to') !== '') {
      const found = this.callOf(where, request);
      if (found === undefined) refuse(481, 'Call/Transaction Does Not Exist');
      else if (method === 'REFER') this.refer(found, transaction, request, refuse, now);
      else found.call.receive(found.end, request, transaction, now);
    } else if (method === 'OPTIONS') refuse(200, 'OK', ...capabilities(does));
    // Whoever is in no call has nothing to hand on.
    else if (method === 'REFER') refuse(405, 'Method Not Allowed', allowing(DOES.outside));
    else if (method === 'INVITE') this.invited(where, transaction, request, refuse, now);
    else refuse(481, 'Call/Transaction Does Not Exist');
  }

  private invited(
    where: 'inside' | 'outside',
    transaction: ServerTransaction,
    invite: SipRequest,
    refuse: Refuse,
    now: number,
  ): void {
    if (this.callOf(where, invite) !== undefined) refuse(482, 'Loop Detected');
    else if (where === 'inside') this.callOut(transaction, invite, refuse, now);
    else this.callIn(transaction, invite, refuse, now);
  }

  private callOut(transaction: ServerTransaction, invite: SipRequest, refuse: Refuse, now: number): void {
    const found = this.names.outbound(invite);
    if ('status' in found) {
      this.logger.info('SIP trunk: refused', { from: firstHeader(invite, 'from')?.slice(0, 128), why: found.reason });
      refuse(found.status, found.reason);
      return;
    }
    const replaces = replacesOf(invite);
    if (replaces !== undefined && !found.isEmergency) {
      this.replace(replaces, transaction, invite, refuse, now);
      return;
    }
    // Whoever is in need of help is connected.
    const isBusy = (): boolean => (found.isEmergency ? this.isHelpTaken(askedBy(invite)) : this.isFull);
    if (isBusy()) {
      refuse(503, 'All Lines Busy');
      return;
    }
    this.flowsTo(found.servers, now, (flows, at) => {
      if (this.cancelled.has(transaction)) refuse(487, 'Request Terminated');
      else if (flows.length === 0) refuse(503, 'Gateway Has No Way Out');
      // Others have asked for the way meanwhile, and gone it.
      else if (isBusy()) refuse(503, 'All Lines Busy');
      else this.begin('inside', { ...this.startOf(invite, transaction), ...found, calledAs: found.to, flows }, at);
    });
  }

  /** Whether that one, or all together, have so many calls for help that there is no room for another. */
  private isHelpTaken(caller: string): boolean {
    const callers = [...this.helping.values()];
    return callers.length >= MAX_HELP || callers.filter((other) => other === caller).length >= MAX_HELP_OF_ONE;
  }

  /** A member hands a call of his to another one (RFC 3891): only who is in a call knows what names it. */
  private replace(
    replaces: Replaces | 'malformed',
    transaction: ServerTransaction,
    invite: SipRequest,
    refuse: Refuse,
    now: number,
  ): void {
    const found =
      replaces === 'malformed' ? undefined : this.calls.get(keyOf({ where: 'inside', callId: replaces.callId }));
    if (replaces === 'malformed') refuse(400, 'Malformed Replaces');
    else if (found?.call.isReplaceable(found.end, replaces) !== true) refuse(481, 'Call/Transaction Does Not Exist');
    else if (replaces.earlyOnly) refuse(486, 'Busy Here');
    else {
      found.call.replace(found.end, replaces, invite, transaction, now);
    }
  }

  /** A member has somebody else called in its place, inside or outside, where it might call itself. */
  private refer(
    { call, end }: CallEnd,
    transaction: ServerTransaction,
    request: SipRequest,
    refuse: Refuse,
    now: number,
  ): void {
    const found = this.names.referred(request);
    const { inside, outside } = this.sides;
    if ('status' in found) refuse(found.status, found.reason);
    else if (!('servers' in found)) {
      const referred = { ...found, side: inside, flows: [this.insideFlow], from: undefined };
      call.refer(end, request, transaction, referred, now);
    } else if (this.isFull) refuse(503, 'All Lines Busy');
    else
      this.flowsTo(found.servers, now, (flows, at) => {
        if (flows.length === 0) refuse(503, 'Gateway Has No Way Out');
        else if (this.isFull) refuse(503, 'All Lines Busy');
        else call.refer(end, request, transaction, { ...found, side: outside, flows }, at);
      });
  }

  private callIn(transaction: ServerTransaction, invite: SipRequest, refuse: Refuse, now: number): void {
    const found = this.names.inbound(invite);
    if ('status' in found) refuse(found.status, found.reason);
    else if (this.isFull) refuse(486, 'All Lines Busy');
    else {
      const more = { headers: [], calledAs: firstHeader(invite, 'to') ?? '', isEmergency: false };
      this.begin('outside', { ...this.startOf(invite, transaction), ...found, ...more, flows: [this.insideFlow] }, now);
    }
  }

  private startOf(
    invite: SipRequest,
    transaction: ServerTransaction,
  ): Pick<CallStart, 'id' | 'invite' | 'transaction'> {
    return { id: Buffer.from(this.random.bytes(12)).toString('hex'), invite, transaction };
  }

  private begin(where: 'inside' | 'outside', start: CallStart, now: number): void {
    const { inside, outside } = this.sides;
    const sides = where === 'inside' ? { caller: inside, callee: outside } : { caller: outside, callee: inside };
    const call: TrunkCall = TrunkCall.of(
      this.portsOf(() => call, sides, start.transaction),
      start,
      now,
    );
    this.inviting.set(start.transaction, call);
    if (start.isEmergency) this.helping.set(call, askedBy(start.invite));
    this.enter(call, now);
    call.begin(now);
  }

  private portsOf(of: () => TrunkCall, sides: TrunkCallPorts['sides'], invite?: ServerTransaction): TrunkCallPorts {
    const { media, random } = this;
    return {
      sides,
      media,
      random,
      over: () => this.over(of(), invite),
      alive: (call, at) => {
        this.idle.set(call, at + MAX_CALL_MS);
        this.alive(call, at);
      },
      moved: (call, end, from) => {
        this.calls.delete(keyOf(from));
        this.calls.set(keyOf(call.placeOf(end)), { call, end });
      },
    };
  }

  private enter(call: TrunkCall, saidAt: number): void {
    for (const end of ['caller', 'callee'] as const) this.calls.set(keyOf(call.placeOf(end)), { call, end });
    this.idle.set(call, saidAt + MAX_CALL_MS);
  }

  private alive(call: TrunkCall, now: number): void {
    this.heartbeatAt ??= now + HEARTBEAT_MS;
    this.book.touch(call, now);
  }

  private over(call: TrunkCall, invite: ServerTransaction | undefined): void {
    for (const end of ['caller', 'callee'] as const) this.calls.delete(keyOf(call.placeOf(end)));
    if (invite !== undefined) this.inviting.delete(invite);
    this.helping.delete(call);
    this.idle.clear(call);
    this.media?.delete(call.id);
    this.checks.clear(call);
    this.book.forget(call);
    if (this.calls.size === 0) this.heartbeatAt = undefined;
  }

  private callOf(where: Where, request: SipRequest): CallEnd | undefined {
    const found = this.calls.get(keyOf({ where, callId: firstHeader(request, 'call-id') ?? '' }));
    if (tagOf(request, 'to') === '') return found;
    return found?.call.has(found.end, request) === true ? found : undefined;
  }

  private flowsTo(wanted: Wanted, now: number, done: (flows: readonly SipFlow[], now: number) => void): void {
    this.ports.locate(wanted, now, (servers, at) => {
      if (wanted === this.account.server) {
        this.know(servers);
        this.noServer = servers.length === 0 ? NO_SERVER : undefined;
      }
      const flows = servers.flatMap(({ transport, remote }) => this.outsideFlow(remote, transport) ?? []);
      // The server that we are registered at knows us.
      const { flow } = this.registration ?? {};
      const isOurs = wanted === this.account.server && flow !== undefined;
      const others = flows.filter(({ key }) => key !== flow?.key);
      done(isOurs ? [flow, ...others] : flows, at);
    });
  }

  private sideBy(flow: object | null): CallSide {
    return flow === null ? this.sides.inside : this.sides.outside;
  }

  private know(servers: readonly Server[]): void {
    for (const { remote } of servers) {
      this.known.delete(remote.address);
      this.known.add(remote.address);
    }
    for (const oldest of this.known) {
      if (this.known.size <= MAX_KNOWN) break;
      this.known.delete(oldest);
    }
  }

  private outsideFlow(remote: SocketAddress, transport: SipTransport): SipFlow | undefined {
    const local = this.ports.localOutside(remote, transport);
    return local && flowBy(transport, { local, remote });
  }

  private insideSide(): CallSide {
    const { inside } = this.layers;
    return {
      ...{ where: 'inside', from: 'overlay' },
      does: DOES.inside,
      respond: (transaction, response, now) => void inside.respond(transaction, response, now),
      request: (outgoing, now) => this.clients.inside.request(outgoing, now),
      forward: (request, flow) => inside.forward(request, flow, this.branch()),
      flowTo: () => this.insideFlow,
      contact: ({ local: { address, port } }) => `<sip:${TRUNK_USER}@${formatHostPort(address, port)}>`,
    };
  }

  private outsideSide(): CallSide {
    const { outside } = this.layers;
    const user = this.account.user ?? TRUNK_USER;
    return {
      ...{ where: 'outside', from: 'outside' },
      does: DOES.outside,
      respond: (transaction, response, now) => void outside.respond(transaction, response, now),
      request: (outgoing, now) => {
        // Nobody else is given what a password could be guessed by.
        const isProvider = this.known.has(outgoing.flows[0]?.remote.address ?? '');
        return this.clients.outside.request({ ...outgoing, digest: isProvider ? this.digest : undefined }, now);
      },
      forward: (request, flow) => outside.forward(request, flow, this.branch()),
      flowTo: (uri, flow) => {
        const next = parseUri(uri);
        if (next === undefined || !isIpAddress(next.host)) return flow;
        // What began in TLS stays there, whatever a Contact says.
        const isSecure = flow.transport === 'tls';
        if (isSecure && next.scheme !== 'sips' && next.params.get('transport') !== 'tls') return flow;
        const transport = isSecure ? 'tls' : next.params.get('transport') === 'tcp' ? 'tcp' : 'udp';
        const remote = { address: next.host, port: next.port ?? (isSecure ? SIPS_PORT : SIP_PORT) };
        if (transport === flow.transport && remote.address === flow.remote.address && remote.port === flow.remote.port)
          return flow;
        return this.outsideFlow(remote, transport) ?? flow;
      },
      contact: ({ local: { address, port }, transport }) =>
        `<sip:${user}@${formatHostPort(address, port)}${transport === 'udp' ? '' : `;transport=${transport}`}>`,
    };
  }

  private branch(): string {
    return `z9hG4bK${Buffer.from(this.random.bytes(16)).toString('hex')}`;
  }
}

/** As the adaptor has written it, after what was proven. */
function askedBy(invite: SipRequest): string {
  return firstHeader(invite, 'p-asserted-identity') ?? '';
}

function keyOf({ where, callId }: Place): string {
  return `${where} ${callId}`;
}
