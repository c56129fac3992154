/**
 * A host of its own in a network namespace, for tests: a data plane with a TUN and no overlay. Commands come as lines of
 * JSON on stdin, `[id, name, ...arguments]`; answers `[id, value]` and events `["event", event]` go to stdout.
 */
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { ipv6StateOf } from '../../../src/agent/ipv6-switch.ts';
import { addressToHit } from '../../../src/base/node-id.ts';
import { createDataPlane } from '../../../src/native/native.ts';
import { createNetlink } from '../../../src/native/netlink.ts';
import { COUNTER_NAMES } from '../../../src/native/counters.ts';
import { ECHO_REPLY, ECHO_REQUEST, PROBE_REPLY } from '../../../src/native/data-plane.ts';
import type { DataPlaneEvent } from '../../../src/native/data-plane.ts';
import { makeCredentials } from './credentials.ts';

const [hit = '', ipv4 = '', copyDscp = 'false', mtu = '1400', forbidden = ''] = process.argv.slice(2);

const PORT = 6084;

function write(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const plane = createDataPlane({
  port: PORT,
  tun: { name: 'idloc0', mtu: Number(mtu) },
  copyDscp: copyDscp === 'true',
  uplinks: { forbid: forbidden === '' ? [] : [forbidden], prefer: [] },
});
const netlink = createNetlink();
const credentials = await makeCredentials(hit);
plane.setCredentials([credentials.certificate], credentials.privateKey);
netlink.configureInterface('idloc0', {
  mtu: Number(mtu),
  txQueueLength: 4096,
  gsoMaxSegments: 64,
  addresses: [...(ipv6StateOf('idloc0') === 'on' ? [`${hit}/28`] : []), `${ipv4}/15`],
});
plane.setLocalAddresses(addressToHit(hit), ipv4);

const waiting: { type: string; resolve: (event: DataPlaneEvent) => void }[] = [];
const events: DataPlaneEvent[] = [];
plane.onWake(() => {
  events.push(...plane.drain());
  for (let i = 0; i < waiting.length; i++) {
    const index = events.findIndex((event) => event.type === waiting[i]?.type);
    if (index < 0) continue;
    const [event] = events.splice(index, 1);
    const [waiter] = waiting.splice(i--, 1);
    if (event !== undefined) waiter?.resolve(event);
  }
});

function nextEvent(type: string): Promise<DataPlaneEvent> {
  const index = events.findIndex((event) => event.type === type);
  const [found] = index < 0 ? [] : events.splice(index, 1);
  if (found !== undefined) return Promise.resolve(found);
  return new Promise((resolve) => waiting.push({ type, resolve }));
}

function sha256(socket: Socket): Promise<string> {
  const hash = createHash('sha256');
  socket.on('data', (data) => hash.update(data));
  return once(socket, 'end').then(() => hash.digest('hex'));
}

const udp = new Map<number, { payloads: string[] }>();

const senders = new Map<'udp4' | 'udp6', ReturnType<typeof createSocket>>();

/** Stays open: the kernel takes no ICMP message about a socket that is gone. */
function senderOf(family: 'udp4' | 'udp6'): ReturnType<typeof createSocket> {
  const socket = senders.get(family) ?? createSocket(family);
  senders.set(family, socket);
  return socket;
}

const own = (local: string | null): SocketAddress | null => (local === null ? null : { address: local, port: PORT });

const commands: Record<string, (...args: never[]) => unknown> = {
  /** @returns once the link to the data plane at `remote` is connected. */
  async connect(role: 'client' | 'server', remote: string, local: string | null = null) {
    const link = plane.openLink(role);
    plane.setPath(link, own(local), { address: remote, port: PORT });
    const event = await nextEvent('connected');
    const connected = event.type === 'connected' ? event.link : link;
    // The client was faster than this server's end: its handshake has a link of its own.
    if (connected !== link) plane.closeLink(link);
    return connected;
  },
  /** A server's end that waits for a client from `remote`. */
  expect(remote: string) {
    plane.setPath(plane.openLink('server'), null, { address: remote, port: PORT });
  },
  authorize(link: number, peer: string, peerIpv4: string | null) {
    plane.authorize(link, addressToHit(peer), peerIpv4);
  },
  closeLink: (link: number) => plane.closeLink(link),
  setLocalAddresses(address: string, four: string | null) {
    plane.setLocalAddresses(addressToHit(address), four);
  },
  /** @param hex what the record holds, a packet too: this end may be hostile */
  sendRecord: (link: number, hex: string) => plane.sendRecord(link, Buffer.from(hex, 'hex')),
  setPathMtu: (link: number, bytes: number) => plane.setPathMtu(link, bytes),
  setPath: (link: number, remote: string, local: string | null = null) =>
    plane.setPath(link, own(local), { address: remote, port: PORT }),
  /** @returns whether an answer comes before that to an echo sent after it. */
  async probe(link: number, bytes: number, id: number) {
    plane.sendProbe(link, bytes, id);
    plane.sendRecord(link, Uint8Array.of(ECHO_REQUEST, 1));
    const event = await nextEvent('record');
    if (event.type !== 'record') throw new Error('no record');
    if (event.data[0] === ECHO_REPLY) return false;
    await nextEvent('record');
    return event.data[0] === PROBE_REPLY && Buffer.from(event.data).readUInt32BE(1) === id && event.data.length === 5;
  },
  refuse: (address: string) => plane.refuse(address),
  event: (type: string) => nextEvent(type),
  /** Those that came and that nobody has asked for yet. */
  eventCount: (type: string) => events.filter((event) => event.type === type).length,
  counters: () => Object.fromEntries(COUNTER_NAMES.map((name, i) => [name, Number(plane.counters[i])])),
  addresses: () => netlink.addresses(),
  sourceFor: (remote: string) => netlink.sourceFor(remote) ?? null,
  interfaceState: (name: string) => netlink.interfaceState(name) ?? null,
  addRoute: (route: Parameters<typeof netlink.addRoute>[0]) => netlink.addRoute(route),
  setRoute: (route: Parameters<typeof netlink.setRoute>[0]) => netlink.setRoute(route),
  deleteRoute: (route: Parameters<typeof netlink.deleteRoute>[0]) => netlink.deleteRoute(route),
  /** Takes one TCP connection; the digest of what came is sent back on it. */
  async listenTcp(port: number) {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      void sha256(socket).then((digest) => socket.end(digest));
    });
    server.listen(port, '::');
    await once(server, 'listening');
  },
  /** Sends bytes that are not all alike; @returns whether the digest that came back is right, or the error's code. */
  async sendTcp(address: string, port: number, bytes: number) {
    const socket = connect({ host: address, port });
    const failed = once(socket, 'error').then(([err]) => (err as NodeJS.ErrnoException).code);
    const done = (async () => {
      await once(socket, 'connect');
      const hash = createHash('sha256');
      let answer = '';
      socket.on('data', (data: Buffer) => (answer += data.toString()));
      const chunk = Buffer.from(Uint8Array.from({ length: 65_521 }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
      for (let sent = 0; sent < bytes; sent += chunk.length) {
        chunk.writeUInt32BE(sent, 0);
        const piece = Buffer.from(chunk.subarray(0, Math.min(chunk.length, bytes - sent)));
        hash.update(piece);
        if (!socket.write(piece)) await once(socket, 'drain');
      }
      socket.end();
      await once(socket, 'close');
      return answer === hash.digest('hex');
    })();
    return Promise.race([failed, done]);
  },
  async listenUdp(port: number) {
    const socket = createSocket('udp6');
    const entry = { payloads: [] as string[] };
    udp.set(port, entry);
    socket.on('message', (data) =>
      entry.payloads.push(`${data.length}:${createHash('sha256').update(data).digest('hex')}`),
    );
    socket.bind(port, '::');
    await once(socket, 'listening');
  },
  /** Digests of the datagrams that came, in order. */
  receivedUdp: (port: number) => udp.get(port)?.payloads ?? [],
  /** Sends datagrams of these sizes; @returns their digests. */
  async sendUdp(address: string, port: number, sizes: number[]) {
    const socket = senderOf(address.includes(':') ? 'udp6' : 'udp4');
    const digests: string[] = [];
    for (const [i, size] of sizes.entries()) {
      const data = Buffer.alloc(size, i + 1);
      digests.push(`${size}:${createHash('sha256').update(data).digest('hex')}`);
      await new Promise((resolve) => socket.send(data, port, address, resolve));
    }
    return digests;
  },
  close() {
    plane.close();
    setImmediate(() => process.exit(0));
  },
};

write(['ready']);
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [id, name, ...args] = JSON.parse(line) as [number, string, ...never[]];
    void Promise.resolve()
      .then(() => commands[name]?.(...args))
      .then(
        (value) => write([id, value ?? null]),
        (err: unknown) => write([id, null, String(err)]),
      );
  })
  .on('close', () => process.exit(0));
