import type { Timed } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import type { SipFlow } from '../flow.ts';
import { MAGIC_COOKIE } from '../message/constants.ts';
import { headerValues } from '../message/headers.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import { validateRequest } from '../message/validation.ts';
import { responseTo, tagOf, tryingOf } from '../transaction/responses.ts';
import type { ServerFailure, ServerTransaction, TransactionUser } from '../transaction/transaction.ts';
import type { TransactionLayer } from '../transaction/transaction-layer.ts';
import { MAX_ROUTES, MAX_TIMEOUTS_PER_TURN, SALT_BYTES } from './constants.ts';
import { copyFor, hopsLeft } from './forwarding.ts';
import { hasLooped, loopMark, maxBreadth, statelessBranch } from './loops.ts';
import type { Located, ProxyPorts, Refusal } from './ports.ts';
import { ResponseContext, type Expiring } from './response-context.ts';
import { nextHop, preprocessRoute } from './routing.ts';

/**
 * A stateful proxy (RFC 3261 s16) on a transaction layer, which it is the user of. It keeps a context for each request until the
 * request is answered; nothing for dialogs.
 */
export class ProxyCore implements TransactionUser, Timed {
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly ports: ProxyPorts;
  private readonly layer: TransactionLayer;
  /** Of requests that are not answered yet. */
  private readonly contexts = new Map<ServerTransaction, ResponseContext>();
  private readonly timers = new TimerQueue<Expiring>();
  private readonly salt: string;

  constructor(components: {
    readonly random: Random;
    readonly logger: Logger;
    readonly ports: ProxyPorts;
    readonly layer: TransactionLayer;
  }) {
    this.random = components.random;
    this.logger = components.logger;
    this.ports = components.ports;
    this.layer = components.layer;
    this.salt = Buffer.from(components.random.bytes(SALT_BYTES)).toString('hex');
  }

  /** Requests under way, and branches: all 0 when nothing goes on. */
  get sizes(): { readonly contexts: number; readonly timers: number } {
    return { contexts: this.contexts.size, timers: this.timers.size };
  }

  onRequest(transaction: ServerTransaction, request: SipRequest, now: number): void {
    const mark = loopMark(request, transaction.from, this.salt);
    const breadth = maxBreadth(request);
    const refusal = this.refusalOf(request, transaction.from, { mark, breadth, now });
    if (refusal !== undefined || breadth === undefined) {
      const answer = refusal ?? { status: 400, reason: 'Malformed Max-Breadth' };
      this.layer.respond(transaction, responseTo(request, answer, this.random), now);
      return;
    }
    if (request.method === 'INVITE') this.layer.respond(transaction, tryingOf(request), now);
    const { random, logger, ports, layer, timers } = this;
    const routed = preprocessRoute(request, (uri) => ports.isOwn(uri));
    const onAnswered = (): void => void this.contexts.delete(transaction);
    const isLocated = tagOf(routed, 'to') === '' && headerValues(routed, 'route').length === 0;
    const lastResort = isLocated ? ports.lastResort?.(routed, transaction.from, now) : undefined;
    const asked = { request: routed, mark, breadth, onAnswered, lastResort };
    const context = new ResponseContext({ random, logger, ports, layer, timers }, transaction, asked, now);
    this.contexts.set(transaction, context);
    this.locate(routed, transaction.from, now, (found, at) => context.begin(found, at));
  }

  /** Of a 2xx: it goes the way of the dialog, and nothing is remembered of it (RFC 3261 s16.11). */
  onAck(request: SipRequest, from: SipFlow, now: number): void {
    const refusal = this.refusalOf(request, from, { mark: undefined, breadth: 1, now });
    if (refusal !== undefined) {
      this.logger.debug('sip.ackDropped', { status: refusal.status, remote: from.key });
      return;
    }
    const routed = preprocessRoute(request, (uri) => this.ports.isOwn(uri));
    this.locate(routed, from, now, (found) => {
      const target = 'status' in found ? undefined : found[0];
      if (target === undefined) return true;
      const branch = `${MAGIC_COOKIE}${statelessBranch(request, this.salt)}`;
      this.layer.forward(copyFor(routed, target, from, this.ports), target.flow, branch);
      return true;
    });
  }

  onCancel(invite: ServerTransaction, cancel: SipRequest, now: number): void {
    this.contexts.get(invite)?.cancel(cancel, now);
  }

  /** RFC 6026 s7.3: it "MUST NOT be forwarded". */
  onStrayResponse(response: SipResponse, flow: SipFlow): void {
    this.logger.debug('sip.stray', { status: response.status, remote: flow.key });
  }

  /** RFC 3261 s16.9: nothing is to be done about it. */
  onFailure(transaction: ServerTransaction, reason: ServerFailure): void {
    this.logger.debug('sip.unanswered', { reason, remote: transaction.from.key });
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  /** Takes so much as fits into a turn of the event loop: what is left is due at once. */
  handleTimeout(now: number): void {
    for (let count = 0; count < MAX_TIMEOUTS_PER_TURN; count += 1) {
      const expiring = this.timers.due(now);
      if (expiring === undefined) return;
      expiring.expire(now);
    }
  }

  /** RFC 3261 s16.3, RFC 5393. */
  private refusalOf(
    request: SipRequest,
    from: SipFlow,
    { mark, breadth, now }: { mark: string | undefined; breadth: number | undefined; now: number },
  ): Refusal | undefined {
    const invalid = validateRequest(request);
    if (invalid !== undefined) {
      const headers = invalid.unsupported?.map((value) => ({ name: 'Unsupported', value }));
      return { status: invalid.status, reason: invalid.reason, headers };
    }
    if (headerValues(request, 'route').length > MAX_ROUTES) return { status: 400, reason: 'Too many Route values' };
    if (hopsLeft(request) === 0) return { status: 483, reason: 'Too Many Hops' };
    if (mark !== undefined && hasLooped(request, mark)) return { status: 482, reason: 'Loop Detected' };
    if (breadth === 0) return { status: 440, reason: 'Max-Breadth Exceeded' };
    return this.ports.admit(request, from, now);
  }

  /** RFC 3261 s16.5, s16.12: by Route, else by the dialog, else whoever knows where its Request-URI is. */
  private locate(request: SipRequest, from: SipFlow, now: number, done: Located): void {
    const { isRouted, uri } = nextHop(request);
    const flow = uri === undefined ? undefined : this.ports.flowTo(uri, from);
    if (flow !== undefined) done([{ uri: request.uri, flow }], now);
    else if (isRouted) done({ status: 480, reason: 'Route Unreachable' }, now);
    else this.ports.targets(request, from, now, done);
  }
}
