import type { Hit } from '../../../src/base/node-id.ts';
import { addressToHit, hitToAddress, isHitAddress } from '../../../src/base/node-id.ts';
import { isAllocationAddress } from '../../../src/base/allocation-address.ts';
import { concatBytes, fromHex, toHex } from '../../../src/base/bytes.ts';
import type { Random } from '../../../src/base/random.ts';
import { formatSocketAddress, sameSocketAddress } from '../../../src/base/socket-address.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { isStreamAddress, STREAM_LOCAL_ADDRESS } from '../../../src/base/stream-address.ts';
import type { DataPlane, DataPlaneEvent, LinkCounters, LinkId, PathReport } from '../../../src/native/data-plane.ts';
import { loadAddon } from '../../../src/native/addon.ts';
import type { PathRoute, PathSet } from '../../../src/native/addon.ts';
import { COUNTER_NAMES } from '../../../src/native/counters.ts';
import { ECHO_REPLY, ECHO_REQUEST, PATH_PREFERENCE, PROBE_REPLY } from '../../../src/native/data-plane.ts';
import type { Datagram } from './datagram.ts';
import type { EventLoop } from './event-loop.ts';
import type { SimHost } from './host.ts';
import {
  ALERT_BYTE,
  belongsTo,
  decodeHandshake,
  encodeCloseNotify,
  encodeHandshake,
  encodeRecord,
  keyIdOf,
  keyIdOfRecord,
  HANDSHAKE_BYTE,
  openRecord,
  RECORD_BYTE,
} from './sim-association.ts';
import type { Handshake, OpenedRecord, RecordKind } from './sim-association.ts';
import { SimStreams } from './sim-streams.ts';
import { SimTurn } from './sim-turn.ts';
import { sendByUplink } from './uplink-sockets.ts';

/** As in native/src/link/dtls_session.cc and data_plane.h. */
const FIRST_HANDSHAKE_TIMER_MS = 150;
const LAST_HELLO_TIMER_MS = 400;
const LAST_HANDSHAKE_TIMER_MS = 2_000;
const MAX_HANDSHAKE_TIMEOUTS = 12;
const HANDSHAKE_LIMIT_MS = 15_000;
const TAKE_OVER_MS = 5_000;
const HANDSHAKE_PATIENCE_MS = 1_000;
const MAX_HELD_PACKETS = 64;
/** Packets that arrive between the end of the handshake and `authorize`, or before the peer's IPv4 claim is known. */
const MAX_EARLY_PACKETS = 64;
const MAX_OVERTAKING = 64;
const EARLY_AUTHORIZE_MS = 10_000;
const EARLY_CLAIM_MS = 2_000;
const UNKNOWN_EVENT_INTERVAL_MS = 1_000;
/** 'd': native/src/udp/first_byte.h. */
const BENCODE_BYTE = 0x64;
/** ChannelData (RFC 8656 s12.4). */
const FIRST_CHANNEL_BYTE = 0x40;
const LAST_CHANNEL_BYTE = 0x4f;
const MAX_RECORD_BYTES = 1_120;
/** Of every path here. Only path MTU probes are ever that long. */
const PATH_MTU = 1_500;
const PROBE_REPLY_BYTES = 5;
const PROBE_ROUND_TRIP_MS = 1;
/** Link control, as in native/src/link/link_control.h. */
const ASLEEP = 0x26;
/** As in native/src/data_plane/resting.cc. */
const REST_INTERVAL_MS = 16_000;
const REST_SPREAD_MS = 4_000;
const SIGN_OF_LIFE_MS = 1_000;
const MAX_UNANSWERED = 3;
/** Link control, answered below JavaScript (native/src/link/link_control.h), and what a probe is as a datagram. */
const PATH_PROBE = 0x24;
const PATH_PROBE_ANSWER = 0x25;
const PATH_PROBE_BYTES = 60;
const REPLAY_WINDOW = 1_024;
/** As in native/src/data_plane/data_plane.h. */
const LEAVE_AT_ONCE = 10;
const LEAVE_INTERVAL_MS = 5;
/** As in native/src/link/link_control.h. */
const HOP_TO = 0x2b;
const HOP_FROM = 0x2c;
const HIT_BYTES = 16;

/** Overlay addresses of one host: inner sources of what it sends, inner destinations of what it is sent. */
interface Inner {
  readonly hit: Hit;
  readonly ipv4: string | null;
}

type Hello = Extract<Handshake, { type: 'hello' }>;

/** What a program sent, from one overlay address to another. */
interface Packet {
  readonly source: string;
  readonly destination: string;
  readonly payload: string;
}

interface SimLink {
  readonly id: LinkId;
  readonly role: 'client' | 'server';
  /** Begun by a stranger. */
  incoming: boolean;
  begunAt: number;
  /** When the server answered a client by more than a cookie. */
  answeredAt: number;
  /** When a ClientHello of whom it calls first gave way to its own. */
  refusedAt: number | undefined;
  connectedAt: number;
  state: 'idle' | 'handshaking' | 'connected' | 'closed';
  local: string | null;
  remote: SocketAddress | undefined;
  /** Members that may hand on what goes by it. */
  readonly relays: Set<string>;
  session: string;
  secret: string;
  /** The flight that is repeated until the next one comes. */
  flight: Handshake | undefined;
  peerCertificates: readonly string[];
  /** Whose packets may pass. */
  authorized: Inner | undefined;
  readonly bound: Set<string>;
  early: Packet[];
  /** Records of a peer that has finished the handshake; the end of it has not come here yet. */
  overtaking: Uint8Array[];
  /** When `early` is given up; its first packet decides. */
  earlyUntil: number;
  /** Whose records still come from the same remote, until this link is connected (RFC 6347 s4.2.8). */
  previous: SimLink | undefined;
  heardAt: number;
  /** The data plane's own code (native/src/link/path_set.h); of a connected link that has had an address. */
  paths: PathSet | undefined;
  /** When the paths are looked at next. */
  pathsAt: number;
  /** Of the records that leave, and the highest of those that came. */
  nextNumber: number;
  highestNumber: number;
  /** The newest packet's record. */
  newest: Uint8Array | undefined;
  /** Links of this host go by hops over the peer. */
  carriesHops: boolean;
  /** Of records that came lately: a copy is dropped. */
  readonly numbers: Set<number>;
  /** Counts rests and their ends: a timer of an earlier one does nothing. Odd: it rests. */
  rests: number;
  /** Signs of life that were asked for since one came. */
  unanswered: number;
  /** Nobody is asked while this end or the other one sleeps. */
  asleep: boolean;
  peerAsleep: boolean;
  counters: {
    rxBytes: bigint;
    txBytes: bigint;
    rxPackets: bigint;
    txPackets: bigint;
    handshakes: number;
    rekeys: number;
  };
}

/** A DataPlane on the simulated network: the same agent code runs over it. */
export class SimDataPlane implements DataPlane {
  readonly port: number;
  readonly turn: SimTurn;
  readonly streams: SimStreams;
  readonly counters = new BigUint64Array(COUNTER_NAMES.length);
  /** What came out of the TUN, oldest first. */
  readonly delivered: (Packet & { readonly from: Hit; readonly at: number })[] = [];
  /** Packets whose inner source was not the peer's, or whose inner destination was not ours. */
  readonly dropped: Packet[] = [];
  /** Destinations that programs were told are unreachable. */
  readonly unreachable: string[] = [];
  /** Datagrams handed on for others. */
  forwarded = 0;
  /** What a relay does to them: nothing, unless it is hostile. */
  onForward: (datagram: Uint8Array) => Uint8Array = (datagram) => datagram;
  private readonly loop: EventLoop;
  private readonly random: Random;
  private readonly host: SimHost;
  private readonly links = new Map<LinkId, SimLink>();
  private readonly byRemote = new Map<string, SimLink>();
  private readonly byKeyId = new Map<string, SimLink>();
  private readonly tunnels = new Map<string, { link: SimLink; hit: Hit }>();
  private readonly held = new Map<string, Packet[]>();
  private readonly unknownAt = new Map<string, number>();
  private readonly cookieSecret: string;
  private readonly cookieAskedAt = new Map<string, number>();
  private events: DataPlaneEvent[] = [];
  private wake: (() => void) | undefined;
  private certificates: readonly string[] = [];
  private nextLink = 1;
  private closed = false;
  private own: Inner | undefined;
  private relays = false;
  /** Whose paths are to be looked at since uplinks changed. */
  private leaving: SimLink[] = [];
  private readonly stopWatching: () => void;

  /** @param listen TCP addresses where streams are accepted. */
  constructor(
    components: { loop: EventLoop; random: Random; host: SimHost },
    port = 6084,
    listen: readonly SocketAddress[] = [],
  ) {
    this.loop = components.loop;
    this.random = components.random;
    this.host = components.host;
    this.port = port;
    this.cookieSecret = toHex(this.random.bytes(8));
    this.turn = new SimTurn({ loop: this.loop, host: this.host, port });
    const streamed = { address: STREAM_LOCAL_ADDRESS, port };
    this.streams = new SimStreams(
      {
        ...{ loop: this.loop, host: this.host },
        // native/src/data_plane/hops.cc: MayHop.
        deliver: (remote, data) => (data[0] ?? 255) <= RECORD_BYTE && this.take(streamed, remote, data),
        used: (remote, dialed) => this.usesStream(remote, dialed),
      },
      listen,
    );
    this.host.bind(port, (datagram) => this.receive(datagram));
    this.stopWatching = this.host.onAddressChange(() => {
      this.streams.networkChanged();
      this.uplinksChanged();
      this.emit({ type: 'network' });
    });
  }

  /** Links that are open. */
  get linkCount(): number {
    return this.links.size;
  }

  onWake(handler: () => void): void {
    this.wake = handler;
  }

  drain(max = Number.MAX_SAFE_INTEGER): DataPlaneEvent[] {
    const taken = this.events.splice(0, max);
    if (this.events.length > 0) this.loop.after(0, () => this.wake?.());
    return taken;
  }

  sendDatagram(local: SocketAddress | null, remote: SocketAddress, data: Uint8Array): void {
    if (this.closed) return;
    if (local !== null && isAllocationAddress(local.address)) {
      this.turn.send(local.address, remote, data);
      return;
    }
    if (isStreamAddress(remote.address)) {
      this.streams.send(remote, data);
      return;
    }
    if (local === null || !isHitAddress(local.address)) {
      sendByUplink(this.host, { local: local?.address ?? null, port: this.port }, remote, data);
      return;
    }
    const relay = this.neighbor(local.address);
    if (relay === undefined) return;
    this.stir(relay, 'traffic');
    relay.carriesHops = true;
    this.sendHop(relay, hop(HOP_TO, addressToHit(remote.address), data));
  }

  setCredentials(certificateChain: readonly Uint8Array[]): void {
    this.certificates = certificateChain.map(toHex);
  }

  openLink(role: 'client' | 'server'): LinkId {
    return this.addLink(role).id;
  }

  bindRemote(id: LinkId, remote: SocketAddress): void {
    const link = this.links.get(id);
    if (link === undefined || this.isDialedFrom(remote, link)) return;
    const before = this.byRemote.get(formatSocketAddress(remote));
    // As LinkTable::Bind: a handshake that is under way keeps the address.
    if (before === undefined || before === link || before.state !== 'handshaking') this.bind(link, remote);
    else if (link.state === 'connected') before.previous = link;
  }

  unbindRemote(id: LinkId, remote: SocketAddress): void {
    const key = formatSocketAddress(remote);
    if (this.byRemote.get(key)?.id !== id) return;
    this.byRemote.get(key)?.bound.delete(key);
    this.byRemote.delete(key);
  }

  setPath(
    id: LinkId,
    local: SocketAddress | null,
    remote: SocketAddress,
    preference: number = PATH_PREFERENCE.unknown,
  ): void {
    const link = this.links.get(id);
    if (link === undefined) return;
    if (this.isDialedFrom(remote, link)) {
      this.yield(link);
      return;
    }
    if (link.role === 'client' && link.state === 'idle') this.bind(link, remote);
    else this.bindRemote(id, remote);
    const moved =
      link.local !== (local?.address ?? null) ||
      link.remote?.address !== remote.address ||
      link.remote.port !== remote.port;
    if (link.rests % 2 === 1) link.rests += 1;
    if (link.paths === undefined) {
      link.local = local?.address ?? null;
      link.remote = remote;
    } else {
      link.paths.select({ local: local?.address ?? null, remote }, preference, this.loop.now);
      this.tendPaths(link);
    }
    if (link.state === 'connected') this.makePaths(link);
    if (moved && link.state === 'connected') this.emit({ type: 'newPath', link: id, remote });
    if (link.role === 'client' && link.state === 'idle') {
      link.session = toHex(this.random.bytes(8));
      this.startHandshake(link, { type: 'hello', session: link.session });
    }
  }

  addPath(id: LinkId, local: SocketAddress, remote: SocketAddress, preference: number, expected = false): void {
    const link = this.links.get(id);
    if (link?.paths === undefined) return;
    if (isHitAddress(local.address)) link.relays.add(local.address);
    // As DataPlane::Handle(AddPath): streams are for links.
    if (isStreamAddress(remote.address) && !this.byRemote.has(formatSocketAddress(remote))) this.bind(link, remote);
    link.paths.add({ local: local.address, remote }, preference, this.loop.now, expected);
    this.tendPaths(link);
  }

  clearPath(id: LinkId): void {
    const link = this.links.get(id);
    if (link?.state !== 'connected') return;
    if (link.rests % 2 === 1) link.rests += 1;
    link.remote = undefined;
    link.paths?.clear();
    this.tendPaths(link);
  }

  closeLink(id: LinkId): void {
    const link = this.links.get(id);
    if (link === undefined) return;
    if (link.state === 'connected' && link.remote !== undefined)
      this.sendDatagram(this.localOf(link), link.remote, encodeCloseNotify(link.secret));
    this.forget(link);
  }

  rest(id: LinkId, { asleep } = { asleep: false }): void {
    const link = this.links.get(id);
    if (link?.state !== 'connected') return;
    link.rests += link.rests % 2 === 0 ? 1 : 2;
    link.heardAt = this.loop.now;
    link.unanswered = 0;
    link.asleep = asleep;
    if (asleep) {
      this.sendOn(link, 'record', Uint8Array.of(ASLEEP));
      link.paths?.ask(this.loop.now);
      this.tendPaths(link);
    }
    this.watch(link, this.loop.now + this.restInterval(link));
  }

  authorize(id: LinkId, hit: Hit, ipv4: string | null): void {
    const link = this.links.get(id);
    if (link === undefined) return;
    this.removeTunnels(link);
    link.authorized = { hit, ipv4 };
    const early = link.early.splice(0);
    if (this.loop.now < link.earlyUntil) {
      link.earlyUntil = Math.min(link.earlyUntil, this.loop.now + EARLY_CLAIM_MS);
      for (const packet of early) {
        if (mayJudge(link.authorized, packet)) this.deliver(link, link.authorized, packet);
        else link.early.push(packet);
      }
    }
    for (const address of [hitToAddress(hit), ...(ipv4 === null ? [] : [ipv4])]) {
      this.tunnels.set(address, { link, hit });
      const packets = this.held.get(address) ?? [];
      this.held.delete(address);
      for (const packet of packets) this.sendPacketOn(link, packet);
    }
  }

  refuse(address: string): void {
    const packets = this.held.get(address) ?? [];
    this.held.delete(address);
    for (let i = 0; i < packets.length; i++) this.unreachable.push(address);
  }

  /** Not called where only links matter: then inner addresses are those of the tunnel, whatever they are. */
  setLocalAddresses(hit: Hit, ipv4: string | null): void {
    this.own = { hit, ipv4 };
  }

  sendRecord(id: LinkId, data: Uint8Array): void {
    if (data.length > MAX_RECORD_BYTES) throw new Error(`a record of ${data.length} bytes`);
    const link = this.links.get(id);
    if (link !== undefined) this.sendOn(link, 'record', data);
  }

  /** Packets here have no sizes. */
  setPathMtu(): void {}

  dialStream(remote: SocketAddress): void {
    this.streams.dial(remote);
  }

  /** There are no TURN servers that are dialed. */
  dialTurnServer(): void {}

  hangUpTurnServer(): void {}
  showStreamCertificate(): void {}

  setTurnChannel(...channel: Parameters<DataPlane['setTurnChannel']>): void {
    this.turn.setChannel(...channel);
  }

  removeTurnChannel(allocation: string, peer: SocketAddress): void {
    this.turn.removeChannel(allocation, peer);
    const usable = ({ local, remote }: PathRoute): boolean => local !== allocation || !sameSocketAddress(remote, peer);
    for (const link of this.links.values()) {
      link.paths?.lose(usable, () => true, this.loop.now);
      this.tendPaths(link);
    }
  }

  /** Datagrams here have no price. */
  setTurnQuota(): void {}

  openTurnAllocation(...allocation: Parameters<DataPlane['openTurnAllocation']>): boolean {
    return this.turn.open(...allocation);
  }

  closeTurnAllocation(id: number): void {
    this.turn.close(id);
  }

  permitTurnPeer(...permission: Parameters<DataPlane['permitTurnPeer']>): void {
    this.turn.permit(...permission);
  }

  setRelay(bytesPerSecond: number): void {
    this.relays = bytesPerSecond > 0;
  }

  sendProbe(id: LinkId, bytes: number, probe: number): void {
    if (bytes > PATH_MTU) return;
    // Not over the network: path MTU discovery has its own tests, and shall not use up the losses of others.
    this.loop.after(PROBE_ROUND_TRIP_MS, () => {
      if (this.links.get(id)?.state !== 'connected') return;
      const data = Buffer.alloc(PROBE_REPLY_BYTES);
      data.writeUInt8(PROBE_REPLY, 0);
      data.writeUInt32BE(probe, 1);
      this.emit({ type: 'record', link: id, data, at: this.loop.now });
    });
  }

  linkCounters(id: LinkId): LinkCounters | undefined {
    return this.links.get(id)?.counters;
  }

  /** The one in use alone. */
  paths(): Promise<readonly PathReport[]> {
    const reports = [...this.links].flatMap(([link, { paths }]): PathReport[] => {
      if (paths?.active === undefined) return [];
      const { local, remote } = paths.active;
      const from = local === null ? null : { address: local, port: this.port };
      return [{ link, local: from, remote, state: 'valid', active: true, rttMs: null, loss: 0 }];
    });
    return Promise.resolve(reports);
  }

  /** As `kill -9`: nothing more leaves. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.host.unbind(this.port);
    this.streams.close();
    this.stopWatching();
  }

  /** A program writes a packet to an overlay address. Without a source address of that family the kernel refuses it. */
  sendPacket(address: string, payload: string): void {
    const source = this.own === undefined ? '' : addressOf(this.own, address.includes(':'));
    if (source === null) {
      this.unreachable.push(address);
      return;
    }
    const packet = { source, destination: address, payload };
    const tunnel = this.tunnels.get(address);
    if (tunnel !== undefined) {
      this.sendPacketOn(tunnel.link, packet);
      return;
    }
    const held = this.held.get(address);
    if (held === undefined) {
      this.held.set(address, [packet]);
      this.emit({ type: 'miss', address });
    } else if (held.length < MAX_HELD_PACKETS) held.push(packet);
  }

  private restInterval(link: SimLink): number {
    return REST_INTERVAL_MS + ((link.id * 7_919 + this.loop.now) % REST_SPREAD_MS);
  }

  private watch(link: SimLink, at: number): void {
    const rest = link.rests;
    this.loop.after(at - this.loop.now, () => {
      if (link.rests !== rest || this.links.get(link.id) !== link || this.closed) return;
      if (link.asleep || link.peerAsleep) return;
      const due = link.heardAt + this.restInterval(link);
      if (link.unanswered === 0 && due > this.loop.now + REST_SPREAD_MS) this.watch(link, due);
      else if (link.unanswered === MAX_UNANSWERED) this.stir(link, 'silence');
      else {
        link.unanswered += 1;
        this.sendOn(link, 'record', Uint8Array.of(ECHO_REQUEST));
        this.watch(link, this.loop.now + SIGN_OF_LIFE_MS);
      }
    });
  }

  private stir(link: SimLink, cause: 'traffic' | 'silence'): void {
    if (link.rests % 2 === 0) return;
    link.rests += 1;
    if (link.asleep || link.peerAsleep) link.heardAt = this.loop.now;
    link.asleep = link.peerAsleep = false;
    if (cause === 'silence') link.paths?.doubt(this.loop.now);
    this.tendPaths(link);
    this.emit({ type: 'stirred', link: link.id, cause, heardAt: link.heardAt });
  }

  private receive(datagram: Datagram): void {
    this.take(datagram.destination, datagram.source, datagram.data);
  }

  /** As in native/src/data_plane/hops.cc. */
  private neighbor(address: string): SimLink | undefined {
    const link = this.tunnels.get(address)?.link;
    const direct = link?.state === 'connected' && link.remote !== undefined && !isHitAddress(link.remote.address);
    return direct ? link : undefined;
  }

  private handleHop(link: SimLink, local: string, record: Uint8Array): void {
    if (link.authorized === undefined || isHitAddress(local) || record.length <= 1 + HIT_BYTES) return;
    const other = hitToAddress(toHex(record.subarray(1, 1 + HIT_BYTES)));
    const datagram = record.subarray(1 + HIT_BYTES);
    const { hit } = link.authorized;
    if (record[0] === HOP_FROM) {
      const relay = { address: hitToAddress(hit), port: this.port };
      if (isHitAddress(other)) this.take(relay, { address: other, port: 0 }, datagram);
      return;
    }
    const to = this.relays ? this.neighbor(other) : undefined;
    if (to !== undefined && to !== link) {
      this.forwarded += 1;
      this.sendHop(to, hop(HOP_FROM, hit, this.onForward(datagram)));
    }
  }

  private take(local: SocketAddress, remote: SocketAddress, data: Uint8Array): void {
    const first = data[0] ?? 255;
    if (first < 4) this.emit({ type: 'stun', local, remote, data, at: this.loop.now });
    else if (first === HANDSHAKE_BYTE) this.receiveHandshake(local, remote, decodeHandshake(data));
    else if (first === RECORD_BYTE) this.receiveRecord(local, remote, data);
    else if (first === ALERT_BYTE) this.receiveAlert(remote, data);
    else if (first >= FIRST_CHANNEL_BYTE && first <= LAST_CHANNEL_BYTE) {
      const inside = this.turn.take(local, remote, data);
      if (inside !== undefined) this.take(inside.local, inside.remote, inside.data);
    } else if (first === BENCODE_BYTE) this.emit({ type: 'foreign', local, remote, data });
  }

  private receiveHandshake(local: SocketAddress, remote: SocketAddress, message: Handshake): void {
    const link = this.byRemote.get(formatSocketAddress(remote));
    switch (message.type) {
      case 'hello':
        this.receiveAnyHello(link, local, remote, message);
        return;
      case 'verify':
        if (link?.session === message.session && link.flight?.type === 'hello' && link.flight.cookie === undefined)
          this.sendFlight(link, { ...link.flight, cookie: message.cookie });
        return;
      case 'server':
        if (link?.role !== 'client' || link.session !== message.session) return;
        if (link.flight?.type === 'hello') link.answeredAt = this.loop.now;
        link.secret = message.secret;
        link.peerCertificates = message.certificates;
        this.sendFlight(link, {
          type: 'client',
          session: link.session,
          secret: link.secret,
          certificates: this.certificates,
        });
        return;
      case 'client':
        if (link?.role !== 'server' || link.secret !== message.secret || link.session !== message.session) return;
        this.send(link, { type: 'finished', session: link.session, secret: link.secret });
        this.finish(link, message.certificates);
        return;
      case 'finished':
        if (link?.role === 'client' && link.secret === message.secret) this.finish(link, link.peerCertificates);
    }
  }

  /** As DataPlane::HandleClientHello. */
  private receiveAnyHello(link: SimLink | undefined, local: SocketAddress, remote: SocketAddress, hello: Hello): void {
    const server = link?.role === 'server';
    if (server && (link.state === 'idle' || link.session === hello.session))
      this.receiveHello(link, local, remote, hello.session);
    else if (server || link?.state !== 'handshaking') this.receiveStrangersHello(local, remote, hello, link);
    else if (this.yields(link, hello, formatSocketAddress(remote)))
      this.receiveStrangersHello(local, remote, hello, link, link);
  }

  /** RFC 6347 s4.2.8: a peer that has restarted proves its address; only then it counts. */
  private receiveStrangersHello(
    local: SocketAddress,
    remote: SocketAddress,
    hello: Hello,
    before: SimLink | undefined,
    yielding?: SimLink,
  ): void {
    const cookie = `${this.cookieSecret}|${formatSocketAddress(remote)}|${hello.session}`;
    if (hello.cookie !== cookie) {
      this.cookieAskedAt.set(formatSocketAddress(remote), this.loop.now);
      this.sendDatagram(local, remote, encodeHandshake({ type: 'verify', session: hello.session, cookie }));
      return;
    }
    const link = this.addLink('server');
    link.previous = before?.state === 'connected' ? before : before?.previous;
    link.incoming = true;
    this.bind(link, remote);
    this.emit({ type: 'incoming', link: link.id, local, remote });
    this.receiveHello(link, local, remote, hello.session);
    if (yielding === undefined) return;
    this.yield(yielding);
  }

  /** As DataPlane::Yields. */
  private yields(link: SimLink, hello: Hello, key: string): boolean {
    const { now } = this.loop;
    if (link.flight?.type !== 'hello') {
      if (hello.cookie === undefined || (this.cookieAskedAt.get(key) ?? 0) >= link.answeredAt) return true;
    } else if (link.session < hello.session) return true;
    link.refusedAt ??= now;
    return now - link.refusedAt > HANDSHAKE_PATIENCE_MS;
  }

  private yield(link: SimLink): void {
    this.forget(link);
    this.emit({ type: 'closed', link: link.id, reason: "the peer's own handshake goes on instead" });
  }

  private bind(link: SimLink, remote: SocketAddress): void {
    const key = formatSocketAddress(remote);
    const before = this.byRemote.get(key);
    before?.bound.delete(key);
    // Records bear connection IDs (RFC 9146): those of the association before go on until this one is up. It also gets the
    // address back when this one ends.
    if (before?.state === 'connected' && before !== link) link.previous = before;
    this.byRemote.set(key, link);
    link.bound.add(key);
  }

  /** As DataPlane::BindTo: the peer's handshake is under way there, and this client has not begun. */
  private isDialedFrom(remote: SocketAddress, client: SimLink): boolean {
    const early = this.byRemote.get(formatSocketAddress(remote));
    if (client.role !== 'client' || client.state !== 'idle') return false;
    if (early?.incoming !== true || early.authorized !== undefined) return false;
    const { now } = this.loop;
    return early.state === 'connected'
      ? now - early.connectedAt <= TAKE_OVER_MS
      : now - early.begunAt <= HANDSHAKE_PATIENCE_MS;
  }

  private receiveHello(link: SimLink, local: SocketAddress, remote: SocketAddress, session: string): void {
    if (link.state === 'connected') return;
    link.local = local.address;
    link.remote = remote;
    if (link.session !== session) {
      // Also when a handshake is under way: a client that begins anew has given that one up.
      link.session = session;
      link.secret = toHex(this.random.bytes(32));
      this.startHandshake(link, {
        type: 'server',
        session,
        secret: link.secret,
        certificates: this.certificates,
      });
    } else if (link.flight !== undefined) this.send(link, link.flight);
  }

  private receiveRecord(local: SocketAddress, remote: SocketAddress, data: Uint8Array): void {
    const key = formatSocketAddress(remote);
    const binder = this.byRemote.get(key);
    const bound = binder?.state === 'connected' ? binder : (binder?.previous ?? binder);
    const link = this.byKeyId.get(keyIdOfRecord(data)) ?? bound;
    if (link === undefined) {
      const last = this.unknownAt.get(key);
      if (last !== undefined && this.loop.now - last < UNKNOWN_EVENT_INTERVAL_MS) return;
      this.unknownAt.set(key, this.loop.now);
      this.emit({ type: 'unknown', local, remote });
      return;
    }
    const known = link.state === 'connected' || (link.state === 'handshaking' && link.secret !== '');
    const opened = known ? openRecord(link.secret, link.role, data) : undefined;
    if (opened === undefined) return;
    if (link.state === 'handshaking') {
      if (link.overtaking.length < MAX_OVERTAKING) link.overtaking.push(data);
    } else this.handleRecord(link, opened, data.length, { local: local.address, remote });
  }

  private handleRecord(link: SimLink, opened: OpenedRecord, bytes: number, path: PathRoute): void {
    if (link.numbers.has(opened.number)) return;
    link.numbers.add(opened.number);
    for (const oldest of link.numbers) {
      if (link.numbers.size <= REPLAY_WINDOW) break;
      link.numbers.delete(oldest);
    }
    link.counters.rxBytes += BigInt(bytes);
    link.heardAt = this.loop.now;
    link.unanswered = 0;
    this.noteHeard(link, opened, bytes, path);
    if (this.takePathRecord(link, opened, path)) return;
    if (opened.kind === 'packet') {
      const packet = JSON.parse(Buffer.from(opened.payload).toString()) as Packet;
      if (mayJudge(link.authorized, packet)) this.deliver(link, link.authorized, packet);
      else this.holdEarly(link, packet);
      return;
    }
    if (opened.payload[0] === HOP_TO || opened.payload[0] === HOP_FROM) {
      this.handleHop(link, path.local ?? '', opened.payload);
      return;
    }
    if (opened.payload[0] === ECHO_REQUEST) {
      const reply = opened.payload.slice();
      reply[0] = ECHO_REPLY;
      this.sendOn(link, 'record', reply);
      if (link.asleep && reply.length === 1) this.sendOn(link, 'record', Uint8Array.of(ASLEEP));
    } else if (opened.payload[0] === ASLEEP) link.peerAsleep = true;
    else if (opened.payload[0] !== ECHO_REPLY || opened.payload.length > 1)
      this.emit({ type: 'record', link: link.id, data: opened.payload, at: this.loop.now });
  }

  private holdEarly(link: SimLink, packet: Packet): void {
    if (this.loop.now >= link.earlyUntil) link.early = [];
    if (link.early.length === 0)
      link.earlyUntil = this.loop.now + (link.authorized === undefined ? EARLY_AUTHORIZE_MS : EARLY_CLAIM_MS);
    if (link.early.length < MAX_EARLY_PACKETS) link.early.push(packet);
  }

  private deliver(link: SimLink, peer: Inner, packet: Packet): void {
    const v6 = packet.destination.includes(':');
    const pass = packet.source === '' || packet.source === addressOf(peer, v6);
    if (!pass || (this.own !== undefined && packet.destination !== addressOf(this.own, v6))) {
      this.dropped.push(packet);
      return;
    }
    link.counters.rxPackets += 1n;
    link.peerAsleep = false;
    this.stir(link, 'traffic');
    this.delivered.push({ ...packet, from: peer.hit, at: this.loop.now });
  }

  private receiveAlert(remote: SocketAddress, data: Uint8Array): void {
    const binder = this.byRemote.get(formatSocketAddress(remote));
    const link = [binder, binder?.previous].find(
      (candidate) => candidate !== undefined && candidate.secret !== '' && belongsTo(candidate.secret, data),
    );
    if (link === undefined) return;
    this.forget(link);
    this.emit({ type: 'closed', link: link.id, reason: 'closed by the peer' });
  }

  private addLink(role: 'client' | 'server'): SimLink {
    const link: SimLink = {
      id: this.nextLink++,
      role,
      incoming: false,
      begunAt: 0,
      answeredAt: 0,
      refusedAt: undefined,
      connectedAt: 0,
      state: 'idle',
      local: null,
      remote: undefined,
      session: '',
      secret: '',
      flight: undefined,
      peerCertificates: [],
      authorized: undefined,
      bound: new Set(),
      early: [],
      overtaking: [],
      earlyUntil: 0,
      previous: undefined,
      heardAt: 0,
      paths: undefined,
      pathsAt: Infinity,
      relays: new Set(),
      nextNumber: 1,
      highestNumber: 0,
      newest: undefined,
      carriesHops: false,
      numbers: new Set(),
      rests: 0,
      unanswered: 0,
      asleep: false,
      peerAsleep: false,
      counters: { rxBytes: 0n, txBytes: 0n, rxPackets: 0n, txPackets: 0n, handshakes: 0, rekeys: 0 },
    };
    this.links.set(link.id, link);
    return link;
  }

  private startHandshake(link: SimLink, first: Handshake): void {
    const fresh = link.state === 'idle';
    link.state = 'handshaking';
    this.sendFlight(link, first);
    if (!fresh) return;
    link.begunAt = this.loop.now;
    this.repeat(link, { interval: FIRST_HANDSHAKE_TIMER_MS, count: 1, end: this.loop.now + HANDSHAKE_LIMIT_MS });
  }

  private sendFlight(link: SimLink, flight: Handshake): void {
    link.flight = flight;
    this.send(link, flight);
  }

  private repeat(link: SimLink, { interval, count, end }: { interval: number; count: number; end: number }): void {
    this.loop.after(interval, () => {
      if (link.state !== 'handshaking' || this.closed) return;
      if (this.loop.now >= end || count > MAX_HANDSHAKE_TIMEOUTS) {
        this.forget(link);
        this.emit({ type: 'closed', link: link.id, reason: 'the handshake timed out' });
        return;
      }
      if (link.flight !== undefined) this.send(link, link.flight);
      const longest = link.flight?.type === 'hello' ? LAST_HELLO_TIMER_MS : LAST_HANDSHAKE_TIMER_MS;
      this.repeat(link, { interval: Math.min(interval * 2, longest), count: count + 1, end });
    });
  }

  private send(link: SimLink, message: Handshake): void {
    if (link.remote !== undefined) this.sendDatagram(this.localOf(link), link.remote, encodeHandshake(message));
  }

  private finish(link: SimLink, certificates: readonly string[]): void {
    if (link.state === 'connected') return;
    link.state = 'connected';
    link.connectedAt = this.loop.now;
    link.previous = undefined;
    link.flight = undefined;
    link.counters.handshakes += 1;
    this.byKeyId.set(keyIdOf(link.secret), link);
    const chain = certificates.map(fromHex);
    this.emit({ type: 'connected', link: link.id, certificates: chain, exporter: fromHex(link.secret) });
    if (link.remote !== undefined) this.emit({ type: 'newPath', link: link.id, remote: link.remote });
    this.makePaths(link);
    for (const data of link.overtaking.splice(0)) {
      const opened = openRecord(link.secret, link.role, data);
      if (opened !== undefined && link.remote !== undefined)
        this.handleRecord(link, opened, data.length, { local: link.local, remote: link.remote });
    }
  }

  private sendOn(link: SimLink, kind: RecordKind, data: Uint8Array): void {
    if (link.state !== 'connected' || link.remote === undefined) return;
    link.counters.txBytes += BigInt(data.length);
    if (kind === 'packet') link.counters.txPackets += 1n;
    this.sendDatagram(this.localOf(link), link.remote, this.seal(link, kind, link.nextNumber++, data));
  }

  private seal({ secret, role }: SimLink, kind: RecordKind, number: number, data: Uint8Array): Uint8Array {
    return encodeRecord(secret, { kind, from: role, number }, data);
  }

  /** As DataPlane::CommitHop: all that goes by hops here is urgent, and costs nothing. */
  private sendHop(relay: SimLink, data: Uint8Array): void {
    const copy = this.seal(relay, 'record', relay.nextNumber, data);
    const spare = relay.paths?.spareFor(copy.length);
    this.sendOn(relay, 'record', data);
    if (spare === undefined || isHitAddress(spare.remote.address)) return;
    this.sendBy(spare, copy);
    relay.paths?.sentTwice(copy.length);
  }

  private sendPacketOn(link: SimLink, packet: Packet): void {
    this.stir(link, 'traffic');
    const data = Buffer.from(JSON.stringify(packet));
    const copy = this.seal(link, 'packet', link.nextNumber, data);
    if (link.state === 'connected' && link.remote !== undefined) link.newest = copy;
    const spare = link.paths?.spareFor(copy.length);
    if (spare !== undefined && link.state === 'connected') {
      this.sendBy(spare, copy);
      link.paths?.sentTwice(copy.length);
    }
    this.sendOn(link, 'packet', data);
    link.paths?.sent(1, true, this.loop.now);
    this.tendPaths(link);
  }

  // Paths, as in native/src/data_plane/paths.cc and uplinks.cc.

  private makePaths(link: SimLink): void {
    if (link.paths !== undefined || link.remote === undefined) return;
    link.paths = new (loadAddon().PathSet)(link.role === 'server', PATH_PROBE_BYTES);
    link.paths.setRanks(this.host.uplinkAddresses);
    link.paths.select({ local: link.local, remote: link.remote }, PATH_PREFERENCE.unknown, this.loop.now);
    this.tendPaths(link);
  }

  private sendBy({ local, remote }: PathRoute, data: Uint8Array): void {
    this.sendDatagram(local === null ? null : { address: local, port: this.port }, remote, data);
  }

  private noteHeard(link: SimLink, { kind, number, payload }: OpenedRecord, bytes: number, path: PathRoute): void {
    const newest = number > link.highestNumber;
    link.highestNumber = Math.max(link.highestNumber, number);
    if (link.paths === undefined) return;
    const isProbe = kind === 'record' && (payload[0] === PATH_PROBE || payload[0] === PATH_PROBE_ANSWER);
    const known = this.byRemote.get(formatSocketAddress(path.remote)) === link;
    link.paths.heard(path, bytes, newest && !isProbe, !known, this.loop.now);
    this.tendPaths(link);
  }

  private takePathRecord(link: SimLink, { kind, payload }: OpenedRecord, path: PathRoute): boolean {
    if (kind !== 'record' || (payload[0] !== PATH_PROBE && payload[0] !== PATH_PROBE_ANSWER)) return false;
    if (link.paths === undefined) return true;
    if (payload[0] === PATH_PROBE_ANSWER) link.paths.answered(path, payload, this.loop.now);
    else {
      const answer = link.paths.probed(path, payload, this.loop.now);
      this.sendBy(path, this.seal(link, 'record', link.nextNumber++, answer));
    }
    this.tendPaths(link);
    return true;
  }

  private tendPaths(link: SimLink): void {
    const { paths } = link;
    if (paths === undefined) return;
    for (let out = paths.poll(); out !== undefined; out = paths.poll()) {
      this.sendBy(out.path, this.seal(link, 'record', link.nextNumber++, out.record));
      const { local } = out.path;
      if (local !== null && isHitAddress(local) && paths.inDoubt) this.askRelay(local);
    }
    const { active } = paths;
    link.local = active?.local ?? null;
    const same = link.remote !== undefined && active !== undefined && sameSocketAddress(link.remote, active.remote);
    if (!same) link.remote = active?.remote;
    if (active !== undefined && !this.byRemote.has(formatSocketAddress(active.remote))) this.bind(link, active.remote);
    const cause = paths.takeSwitched();
    if (cause !== undefined && active !== undefined) {
      this.emit({ type: 'newPath', link: link.id, remote: active.remote });
      const local = { address: active.local ?? '::', port: this.port };
      this.emit({ type: 'moved', link: link.id, local, remote: active.remote, cause });
    }
    if (paths.takeUnheard()) this.emit({ type: 'unheard', link: link.id });
    if (paths.takeNoPath()) this.emit({ type: 'noPath', link: link.id });
    const { newest } = link;
    if (newest !== undefined) {
      const next = (): PathRoute | undefined => paths.takeAgain(newest.length, this.loop.now);
      for (let by = next(); by !== undefined; by = next()) this.sendBy(by, newest);
    }
    if (paths.takeOpened() && link.carriesHops) this.askHopsAgain(link);
    this.armPaths(link, paths);
  }

  private askRelay(address: string): void {
    const relay = this.neighbor(address);
    if (relay?.paths?.askUnheard(this.loop.now) === true) this.tendPaths(relay);
  }

  private askHopsAgain({ authorized }: SimLink): void {
    if (authorized === undefined) return;
    const relay = hitToAddress(authorized.hit);
    for (const other of this.links.values())
      if (other.paths?.askHopsAgain(relay, this.loop.now) === true) this.tendPaths(other);
  }

  private armPaths(link: SimLink, paths: PathSet): void {
    const at = paths.nextTimeout;
    if (at >= link.pathsAt) return;
    link.pathsAt = at;
    this.loop.after(Math.max(0, at - this.loop.now), () => {
      if (link.pathsAt !== at || this.links.get(link.id) !== link || this.closed) return;
      link.pathsAt = Infinity;
      if (paths.nextTimeout <= this.loop.now) paths.handleTimeout(this.loop.now);
      this.tendPaths(link);
    });
  }

  private uplinksChanged(): void {
    const busy = (link: SimLink): [number, number] => [
      link.paths?.urgentAt ?? -Infinity,
      link.paths?.sentAt ?? -Infinity,
    ];
    const byUse = [...this.links.values()].map((link) => ({ link, busy: busy(link) }));
    byUse.sort((a, b) => later(a.busy[0], b.busy[0]) || later(a.busy[1], b.busy[1]));
    this.leaving = byUse.map(({ link }) => link);
    this.leaveLostPaths();
  }

  private leaveLostPaths(): void {
    const present = ({ local }: PathRoute): boolean => local !== null && this.host.deviceOf(local) !== undefined;
    const usable = ({ local, remote }: PathRoute): boolean => {
      if (local === null || isHitAddress(local) || isAllocationAddress(local)) return true;
      if (isStreamAddress(remote.address)) return true;
      if (!present({ local, remote })) return false;
      return this.host.reaches(local, remote.address) || this.host.uplinks.length === 0;
    };
    for (const link of this.leaving.splice(0, LEAVE_AT_ONCE)) {
      if (this.links.get(link.id) !== link) continue;
      // What a member hands on leaves by the path to that member.
      const relays = [...link.relays].flatMap((address) => this.neighbor(address) ?? []);
      for (const looked of [...relays, link]) {
        looked.paths?.setRanks(this.host.uplinkAddresses);
        looked.paths?.lose(usable, present, this.loop.now);
        this.tendPaths(looked);
      }
    }
    const { leaving } = this;
    if (leaving.length === 0) return;
    this.loop.after(LEAVE_INTERVAL_MS, () => {
      if (this.leaving === leaving && !this.closed) this.leaveLostPaths();
    });
  }

  /** As DataPlane::TendStreams. */
  private usesStream(remote: SocketAddress, dialed: boolean): boolean {
    const link = this.byRemote.get(formatSocketAddress(remote));
    if (link === undefined || !dialed) return link?.state === 'connected';
    const isSpare = link.paths?.knows({ local: STREAM_LOCAL_ADDRESS, remote }) === true;
    return isSpare || (link.remote !== undefined && sameSocketAddress(link.remote, remote));
  }

  private localOf(link: SimLink): SocketAddress | null {
    return link.local === null ? null : { address: link.local, port: this.port };
  }

  private forget(link: SimLink): void {
    link.state = 'closed';
    if (this.byKeyId.get(keyIdOf(link.secret)) === link) this.byKeyId.delete(keyIdOf(link.secret));
    this.links.delete(link.id);
    for (const key of link.bound) {
      this.byRemote.delete(key);
      // A handshake that came to nothing leaves the address to whom it belonged.
      if (link.previous?.state === 'connected') {
        this.byRemote.set(key, link.previous);
        link.previous.bound.add(key);
      }
    }
    this.removeTunnels(link);
  }

  private removeTunnels(link: SimLink): void {
    for (const [address, tunnel] of this.tunnels) if (tunnel.link === link) this.tunnels.delete(address);
  }

  private emit(event: DataPlaneEvent): void {
    if (this.closed) return;
    this.events.push(event);
    if (this.events.length === 1) this.loop.after(0, () => this.wake?.());
  }
}

/** What is later comes first. */
function later(a: number, b: number): number {
  return a === b ? 0 : b > a ? 1 : -1;
}

function hop(kind: number, other: Hit, datagram: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(kind), fromHex(other), datagram);
}

/** Whether it is known who may send this packet. */
function mayJudge(peer: Inner | undefined, packet: Packet): peer is Inner {
  return peer !== undefined && (packet.source === '' || addressOf(peer, packet.destination.includes(':')) !== null);
}

function addressOf({ hit, ipv4 }: Inner, v6: boolean): string | null {
  return v6 ? hitToAddress(hit) : ipv4;
}
