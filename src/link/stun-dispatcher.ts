import { MalformedMessageError } from '../base/errors.ts';
import { isHitAddress } from '../base/node-id.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { IceAgent } from '../ice/ice-agent.ts';
import { isAllocationAddress } from '../base/allocation-address.ts';
import { answerBinding } from '../stun/binding-server.ts';
import { decodeStun } from '../stun/codec.ts';
import { encodeErrorResponse } from '../stun/error-response.ts';
import type { StunMessage } from '../stun/message.ts';
import type { Association } from './association.ts';
import type { ConnectionTable } from './connection-table.ts';
import { MAX_BINDING_ANSWERS_PER_SECOND, MAX_STRANGER_ANSWERS_PER_SECOND } from './constants.ts';
import type { LocalAddresses } from '../mobility/local-addresses.ts';
import type { TurnServer } from '../turn/server/turn-server.ts';
import type { TurnRelays } from './turn-relays.ts';
import { fromStreamAddress, isIndirectAddress, isTurnClientStream } from '../base/stream-address.ts';
import { RateLimit } from '../base/rate-limit.ts';

/** RFC 8489 s9.1.3: "If the USERNAME does not contain a username value currently valid within the server [...] 401". */
const UNAUTHENTICATED = 401;

export interface StunCounters {
  malformed: number;
  /** Checks with credentials that no agent here has. */
  strangers: number;
  bindings: number;
  /** Answers to nothing that was asked. */
  unexpected: number;
}

/** Which agent a STUN datagram is for; what strangers may be told. Never answers with more bytes than it got. */
export class StunDispatcher {
  readonly counters: StunCounters = { malformed: 0, strangers: 0, bindings: 0, unexpected: 0 };
  private readonly table: ConnectionTable;
  private readonly addresses: LocalAddresses;
  private readonly strangers = new RateLimit(MAX_STRANGER_ANSWERS_PER_SECOND);
  private readonly bindings = new RateLimit(MAX_BINDING_ANSWERS_PER_SECOND);

  private readonly turn: TurnRelays;
  private readonly server: TurnServer | undefined;
  private readonly relayed: (association: Association, agent: IceAgent, local: SocketAddress, now: number) => void;

  constructor(components: {
    table: ConnectionTable;
    addresses: LocalAddresses;
    turn: TurnRelays;
    /** Undefined: this host is none. */
    server: TurnServer | undefined;
    /** A check for this agent came by another member. */
    relayed: (association: Association, agent: IceAgent, local: SocketAddress, now: number) => void;
  }) {
    this.turn = components.turn;
    this.server = components.server;
    this.relayed = components.relayed;
    this.table = components.table;
    this.addresses = components.addresses;
  }

  /** @returns the association whose agent took it, and whether it was a check that the peer authenticated. */
  receive(
    data: Uint8Array,
    local: SocketAddress,
    remote: SocketAddress,
    now: number,
  ): { readonly association: Association; readonly checked: boolean } | undefined {
    let message: StunMessage;
    try {
      message = decodeStun(data);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.counters.malformed += 1;
      return undefined;
    }
    if (isTurnClientStream(local.address)) {
      this.receiveOfClient(message, data, local, remote, now);
      return undefined;
    }
    if (message.class === 'request') return this.receiveRequest(message, data, local, remote, now);
    if (message.class === 'indication') {
      // An indication inside an indication is nobody's.
      const inside = isAllocationAddress(local.address) ? undefined : this.turn.unwrap(message, local, remote);
      return inside === undefined ? undefined : this.receive(inside.data, inside.local, inside.remote, now);
    }
    if (this.turn.hasTransaction(message.transactionId)) {
      this.turn.receive(message, data, local, remote, now);
      return undefined;
    }
    if (this.addresses.hasTransaction(message.transactionId)) {
      this.addresses.receive(message, local, remote, now);
      return undefined;
    }
    const association = this.table.associationOfTransaction(message.transactionId);
    const agent = association?.agents.find((candidate) => candidate.hasTransaction(message.transactionId));
    if (association === undefined || agent === undefined) {
      this.counters.unexpected += 1;
      return undefined;
    }
    agent.receive(message, data, local, remote, now);
    // After one that is not authentic the right one may still come.
    if (!agent.hasTransaction(message.transactionId)) this.table.forgetTransaction(message.transactionId);
    return { association, checked: false };
  }

  /** By a stream of a client of ours: no agent and no link has to do with it. */
  private receiveOfClient(
    message: StunMessage,
    data: Uint8Array,
    local: SocketAddress,
    remote: SocketAddress,
    now: number,
  ): void {
    let answer: Uint8Array | undefined;
    if (this.server?.takes(message) === true) {
      answer = this.server.receive(message, data, local, remote, now);
    } else {
      this.counters.bindings += 1;
      if (this.bindings.take(now)) answer = answerBinding(message, fromStreamAddress(remote), true);
    }
    if (answer !== undefined) this.turn.sendDatagram(local, remote, answer, now);
  }

  private receiveRequest(
    message: StunMessage,
    data: Uint8Array,
    local: SocketAddress,
    remote: SocketAddress,
    now: number,
  ): { readonly association: Association; readonly checked: boolean } | undefined {
    if (
      this.server?.takes(message) === true &&
      !isIndirectAddress(local.address) &&
      !isIndirectAddress(remote.address)
    ) {
      const answer = this.server.receive(message, data, local, remote, now);
      if (answer !== undefined) this.turn.sendDatagram(local, remote, answer, now);
      return undefined;
    }
    const { username } = message.attributes;
    if (username === undefined) {
      this.counters.bindings += 1;
      const answer = this.bindings.take(now) ? answerBinding(message, remote) : undefined;
      if (answer !== undefined) this.turn.sendDatagram(local, remote, answer, now);
      return undefined;
    }
    const found = this.table.agentFor(username);
    if (found !== undefined && isHitAddress(local.address)) this.relayed(found.association, found.agent, local, now);
    if (found?.agent.receive(message, data, local, remote, now) === true)
      return { association: found.association, checked: true };
    this.counters.strangers += 1;
    const answer = this.strangers.take(now) ? encodeErrorResponse(message, UNAUTHENTICATED) : undefined;
    if (answer !== undefined) this.turn.sendDatagram(local, remote, answer, now);
    return undefined;
  }
}
