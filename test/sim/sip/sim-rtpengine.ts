import type { MediaRelayPorts } from '../../../src/sip/media/media-relay.ts';
import type { NgCommand } from '../../../src/sip/media/ng-codec.ts';
import type { SipNetwork, SipNode } from './sip-network.ts';

/** rtpengine as the adaptor sees it: it writes its own address of the side, and the family, that it was asked for. */
export class SimRtpengine {
  readonly commands: NgCommand[] = [];
  /** What was told of how it does. */
  readonly told: (string | undefined)[] = [];
  isThere = true;
  private readonly network: SipNetwork;
  private readonly node: () => SipNode;
  /** Where each call came from: the side and family of its offers. */
  private readonly offers = new Map<string, { from: string; to: string }>();

  /** @param node whose time-outs are to be seen to after each answer */
  constructor(network: SipNetwork, node: () => SipNode) {
    this.network = network;
    this.node = node;
  }

  get port(): Pick<MediaRelayPorts, 'ask' | 'onAnswer'> {
    return {
      ask: (command, done) => {
        this.commands.push(command);
        const { loop } = this.network;
        loop.after(this.isThere ? 2 : 1_200, () => {
          done(this.isThere ? { result: 'ok', sdp: this.sdpOf(command) } : undefined, loop.now);
          this.network.schedule(this.node());
        });
      },
      onAnswer: (failure) => void this.told.push(failure),
    };
  }

  private sdpOf(command: NgCommand): Uint8Array | undefined {
    if (!(command['sdp'] instanceof Uint8Array)) return undefined;
    const sdp = Buffer.from(command['sdp']).toString();
    const [from = '', to = ''] = Array.isArray(command['direction']) ? (command['direction'] as string[]) : [];
    const call = String(command['call-id']);
    const came = /^c=IN (IP[46])/m.exec(sdp)?.[1] ?? '';
    if (command['command'] === 'offer')
      this.offers.set(call, { from: `${from} ${came}`, to: `${to} ${String(command['address-family'] ?? came)}` });
    const offer = this.offers.get(call);
    const place = command['command'] === 'offer' ? offer?.to : offer?.from;
    return Buffer.from(sdp.replaceAll(/^c=.*$/gm, `c=${place ?? ''}`));
  }
}
