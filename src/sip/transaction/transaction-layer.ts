import { earliest, type Timed } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { SocketAddress } from '../../base/socket-address.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import type { SipFlow } from '../flow.ts';
import { MAGIC_COOKIE } from '../message/constants.ts';
import { firstHeader, prependHeader } from '../message/headers.ts';
import type { SipHeader, SipMessage, SipRequest, SipResponse } from '../message/message.ts';
import { validateResponse } from '../message/validation.ts';
import { formatVia, parseVia } from '../message/via.ts';
import { BRANCH_BYTES, MAX_CLIENT_TRANSACTIONS, MAX_TIMEOUTS_PER_TURN, RETRY_AFTER_S } from './constants.ts';
import { InviteClientTransaction } from './invite-client.ts';
import { InviteServerTransaction } from './invite-server.ts';
import { LapsedInvites } from './lapsed-invites.ts';
import { Ledger, type LedgerLimits } from './ledger.ts';
import { clientKey, clientKeyOf, serverKeys, type ServerKeys } from './matching.ts';
import { NonInviteClientTransaction } from './non-invite-client.ts';
import { NonInviteServerTransaction } from './non-invite-server.ts';
import { replyFlow, withSource } from './received.ts';
import { responseTo, tagOf, tryingOf } from './responses.ts';
import type {
  ClientHandlers,
  ClientPorts,
  ClientTransaction,
  ServerFailure,
  ServerTransaction,
  TransactionUser,
} from './transaction.ts';

type ClientMachine = InviteClientTransaction | NonInviteClientTransaction;
type ServerMachine = InviteServerTransaction | NonInviteServerTransaction;
type Machine = ClientMachine | ServerMachine;

export interface TransactionPorts {
  /** Calls nothing of ours back. */
  send(flow: SipFlow, message: SipMessage): void;
  /** Where we listen on that side of us: the sent-by of our Via. */
  ownAddress(flow: SipFlow): SocketAddress;
}

/** Of a machine: what it is found by, and how it is forgotten. */
interface Entry {
  readonly flows: readonly SipFlow[];
  forget(): void;
}

interface ServerEntry extends Entry {
  readonly machine: ServerMachine;
  /** The final response goes out: its ACK will have this To tag. */
  answered(toTag: string): void;
}

const MALFORMED_VIA = { status: 400, reason: 'Malformed Via' };
const NOBODY: ClientHandlers = {
  onProvisional: () => {},
  onFinal: () => {},
  onTimeout: () => {},
  onTransportError: () => {},
};

/**
 * The transactions of RFC 3261 s17 (with RFC 6026, 4320 and 3581) without their transport: which message belongs to which, what
 * is sent again, and what is absorbed. No message ends it; its user may call it from within its handlers.
 */
export class TransactionLayer implements Timed {
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly ports: TransactionPorts;
  private readonly user: TransactionUser;
  private readonly ledger: Ledger;
  private readonly servers = new Map<string, InviteServerTransaction | NonInviteServerTransaction>();
  private readonly clients = new Map<string, ClientMachine>();
  private readonly serverEntries = new Map<ServerTransaction, ServerEntry>();
  private readonly clientEntries = new Map<ClientTransaction, Entry & { readonly machine: ClientMachine }>();
  /** By key of their flows. */
  private readonly byFlow = new Map<string, Set<Machine>>();
  private readonly timers = new TimerQueue<Machine>();
  private readonly lapsed = new LapsedInvites();
  /** Whose flow failed: they are told later, not from within `send`. */
  private readonly failing = new Set<Machine>();
  private readonly failedFlows = new Set<string>();
  private failedAt: number | undefined;

  constructor(
    components: {
      readonly random: Random;
      readonly logger: Logger;
      readonly ports: TransactionPorts;
      readonly user: TransactionUser;
    },
    limits?: LedgerLimits,
  ) {
    this.random = components.random;
    this.logger = components.logger;
    this.ports = components.ports;
    this.user = components.user;
    this.ledger = new Ledger(limits);
  }

  /** Transactions, and whatever else is remembered: all 0 when nothing goes on. */
  get sizes(): { readonly servers: number; readonly clients: number; readonly others: number } {
    const { serverEntries, clientEntries, byFlow, timers, ledger, lapsed } = this;
    const others = serverEntries.size + clientEntries.size + byFlow.size + timers.size + ledger.sources + lapsed.size;
    return { servers: this.servers.size, clients: this.clients.size, others };
  }

  receive(message: SipMessage, flow: SipFlow, now: number): void {
    if (message.type === 'request') this.receiveRequest(message, flow, now);
    else this.receiveResponse(message, flow, now);
  }

  /**
   * Sends a request, with a Via of ours on top, until it is answered. Not for ACK.
   * @param mark goes into the branch, to be found when the request comes back (RFC 3261 s16.6 step 8).
   * @returns undefined when there are too many.
   */
  request(
    request: SipRequest,
    flow: SipFlow,
    now: number,
    handlers: ClientHandlers,
    mark?: string,
  ): ClientTransaction | undefined {
    if (this.clients.size >= MAX_CLIENT_TRANSACTIONS) return undefined;
    const unique = Buffer.from(this.random.bytes(BRANCH_BYTES)).toString('hex');
    const branch = `${MAGIC_COOKIE}${unique}${mark === undefined ? '' : `.${mark}`}`;
    return this.start(this.withVia(request, flow, branch), branch, flow, handlers, now);
  }

  /** Sends a request with a Via of ours and forgets it (RFC 3261 s16.11). */
  forward(request: SipRequest, flow: SipFlow, branch: string): void {
    this.ports.send(flow, this.withVia(request, flow, branch));
  }

  /** Cancels an INVITE, as soon as that may be (RFC 3261 s9.1); without effect when it is answered. */
  cancel(transaction: ClientTransaction, headers: readonly SipHeader[], now: number): void {
    const entry = this.clientEntries.get(transaction);
    if (!(entry?.machine instanceof InviteClientTransaction)) return;
    entry.machine.cancel(headers, now);
    this.settle(entry.machine, entry);
  }

  /** @returns whether the transaction is there still. What its state does not allow is not sent. */
  respond(transaction: ServerTransaction, response: SipResponse, now: number): boolean {
    const entry = this.serverEntries.get(transaction);
    if (entry === undefined) return false;
    if (response.status >= 200) entry.answered(tagOf(response, 'to'));
    entry.machine.respond(response, now);
    this.settle(entry.machine, entry);
    return true;
  }

  /** Whether a request over this flow would end by its failure: it has no answer yet. A phone that rings may ring on. */
  isWaiting({ key }: SipFlow): boolean {
    for (const machine of this.byFlow.get(key) ?? []) {
      if ('replies' in machine) continue;
      const { state, isInvite } = machine;
      if (state === 'calling' || state === 'trying' || (state === 'proceeding' && !isInvite)) return true;
    }
    return false;
  }

  /** The connection broke, or datagrams are refused there. May be called from within `send`: it takes effect at `nextTimeout()`, which is now. */
  transportFailed(flow: SipFlow, now: number): void {
    this.failedFlows.add(flow.key);
    this.failedAt ??= now;
  }

  nextTimeout(): number | undefined {
    return earliest(this.timers.next(), this.lapsed.nextTimeout(), this.failedAt);
  }

  /** Takes so much as fits into a turn of the event loop: what is left is due at once. */
  handleTimeout(now: number): void {
    this.lapsed.handleTimeout(now);
    for (const key of this.failedFlows) for (const machine of this.byFlow.get(key) ?? []) this.failing.add(machine);
    this.failedFlows.clear();
    for (let count = 0; count < MAX_TIMEOUTS_PER_TURN; count += 1) {
      const [machine] = this.failing;
      if (machine === undefined) break;
      this.failing.delete(machine);
      machine.transportFailed(now);
      this.settle(machine);
    }
    this.failedAt = this.failing.size === 0 && this.failedFlows.size === 0 ? undefined : now;
    for (let count = 0; count < MAX_TIMEOUTS_PER_TURN; count += 1) {
      const machine = this.timers.due(now);
      if (machine === undefined) return;
      machine.handleTimeout(now);
      this.settle(machine);
    }
  }

  private receiveRequest(request: SipRequest, flow: SipFlow, now: number): void {
    const via = parseVia(firstHeader(request, 'via') ?? '');
    if (via === undefined) {
      this.logger.debug('sip.noVia', { method: request.method, remote: flow.key });
      // RFC 4475 s3.1.2.1. There is no transaction without one; whoever wrote it is told, where it came from.
      if (request.method !== 'ACK' && firstHeader(request, 'via') !== undefined)
        this.ports.send(flow, responseTo(request, MALFORMED_VIA, this.random));
      return;
    }
    const keys = serverKeys(request, via, flow);
    const known = this.servers.get(request.method === 'ACK' ? keys.invite : keys.own);
    const seen = withSource(request, via, flow);
    if (request.method === 'ACK') {
      const isAbsorbed = known instanceof InviteServerTransaction && known.acknowledge(now);
      if (known !== undefined) this.settle(known);
      if (!isAbsorbed) this.user.onAck(seen, flow, now);
    } else if (known !== undefined) {
      known.receiveAgain();
    } else {
      this.serve(seen, keys, { from: flow, replies: replyFlow(via, flow) }, now);
    }
  }

  private serve(
    request: SipRequest,
    keys: ServerKeys,
    flows: { readonly from: SipFlow; readonly replies: SipFlow },
    now: number,
  ): void {
    const bytes = sizeOf(request);
    const source = flows.from.remote.address;
    if (!this.ledger.take(source, bytes)) {
      this.logger.debug('sip.full', { method: request.method, remote: flows.from.key });
      const headers = [{ name: 'Retry-After', value: String(RETRY_AFTER_S) }];
      const answer = { status: 503, reason: 'Service Unavailable', headers };
      this.ports.send(flows.replies, responseTo(request, answer, this.random));
      return;
    }
    const ports = {
      send: (response: SipResponse) => this.ports.send(flows.replies, response),
      onFailure: (reason: ServerFailure, at: number) => this.user.onFailure(machine, reason, at),
    };
    const Kind = request.method === 'INVITE' ? InviteServerTransaction : NonInviteServerTransaction;
    const machine: ServerMachine = new Kind(tryingOf(request), flows, ports, this.logger, now);
    const { own, ackTo } = keys;
    let ackKey: string | undefined;
    this.servers.set(own, machine);
    const entry: ServerEntry = {
      machine,
      flows: flows.from.key === flows.replies.key ? [flows.from] : [flows.from, flows.replies],
      answered: (toTag) => {
        if (ackTo === undefined || !machine.isInvite || ackKey !== undefined) return;
        ackKey = ackTo(toTag);
        this.servers.set(ackKey, machine);
      },
      forget: () => {
        this.servers.delete(own);
        if (ackKey !== undefined) this.servers.delete(ackKey);
        this.serverEntries.delete(machine);
        this.ledger.giveBack(source, bytes);
      },
    };
    this.serverEntries.set(machine, entry);
    this.enter(machine, entry);
    if (request.method === 'CANCEL') this.answerCancel(machine, request, this.servers.get(keys.invite), now);
    else this.user.onRequest(machine, request, now);
  }

  /** RFC 3261 s9.2, s16.10. All we forward is remembered: a CANCEL of what is not known has nothing to cancel. */
  private answerCancel(
    transaction: ServerTransaction,
    request: SipRequest,
    invite: ServerTransaction | undefined,
    now: number,
  ): void {
    const answer =
      invite === undefined ? { status: 481, reason: 'Call/Transaction Does Not Exist' } : { status: 200, reason: 'OK' };
    this.respond(transaction, responseTo(request, answer, this.random), now);
    if (invite?.state === 'proceeding') this.user.onCancel(invite, request, now);
  }

  private receiveResponse(response: SipResponse, flow: SipFlow, now: number): void {
    const wrong = validateResponse(response);
    if (wrong !== undefined) {
      this.logger.debug('sip.badResponse', { reason: wrong, remote: flow.key });
      return;
    }
    const key = clientKeyOf(response);
    const machine = key === undefined ? undefined : this.clients.get(key);
    if (machine === undefined) {
      const isLate = key !== undefined && this.lapsed.receive(key, response, now);
      if (!isLate) this.user.onStrayResponse(response, flow, now);
      return;
    }
    machine.receive(response, now);
    this.settle(machine);
  }

  private start(
    request: SipRequest,
    branch: string,
    flow: SipFlow,
    handlers: ClientHandlers,
    now: number,
  ): ClientTransaction {
    const key = clientKey(branch, request.method);
    // The request itself is not kept for as long as the transaction is: what is kept of calls is what pauses of the collector are long by.
    const isInvite = request.method === 'INVITE';
    const lapse = (at: number): void => {
      if (!isInvite || handlers.onLate === undefined) return;
      this.lapsed.add(key, (response, then) => handlers.onLate?.(response, then), at);
    };
    const ports: ClientPorts = {
      ...handlers,
      onTimeout: (at) => {
        lapse(at);
        handlers.onTimeout(at);
      },
      onTransportError: (at) => {
        lapse(at);
        handlers.onTransportError(at);
      },
      send: (message) => this.ports.send(flow, message),
      cancel: (message, at) => this.start(message, branch, flow, NOBODY, at),
    };
    const Kind = isInvite ? InviteClientTransaction : NonInviteClientTransaction;
    const machine: ClientMachine = new Kind(request, flow, ports, this.logger, now);
    const entry = {
      machine,
      flows: [flow],
      forget: () => {
        this.clients.delete(key);
        this.clientEntries.delete(machine);
      },
    };
    this.clients.set(key, machine);
    this.clientEntries.set(machine, entry);
    this.enter(machine, entry);
    return machine;
  }

  private enter(machine: Machine, { flows }: Entry): void {
    for (const { key } of flows) {
      const machines = this.byFlow.get(key) ?? new Set();
      machines.add(machine);
      this.byFlow.set(key, machines);
    }
    this.settle(machine);
  }

  /** After any input: when it wants to be called, and whether it is over. */
  private settle(machine: Machine, entry = this.entryOf(machine)): void {
    if (entry === undefined) return;
    if (machine.state !== 'terminated') {
      const at = machine.nextTimeout();
      if (at === undefined) this.timers.clear(machine);
      else this.timers.set(machine, at);
      return;
    }
    this.timers.clear(machine);
    for (const { key } of entry.flows) {
      const machines = this.byFlow.get(key);
      machines?.delete(machine);
      if (machines?.size === 0) this.byFlow.delete(key);
    }
    entry.forget();
  }

  private entryOf(machine: Machine): Entry | undefined {
    return 'replies' in machine ? this.serverEntries.get(machine) : this.clientEntries.get(machine);
  }

  private withVia(request: SipRequest, flow: SipFlow, branch: string): SipRequest {
    const { address: host, port } = this.ports.ownAddress(flow);
    const params = new Map([
      ['branch', branch],
      ['rport', ''],
    ]);
    // RFC 5923 s5: what the other end has to say comes by this connection, for nobody listens for another one.
    if (flow.transport === 'tls') params.set('alias', '');
    return prependHeader(request, 'Via', formatVia({ transport: flow.transport.toUpperCase(), host, port, params }));
  }
}

function sizeOf({ uri, headers, body }: SipRequest): number {
  return headers.reduce((sum, { name, value }) => sum + name.length + value.length, uri.length + body.length);
}
