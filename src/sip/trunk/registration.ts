import type { Timed } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { SipFlow } from '../flow.ts';
import { firstHeader, headerValues } from '../message/headers.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { formatHostPort, parseUri } from '../message/uri.ts';
import { MAX_FORWARDS, SIP_PORT } from '../transaction/constants.ts';
import type { DigestClient } from './digest.ts';
import type { TrunkClient } from './trunk-client.ts';

// Implementation constants.

/** Seconds that are asked for; what the provider grants counts. */
const EXPIRES_S = 600;
const MIN_EXPIRES_S = 60;
const MAX_EXPIRES_S = 86_400;
/** RFC 5626 s4.5: after all servers have failed; doubled each time. */
const RETRY_MS = { least: 30_000, most: 1_800_000 } as const;
/** A server that takes a connection and ends it is not asked again at once. */
const MIN_FLOW_MS = 30_000;
const ID_BYTES = 12;

/** For people. */
export const NO_SERVER = 'no server is known in DNS';

type State = 'idle' | 'registering' | 'registered' | 'waiting' | 'stopped';

export interface RegistrationPorts {
  /** Where the registrar is now, the best first. @param done called once, now or later */
  locate(now: number, done: (flows: readonly SipFlow[], now: number) => void): void;
  /** Our Contact there. */
  contact(flow: SipFlow): { readonly address: string; readonly port: number };
  /** Why these do not answer, if it is known. */
  trouble(flows: readonly SipFlow[]): string | undefined;
  /** Registered, or not any more. */
  changed(now: number): void;
}

/**
 * A registration of ours at a provider (RFC 3261 s10.2):
 *
 *   idle ──start──> registering ──200──> registered ──half of its time, or a server or connection that fails──> registering
 *                    │  ▲  └─423: with its Min-Expires
 *                    │  └──30 s, 60 s... 30 min──┐
 *                    └──refused, or no server answers──> waiting
 *
 * What a 401 or 407 asks for, and which server is next, is the client's matter.
 */
export class Registration implements Timed {
  private readonly client: TrunkClient;
  private readonly ports: RegistrationPorts;
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly options: { readonly user: string; readonly domain: string; readonly digest: DigestClient };
  private readonly callId: string;
  private readonly tag: string;
  private state: State = 'idle';
  private cseq = 0;
  private expiresS = EXPIRES_S;
  private dueAt: number | undefined;
  private goodUntil = -Infinity;
  private registeredAt = -Infinity;
  private retryMs: number = RETRY_MS.least;
  private flowInUse: SipFlow | undefined;
  /** `403 Forbidden`, for people; undefined: nothing is wrong. */
  private failure: string | undefined;

  constructor(
    components: { client: TrunkClient; ports: RegistrationPorts; random: Random; logger: Logger },
    options: { readonly user: string; readonly domain: string; readonly digest: DigestClient },
  ) {
    this.client = components.client;
    this.ports = components.ports;
    this.random = components.random;
    this.logger = components.logger;
    this.options = options;
    this.callId = this.id();
    this.tag = this.id();
  }

  /** The server that we are registered at; undefined: none. */
  get flow(): SipFlow | undefined {
    return this.flowInUse;
  }

  get problem(): string | undefined {
    return this.failure;
  }

  start(now: number): void {
    if (this.state !== 'idle') return;
    this.register(now);
  }

  /** The network is another one: what we said of our address may be wrong. */
  restart(now: number): void {
    if (this.state === 'stopped' || this.state === 'idle' || this.state === 'registering') return;
    this.register(now);
  }

  /** RFC 5626 s4.5: the provider calls by this connection, so another one is made. */
  flowClosed({ key }: SipFlow, now: number): void {
    if (this.state !== 'registered' || key !== this.flowInUse?.key || this.dueAt === undefined) return;
    this.dueAt = Math.min(this.dueAt, Math.max(now, this.registeredAt + MIN_FLOW_MS * (0.5 + this.random.float() / 2)));
  }

  /** Takes the binding away, if it can. */
  stop(now: number): void {
    if (this.state === 'stopped') return;
    const { flowInUse } = this;
    this.changeState('stopped');
    this.dueAt = undefined;
    this.lost(now);
    if (flowInUse === undefined) return;
    const ignore = (): void => undefined;
    const handlers = { onProvisional: ignore, onFinal: ignore, onFailure: ignore };
    const { digest } = this.options;
    this.client.request({ flows: [flowInUse], digest, build: (flow) => this.build(0, flow), ...handlers }, now);
  }

  nextTimeout(): number | undefined {
    return this.dueAt;
  }

  handleTimeout(now: number): void {
    if (this.dueAt === undefined || now < this.dueAt) return;
    this.register(now);
  }

  private register(now: number): void {
    this.changeState('registering');
    this.dueAt = undefined;
    this.ports.locate(now, (flows, at) => {
      if (this.state !== 'registering') return;
      // The server that knows us goes first as long as it is one of them.
      const known = flows.filter(({ key }) => key === this.flowInUse?.key);
      const order = [...known, ...flows.filter((flow) => !known.includes(flow))];
      if (order.length === 0) this.failed(NO_SERVER, at);
      else this.ask(order, at);
    });
  }

  private ask(flows: readonly SipFlow[], now: number): void {
    const { digest } = this.options;
    this.client.request(
      {
        flows,
        digest,
        build: (flow) => this.build(this.expiresS, flow),
        onProvisional: () => undefined,
        onFinal: (response, at, flow) => this.answered(response, flow, flows, at),
        onFailure: (at) => this.failed(this.ports.trouble(flows) ?? 'no server answers', at),
      },
      now,
    );
  }

  private answered(response: SipResponse, flow: SipFlow, flows: readonly SipFlow[], now: number): void {
    if (this.state !== 'registering') return;
    const { status } = response;
    const least = Number(firstHeader(response, 'min-expires') ?? '');
    if (status === 423 && least > this.expiresS && least <= MAX_EXPIRES_S) {
      this.expiresS = least;
      this.ask([flow, ...flows.filter(({ key }) => key !== flow.key)], now);
      return;
    }
    if (status >= 300) {
      this.failed(`${status} ${response.reason.slice(0, 64)}`, now);
      return;
    }
    const grantedMs = 1_000 * this.grantedS(response, flow);
    const isNew = this.flowInUse?.key !== flow.key;
    this.flowInUse = flow;
    this.failure = undefined;
    this.retryMs = RETRY_MS.least;
    this.goodUntil = now + grantedMs;
    this.registeredAt = now;
    this.changeState('registered');
    this.dueAt = now + grantedMs * (0.5 + this.random.float() / 4);
    if (isNew) this.logger.info('SIP trunk: registered', { domain: this.options.domain, remote: flow.key });
    this.ports.changed(now);
  }

  private failed(why: string, now: number): void {
    if (this.state !== 'registering') return;
    if (this.failure !== why) this.logger.warn('SIP trunk: not registered', { domain: this.options.domain, why });
    this.failure = why;
    this.changeState('waiting');
    this.dueAt = now + this.retryMs * (0.5 + this.random.float() / 2);
    this.retryMs = Math.min(2 * this.retryMs, RETRY_MS.most);
    if (now >= this.goodUntil - 1) this.lost(now);
    else this.dueAt = Math.min(this.dueAt, this.goodUntil);
  }

  private lost(now: number): void {
    if (this.flowInUse === undefined) return;
    this.flowInUse = undefined;
    this.ports.changed(now);
  }

  /** RFC 3261 s10.2.4: of our Contact, else of all. */
  private grantedS(response: SipResponse, flow: SipFlow): number {
    const { address, port } = this.ports.contact(flow);
    const ours = headerValues(response, 'contact')
      .map((value) => parseNameAddr(value))
      .find((contact) => {
        const uri = parseUri(contact?.uri ?? '');
        return uri?.user === this.options.user && uri.host === address && (uri.port ?? SIP_PORT) === port;
      });
    const granted = Number(ours?.params.get('expires') ?? firstHeader(response, 'expires') ?? this.expiresS);
    return Number.isFinite(granted) ? Math.min(Math.max(granted, MIN_EXPIRES_S / 2), MAX_EXPIRES_S) : this.expiresS;
  }

  private build(expiresS: number, flow: SipFlow): SipRequest {
    const { user, domain } = this.options;
    this.cseq += 1;
    const aor = `<sip:${user}@${domain}>`;
    const { address, port } = this.ports.contact(flow);
    const transport = flow.transport === 'udp' ? '' : `;transport=${flow.transport}`;
    return {
      type: 'request',
      method: 'REGISTER',
      uri: `sip:${domain}`,
      headers: [
        { name: 'Max-Forwards', value: String(MAX_FORWARDS) },
        { name: 'From', value: `${aor};tag=${this.tag}` },
        { name: 'To', value: aor },
        { name: 'Call-ID', value: this.callId },
        { name: 'CSeq', value: `${this.cseq} REGISTER` },
        { name: 'Contact', value: `<sip:${user}@${formatHostPort(address, port)}${transport}>;expires=${expiresS}` },
        { name: 'Expires', value: String(expiresS) },
      ],
      body: new Uint8Array(),
    };
  }

  private id(): string {
    return Buffer.from(this.random.bytes(ID_BYTES)).toString('hex');
  }

  private changeState(state: State): void {
    this.logger.debug('sip.registration', { from: this.state, to: state, domain: this.options.domain });
    this.state = state;
  }
}
