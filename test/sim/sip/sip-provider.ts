import { createHash } from 'node:crypto';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { SipFlow } from '../../../src/sip/flow.ts';
import { firstHeader, headerRows, headerValues } from '../../../src/sip/message/headers.ts';
import type { SipHeader, SipMessage, SipRequest, SipResponse } from '../../../src/sip/message/message.ts';
import { parseNameAddr } from '../../../src/sip/message/name-addr.ts';
import { responseTo, tagOf } from '../../../src/sip/transaction/responses.ts';
import { TransactionLayer } from '../../../src/sip/transaction/transaction-layer.ts';
import type { ServerTransaction } from '../../../src/sip/transaction/transaction.ts';
import type { SipNetwork, SipNode } from './sip-network.ts';
import { flowFrom, secureFlowFrom } from './sip-trunk.ts';

const SDP = 'v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n';

/** A provider's server: a registrar that wants digest, and all the telephones of the world behind it. */
export class SimProvider implements SipNode {
  /** `INVITE sip:...`, once authorized. */
  readonly received: string[] = [];
  readonly requests: SipRequest[] = [];
  /** Session descriptions, of whatever they are in. */
  readonly told: string[] = [];
  readonly heard: string[] = [];
  /** Of its own requests' final answers. */
  readonly reasons: string[] = [];
  readonly registrations: string[] = [];
  /** How calls are answered. */
  answers = 200;
  /** What it answers in a call, but to BYE. */
  inCall = 200;
  /** How it writes its session descriptions. */
  writes: (sdp: string) => { readonly headers: readonly SipHeader[]; readonly body: string } = (sdp) => ({
    headers: [{ name: 'Content-Type', value: 'application/sdp' }],
    body: sdp,
  });
  /** Whether an INVITE in a call is answered with a session description. */
  describesInCall = false;
  /** Whether whatever is said in a call is answered with one. */
  describesAlways = false;
  /** The To tag of a second end that answers right after the first one: the call has forked. */
  forksTo: string | undefined;
  ringMs = 20;
  answerMs = 100;
  password = 'a secret';
  wantsDigest = true;
  minExpires = 0;
  algorithm: 'MD5' | 'SHA-256' = 'SHA-256';
  isDead = false;
  /** RSeq of what rings, which is to be acknowledged (RFC 3262); absent: it is not. */
  rseq: number | undefined;
  /** Within the last call. */
  dialog: { request: SipRequest; tag: string; flow: SipFlow } | undefined;
  private made: { request: SipRequest; response: SipResponse; flow: SipFlow } | undefined;
  private readonly network: SipNetwork;
  private readonly address: string;
  private readonly layer: TransactionLayer;
  private readonly pending = new Map<ServerTransaction, SipRequest>();
  private readonly nonces = new Set<string>();
  private readonly random = seededRandom(4711);
  private cseq = 100;

  constructor(network: SipNetwork, address: string) {
    this.network = network;
    this.address = address;
    const own = { address, port: 5_060 };
    this.layer = new TransactionLayer({
      ...{ random: this.random, logger: silentLogger },
      ports: {
        send: (flow, message) => {
          if (!this.isDead) network.send(flow, message);
        },
        ownAddress: () => own,
      },
      user: {
        onRequest: (transaction, request, now) => this.onRequest(transaction, request, now),
        onAck: (request) => void this.received.push(`ACK ${request.uri}`),
        onCancel: (invite, _, now) => {
          const request = this.pending.get(invite);
          this.received.push('CANCEL');
          if (request !== undefined && this.pending.delete(invite))
            this.layer.respond(invite, responseTo(request, { status: 487, reason: 'Terminated' }, this.random), now);
        },
        onStrayResponse: () => {},
        onFailure: () => {},
      },
    });
    network.attach(own, this);
  }

  receive(message: SipMessage, flow: SipFlow, now: number): void {
    if (message.body.length > 0) this.told.push(new TextDecoder().decode(message.body));
    if (!this.isDead) this.layer.receive(message, flow, now);
  }

  nextTimeout(): number | undefined {
    return this.layer.nextTimeout();
  }

  handleTimeout(now: number): void {
    this.layer.handleTimeout(now);
  }

  /** Somebody calls a number of the gateway. */
  call(gateway: string, uri: string, from: string, to = uri, flow = flowFrom(this.address, gateway)): void {
    const headers = [
      { name: 'From', value: `${from};tag=world` },
      { name: 'To', value: `<${to}>` },
      { name: 'Call-ID', value: `world-${this.cseq}` },
      { name: 'Contact', value: `<sip:world@${this.address}:5060>` },
    ];
    this.send('INVITE', uri, headers, flow, SDP);
  }

  /** By the connection that the gateway has opened. */
  callBySecure(gateway: string, uri: string, from: string): void {
    this.call(gateway, uri, from, uri, secureFlowFrom(this.address, gateway));
  }

  /** In the dialog of the last call to this provider. @param over absent: UDP */
  hangUp(over?: SipFlow): void {
    this.say('BYE', over);
  }

  /** Of an INVITE that has come, and was answered. */
  hangUpIn(request: SipRequest): void {
    const { dialog } = this;
    if (dialog === undefined) throw new Error('no call');
    this.dialog = { ...dialog, request };
    this.say('BYE');
  }

  /** An offer, in that dialog too. @param flow absent: over UDP */
  reoffer(flow?: SipFlow): void {
    this.say('INVITE', flow, SDP);
  }

  /** In the call that it was called in last. */
  say(method: string, over?: SipFlow, sdp = ''): void {
    if (this.dialog === undefined) throw new Error('no call');
    const { request, tag, flow } = this.dialog;
    const headers = [
      { name: 'From', value: `${firstHeader(request, 'to') ?? ''};tag=${tag}` },
      { name: 'To', value: firstHeader(request, 'from') ?? '' },
      { name: 'Call-ID', value: firstHeader(request, 'call-id') ?? '' },
    ];
    const back = over ?? flowFrom(this.address, flow.remote.address);
    const uri = parseNameAddr(firstHeader(request, 'contact') ?? '')?.uri ?? '';
    this.send(method, uri, headers, back, sdp);
  }

  /** In the call that it made last. */
  sayOwn(method: string): void {
    if (this.made === undefined) throw new Error('no call');
    const { request, response, flow } = this.made;
    const headers = [
      { name: 'From', value: firstHeader(request, 'from') ?? '' },
      { name: 'To', value: firstHeader(response, 'to') ?? '' },
      { name: 'Call-ID', value: firstHeader(request, 'call-id') ?? '' },
    ];
    this.send(method, parseNameAddr(firstHeader(response, 'contact') ?? '')?.uri ?? '', headers, flow);
  }

  private send(
    method: string,
    uri: string,
    headers: readonly { name: string; value: string }[],
    flow: SipFlow,
    sdp = '',
  ): void {
    const cseq = (this.cseq += 1);
    const written = this.written(sdp);
    const request: SipRequest = {
      ...{ type: 'request', method, uri, body: written.body },
      headers: [
        ...headers,
        ...written.headers,
        { name: 'CSeq', value: `${cseq} ${method}` },
        { name: 'Max-Forwards', value: '70' },
      ],
    };
    this.layer.request(request, flow, this.network.loop.now, {
      onProvisional: ({ status }) => void this.heard.push(String(status)),
      onFinal: (response) => this.onAnswer(request, response, flow),
      onTimeout: () => void this.heard.push('timeout'),
      onTransportError: () => void this.heard.push('error'),
    });
    this.network.schedule(this);
  }

  private onAnswer(request: SipRequest, response: SipResponse, flow: SipFlow): void {
    this.heard.push(`${request.method} ${response.status}`);
    this.reasons.push(response.reason);
    if (request.method !== 'INVITE' || response.status >= 300) return;
    this.made = { request, response, flow };
    const number = Number.parseInt(firstHeader(request, 'cseq') ?? '', 10);
    const headers = [
      { name: 'From', value: firstHeader(request, 'from') ?? '' },
      { name: 'To', value: firstHeader(response, 'to') ?? '' },
      { name: 'Call-ID', value: firstHeader(request, 'call-id') ?? '' },
      { name: 'CSeq', value: `${number} ACK` },
      { name: 'Max-Forwards', value: '70' },
    ];
    const uri = parseNameAddr(firstHeader(response, 'contact') ?? '')?.uri ?? '';
    const ack: SipRequest = { type: 'request', method: 'ACK', uri, headers, body: new Uint8Array() };
    this.layer.forward(ack, flow, `z9hG4bKack${number}`);
  }

  private onRequest(transaction: ServerTransaction, request: SipRequest, now: number): void {
    const respond = (status: number, headers: readonly { name: string; value: string }[] = [], sdp = ''): void => {
      const written = this.written(sdp);
      const more = [...headers, ...written.headers];
      const response = responseTo(request, { status, reason: `R${status}`, headers: more }, this.random);
      this.layer.respond(transaction, { ...response, body: written.body }, now);
    };
    const { method, uri } = request;
    const [asks, answers] =
      method === 'REGISTER' ? ['WWW-Authenticate', 'authorization'] : ['Proxy-Authenticate', 'proxy-authorization'];
    if (this.wantsDigest && method !== 'BYE' && !this.isAuthorized(request, answers)) {
      const nonce = Buffer.from(this.random.bytes(8)).toString('hex');
      this.nonces.add(nonce);
      const params = `realm="provider", nonce="${nonce}", algorithm=${this.algorithm}, qop="auth,auth-int", opaque="o"`;
      respond(method === 'REGISTER' ? 401 : 407, [{ name: asks, value: `Digest ${params}` }]);
      return;
    }
    this.received.push(`${method} ${uri}`);
    this.requests.push(request);
    const contact = headerRows(request.headers, 'contact');
    if (method === 'REGISTER') {
      const expires = Number(firstHeader(request, 'expires'));
      if (expires > 0 && expires < this.minExpires)
        respond(423, [{ name: 'Min-Expires', value: String(this.minExpires) }]);
      else {
        this.registrations.push(`${now} ${expires}`);
        respond(200, contact);
      }
      return;
    }
    if (method !== 'INVITE' || tagOf(request, 'to') !== '') {
      const status = method === 'BYE' ? 200 : this.inCall;
      const target = { name: 'Contact', value: `<sip:callee@${this.address}:5060>` };
      const isDescribed = this.describesAlways || (method === 'INVITE' && this.describesInCall);
      const headers = method === 'INVITE' ? [target] : [];
      respond(status, headers, isDescribed ? SDP : '');
      return;
    }
    this.pending.set(transaction, request);
    this.network.loop.after(this.ringMs, () => this.answer(transaction, request, 180));
    this.network.loop.after(this.answerMs, () => {
      this.answer(transaction, request, this.answers);
      if (this.forksTo !== undefined) this.answer(transaction, request, this.answers, this.forksTo);
      this.pending.delete(transaction);
    });
  }

  private answer(transaction: ServerTransaction, request: SipRequest, status: number, tag = 'callee'): void {
    if (!this.pending.has(transaction)) return;
    const plain = responseTo(request, { status, reason: `R${status}` }, this.random);
    const to = { name: 'To', value: `${firstHeader(request, 'to') ?? ''};tag=${tag}` };
    const isAnswer = status === 200;
    const written = this.written(isAnswer ? SDP : '');
    const headers = [
      ...plain.headers.filter(({ name }) => name !== 'To'),
      to,
      ...headerValues(request, 'record-route').map((value) => ({ name: 'Record-Route', value })),
      { name: 'Contact', value: `<sip:callee@${this.address}:5060>` },
      ...(isAnswer || this.rseq === undefined
        ? []
        : [
            { name: 'Require', value: '100rel' },
            { name: 'RSeq', value: String(this.rseq) },
          ]),
      ...written.headers,
    ];
    if (isAnswer) this.dialog = { request, tag, flow: transaction.from };
    this.layer.respond(transaction, { ...plain, headers, body: written.body }, this.network.loop.now);
    this.network.schedule(this);
  }

  private written(sdp: string): { readonly headers: readonly SipHeader[]; readonly body: Uint8Array } {
    const { headers, body } = sdp === '' ? { headers: [], body: '' } : this.writes(sdp);
    return { headers, body: new TextEncoder().encode(body) };
  }

  /** RFC 7616 s3.4.1, written down once more. */
  private isAuthorized(request: SipRequest, name: string): boolean {
    const said = firstHeader(request, name) ?? '';
    const get = (key: string): string => new RegExp(`\\b${key}="?([^",]*)"?`).exec(said)?.[1] ?? '';
    const digest = (text: string): string =>
      createHash(this.algorithm === 'MD5' ? 'md5' : 'sha256')
        .update(text)
        .digest('hex');
    if (!this.nonces.has(get('nonce')) || get('uri') !== request.uri) return false;
    const ha1 = digest(`${get('username')}:provider:${this.password}`);
    const ha2 = digest(`${request.method}:${request.uri}`);
    return (
      get('response') === digest(`${ha1}:${get('nonce')}:${get('nc')}:${get('cnonce')}:auth:${ha2}`) &&
      get('username') === 'line7'
    );
  }
}
