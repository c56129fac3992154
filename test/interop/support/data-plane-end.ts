import { createHash } from 'node:crypto';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { hostCandidates } from '../../../src/ice/candidates.ts';
import type { IceRole } from '../../../src/ice/ice-agent.ts';
import { IceAgent } from '../../../src/ice/ice-agent.ts';
import type { DataPlaneEvent, LinkId } from '../../../src/native/data-plane.ts';
import { decodeStun } from '../../../src/stun/codec.ts';
import type { Credentials } from '../../native/support/credentials.ts';
import { makeCredentials } from '../../native/support/credentials.ts';
import { Host } from '../../native/support/host.ts';
import type { SdpParameters } from './sdp-candidates.ts';
import { formatCandidate, parseCandidate } from './sdp-candidates.ts';
import { within } from './within.ts';

const LOOPBACK = '127.0.0.1';

type EventOf<T extends DataPlaneEvent['type']> = Extract<DataPlaneEvent, { type: T }>;

/** In hexadecimal, without colons. */
export function fingerprintOf(certificate: Uint8Array | undefined): string {
  return createHash('sha256')
    .update(certificate ?? '')
    .digest('hex');
}

/**
 * Our whole end of a link: a data plane whose UDP socket carries the checks of an IceAgent, and DTLS on the selected pair.
 * The controlling side is the DTLS server (RFC 6940 s6.5.1.1: the offerer is "passive").
 */
export class DataPlaneEnd {
  readonly host: Host;
  readonly agent: IceAgent;
  link: LinkId;
  readonly fingerprint: string;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private hasPath = false;

  static async open(role: IceRole): Promise<DataPlaneEnd> {
    const credentials = await makeCredentials('idloc');
    return new DataPlaneEnd(await Host.start({}, credentials), credentials, role);
  }

  private constructor(host: Host, { certificate }: Credentials, role: IceRole) {
    this.host = host;
    this.fingerprint = fingerprintOf(certificate);
    this.agent = new IceAgent(
      { random: systemRandom, logger: silentLogger },
      { role, localCandidates: hostCandidates([LOOPBACK], host.plane.port) },
    );
    this.link = host.plane.openLink(role === 'controlling' ? 'server' : 'client');
    void this.receiveChecks();
  }

  get parameters(): SdpParameters {
    const { ufrag, pwd, candidates } = this.agent.localParameters;
    return { ufrag, pwd, candidates: candidates.map(formatCandidate) };
  }

  connect(remote: SdpParameters): void {
    const candidates = remote.candidates.map(parseCandidate).filter((candidate) => candidate !== undefined);
    this.agent.setRemote({ ufrag: remote.ufrag, pwd: remote.pwd, candidates }, systemClock.monotonic());
    this.pump();
  }

  /** @throws {Error} when the handshake fails, or is not done within ten seconds. */
  async connected(): Promise<EventOf<'connected'>> {
    let done = false;
    const failed = this.host
      .next('closed', ({ link }) => link === this.link && !done)
      .then(({ reason }) => {
        throw new Error(`the link closed: ${reason}`);
      });
    failed.catch(() => {});
    try {
      // A client that is faster than our knowledge of its address comes on a link of its own: nobody else is here.
      const connected = await within(Promise.race([this.host.next('connected'), failed]), 'handshake');
      this.link = connected.link;
      return connected;
    } finally {
      done = true;
    }
  }

  send(record: Uint8Array): void {
    this.host.plane.sendRecord(this.link, record);
  }

  async record(): Promise<Uint8Array> {
    return (await within(this.host.next('record'), 'record')).data;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.agent.close();
    this.host.plane.close();
  }

  private async receiveChecks(): Promise<void> {
    for (;;) {
      const { data, local, remote, at } = await this.host.next('stun');
      if (this.closed) return;
      this.agent.receive(decodeStun(data), data, local, remote, at);
      this.pump();
    }
  }

  private pump(): void {
    const { plane } = this.host;
    for (let out = this.agent.pollTransmit(); out !== undefined; out = this.agent.pollTransmit())
      plane.sendDatagram(out.local, out.remote, out.data);
    for (let event = this.agent.pollEvent(); event !== undefined; event = this.agent.pollEvent()) {
      // RFC 8445 s12.1: data may go on any valid pair until one is selected; the peer may be that much faster.
      if (event.type === 'selected' || (event.type === 'valid' && !this.hasPath)) {
        this.hasPath = true;
        plane.setPath(this.link, event.path.local, event.path.remote);
      }
    }
    clearTimeout(this.timer);
    const next = this.agent.nextTimeout();
    if (next === undefined) return;
    this.timer = setTimeout(
      () => {
        this.agent.handleTimeout(systemClock.monotonic());
        this.pump();
      },
      Math.max(0, next - systemClock.monotonic()),
    );
  }
}
