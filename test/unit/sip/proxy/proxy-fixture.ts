import { silentLogger } from '../../../../src/base/logger.ts';
import { seededRandom } from '../../../../src/base/random.ts';
import { type SipFlow, udpFlow } from '../../../../src/sip/flow.ts';
import type { SipMessage, SipRequest, SipResponse } from '../../../../src/sip/message/message.ts';
import type { ProxyPorts, Refusal, Target } from '../../../../src/sip/proxy/ports.ts';
import { ProxyCore } from '../../../../src/sip/proxy/proxy-core.ts';
import { TransactionLayer } from '../../../../src/sip/transaction/transaction-layer.ts';
import { tcpFlow } from '../../../sim/sip/sip-network.ts';
import { response } from '../../../sim/sip/messages.ts';

export const OWN = { address: '198.18.0.9', port: 5062 };
export const OUTER = { address: '2001:20::9', port: 5062 };
export const PHONE = udpFlow({ local: OWN, remote: { address: '198.18.0.1', port: 5060 } });
export const MEMBER = udpFlow({ local: OUTER, remote: { address: '2001:20::1', port: 5062 } });

/** Another phone at our side. */
export function phone(host: number): Target {
  const address = `198.18.0.${host}`;
  return { uri: `sip:bob@${address}:5060`, flow: udpFlow({ local: OWN, remote: { address, port: 5060 } }) };
}

/** A proxy between a phone and what it is told of; all that it sends is written down. */
export class ProxyFixture {
  readonly sent: { readonly flow: SipFlow; readonly message: SipMessage }[] = [];
  readonly core: ProxyCore;
  readonly layer: TransactionLayer;
  found: readonly Target[] | Refusal = [phone(2)];
  now = 0;

  constructor(ports: Partial<ProxyPorts> = {}, seed = 1) {
    const ownAddress = ({ local }: SipFlow) => (local.address === OUTER.address ? OUTER : OWN);
    const random = seededRandom(seed);
    this.layer = new TransactionLayer({
      ...{ random, logger: silentLogger },
      ports: { ownAddress, send: (flow, message) => void this.sent.push({ flow, message }) },
      user: {
        onRequest: (transaction, request, now) => this.core.onRequest(transaction, request, now),
        onAck: (request, flow, now) => this.core.onAck(request, flow, now),
        onCancel: (invite, cancel, now) => this.core.onCancel(invite, cancel, now),
        onStrayResponse: (stray, flow) => this.core.onStrayResponse(stray, flow),
        onFailure: (transaction, reason) => this.core.onFailure(transaction, reason),
      },
    });
    this.core = new ProxyCore({
      ...{ random, logger: silentLogger, layer: this.layer },
      ports: {
        ownAddress,
        isOwn: ({ host, port }) => [OWN, OUTER].some((own) => own.address === host && own.port === port),
        admit: () => undefined,
        targets: (_request, _from, now, done) => done(this.found, now),
        flowTo: ({ host, port = 5060, params }) => {
          if (host.endsWith('.example')) return undefined;
          const remote = { address: host, port };
          const local = host.includes(':') ? OUTER : OWN;
          return params.get('transport') === 'tcp' ? tcpFlow({ local, remote }) : udpFlow({ local, remote });
        },
        outgoing: (message) => message,
        ...ports,
      },
    });
  }

  receive(message: SipMessage, flow: SipFlow = PHONE): void {
    this.layer.receive(message, flow, this.now);
  }

  /** What the target of the `index`-th forwarded request answers. */
  answer(index: number, status: number, tag?: string): void {
    const entry = this.sent.filter(({ message: { type } }) => type === 'request')[index];
    if (entry?.message.type !== 'request') throw new Error(`request ${index} was not sent`);
    this.receive(response(entry.message, status, tag === undefined ? {} : { tag }), entry.flow);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const at = Math.min(this.layer.nextTimeout() ?? Infinity, this.core.nextTimeout() ?? Infinity);
      if (at > end) break;
      this.now = Math.max(this.now, at);
      this.layer.handleTimeout(this.now);
      this.core.handleTimeout(this.now);
    }
    this.now = end;
  }

  /** Requests that were forwarded, without repetitions. */
  get forwarded(): SipRequest[] {
    const seen = new Set<SipMessage>();
    return this.sent.flatMap(({ message }) => {
      if (message.type !== 'request' || seen.has(message)) return [];
      seen.add(message);
      return [message];
    });
  }

  /** Responses to the caller, without 100. */
  get answers(): SipResponse[] {
    return this.sent.flatMap(({ message }) => (message.type === 'response' && message.status > 100 ? [message] : []));
  }

  get statuses(): number[] {
    return this.answers.map(({ status }) => status);
  }

  get isEmpty(): boolean {
    const { servers, clients, others } = this.layer.sizes;
    const { contexts, timers } = this.core.sizes;
    return servers + clients + others + contexts + timers === 0;
  }
}
