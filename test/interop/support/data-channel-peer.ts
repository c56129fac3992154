import type { DataChannel } from 'node-datachannel';
import { PeerConnection } from 'node-datachannel';
import type { DataPlaneEnd } from './data-plane-end.ts';
import type { SdpParameters } from './sdp-candidates.ts';
import { within } from './within.ts';

export interface OurDescription {
  readonly end: DataPlaneEnd;
  readonly setup: 'actpass' | 'active';
  readonly sctpPort: number;
  /** Makes a peer that answers the controlling one (RFC 8445 s6.1.1); otherwise the offerer is. */
  readonly lite?: boolean;
}

/** What libdatachannel says of itself. */
export interface TheirDescription extends SdpParameters {
  /** SHA-256, as `fingerprintOf` writes it. */
  readonly fingerprint: string;
  readonly setup: string;
  readonly sctpPort: number;
}

/** A PeerConnection of libdatachannel (libjuice, usrsctp) on loopback. */
export class DataChannelPeer {
  readonly connection = new PeerConnection('peer', { iceServers: [], bindAddress: '127.0.0.1' });
  /** A collected object closes its channel. */
  readonly channels: DataChannel[] = [];
  private readonly states: string[] = [];
  private readonly watchers = new Set<() => void>();
  private readonly gathered: Promise<void>;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.gathered = promise;
    this.connection.onGatheringStateChange((state) => {
      if (state === 'complete') resolve(undefined);
    });
    this.connection.onStateChange((state) => {
      this.states.push(state);
      for (const watcher of [...this.watchers]) watcher();
    });
  }

  /** The next channel that the other side opens. */
  channel(): Promise<DataChannel> {
    return new Promise((resolve) => {
      this.connection.onDataChannel((channel) => {
        this.channels.push(channel);
        resolve(channel);
      });
    });
  }

  async answer(offer: OurDescription): Promise<TheirDescription> {
    this.connection.setRemoteDescription(describe(offer), 'offer');
    return this.described();
  }

  async offer(): Promise<TheirDescription> {
    this.channels.push(this.connection.createDataChannel('theirs'));
    return this.described();
  }

  takeAnswer(answer: OurDescription): void {
    this.connection.setRemoteDescription(describe(answer), 'answer');
  }

  /** Resolves when the connection is, or was, in this state. */
  async reaches(state: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const watcher = (): void => {
      if (this.states.includes(state)) resolve(undefined);
    };
    this.watchers.add(watcher);
    watcher();
    await within(promise, `state ${state} of libdatachannel (it had ${this.states.join(', ')})`);
    this.watchers.delete(watcher);
  }

  /** As `fingerprintOf` writes it; libdatachannel has compared it with the certificate when DTLS is up. */
  get remoteFingerprint(): string {
    return this.connection.remoteFingerprint().value.replaceAll(':', '').toLowerCase();
  }

  private async described(): Promise<TheirDescription> {
    await within(this.gathered, 'candidates of libdatachannel');
    const sdp = this.connection.localDescription()?.sdp ?? '';
    const values = (name: string): string[] =>
      [...sdp.matchAll(new RegExp(`^a=${name}[: ](.*?)\r?$`, 'gm'))].map(([, value = '']) => value);
    const value = (name: string): string => values(name)[0] ?? '';
    return {
      ufrag: value('ice-ufrag'),
      pwd: value('ice-pwd'),
      candidates: values('candidate').map((candidate) => `candidate:${candidate}`),
      fingerprint: value('fingerprint').replace('sha-256 ', '').replaceAll(':', '').toLowerCase(),
      setup: value('setup'),
      sctpPort: Number(value('sctp-port')),
    };
  }
}

/** RFC 8839, RFC 8841. */
function describe({ end, setup, sctpPort, lite = false }: OurDescription): string {
  const { ufrag, pwd, candidates } = end.parameters;
  const fingerprint = end.fingerprint.toUpperCase().replace(/..(?=.)/g, '$&:');
  const lines = [
    'v=0',
    'o=- 1 0 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=group:BUNDLE 0',
    ...(lite ? ['a=ice-lite'] : []),
    `m=application ${end.host.plane.port} UDP/DTLS/SCTP webrtc-datachannel`,
    'c=IN IP4 127.0.0.1',
    'a=mid:0',
    'a=sendrecv',
    `a=sctp-port:${sctpPort}`,
    'a=max-message-size:65536',
    `a=setup:${setup}`,
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    `a=fingerprint:sha-256 ${fingerprint}`,
    ...candidates.map((candidate) => `a=${candidate}`),
    'a=end-of-candidates',
  ];
  return lines.map((line) => `${line}\r\n`).join('');
}
