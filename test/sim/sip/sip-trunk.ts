import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { udpFlow, type SipFlow } from '../../../src/sip/flow.ts';
import type { SipMessage } from '../../../src/sip/message/message.ts';
import { OverlayNames } from '../../../src/sip/names.ts';
import type { TrunkAccount } from '../../../src/sip/trunk/account.ts';
import type { TrunkMedia, MediaSession } from '../../../src/sip/trunk/trunk-media.ts';
import type { Server, Wanted } from '../../../src/sip/trunk/server-location.ts';
import { Trunk } from '../../../src/sip/trunk/trunk.ts';
import { OVERLAY, type SipHome } from './sip-household.ts';
import { type SipNetwork, type SipNode, tcpFlow } from './sip-network.ts';

export const PROVIDER = 'provider.example';

export function account(more: Partial<TrunkAccount> = {}): TrunkAccount {
  return {
    domain: PROVIDER,
    server: { host: PROVIDER },
    credentials: { user: 'line7', password: 'a secret' },
    user: 'line7',
    numbers: new Map([['+4930111', 'alice']]),
    defaultUser: 'box',
    callers: undefined,
    isOpen: false,
    maxCalls: 4,
    plan: { country: 'DE' },
    ...more,
  };
}

/** What a media relay does to SDP: its own address of the other side. */
export class SimMediaRelay implements TrunkMedia {
  readonly log: string[] = [];
  /** `offer alice callee`, and the session description: who says it to whom. */
  readonly asked: { readonly what: string; readonly sdp: string }[] = [];
  works = true;
  takesMs = 2;
  /** Why SDP of the world outside is not taken. */
  objects: (sdp: string) => string | undefined = () => undefined;
  /** Of each session description that came here. */
  saw: (session: MediaSession) => void = () => undefined;
  private readonly network: SipNetwork;

  constructor(network: SipNetwork) {
    this.network = network;
  }

  offer(session: MediaSession, sdp: Uint8Array, done: (sdp: Uint8Array | undefined, now: number) => void): void {
    this.change('offer', session, sdp, done);
  }

  answer(session: MediaSession, sdp: Uint8Array, done: (sdp: Uint8Array | undefined, now: number) => void): void {
    this.change('answer', session, sdp, done);
  }

  objection(session: MediaSession, sdp: Uint8Array): string | undefined {
    this.saw(session);
    const isTaken = session.from === 'overlay' || session.isEmergency;
    return isTaken ? undefined : this.objects(new TextDecoder().decode(sdp));
  }

  delete(): void {
    this.log.push('delete');
  }

  private change(
    what: string,
    { from, to, fromTag, toTag = '' }: MediaSession,
    sdp: Uint8Array,
    done: (sdp: Uint8Array | undefined, now: number) => void,
  ): void {
    this.log.push(`${what} from ${from}`);
    this.asked.push({ what: `${what} ${fromTag} ${toTag}`.trim(), sdp: new TextDecoder().decode(sdp) });
    const side = to === 'outside' ? '192.0.2.77' : '2001:20::77';
    const text = new TextDecoder().decode(sdp).replace(/c=.*/, `c=IN IP4 ${side}`);
    this.network.loop.after(this.takesMs, () =>
      done(this.works ? new TextEncoder().encode(text) : undefined, this.network.loop.now),
    );
  }
}

/** The gateway of a home, with an address in the world outside. */
export class SimTrunk implements SipNode {
  trunk: Trunk;
  /** What its owner has said, and may say otherwise. */
  readonly account: { -readonly [K in keyof TrunkAccount]: TrunkAccount[K] };
  readonly media: SimMediaRelay;
  /** What DNS says of a host name. */
  readonly dns = new Map<string, readonly Server[]>();
  private readonly network: SipNetwork;
  private readonly make: () => Trunk;
  /** Its host is switched off. */
  isDead = false;
  /** How often what is to be kept of its calls was another. */
  changes = 0;

  constructor(network: SipNetwork, home: SipHome, address: string, given: TrunkAccount = account()) {
    this.network = network;
    this.media = new SimMediaRelay(network);
    const local = { address, port: 5_064 };
    let lives = 0;
    this.account = { ...given };
    this.make = () => this.born(home, local, this.account, (lives += 1));
    this.trunk = this.make();
    home.trunk = this;
    network.attach(local, this);
  }

  /** Its agent has crashed, and is there again. @param awayMs how long ago it wrote down its calls */
  crash(awayMs = 1_000): void {
    const lines = this.kept();
    this.trunk = this.make();
    this.restore(lines, awayMs);
    this.start();
  }

  /** What it would write down now: a head, and a line of each call. */
  kept(): string[] {
    const { now } = this.network.loop;
    return [...this.trunk.snapshot(now, now)].join('').split('\n').slice(0, -1);
  }

  restore([head = '', ...lines]: readonly string[], awayMs = 0): void {
    const { now } = this.network.loop;
    const restore = this.trunk.restorer(head, now + awayMs);
    for (const line of lines) restore?.(line, now);
    this.network.schedule(this);
  }

  private born(home: SipHome, local: SocketAddress, given: TrunkAccount, life: number): Trunk {
    const { network } = this;
    return new Trunk(
      {
        ports: {
          sendInside: (message) => home.fromTrunk(message),
          sendOutside: (flow, message) => {
            if (!this.isDead) network.send(flow, message);
          },
          locate: ({ host }: Wanted, _, done) =>
            network.loop.after(5, () => {
              done(this.dns.get(host) ?? [], network.loop.now);
              network.schedule(this);
            }),
          localOutside: () => local,
          changed: () => {},
          callsChanged: () => void (this.changes += 1),
        },
        media: this.media,
        names: new OverlayNames(OVERLAY),
        random: seededRandom(76 + life),
        logger: silentLogger,
      },
      { account: given, adaptor: home.ends },
    );
  }

  get isReady(): boolean {
    return this.trunk.isReady;
  }

  start(): void {
    this.trunk.start(this.network.loop.now);
    this.network.schedule(this);
  }

  receiveInside(message: SipMessage): void {
    if (this.isDead) return;
    this.trunk.receiveInside(message, this.network.loop.now);
    this.network.schedule(this);
  }

  receive(message: SipMessage, flow: SipFlow, now: number): void {
    if (!this.isDead) this.trunk.receiveOutside(flow, message, now);
  }

  nextTimeout(): number | undefined {
    return this.trunk.nextTimeout();
  }

  handleTimeout(now: number): void {
    this.trunk.handleTimeout(now);
  }
}

export function serverAt(address: string, port = 5_060): Server {
  return { transport: 'udp', remote: { address, port } };
}

/** By the gateway's connection, back to it. */
export function secureFlowFrom(server: string, gateway: string): SipFlow {
  return tcpFlow({ local: { address: server, port: 5_060 }, remote: { address: gateway, port: 5_064 } }, 'tls');
}

/** From a server to a gateway. */
export function flowFrom(server: string, gateway: string): SipFlow {
  return udpFlow({ local: { address: server, port: 5_060 }, remote: { address: gateway, port: 5_064 } });
}
