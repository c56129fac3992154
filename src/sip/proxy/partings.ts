import type { Random } from '../../base/random.ts';
import type { SipFlow } from '../flow.ts';
import { MAGIC_COOKIE } from '../message/constants.ts';
import { parseCSeq } from '../message/cseq.ts';
import { firstHeader, headerValues } from '../message/headers.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { parseUri } from '../message/uri.ts';
import { BRANCH_BYTES, MAX_FORWARDS } from '../transaction/constants.ts';
import { tagOf } from '../transaction/responses.ts';
import type { TransactionLayer } from '../transaction/transaction-layer.ts';
import { MAX_PARTINGS } from './constants.ts';
import type { ProxyPorts } from './ports.ts';
import { postprocessRoute } from './routing.ts';

interface Components {
  readonly random: Random;
  readonly ports: Pick<ProxyPorts, 'isOwn' | 'flowTo'>;
  readonly layer: Pick<TransactionLayer, 'request' | 'forward'>;
}

const ignore = (): void => undefined;
const NOBODY = { onProvisional: ignore, onFinal: ignore, onTimeout: ignore, onTransportError: ignore };

/**
 * Ends what was answered too late of one INVITE: when the caller has heard another end, RFC 3261 s16.7 step 5 would pass the 2xx
 * on, and the caller's transaction absorb it (RFC 6026 s7.2). So it is acknowledged here, and the call ended (as s13.2.2.4 has it for a
 * caller that does not want it): whoever has answered shall not be in a call that nobody holds.
 */
export class Partings {
  private readonly components: Components;
  /** To tags of those that were told. */
  private readonly told = new Set<string>();

  constructor(components: Components) {
    this.components = components;
  }

  /** @param response as it came @param flows of the caller, and where the branch leads */
  end(response: SipResponse, flows: { readonly caller: SipFlow; readonly callee: SipFlow }, now: number): void {
    const { random, ports, layer } = this.components;
    const target = parseNameAddr(firstHeader(response, 'contact') ?? '')?.uri;
    const number = parseCSeq(firstHeader(response, 'cseq') ?? '')?.number;
    const tag = tagOf(response, 'to');
    if (target === undefined || number === undefined || tag === '') return;
    // Above our own value are those that have recorded themselves behind us.
    const recorded = headerValues(response, 'record-route').map((value) => parseNameAddr(value)?.uri ?? '');
    const own = recorded.findIndex((uri) => {
      const parsed = parseUri(uri);
      return parsed !== undefined && ports.isOwn(parsed);
    });
    const routes = recorded.slice(0, Math.max(own, 0)).reverse();
    const next = parseUri(routes[0] ?? target);
    const flow = (next && ports.flowTo(next, flows.caller)) ?? flows.callee;
    const build = (method: string, cseq: number): SipRequest =>
      postprocessRoute(
        {
          ...{ type: 'request', method, uri: target, body: new Uint8Array() },
          headers: [
            { name: 'Max-Forwards', value: String(MAX_FORWARDS) },
            ...['From', 'To', 'Call-ID'].map((name) => ({ name, value: firstHeader(response, name) ?? '' })),
            { name: 'CSeq', value: `${cseq} ${method}` },
          ],
        },
        routes,
      );
    layer.forward(build('ACK', number), flow, MAGIC_COOKIE + Buffer.from(random.bytes(BRANCH_BYTES)).toString('hex'));
    if (this.told.has(tag) || this.told.size >= MAX_PARTINGS) return;
    this.told.add(tag);
    layer.request(build('BYE', number + 1), flow, now, NOBODY);
  }
}
