import type { MediaRelayPorts } from '../media/media-relay.ts';
import { OUTSIDE_SIDE, OVERLAY_SIDE } from '../media/sides.ts';
import type { MediaSession, TrunkMedia } from './trunk-media.ts';

type Done = (sdp: Uint8Array | undefined, now: number) => void;

/** Media of a gateway's calls through rtpengine, between the overlay and the address that leads to the provider. */
export class RtpengineMedia implements TrunkMedia {
  private readonly ports: Pick<MediaRelayPorts, 'ask' | 'onAnswer'>;
  private readonly hasIpv4: () => boolean;

  /** @param hasIpv4 whether this host has an IPv4 address in the overlay, which every phone knows */
  constructor(ports: Pick<MediaRelayPorts, 'ask' | 'onAnswer'>, hasIpv4: () => boolean) {
    this.ports = ports;
    this.hasIpv4 = hasIpv4;
  }

  offer(session: MediaSession, sdp: Uint8Array, done: Done): void {
    const isOutward = session.from === 'overlay';
    const isIpv6 = isOutward ? session.isOutsideIpv6 : !this.hasIpv4();
    const sides = [OVERLAY_SIDE, OUTSIDE_SIDE];
    const direction = isOutward ? sides : sides.toReversed();
    this.ask({ command: 'offer', direction, 'address-family': isIpv6 ? 'IP6' : 'IP4' }, session, sdp, done);
  }

  answer(session: MediaSession, sdp: Uint8Array, done: Done): void {
    // Tags of an answer are those of its offer: first of whoever made that.
    const { fromTag, toTag = '' } = session;
    this.ask({ command: 'answer' }, { ...session, fromTag: toTag, toTag: fromTag }, sdp, done);
  }

  delete(id: string): void {
    this.ports.ask({ command: 'delete', 'call-id': callOf(id), 'delete-delay': 0 }, () => undefined);
  }

  private ask(
    command: Readonly<Record<string, string | readonly string[]>>,
    { id, fromTag, toTag = '' }: MediaSession,
    sdp: Uint8Array,
    done: Done,
  ): void {
    const tags = { 'call-id': callOf(id), 'from-tag': fromTag, ...(toTag !== '' && { 'to-tag': toTag }) };
    this.ports.ask({ ...command, ...tags, sdp, ICE: 'remove', replace: ['origin'] }, (answer, now) => {
      const isDone = answer?.result === 'ok' && answer.sdp !== undefined;
      this.ports.onAnswer(isDone ? undefined : (answer?.reason ?? answer?.result ?? 'it does not answer'));
      done(isDone ? answer.sdp : undefined, now);
    });
  }
}

/** None of the calls that the adaptor has relayed. */
function callOf(id: string): string {
  return `trunk/${id}`;
}
