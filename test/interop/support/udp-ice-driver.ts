import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { formatSocketAddress } from '../../../src/base/socket-address.ts';
import { hostCandidates } from '../../../src/ice/candidates.ts';
import type { IceEvent, IceRole } from '../../../src/ice/ice-agent.ts';
import { IceAgent } from '../../../src/ice/ice-agent.ts';
import { decodeStun } from '../../../src/stun/codec.ts';
import type { SdpParameters } from './sdp-candidates.ts';
import { formatCandidate, parseCandidate } from './sdp-candidates.ts';

/** One IceAgent on one UDP socket of one address, in real time. */
export class UdpIceDriver {
  readonly agent: IceAgent;
  readonly events: IceEvent[] = [];
  private readonly socket: Socket;
  private readonly address: { address: string; port: number };
  private timer: NodeJS.Timeout | undefined;
  private readonly received: string[] = [];
  private watchers: (() => void)[] = [];

  static async open(address: string, role: IceRole): Promise<UdpIceDriver> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(0, address, resolve);
    });
    return new UdpIceDriver(socket, address, role);
  }

  private constructor(socket: Socket, address: string, role: IceRole) {
    this.socket = socket;
    this.address = { address, port: socket.address().port };
    this.agent = new IceAgent(
      { random: systemRandom, logger: silentLogger },
      { role, localCandidates: hostCandidates([address], this.address.port) },
    );
    socket.on('message', (data, { address: from, port }) => {
      const first = data[0] ?? 0;
      if (first > 3) {
        // Data may come from every address that a check may come from.
        this.received.push(data.toString());
        this.changed();
        return;
      }
      const remote = { address: from, port };
      this.agent.receive(decodeStun(data), data, this.address, remote, systemClock.monotonic());
      this.pump();
    });
  }

  get parameters(): SdpParameters {
    const { ufrag, pwd, candidates } = this.agent.localParameters;
    return { ufrag, pwd, candidates: candidates.map(formatCandidate) };
  }

  connect(remote: SdpParameters): void {
    const candidates = remote.candidates.map(parseCandidate).filter((candidate) => candidate !== undefined);
    this.agent.setRemote({ ...remote, candidates }, systemClock.monotonic());
    this.pump();
  }

  /** On the selected pair. */
  send(text: string): void {
    const { selected } = this.agent;
    if (selected === undefined) throw new Error('nothing is selected');
    this.socket.send(text, selected.remote.port, selected.remote.address);
  }

  /** @throws {Error} when the agent fails or nothing happens within ten seconds. */
  async selected(): Promise<void> {
    await this.until(() => this.agent.selected !== undefined, 'a selected pair');
  }

  async receives(text: string): Promise<void> {
    await this.until(() => this.received.includes(text), JSON.stringify(text));
  }

  close(): void {
    clearTimeout(this.timer);
    this.agent.close();
    this.socket.close();
  }

  private pump(): void {
    for (let out = this.agent.pollTransmit(); out !== undefined; out = this.agent.pollTransmit())
      this.socket.send(out.data, out.remote.port, out.remote.address);
    for (let event = this.agent.pollEvent(); event !== undefined; event = this.agent.pollEvent())
      this.events.push(event);
    clearTimeout(this.timer);
    const next = this.agent.nextTimeout();
    if (next !== undefined) {
      this.timer = setTimeout(
        () => {
          this.agent.handleTimeout(systemClock.monotonic());
          this.pump();
        },
        Math.max(0, next - systemClock.monotonic()),
      );
    }
    this.changed();
  }

  private changed(): void {
    for (const watcher of this.watchers.slice()) watcher();
  }

  private async until(condition: () => boolean, what: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const watcher = (): void => {
      if (condition()) resolve(undefined);
      else if (this.agent.state === 'failed') reject(new Error(`the agent failed before ${what}`));
    };
    const patience = setTimeout(() => reject(new Error(`no ${what} at ${formatSocketAddress(this.address)}`)), 10_000);
    this.watchers.push(watcher);
    watcher();
    try {
      await promise;
    } finally {
      clearTimeout(patience);
      this.watchers = this.watchers.filter((other) => other !== watcher);
    }
  }
}
