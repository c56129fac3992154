import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom, type Random } from '../../../src/base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../../../src/base/socket-address.ts';
import { type SipFlow, udpFlow } from '../../../src/sip/flow.ts';
import { firstHeader, headerValues } from '../../../src/sip/message/headers.ts';
import type { SipHeader, SipMessage, SipRequest, SipResponse } from '../../../src/sip/message/message.ts';
import { parseNameAddr } from '../../../src/sip/message/name-addr.ts';
import { T1_MS, T2_MS, TRANSACTION_TIMEOUT_MS } from '../../../src/sip/transaction/constants.ts';
import { responseTo, tagOf } from '../../../src/sip/transaction/responses.ts';
import type { ClientTransaction, ServerTransaction } from '../../../src/sip/transaction/transaction.ts';
import { TransactionLayer } from '../../../src/sip/transaction/transaction-layer.ts';
import { tcpFlow, type SipNetwork, type SipNode } from './sip-network.ts';

/** What a called phone does. */
export interface Manners {
  /** Absent: it does not ring. */
  readonly ringsAfterMs?: number;
  /** Absent: it never answers. */
  readonly answersAfterMs?: number;
  /** Absent: 200. */
  readonly status?: number;
  readonly headers?: readonly SipHeader[];
  /** What it answers an offer with; absent: nothing. */
  readonly sdp?: string;
}

/** One end's side of a dialog. */
interface Dialog {
  readonly callId: string;
  readonly local: string;
  readonly remote: string;
  readonly target: string;
  readonly routes: readonly string[];
}

/** A call that a phone made. */
export class SimCall {
  /** Final and provisional responses to the INVITE, without repetitions; `timeout`. */
  readonly heard: string[] = [];
  readonly dialogs = new Map<string, Dialog>();
  /** Of each 2xx; RFC 3261 s13.2.2.4: sent again when it comes again. */
  readonly acks = new Map<string, () => void>();
  readonly callId: string;
  invite: ClientTransaction | undefined;
  /** Of the last response that rang (RFC 3261 s12.1). */
  early: Dialog | undefined;
  /** As they came, but for 100; each as often as it came. */
  readonly responses: SipResponse[] = [];
  /** Of its refusal. */
  warning: string | undefined;

  constructor(callId: string) {
    this.callId = callId;
  }

  get dialog(): Dialog | undefined {
    const [first] = this.dialogs.values();
    return first;
  }
}

/** A user agent (RFC 3261 s8, s12, s13) as simple as may be, on the same transactions. */
export class SimPhone implements SipNode {
  readonly layer: TransactionLayer;
  manners: Manners = { ringsAfterMs: 100, answersAfterMs: 1_000 };
  /** Requests that reached it, ACK of 2xx too: `INVITE one`, by Call-ID; each once. */
  readonly received: string[] = [];
  /** As they came. */
  readonly requests: SipRequest[] = [];
  /** Session descriptions that it was told in responses. */
  readonly sessions: string[] = [];
  /** Of what it calls with; absent: it offers nothing. */
  offer: string | undefined;
  offerType = 'application/sdp';
  /** It was switched off and on: it is in no call. */
  forgets = false;
  /** Answers a challenge (401, 407) of its proxy; absent: it has no account. */
  credentials: ((challenged: SipRequest, by: SipResponse) => SipHeader | undefined) | undefined;
  /** The last final response, as it came. */
  final: SipResponse | undefined;
  /** How it calls itself; absent: by its name. */
  from: string | undefined;
  /** Responses to requests that are no INVITE: `BYE 200`. */
  readonly heard: string[] = [];
  /** Those that it is in, having been called, by Call-ID. */
  readonly answered = new Map<string, Dialog>();
  /** To its user's events, or of its own to others', by the tag of the other end. */
  readonly subscriptions = new Map<string, Dialog>();
  /** Calls of which 2xx waits for an ACK. */
  readonly unacknowledged = new Set<string>();
  readonly address: SocketAddress;
  private readonly network: SipNetwork;
  private readonly random: Random;
  private readonly name: string;
  private readonly flow: SipFlow;
  private readonly proxy: SocketAddress;
  private readonly ringing = new Map<ServerTransaction, SipRequest>();
  private cseq = 1;

  constructor(
    network: SipNetwork,
    name: string,
    options: { readonly address: SocketAddress; readonly proxy: SocketAddress; readonly transport?: 'udp' | 'tcp' },
    seed = 1,
  ) {
    this.network = network;
    this.name = name;
    this.address = options.address;
    this.proxy = options.proxy;
    this.random = seededRandom(seed);
    this.flow = (options.transport === 'tcp' ? tcpFlow : udpFlow)({ local: options.address, remote: options.proxy });
    this.layer = new TransactionLayer({
      ...{ random: this.random, logger: silentLogger },
      ports: { send: (flow, message) => network.send(flow, message), ownAddress: () => this.address },
      user: {
        onRequest: (transaction, request, now) => this.onRequest(transaction, request, now),
        onAck: (request) => this.onAck(request),
        onCancel: (invite, cancel, now) => this.onCancel(invite, cancel, now),
        onStrayResponse: () => {},
        onFailure: () => {},
      },
    });
    network.attach(options.address, this);
  }

  get leftovers(): number {
    const { servers, clients, others } = this.layer.sizes;
    return servers + clients + others + this.ringing.size + this.unacknowledged.size;
  }

  get lastCSeq(): number {
    return this.cseq;
  }

  receive(message: SipMessage, flow: SipFlow, now: number): void {
    this.layer.receive(message, flow, now);
  }

  nextTimeout(): number | undefined {
    return this.layer.nextTimeout();
  }

  handleTimeout(now: number): void {
    this.layer.handleTimeout(now);
  }

  call(callId: string, to = 'sip:bob@home.example', headers: readonly SipHeader[] = []): SimCall {
    const call = new SimCall(callId);
    const request = this.build('INVITE', to, `<${to}>`, this.named(this.name), callId, [
      { name: 'Route', value: `<sip:${formatSocketAddress(this.proxy)};lr>` },
      ...headers,
    ]);
    this.invite(call, request);
    return call;
  }

  /** Past its own proxy. @param as whom @param tag parameters of To */
  callBy(
    proxy: SocketAddress,
    callId: string,
    as: string,
    to = 'sip:bob@home.example',
    tag = '',
    headers: readonly SipHeader[] = [],
  ): SimCall {
    const call = new SimCall(callId);
    const from = this.named(as);
    this.invite(
      call,
      this.build('INVITE', to, `<${to}>${tag}`, from, callId, headers),
      udpFlow({ local: this.address, remote: proxy }),
    );
    return call;
  }

  cancel({ invite }: SimCall, headers: readonly SipHeader[] = []): void {
    if (invite !== undefined) this.layer.cancel(invite, headers, this.network.loop.now);
    this.network.schedule(this);
  }

  /** Outside of a dialog; what comes back is in `heard`. */
  ask(method: string, to: string, headers: readonly SipHeader[] = []): void {
    const from = this.named(this.name);
    const callId = `${method}-${this.cseq}`;
    const route = { name: 'Route', value: `<sip:${formatSocketAddress(this.proxy)};lr>` };
    this.request(this.build(method, to, `<${to}>`, from, callId, [route, ...headers]));
  }

  /** In a dialog; `INVITE` too. */
  say(method: string, dialog: Dialog | undefined, headers: readonly SipHeader[] = []): SimCall | undefined {
    if (dialog === undefined) throw new Error('no dialog');
    const routes = dialog.routes.map((value) => ({ name: 'Route', value }));
    const more = [...routes, ...headers];
    const request = this.build(method, dialog.target, dialog.remote, dialog.local, dialog.callId, more);
    if (method !== 'INVITE') {
      this.request(request);
      return undefined;
    }
    const call = new SimCall(dialog.callId);
    this.invite(call, request);
    return call;
  }

  private request(request: SipRequest): void {
    const { method } = request;
    this.layer.request(request, this.flow, this.network.loop.now, {
      onProvisional: () => {},
      onFinal: (response) => {
        this.final = response;
        const again = this.answered401(request, response);
        if (again !== undefined) this.request(again);
        else this.heard.push(`${method} ${response.status}`);
      },
      onTimeout: () => void this.heard.push(`${method} timeout`),
      onTransportError: () => void this.heard.push(`${method} transport error`),
    });
    this.network.schedule(this);
  }

  private invite(call: SimCall, request: SipRequest, flow = this.flow): void {
    call.invite = this.layer.request(request, flow, this.network.loop.now, {
      onProvisional: (response) => {
        const { status } = response;
        if (status === 100) return;
        call.responses.push(response);
        const rseq = firstHeader(response, 'rseq');
        call.heard.push(rseq === undefined ? String(status) : `${status} RSeq ${rseq}`);
        call.early = dialogOf(call, response);
      },
      onFinal: (response) => this.onAnswer(call, request, response),
      onTimeout: () => void call.heard.push('timeout'),
      onTransportError: () => void call.heard.push('transport error'),
    });
    this.network.schedule(this);
  }

  /** The request again, with credentials; undefined: it is no challenge, or of no use. */
  private answered401(request: SipRequest, response: SipResponse): SipRequest | undefined {
    if (![401, 407].includes(response.status) || request.headers.some(({ name }) => /authorization$/i.test(name)))
      return undefined;
    const header = this.credentials?.(request, response);
    if (header === undefined) return undefined;
    const cseq = { name: 'CSeq', value: `${(this.cseq += 1)} ${request.method}` };
    const headers = request.headers.map((field) => (field.name === 'CSeq' ? cseq : field));
    return { ...request, headers: [...headers, header] };
  }

  private onAnswer(call: SimCall, invite: SipRequest, response: SipResponse): void {
    this.final = response;
    call.responses.push(response);
    const again = this.answered401(invite, response);
    if (again !== undefined) {
      this.invite(call, again);
      return;
    }
    if (response.body.length > 0) this.sessions.push(Buffer.from(response.body).toString());
    const tag = tagOf(response, 'to');
    if (response.status >= 300) call.heard.push(String(response.status));
    call.warning = firstHeader(response, 'warning');
    if (response.status >= 300) return;
    if (!call.acks.has(tag)) {
      call.heard.push(`${response.status} ${tag}`);
      const dialog = dialogOf(call, response);
      call.dialogs.set(tag, dialog);
      const routes = dialog.routes.map((value) => ({ name: 'Route', value }));
      const cseq = Number.parseInt(firstHeader(invite, 'cseq') ?? '0', 10);
      const ack = this.build('ACK', dialog.target, dialog.remote, dialog.local, dialog.callId, routes, cseq);
      const branch = `z9hG4bK${Buffer.from(this.random.bytes(16)).toString('hex')}`;
      call.acks.set(tag, () => this.layer.forward(ack, this.flow, branch));
    }
    call.acks.get(tag)?.();
  }

  private onRequest(transaction: ServerTransaction, request: SipRequest, now: number): void {
    this.received.push(`${request.method} ${firstHeader(request, 'call-id') ?? ''}`);
    this.requests.push(request);
    if (request.method !== 'INVITE') {
      const isOfNone = this.forgets && tagOf(request, 'to') !== '';
      const said = isOfNone ? { status: 481, reason: 'No Such Call' } : { status: 200, reason: 'OK' };
      const answer = responseTo(request, { ...said, headers: isOfNone ? [] : this.ofDialog(request) }, this.random);
      this.layer.respond(transaction, answer, now);
      if (!isOfNone) this.noteSubscription(request, answer);
      return;
    }
    this.ringing.set(transaction, request);
    const tag = tagOf(request, 'to') === '' ? Buffer.from(this.random.bytes(6)).toString('hex') : undefined;
    const to =
      tag === undefined ? (firstHeader(request, 'to') ?? '') : `${firstHeader(request, 'to') ?? ''};tag=${tag}`;
    const respond = (status: number, headers: readonly SipHeader[]): SipResponse | undefined => {
      if (!this.ringing.has(transaction)) return undefined;
      const response = responseTo(request, { status, reason: `Reason ${status}`, headers }, this.random);
      const tagged = response.headers.map((header) => (header.name === 'To' ? { name: 'To', value: to } : header));
      const sdp = status < 300 && status !== 180 ? this.manners.sdp : undefined;
      const answer = { ...response, ...withSession(tagged, sdp) };
      this.layer.respond(transaction, answer, this.network.loop.now);
      this.network.schedule(this);
      return answer;
    };
    const { ringsAfterMs, answersAfterMs, status = 200, headers = [] } = this.manners;
    const recorded = headerValues(request, 'record-route').map((value) => ({ name: 'Record-Route', value }));
    const contact = { name: 'Contact', value: this.contact };
    if (ringsAfterMs !== undefined)
      this.network.loop.after(ringsAfterMs, () => void respond(180, [...recorded, contact]));
    if (answersAfterMs === undefined) return;
    this.network.loop.after(answersAfterMs, () => {
      const answer = respond(status, status < 300 ? [...recorded, contact, ...headers] : headers);
      this.ringing.delete(transaction);
      if (answer !== undefined && status < 300) this.accept(transaction, request, answer, to);
    });
  }

  /** RFC 6665 s4.2.1.1: of the answer to a SUBSCRIBE. */
  private ofDialog(request: SipRequest): SipHeader[] {
    if (request.method !== 'SUBSCRIBE') return [];
    const recorded = headerValues(request, 'record-route').map((value) => ({ name: 'Record-Route', value }));
    return [...recorded, { name: 'Contact', value: this.contact }];
  }

  /** RFC 6665 s4.4.1: the one end has it by a SUBSCRIBE, the other by the NOTIFY of each that has taken it. */
  private noteSubscription(request: SipRequest, answer: SipResponse): void {
    if (request.method !== 'SUBSCRIBE' && request.method !== 'NOTIFY') return;
    this.subscriptions.set(tagOf(request, 'from'), {
      callId: firstHeader(request, 'call-id') ?? '',
      local: firstHeader(answer, 'to') ?? '',
      remote: firstHeader(request, 'from') ?? '',
      target: parseNameAddr(firstHeader(request, 'contact') ?? '')?.uri ?? '',
      routes: headerValues(request, 'record-route'),
    });
  }

  /** RFC 3261 s13.3.1.4: the 2xx is repeated until its ACK comes. */
  private accept(transaction: ServerTransaction, request: SipRequest, answer: SipResponse, local: string): void {
    const callId = firstHeader(request, 'call-id') ?? '';
    this.answered.set(callId, {
      ...{ callId, local, remote: firstHeader(request, 'from') ?? '' },
      target: parseNameAddr(firstHeader(request, 'contact') ?? '')?.uri ?? '',
      routes: headerValues(request, 'record-route'),
    });
    const cseq = Number.parseInt(firstHeader(request, 'cseq') ?? '0', 10);
    const key = `${callId} ${cseq}`;
    this.unacknowledged.add(key);
    const until = this.network.loop.now + TRANSACTION_TIMEOUT_MS;
    const repeat = (afterMs: number): void =>
      this.network.loop.after(afterMs, () => {
        if (!this.unacknowledged.has(key)) return;
        if (this.network.loop.now >= until) return void this.unacknowledged.delete(key);
        this.layer.respond(transaction, answer, this.network.loop.now);
        repeat(Math.min(2 * afterMs, T2_MS));
      });
    repeat(T1_MS);
  }

  private onAck(request: SipRequest): void {
    const callId = firstHeader(request, 'call-id') ?? '';
    const key = `${callId} ${Number.parseInt(firstHeader(request, 'cseq') ?? '0', 10)}`;
    if (!this.unacknowledged.delete(key)) return;
    this.received.push(`ACK ${callId}`);
    this.requests.push(request);
  }

  private onCancel(invite: ServerTransaction, cancel: SipRequest, now: number): void {
    const request = this.ringing.get(invite);
    if (request === undefined) return;
    this.ringing.delete(invite);
    this.received.push(`CANCEL ${firstHeader(request, 'call-id') ?? ''}`);
    this.requests.push(cancel);
    this.layer.respond(invite, responseTo(request, { status: 487, reason: 'Terminated' }, this.random), now);
  }

  private named(as: string): string {
    return `${this.from ?? `<sip:${as}@home.example>`};tag=${this.name}`;
  }

  private get contact(): string {
    const transport = this.flow.transport === 'tcp' ? ';transport=tcp' : '';
    return `<sip:${this.name}@${formatSocketAddress(this.address)}${transport}>`;
  }

  private build(
    method: string,
    uri: string,
    to: string,
    from: string,
    callId: string,
    headers: readonly SipHeader[],
    cseq = (this.cseq += 1),
  ): SipRequest {
    return {
      ...{ type: 'request', method, uri },
      ...withSession(
        [
          ...[
            { name: 'From', value: from },
            { name: 'To', value: to },
            { name: 'Call-ID', value: callId },
          ],
          { name: 'CSeq', value: `${cseq} ${method}` },
          { name: 'Max-Forwards', value: '70' },
          { name: 'Contact', value: this.contact },
          ...headers,
        ],
        method === 'INVITE' ? this.offer : undefined,
        this.offerType,
      ),
    };
  }
}

/** As the caller knows it. */
function dialogOf({ callId }: SimCall, response: SipResponse): Dialog {
  return {
    callId,
    local: firstHeader(response, 'from') ?? '',
    remote: firstHeader(response, 'to') ?? '',
    target: parseNameAddr(firstHeader(response, 'contact') ?? '')?.uri ?? '',
    routes: headerValues(response, 'record-route').reverse(),
  };
}

function withSession(
  headers: SipHeader[],
  sdp: string | undefined,
  type = 'application/sdp',
): { headers: SipHeader[]; body: Uint8Array } {
  if (sdp === undefined) return { headers, body: new Uint8Array() };
  return { headers: [...headers, { name: 'Content-Type', value: type }], body: Buffer.from(sdp) };
}
