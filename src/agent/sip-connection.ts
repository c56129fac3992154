import type { Socket } from 'node:net';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import type { SipFlow } from '../sip/flow.ts';
import { KEEPALIVE_ANSWER, SipStreamFramer } from '../sip/message/stream-framer.ts';
import type { Guard } from './guard.ts';
import type { SipInbox } from './sip-inbox.ts';

// Implementation constants.

/** Through the overlay, the link to the other host may have to be made first. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Of a member that reads slower than we have to say, a few dozen messages. */
const MAX_UNSENT_BYTES = 131_072;
/** Said on a connection since its other side was heard last: a call's INVITE, and others with it. */
const MAX_UNHEARD = 8;
/** Parsed at once: a few milliseconds of the smallest messages that there are. */
const SLICE_BYTES = 8_192;

export interface SipConnectionComponents {
  readonly socket: Socket;
  readonly inbox: Pick<SipInbox, 'stream'>;
  readonly logger: Logger;
  readonly guard: Guard;
  readonly used: (connection: SipConnection, bytes: Uint8Array) => void;
  /** Told once, whatever the reason. */
  readonly closed: (connection: SipConnection) => void;
}

/**
 * One connection, TCP or TLS, accepted or opened (RFC 3261 s18.3): cut into messages, and read only as fast as they are handled. It ends by
 * either side's end, by silence, by what is no SIP, and when the other side does not read.
 */
export class SipConnection {
  readonly flow: SipFlow;
  private readonly socket: Socket;
  private readonly logger: Logger;
  private readonly guard: Guard;
  private readonly inbox: Pick<SipInbox, 'stream'>;
  private readonly framer = new SipStreamFramer();
  /** Read, and not cut into messages yet. */
  private rest: Uint8Array = new Uint8Array();
  private readonly isOurs: boolean;
  private wasHeard = false;
  private readonly unheard: Uint8Array[] = [];
  /** Until it is known who is at the other end of TLS: nothing is said to anybody else. Undefined: it is known. */
  private untold: Uint8Array[] | undefined;

  /**
   * @param options.idleMs closed when nothing comes and goes for so long.
   * @param options.connect false: it is connected. A socket of TLS is on its way already.
   */
  constructor(
    components: SipConnectionComponents,
    options: { readonly flow: SipFlow; readonly idleMs: number; readonly connect: boolean },
  ) {
    const { socket, logger, guard, inbox, used, closed } = components;
    const { flow, idleMs, connect } = options;
    this.socket = socket;
    this.logger = logger;
    this.guard = guard;
    this.inbox = inbox;
    this.flow = flow;
    this.isOurs = connect;
    socket.setNoDelay(true);
    socket.on('timeout', () => this.close('silent'));
    socket.on('error', (error) => this.close(messageOf(error)));
    socket.on(
      'close',
      guard.handler('SIP connection', () => closed(this)),
    );
    socket.on('data', (bytes) => {
      this.attempt(() => {
        used(this, bytes);
        this.wasHeard = true;
        this.unheard.length = 0;
        this.receive(bytes);
      });
    });
    socket.setTimeout(connect ? CONNECT_TIMEOUT_MS : idleMs);
    if (!connect) return;
    const connected = (): void => {
      socket.setTimeout(idleMs);
      for (const bytes of this.untold ?? []) socket.write(bytes);
      this.untold = undefined;
    };
    if (flow.transport === 'tls') {
      this.untold = [];
      socket.once('secureConnect', connected);
    } else socket.connect(flow.remote.port, flow.remote.address, connected);
  }

  /** Our address of it; undefined: it is not connected. */
  get localAddress(): string | undefined {
    return this.socket.localAddress;
  }

  /**
   * Once it has ended: what was said since its other side was heard last. A host that was started anew knows nothing of a connection
   * to its former life, and says so when something comes by it. Empty: of that one nothing was ever heard, or it was accepted, and is
   * the other side's to open again.
   */
  get undelivered(): readonly Uint8Array[] {
    return this.wasHeard ? this.unheard : [];
  }

  /** What does not fit any more ends the connection: half a message is none. */
  send(bytes: Uint8Array): void {
    if (this.socket.destroyed) return;
    const unsent = this.untold?.reduce((sum, { length }) => sum + length, 0) ?? this.socket.writableLength;
    if (unsent + bytes.length > MAX_UNSENT_BYTES) this.close('it does not read');
    else {
      if (this.untold === undefined) this.socket.write(bytes);
      else this.untold.push(bytes);
      if (this.isOurs) this.unheard.push(bytes);
      if (this.unheard.length > MAX_UNHEARD) this.unheard.shift();
    }
  }

  /** Idempotent. */
  close(why: string): void {
    if (this.socket.destroyed) return;
    this.logger.debug('sip.connection', { addr: formatSocketAddress(this.flow.remote), closed: why });
    this.socket.destroy();
  }

  /** What is thrown in there leaves half a message, which is none. */
  private attempt(step: () => void): void {
    if (!this.guard.run('SIP connection', step)) this.close('an unexpected error');
  }

  private receive(bytes: Uint8Array): void {
    this.socket.pause();
    this.rest = bytes;
    this.takeSlice();
  }

  private takeSlice(): void {
    const frames = this.framer.push(this.rest.subarray(0, SLICE_BYTES));
    this.rest = this.rest.subarray(SLICE_BYTES);
    // RFC 5626 s4.4.1: one for each would be an amplifier for who sends nothing else.
    if (frames.some(({ type }) => type === 'keepalive')) this.send(KEEPALIVE_ANSWER);
    const messages = frames.flatMap((frame) => (frame.type === 'message' ? frame.message : []));
    if (messages.length === 0) this.goOn();
    else this.inbox.stream(this.flow, messages, () => this.attempt(() => this.goOn()));
  }

  /** What came last is handled, and answered as far as it can be at once. */
  private goOn(): void {
    const { failure } = this.framer;
    if (this.socket.destroyed) return;
    if (failure === undefined) {
      if (this.rest.length > 0) this.takeSlice();
      else this.socket.resume();
      return;
    }
    this.logger.debug('sip.connection', { addr: formatSocketAddress(this.flow.remote), closed: failure.reason });
    this.socket.destroySoon();
  }
}
