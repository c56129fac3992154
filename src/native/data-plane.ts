import type { SocketAddress } from '../base/socket-address.ts';
import type { Hit } from '../base/node-id.ts';

/**
 * The data plane as JavaScript sees it: the C++ thread in the agent (`native.ts`), a simulated one in tests.
 * Commands never block and never throw for what the network did; what happens comes back as events.
 * A command for a link that is closed already does nothing.
 *
 * An address of the overlay is a place as any other, wherever one is named: `local` with the HIT of a member that we are linked
 * with, and `remote` with the HIT of another and port 0, is the way through the first (a hop). Nothing goes by two of them.
 */
export interface DataPlane {
  /** The bound UDP port: one dual-stack socket carries everything (RFC 7983 tells it apart). */
  readonly port: number;

  /** Called when there are events, and once a turn of the event loop while `drain` leaves some; the handler calls `drain`. */
  onWake(handler: () => void): void;
  /** Takes out at most `max` events: `network` and `tunChanged` first, then STUN before the others, but at most eight in a row; else oldest first. */
  drain(max?: number): DataPlaneEvent[];

  /** A STUN datagram (ICE check, binding request or answer) or a bencoded one. `local` picks the source address; null lets the kernel choose. */
  sendDatagram(local: SocketAddress | null, remote: SocketAddress, data: Uint8Array): void;

  /** For handshakes that start from now on. DER: leaf first; PKCS#8. */
  setCredentials(certificateChain: readonly Uint8Array[], privateKey: Uint8Array): void;

  /** Makes a link that has no path yet. A `server` waits for ClientHello from a bound remote; a `client` starts at `setPath`. */
  openLink(role: 'client' | 'server'): LinkId;
  /**
   * Datagrams from `remote` belong to `link` from now on (last binder wins; a handshake that is under way there keeps it until
   * its end, and the address goes back to the connected link before when this one ends). Several remotes may belong to one link.
   */
  bindRemote(link: LinkId, remote: SocketAddress): void;
  unbindRemote(link: LinkId, remote: SocketAddress): void;
  /**
   * Sends go this way from now on; binds `remote` too. The association is kept. `local.port` is always `port`; its address is
   * the source of what is sent, and chooses the interface while the host has several uplinks; else the host's routes do. A path
   * that has just fallen silent is not taken while another one works; `moved` says so.
   * @param preference 0 to 255, as `addPath`
   */
  setPath(link: LinkId, local: SocketAddress | null, remote: SocketAddress, preference?: number): void;
  /**
   * Another way that may lead to the peer of a connected link (RFC 9146: its records are told by a connection ID): it is
   * probed now, and whenever packets of programs pass again; at most four that work are kept, and four that may. The data plane goes
   * over to one of them when the one in use falls silent or loses its address, and to one of greater preference after it has
   * worked for three seconds, or at once from below `PATH_PREFERENCE.direct` to above it. Of equal ones it uses the one by the better
   * uplink. `moved` tells.
   * @param expected the peer is there now, as it says by others: until that is proven some urgent packets go there as well.
   */
  addPath(link: LinkId, local: SocketAddress, remote: SocketAddress, preference: number, expected?: boolean): void;
  /**
   * The peer's consent is over (RFC 7675 s5.1): of a connected link nothing is sent, and what is to be is dropped (`dropNoPath`),
   * until `setPath`, or until the peer comes from elsewhere (`moved`). It is heard as ever.
   */
  clearPath(link: LinkId): void;
  /** Sends close_notify when connected, forgets everything of the link. No `closed` event follows. */
  closeLink(link: LinkId): void;

  /**
   * The path has just proven to work and carries nothing: the data plane keeps it alone, until one `stirred`. When nothing was
   * heard for 16 to 20 s it asks the peer's data plane for a sign of life, three times a second apart, which also keeps NATs
   * open. `setPath` ends the rest without an event.
   * @param options.asleep not even that, at either end, until one `stirred`: NATs may have forgotten the path by then.
   */
  rest(link: LinkId, options?: { readonly asleep: boolean }): void;

  /**
   * Application packets between the TUN and this link may pass: HIT (and overlay IPv4) are the peer's. Releases held packets
   * in order, those of programs here and those that the peer sent since `connected` (64 packets and 256 KiB of a link, for
   * at most 10 s). With `null` IPv4 packets of the peer wait on, at most 2 s, until this is called again with its address.
   * @param user a number: all hosts of one share what is handed on for them (`setRelay`); 0: it shares with nobody.
   */
  authorize(link: LinkId, hit: Hit, ipv4: string | null, user?: number): void;
  /** No way to this overlay address: drops what is held, answers it with ICMP unreachable into the TUN. The next packet is a new miss. */
  refuse(address: string): void;
  /** Our own addresses: inner sources of what leaves, inner destinations of what enters. */
  setLocalAddresses(hit: Hit, ipv4: string | null): void;

  /** Inside the association: a RELOAD frame (0x80, 0x81) or link control (0x20-0x2f), told apart by its first byte. At most 1,120 bytes: every path carries that. */
  sendRecord(link: LinkId, data: Uint8Array): void;

  /**
   * Datagrams between two members, handed on from one's link to the other's: so many bytes a second of all together, a quarter of
   * it of one user; 0, as at the start: none.
   */
  setRelay(bytesPerSecond: number): void;

  /**
   * A stream (TLS over TCP, base/stream-address.ts) to `remote`, which stands for one, is wanted: what is sent there from now on
   * goes by it. It is dialed now, and again when it is lost and something is sent; one that is silent is made anew. Forgotten when
   * no link has gone by it for a minute; of 16 that are wanted at once no more is.
   */
  dialStream(remote: SocketAddress): void;

  /**
   * A stream to a TURN server, over TCP (RFC 8656 s3.1): STUN and ChannelData go by it, sent from `TURN_SERVER_LOCAL_ADDRESS` to
   * `remote`, which stands for it, until `turnEnded` or `hangUpTurnServer`. It is not dialed again, and takes the place of an older one.
   * @param stream a number that no other one has had.
   * @param tls null: without; `member`: as streams to members, and no certificate is looked at; else the server has to prove that name
   * (`authorities`: PEM; empty: the system's).
   */
  dialTurnServer(
    stream: number,
    remote: SocketAddress,
    tls: { readonly name: string; readonly authorities: string } | 'member' | null,
  ): void;
  /** When what waits to be sent by it is with TCP. No `turnEnded` follows. */
  hangUpTurnServer(stream: number): void;
  /**
   * What streams show that are accepted from now on; those that there are go on.
   * @throws {IdlocError} `bad_stream`: the pair is none that TLS takes. The one before is shown on.
   */
  showStreamCertificate(certificate: { readonly certificates: string; readonly key: string }): void;

  /**
   * A channel at a TURN server is bound (RFC 8656 s12): datagrams from the local address `allocation`, which stands for the relayed
   * address (base/allocation-address.ts), to `peer` go by it from now on, and what comes by it has come there.
   */
  setTurnChannel(
    allocation: string,
    peer: SocketAddress,
    by: { readonly local: SocketAddress; readonly server: SocketAddress; readonly channel: number },
  ): void;
  /** It is bound no more: links leave paths that go by it. */
  removeTurnChannel(allocation: string, peer: SocketAddress): void;

  /** Of this host as a TURN server: so many bytes a second of all allocations together, a quarter of it of one user; 0: none. */
  setTurnQuota(bytesPerSecond: number): void;
  /**
   * From now on datagrams between `client`, who sends to `local`, and peers with a permission pass by the port `relayed`. Of a client
   * that came by a stream both are what stands for its ends (base/stream-address.ts): `turnLeft` follows when it is over.
   * @param user whose quota it counts against.
   * @returns whether the port could be had.
   */
  openTurnAllocation(
    id: number,
    by: { readonly user: number; readonly local: SocketAddress; readonly client: SocketAddress },
    relayed: SocketAddress,
  ): boolean;
  closeTurnAllocation(id: number): void;
  /** For 300 s (RFC 8656 s9); a channel, if it is not 0, for 600 s. Again: anew. */
  permitTurnPeer(id: number, peer: SocketAddress, channel: number): void;

  /**
   * Packets of programs leave in datagrams of at most so many bytes, IP header included: 1280 until this is called, and again
   * after `setPath` to another path. What does not fit goes in pieces (TCP in smaller segments, the rest as IP fragments), and
   * the program's kernel is told by Packet Too Big.
   */
  setPathMtu(link: LinkId, bytes: number): void;
  /**
   * Sends one datagram of exactly so many bytes, IP header included, that no one may fragment. When it arrives, the peer
   * answers with PROBE_REPLY and `id` (4 bytes), which comes up as a `record`.
   */
  sendProbe(link: LinkId, bytes: number, id: number): void;

  /** Live view; only the data plane writes. Names in `counters.ts`. */
  readonly counters: BigUint64Array;
  linkCounters(link: LinkId): LinkCounters | undefined;
  /** The paths of all connected links whose peers bear connection IDs, as they are now. Empty after `close`. */
  paths(): Promise<readonly PathReport[]>;

  /** Idempotent. Stops the thread, closes TUN and socket. */
  close(): void;
}

export type LinkId = number;

/** One path of a link, as the data plane keeps it (native/src/link/path_set.h). */
export interface PathReport {
  readonly link: LinkId;
  /** null: the kernel chooses. */
  readonly local: SocketAddress | null;
  readonly remote: SocketAddress;
  /** `valid`: has answered lately; `suspect`: an answer is late; `candidate`: has not answered yet. */
  readonly state: 'candidate' | 'valid' | 'suspect';
  /** It carries what is sent. */
  readonly active: boolean;
  /** Smoothed; null before the first measurement: links without packets of programs are not measured. */
  readonly rttMs: number | null;
  /** 0 to 1, smoothed, of the records sent by it. */
  readonly loss: number;
}

export interface LinkCounters {
  readonly rxBytes: bigint;
  readonly txBytes: bigint;
  readonly rxPackets: bigint;
  readonly txPackets: bigint;
  /** Handshakes completed on this link: 1 for its life, however often its path changes. */
  readonly handshakes: number;
  /** How often it got new keys: nothing else of it changes, the exporter of `connected` stays. */
  readonly rekeys: number;
}

export type DataPlaneEvent =
  /** A datagram whose first byte is 0-3 (RFC 7983). `at`: when it was received, ms of the monotonic clock. */
  | {
      readonly type: 'stun';
      readonly local: SocketAddress;
      readonly remote: SocketAddress;
      readonly data: Uint8Array;
      readonly at: number;
    }
  /** A datagram that starts with 'd', which RFC 7983 leaves free: BitTorrent's Mainline DHT. At most 1500 bytes, 256 in a second. */
  | {
      readonly type: 'foreign';
      readonly local: SocketAddress;
      readonly remote: SocketAddress;
      readonly data: Uint8Array;
    }
  /** A ClientHello from an unbound address proved that address by a cookie: a new link exists, in role server, bound to `remote`. */
  | { readonly type: 'incoming'; readonly link: LinkId; readonly local: SocketAddress; readonly remote: SocketAddress }
  /**
   * Handshake done; the peer holds the key of `certificates[0]` (DER, leaf first; nothing else was verified).
   * `exporter`: 32 bytes of RFC 5705 "EXPORTER-idloc-link", equal at both ends. Only records pass until `authorize`; packets are held.
   */
  | {
      readonly type: 'connected';
      readonly link: LinkId;
      readonly certificates: readonly Uint8Array[];
      readonly exporter: Uint8Array;
    }
  /** The link is gone: handshake failed or timed out, or the peer closed it. */
  | { readonly type: 'closed'; readonly link: LinkId; readonly reason: string }
  /**
   * The link rests no more: a packet of a program came or left, or the peer gives no sign of life. `heardAt`: when the last one
   * came, ms of the monotonic clock, or when the rest began.
   */
  | {
      readonly type: 'stirred';
      readonly link: LinkId;
      readonly cause: 'traffic' | 'silence';
      readonly heardAt: number;
    }
  /** A record from the peer whose first byte is 0x80, 0x81 or 0x20-0x2f. Echo and probe requests (0x20, 0x22) are answered below and do not come up. */
  | { readonly type: 'record'; readonly link: LinkId; readonly data: Uint8Array; readonly at: number }
  /** The link is connected, or its datagrams go another way from now on: its path MTU is 1280 (again). */
  | { readonly type: 'newPath'; readonly link: LinkId; readonly remote: SocketAddress }
  /**
   * Datagrams of more than 1280 bytes leave by this link: it relies on its path MTU. Or the peer probes for less than this end
   * sends. At most one event a second.
   */
  | { readonly type: 'largeSent'; readonly link: LinkId }
  /** A program sent to an overlay address without a link. Packets are held (bounded); one event until `authorize` or `refuse`. */
  | { readonly type: 'miss'; readonly address: string }
  /** An epoch-1 record from an unbound address, or with a connection ID of no link; rate limited: a peer still uses an association that this process does not have. */
  | { readonly type: 'unknown'; readonly local: SocketAddress; readonly remote: SocketAddress }
  /**
   * Sends of a connected link go another way already, which has answered, as after `setPath`: the peer sends from there (RFC 9146)
   * or asked for it; the one before does not answer; its local address is gone; this one is better and has proven it.
   */
  | {
      readonly type: 'moved';
      readonly link: LinkId;
      readonly local: SocketAddress;
      readonly remote: SocketAddress;
      readonly cause: 'peer' | 'silence' | 'gone' | 'better';
    }
  /** Packets of programs are sent on this link, and no path of it answers. Once, until one does. */
  | { readonly type: 'noPath'; readonly link: LinkId }
  /** The only path of a link in use does not answer, whichever end sends: perhaps others see this host elsewhere by now. */
  | { readonly type: 'unheard'; readonly link: LinkId }
  /** The stream of that client of this host as a TURN server is over, and with it its allocation; never lost. */
  | { readonly type: 'turnLeft'; readonly local: SocketAddress; readonly remote: SocketAddress }
  /** The stream of `dialTurnServer` is over, or did not come about; never lost. */
  | { readonly type: 'turnEnded'; readonly stream: number; readonly reason: string }
  /** Addresses or routes of the host changed (rtnetlink), coalesced; never lost, and before what waits. */
  | { readonly type: 'network' }
  /** By whomever the TUN or its addresses were changed, or a route through it or an unreachable one taken away; as `network`. */
  | { readonly type: 'tunChanged' }
  /** The TUN was deleted by someone else: links and records go on, packets of programs do not pass any more. */
  | { readonly type: 'tunLost' };

/** First bytes inside a link (DESIGN D3). */
export const RELOAD_DATA_FRAME = 0x80;
export const RELOAD_ACK_FRAME = 0x81;
/**
 * Link control: answered below with 0x21 and the same rest. Without a rest it is the data plane's own request for a sign of
 * life, and the answer does not come up.
 */
export const ECHO_REQUEST = 0x20;
export const ECHO_REPLY = 0x21;
/** Link control: the answer to a path MTU probe (0x22), which is made below; its identification follows. */
export const PROBE_REPLY = 0x23;
/** Link control: all candidates of the sender, or the word that they were taken (`src/link/candidate-list.ts`). */
export const LATE_CANDIDATES = 0x2a;

/** Of paths of a link (`addPath`): what is at least `direct` takes over from what is less at once. */
export const PATH_PREFERENCE = {
  stream: 16,
  relay: 32,
  unknown: 128,
  direct: 128,
  throughNat: 160,
  host: 192,
} as const;

/** RFC 8200 s5: the path MTU that every path has. Datagrams are counted with their IP headers. */
export const BASE_PATH_MTU = 1280;

export interface DataPlaneOptions {
  /** 0: any free port. */
  readonly port: number;
  /** null: overlay peer only, no privilege needed. */
  readonly tun: { readonly name: string; readonly mtu: number } | null;
  /** false: without connection IDs (RFC 9146), as towards a peer that has none. Default true. */
  readonly connectionIds?: boolean;
  /** A link gets new keys when either direction has had so many records (50 to the default, 2^24), or after six hours. */
  readonly rekeyAfterRecords?: number;
  /** What is absent has its default. */
  readonly limits?: Partial<DataPlaneLimits>;
  /** The DSCP of packets is copied to the datagrams that carry them. Default false: it tells the path what is carried. */
  readonly copyDscp?: boolean;
  /** The least silence on a resting link until a sign of life is asked for; up to a quarter more. Default 16,000. */
  readonly keepaliveMs?: number;
  /**
   * Interfaces by name. While a host has several that are up and have a default route, the local address of a path chooses
   * the one by which its datagrams leave. A forbidden one is none of these; preferred ones go before the others.
   */
  readonly uplinks?: { readonly forbid: readonly string[]; readonly prefer: readonly string[] };
  /**
   * TCP addresses where others' streams are accepted; descriptors of sockets that listen at some of them already, which stay open
   * as long as the process has them; what streams show in TLS: the name for SNI (null: none), ALPN, of those that are accepted a
   * certificate with its key in PEM (absent: one that is made now).
   */
  readonly streams?: {
    readonly listen: readonly SocketAddress[];
    readonly inherited?: readonly number[];
    readonly serverName: string | null;
    readonly alpn: readonly string[];
    readonly certificate?: { readonly certificates: string; readonly key: string };
    /** Clients of this host as a TURN server are accepted there too, over TCP and TLS; default false. */
    readonly servesTurn?: boolean;
  };
}

/**
 * How much memory strangers, programs and a busy event loop may fill: what goes beyond is dropped and counted, links stay.
 * Each bound holds for the whole data plane; bytes count packets and 64 bytes of bookkeeping each. At least 1, below 2^32.
 */
export interface DataPlaneLimits {
  /** Handshakes of unknown peers that proved their address; the oldest one gives way (`dropHalfOpen`). Default 256. */
  readonly halfOpenHandshakes: number;
  /** Packets of programs that wait for a link (`dropHeldOverflow`). Default 16 MiB; of one address at most 64 and 256 KiB. */
  readonly heldBytes: number;
  /** Packets of peers that are not authorized yet (`dropEarlyOverflow`). Default 4 MiB; of one link at most 64 and 256 KiB. */
  readonly earlyBytes: number;
  /** Datagrams and records from JavaScript that wait for the thread (`dropCommandsFull`). Default 4 MiB. */
  readonly queuedBytes: number;
  /** Datagrams and records that wait for JavaScript, a quarter of it for STUN (`dropEventsFull`). Default 4 MiB; what happens to links always gets through. */
  readonly eventBytes: number;
  /** How many records of them may be of one link, and how many STUN datagrams (`dropEventsFull`): its flood holds up no other. Default 64. */
  readonly linkEvents: number;
}

/** One address of one interface, as rtnetlink tells it. */
export interface InterfaceAddress {
  readonly interfaceName: string;
  readonly address: string;
  readonly prefixLength: number;
  /** Up and running, not tentative. */
  readonly usable: boolean;
  /** For what uses it already, and for nothing new (RFC 4862 s5.5.4). */
  readonly deprecated: boolean;
  readonly loopback: boolean;
  /** Of the interface, as `ip -details link` names it: `bridge`, `veth`, `tun`, ...; empty: hardware. */
  readonly kind: string;
  /** Of the ports of a bridge or bond. */
  readonly portKinds: readonly string[];
}

export interface InterfaceState {
  /** By whoever administers it. */
  readonly up: boolean;
  readonly mtu: number;
}

export interface Route {
  /** CIDR. */
  readonly destination: string;
  /** Absent: an `unreachable` route. */
  readonly interfaceName?: string;
  readonly metric: number;
  /** Absent: the main table. */
  readonly table?: number;
}

/** Packets of a source are looked up in a table of their own, before those of higher priority, the main table's 32766 among them. */
export interface Rule {
  /** CIDR. */
  readonly source: string;
  readonly table: number;
  readonly priority: number;
}

/** rtnetlink on the calling thread: each call is a few system calls. Errors: IdlocError with the errno's name as code. */
export interface Netlink {
  addresses(): InterfaceAddress[];
  /** Brings the interface up with this MTU and these addresses (CIDR; IPv6 without duplicate address detection). */
  configureInterface(
    name: string,
    options: {
      readonly mtu: number;
      /** In packets. */
      readonly txQueueLength: number;
      /** Packets that the kernel puts into one super-packet, at most. */
      readonly gsoMaxSegments: number;
      readonly addresses: readonly string[];
    },
  ): void;
  /** Undefined: there is none of this name. */
  interfaceState(name: string): InterfaceState | undefined;
  /** Adds or replaces. */
  setRoute(route: Route): void;
  /**
   * One through an interface is as the kernel makes it for the prefix of an address.
   * @returns false when there is one with this destination and metric; it stays as it is.
   */
  addRoute(route: Route): boolean;
  deleteRoute(route: Route): void;
  /** @returns false when there is one. */
  addRule(rule: Rule): boolean;
  /** One that is not there is no error. */
  deleteRule(rule: Rule): void;
  /** The source address the kernel would use towards `remote`, or undefined when there is no route. */
  sourceFor(remote: string): string | undefined;
}
