import { concatBytes } from '../../../src/base/bytes.ts';
import { formatSocketAddress, sameSocketAddress, type SocketAddress } from '../../../src/base/socket-address.ts';
import { encodeStun } from '../../../src/stun/codec.ts';
import { DATA_METHOD } from '../../../src/stun/message.ts';
import type { EventLoop } from './event-loop.ts';
import type { SimHost } from './host.ts';

/** RFC 8656 s9, s12; as in native/src/relay/turn_server.h. */
const PERMISSION_MS = 300_000;
const CHANNEL_MS = 600_000;
const CHANNEL_HEADER_BYTES = 4;

interface Allocation {
  readonly local: SocketAddress;
  readonly client: SocketAddress;
  readonly relayed: SocketAddress;
  readonly permissions: Map<string, number>;
  readonly channels: Map<number, { readonly peer: SocketAddress; readonly until: number }>;
}

interface Channel {
  readonly allocation: string;
  readonly peer: SocketAddress;
  readonly local: SocketAddress;
  readonly server: SocketAddress;
  readonly channel: number;
}

/** What the data plane carries for TURN (native/src/relay), at both ends: ChannelData of a client, relayed ports of a server. */
export class SimTurn {
  private readonly loop: EventLoop;
  private readonly host: SimHost;
  private readonly port: number;
  private readonly channels = new Map<string, Channel>();
  private readonly allocations = new Map<number, Allocation>();

  constructor(components: { loop: EventLoop; host: SimHost; port: number }) {
    this.loop = components.loop;
    this.host = components.host;
    this.port = components.port;
  }

  get allocationCount(): number {
    return this.allocations.size;
  }

  // The client.

  setChannel(
    allocation: string,
    peer: SocketAddress,
    by: { readonly local: SocketAddress; readonly server: SocketAddress; readonly channel: number },
  ): void {
    this.channels.set(`${allocation} ${formatSocketAddress(peer)}`, { allocation, peer, ...by });
  }

  removeChannel(allocation: string, peer: SocketAddress): void {
    this.channels.delete(`${allocation} ${formatSocketAddress(peer)}`);
  }

  /** From an allocation; without a channel it is lost. */
  send(allocation: string, peer: SocketAddress, data: Uint8Array): void {
    const by = this.channels.get(`${allocation} ${formatSocketAddress(peer)}`);
    if (by !== undefined) this.host.send(by.local.address, this.port, by.server, channelData(by.channel, data));
  }

  // The server.

  open(id: number, by: Pick<Allocation, 'local' | 'client'>, relayed: SocketAddress): boolean {
    const allocation = { ...by, relayed, permissions: new Map(), channels: new Map() };
    this.allocations.set(id, allocation);
    this.host.bind(relayed.port, ({ source, data }) => this.fromPeer(allocation, source, data));
    return true;
  }

  close(id: number): void {
    const allocation = this.allocations.get(id);
    if (allocation !== undefined) this.host.unbind(allocation.relayed.port);
    this.allocations.delete(id);
  }

  permit(id: number, peer: SocketAddress, channel: number): void {
    const allocation = this.allocations.get(id);
    allocation?.permissions.set(peer.address, this.loop.now + PERMISSION_MS);
    if (channel !== 0) allocation?.channels.set(channel, { peer, until: this.loop.now + CHANNEL_MS });
  }

  // Both.

  /** ChannelData has come. @returns what is in it, if it is for us; a server has sent it on. */
  take(
    local: SocketAddress,
    remote: SocketAddress,
    datagram: Uint8Array,
  ): { readonly local: SocketAddress; readonly remote: SocketAddress; readonly data: Uint8Array } | undefined {
    const header = Buffer.from(datagram.subarray(0, CHANNEL_HEADER_BYTES));
    const number = header.readUInt16BE(0);
    const data = datagram.subarray(CHANNEL_HEADER_BYTES, CHANNEL_HEADER_BYTES + header.readUInt16BE(2));
    for (const { client, local: own, ...allocation } of this.allocations.values())
      if (sameSocketAddress(client, remote) && own.address === local.address)
        this.toPeer({ client, local: own, ...allocation }, number, data);
    for (const { server, channel, allocation, peer } of this.channels.values())
      if (channel === number && sameSocketAddress(server, remote))
        return { local: { address: allocation, port: this.port }, remote: peer, data };
    return undefined;
  }

  private toPeer({ channels, relayed, permissions }: Allocation, number: number, data: Uint8Array): void {
    const bound = channels.get(number);
    if (bound === undefined || this.loop.now >= bound.until) return;
    if (this.loop.now >= (permissions.get(bound.peer.address) ?? 0)) return;
    const here = [...this.allocations.values()].find((other) => sameSocketAddress(other.relayed, bound.peer));
    if (here === undefined) this.host.send(relayed.address, relayed.port, bound.peer, data);
    else this.fromPeer(here, relayed, data);
  }

  private fromPeer({ permissions, channels, local, client }: Allocation, peer: SocketAddress, data: Uint8Array): void {
    if (this.loop.now >= (permissions.get(peer.address) ?? 0)) return;
    const bound = [...channels].find(([, other]) => sameSocketAddress(other.peer, peer) && this.loop.now < other.until);
    const out = bound === undefined ? this.indication(peer, data) : channelData(bound[0], data);
    this.host.send(local.address, this.port, client, out);
  }

  private indication(xorPeerAddress: SocketAddress, data: Uint8Array): Uint8Array {
    const transactionId = this.loop.now.toFixed(0).padStart(24, '0');
    return encodeStun({
      class: 'indication',
      method: DATA_METHOD,
      transactionId,
      attributes: { xorPeerAddress, data },
    });
  }
}

function channelData(channel: number, data: Uint8Array): Uint8Array {
  const header = Buffer.alloc(CHANNEL_HEADER_BYTES);
  header.writeUInt16BE(channel, 0);
  header.writeUInt16BE(data.length, 2);
  return concatBytes(header, data);
}
