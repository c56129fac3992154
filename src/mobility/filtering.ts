import { toHex } from '../base/bytes.ts';
import type { Timed } from '../base/clock.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { decodeStun, encodeStun } from '../stun/codec.ts';
import { TRANSACTION_ID_BYTES } from '../stun/constants.ts';
import { BINDING_METHOD, type StunMessage } from '../stun/message.ts';

/** RFC 5780 s4.4, RFC 4787 s5: whom a NAT or firewall lets in, of those that this host has not sent to. */
export type FilteringBehavior = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent';

const MOST_SERVERS = 4;
/** Each request goes out so often, that far apart; then its answer is waited for no longer. */
const TRIES = 3;
const TRY_MS = 250;

interface Request {
  readonly server: SocketAddress;
  /** Hexadecimal. */
  readonly id: string;
  readonly data: Uint8Array;
  /** Which address is to answer. */
  readonly from: SocketAddress;
  readonly means: 'known' | 'other-address' | 'other-port';
}

/**
 * Which filtering is between this host and the Internet, by a server with two addresses and two ports (RFC 5780 s4.4). Of a
 * socket that has sent nothing to such an address before: whatever gets in then was let in unasked.
 *
 *    ask the servers --OTHER-ADDRESS--> ask one of them to answer from its other address, and from its other port alone
 *         |                                  |                 |                        |
 *         v nobody has one                   v the first came  v the second came        v neither
 *      not known                   endpoint-independent   address-dependent   address-and-port-dependent
 */
export class FilteringTest implements Timed {
  private readonly random: Random;
  private requests: Request[];
  private tries = 0;
  private nextAt: number;
  private portAnswered = false;
  private transmits: { remote: SocketAddress; data: Uint8Array }[] = [];
  private found: FilteringBehavior | undefined;
  private over = false;

  /** @param servers STUN servers, IPv4 each. */
  constructor(components: { readonly random: Random }, servers: readonly SocketAddress[], now: number) {
    this.random = components.random;
    this.requests = servers.slice(0, MOST_SERVERS).map((server) => this.request(server, server, 'known'));
    this.nextAt = now;
    this.handleTimeout(now);
  }

  /** It is over; `result` is final. */
  get done(): boolean {
    return this.over;
  }

  /** undefined: no server had two addresses. */
  get result(): FilteringBehavior | undefined {
    return this.found;
  }

  pollTransmit(): { readonly remote: SocketAddress; readonly data: Uint8Array } | undefined {
    return this.transmits.shift();
  }

  /** What is no answer to a request of ours, from where it was to come, changes nothing. */
  receive(data: Uint8Array, remote: SocketAddress, now: number): void {
    const message = tryDecode(data);
    if (message?.class !== 'success' || this.over) return;
    const request = this.requests.find(
      ({ id, from }) => id === message.transactionId && sameSocketAddress(from, remote),
    );
    if (request?.means === 'known') this.begin(request.server, message.attributes.otherAddress, now);
    if (request?.means === 'other-port') this.portAnswered = true;
    if (request?.means === 'other-address') this.end('endpoint-independent');
  }

  nextTimeout(): number | undefined {
    return this.over ? undefined : this.nextAt;
  }

  handleTimeout(now: number): void {
    while (!this.over && now >= this.nextAt) {
      if (this.tries === TRIES || this.requests.length === 0) {
        if (this.requests.some(({ means }) => means === 'other-port'))
          this.end(this.portAnswered ? 'address-dependent' : 'address-and-port-dependent');
        else this.end(undefined);
        return;
      }
      this.tries += 1;
      this.nextAt = now + TRY_MS;
      this.transmits.push(...this.requests.map(({ server, data }) => ({ remote: server, data })));
    }
  }

  /** The server says that it has another address: that is what it is asked to answer from. */
  private begin(server: SocketAddress, other: SocketAddress | undefined, now: number): void {
    if (other === undefined || other.address === server.address || other.port === server.port) return;
    this.requests = [
      this.request(server, other, 'other-address'),
      this.request(server, { address: server.address, port: other.port }, 'other-port'),
    ];
    this.tries = 0;
    this.nextAt = now;
    this.handleTimeout(now);
  }

  private end(result: FilteringBehavior | undefined): void {
    this.over = true;
    this.found = result;
    this.transmits = [];
  }

  private request(server: SocketAddress, from: SocketAddress, means: Request['means']): Request {
    const id = toHex(this.random.bytes(TRANSACTION_ID_BYTES));
    const attributes = means === 'known' ? {} : { changeRequest: { address: means === 'other-address', port: true } };
    const message: StunMessage = { class: 'request', method: BINDING_METHOD, transactionId: id, attributes };
    return { server, id, data: encodeStun(message, { fingerprint: true }), from, means };
  }
}

function tryDecode(data: Uint8Array): StunMessage | undefined {
  try {
    return decodeStun(data);
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}
