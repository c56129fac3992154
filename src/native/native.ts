import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Hit } from '../base/node-id.ts';
import { hitToAddress } from '../base/node-id.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { NativeDataPlane } from './addon.ts';
import { callAddon, loadAddon } from './addon.ts';
import { PATH_PREFERENCE } from './data-plane.ts';
import type { DataPlane, DataPlaneEvent, DataPlaneOptions, LinkCounters, LinkId, PathReport } from './data-plane.ts';

const DEFAULT_DRAIN = 256;
/** Each takes some microseconds. */
const PATHS_PER_TURN = 256;
const MIN_TUN_MTU = 1280; // RFC 8200 s5: the least an IPv6 link may have
const MAX_TUN_MTU = 16_000; // a DTLS record holds 2^14 bytes
/** A record from JavaScript fits every path without fragments. */
const MAX_RECORD_BYTES = 1120;
const MAX_DATAGRAM_BYTES = 65_507;
/** A change of keys takes some records itself; RFC 8446 s5.5: 2^24.5 full-size records under one key. */
const MIN_REKEY_RECORDS = 50;
const MAX_REKEY_RECORDS = 2 ** 24;
const MAX_LIMIT = 0xffff_ffff;

/** What protects records on this machine: `openssl` or `ipsec-mb` (native/src/link/aead.h). */
export function aeadName(): string {
  return loadAddon().aead;
}

/**
 * Starts the data-plane thread. The event loop stays alive until `close`.
 * @throws {IdlocError} `port_in_use`, `EADDRINUSE`, `EACCES` (of a stream's port), `bad_stream`, `no_privilege`, `no_tun`, `tun_busy`, `bad_tun_name`, `bad_mtu`, `no_addon`;
 * nothing is left open then.
 */
export function createDataPlane(options: DataPlaneOptions): DataPlane {
  const { port, tun } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new RangeError(`not a UDP port: ${port}`);
  if (tun !== null && !(Number.isInteger(tun.mtu) && tun.mtu >= MIN_TUN_MTU && tun.mtu <= MAX_TUN_MTU))
    throw new RangeError(`the MTU of the TUN is ${MIN_TUN_MTU} to ${MAX_TUN_MTU} bytes, not ${tun.mtu}`);
  for (const [name, limit] of Object.entries(options.limits ?? {}))
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
      throw new RangeError(`the limit ${name} is a whole number from 1 to ${MAX_LIMIT}, not ${limit}`);
  const { rekeyAfterRecords: records = MAX_REKEY_RECORDS } = options;
  if (!Number.isInteger(records) || records < MIN_REKEY_RECORDS || records > MAX_REKEY_RECORDS)
    throw new RangeError(`new keys come after ${MIN_REKEY_RECORDS} to ${MAX_REKEY_RECORDS} records, not ${records}`);
  return new NativePlane(options);
}

class NativePlane implements DataPlane {
  readonly port: number;
  readonly counters: BigUint64Array;
  private readonly native: NativeDataPlane;
  /** From CLOCK_MONOTONIC to the clock of `performance.now()`, which base/clock.ts gives to everyone else. */
  private readonly clockOffset: number;
  private handler: (() => void) | undefined;
  private turn: NodeJS.Immediate | undefined;
  private wokenEarly = false;
  private closed = false;
  private readonly pathsWanted: ((reports: readonly PathReport[]) => void)[] = [];
  private toldPaths: Promise<void> = Promise.resolve();

  constructor(options: DataPlaneOptions) {
    const {
      port,
      tun,
      limits = {},
      connectionIds,
      copyDscp,
      rekeyAfterRecords,
      keepaliveMs,
      uplinks,
      streams,
    } = options;
    const addon = loadAddon();
    this.clockOffset = performance.now() - addon.monotonic();
    const wake = (): void => this.wake();
    this.native = callAddon(
      () =>
        new addon.DataPlane(
          port,
          tun?.name ?? null,
          tun?.mtu ?? 0,
          wake,
          limits,
          connectionIds,
          copyDscp,
          rekeyAfterRecords,
          keepaliveMs,
          uplinks?.forbid ?? [],
          uplinks?.prefer ?? [],
          streams === undefined
            ? undefined
            : {
                listen: streams.listen,
                inherited: streams.inherited ?? [],
                serverName: streams.serverName ?? '',
                alpn: streams.alpn,
                certificates: streams.certificate?.certificates ?? '',
                key: streams.certificate?.key ?? '',
                servesTurn: streams.servesTurn ?? false,
              },
        ),
    );
    this.port = this.native.port;
    this.counters = this.native.counters;
  }

  onWake(handler: () => void): void {
    this.handler = handler;
    if (this.wokenEarly) this.wake();
    this.wokenEarly = false;
  }

  drain(max = DEFAULT_DRAIN): DataPlaneEvent[] {
    const events = this.native.drain(max);
    if (events.length === max) this.wake();
    return events.flatMap((event) => {
      if (event.type === 'paths') {
        this.toldPaths = this.toldPaths.then(() => this.tellPaths());
        return [];
      }
      if (event.type === 'stirred') return { ...event, heardAt: event.heardAt + this.clockOffset };
      if (event.type !== 'stun' && event.type !== 'record') return event;
      return { ...event, at: event.at + this.clockOffset };
    });
  }

  sendDatagram(local: SocketAddress | null, remote: SocketAddress, data: Uint8Array): void {
    if (data.length > MAX_DATAGRAM_BYTES) throw new RangeError(`a datagram has at most ${MAX_DATAGRAM_BYTES} bytes`);
    this.native.sendDatagram(local?.address ?? null, remote.address, remote.port, data);
  }

  setCredentials(certificateChain: readonly Uint8Array[], privateKey: Uint8Array): void {
    callAddon(() => this.native.setCredentials(certificateChain, privateKey));
  }

  openLink(role: 'client' | 'server'): LinkId {
    return this.native.openLink(role === 'server');
  }

  bindRemote(link: LinkId, remote: SocketAddress): void {
    this.native.bindRemote(link, remote.address, remote.port);
  }

  unbindRemote(link: LinkId, remote: SocketAddress): void {
    this.native.unbindRemote(link, remote.address, remote.port);
  }

  setPath(
    link: LinkId,
    local: SocketAddress | null,
    remote: SocketAddress,
    preference: number = PATH_PREFERENCE.unknown,
  ): void {
    this.native.setPath(link, local?.address ?? null, remote.address, remote.port, preference);
  }

  addPath(link: LinkId, local: SocketAddress, remote: SocketAddress, preference: number, expected = false): void {
    this.native.addPath(link, local.address, remote.address, remote.port, preference, expected);
  }

  clearPath(link: LinkId): void {
    this.native.clearPath(link);
  }

  closeLink(link: LinkId): void {
    this.native.closeLink(link);
  }

  rest(link: LinkId, { asleep } = { asleep: false }): void {
    this.native.rest(link, asleep);
  }

  authorize(link: LinkId, hit: Hit, ipv4: string | null, user = 0): void {
    this.native.authorize(link, hitToAddress(hit), ipv4, user);
  }

  refuse(address: string): void {
    this.native.refuse(address);
  }

  setLocalAddresses(hit: Hit, ipv4: string | null): void {
    this.native.setLocalAddresses(hitToAddress(hit), ipv4);
  }

  sendRecord(link: LinkId, data: Uint8Array): void {
    if (data.length === 0 || data.length > MAX_RECORD_BYTES)
      throw new RangeError(`a record has 1 to ${MAX_RECORD_BYTES} bytes, not ${data.length}`);
    this.native.sendRecord(link, data);
  }

  setPathMtu(link: LinkId, bytes: number): void {
    this.native.setPathMtu(link, bytes);
  }

  sendProbe(link: LinkId, bytes: number, id: number): void {
    this.native.sendProbe(link, bytes, id);
  }

  setRelay(bytesPerSecond: number): void {
    this.native.setRelay(bytesPerSecond);
  }

  dialStream(remote: SocketAddress): void {
    this.native.dialStream(remote.address, remote.port);
  }

  dialTurnServer(
    stream: number,
    remote: SocketAddress,
    tls: { readonly name: string; readonly authorities: string } | 'member' | null,
  ): void {
    const { name, authorities } = tls === 'member' || tls === null ? { name: '', authorities: '' } : tls;
    this.native.dialTurnServer(remote.address, remote.port, stream, tls === null ? null : name, authorities);
  }

  hangUpTurnServer(stream: number): void {
    this.native.hangUpTurnServer(stream);
  }

  showStreamCertificate({ certificates, key }: { readonly certificates: string; readonly key: string }): void {
    callAddon(() => this.native.showStreamCertificate(certificates, key));
  }

  setTurnChannel(
    allocation: string,
    peer: SocketAddress,
    { local, server, channel }: { local: SocketAddress; server: SocketAddress; channel: number },
  ): void {
    this.native.setTurnChannel(
      allocation,
      peer.address,
      peer.port,
      local.address,
      server.address,
      server.port,
      channel,
    );
  }

  removeTurnChannel(allocation: string, peer: SocketAddress): void {
    this.native.removeTurnChannel(allocation, peer.address, peer.port);
  }

  setTurnQuota(bytesPerSecond: number): void {
    this.native.setTurnQuota(bytesPerSecond);
  }

  openTurnAllocation(
    id: number,
    { user, local, client }: { user: number; local: SocketAddress; client: SocketAddress },
    relayed: SocketAddress,
  ): boolean {
    return this.native.openTurnAllocation(
      id,
      user,
      local.address,
      client.address,
      client.port,
      relayed.address,
      relayed.port,
    );
  }

  closeTurnAllocation(id: number): void {
    this.native.closeTurnAllocation(id);
  }

  permitTurnPeer(id: number, peer: SocketAddress, channel: number): void {
    this.native.permitTurnPeer(id, peer.address, peer.port, channel);
  }

  linkCounters(link: LinkId): LinkCounters | undefined {
    return this.native.linkCounters(link);
  }

  paths(): Promise<readonly PathReport[]> {
    return new Promise((resolve) => {
      this.pathsWanted.push(resolve);
      if (this.closed) void this.tellPaths();
      else this.native.askPaths();
    });
  }

  close(): void {
    this.closed = true;
    clearImmediate(this.turn);
    this.native.close();
    void this.tellPaths();
  }

  /** Of ten thousand links some in each turn of the event loop. One after the other. */
  private async tellPaths(): Promise<void> {
    const wanted = this.pathsWanted.splice(0);
    if (wanted.length === 0) return;
    const reports: PathReport[] = [];
    for (let isLast = false; !isLast;) {
      const some = this.native.takePaths(reports.length === 0, PATHS_PER_TURN);
      for (const report of some)
        reports.push({ ...report, local: report.local === null ? null : { address: report.local, port: this.port } });
      isLast = some.length < PATHS_PER_TURN;
      if (!isLast) await nextTurn();
    }
    for (const resolve of wanted) resolve(reports);
  }

  /** Once a turn of the event loop: timers and everything else have theirs in between. */
  private wake(): void {
    this.turn ??= setImmediate(() => {
      this.turn = undefined;
      if (this.handler === undefined) this.wokenEarly = true;
      else this.handler();
    });
  }
}
