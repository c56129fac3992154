import type { MediaRelayPorts } from '../media/media-relay.ts';
import type { NgCommand } from '../media/ng-codec.ts';
import { OUTSIDE_SIDE, OVERLAY_SIDE } from '../media/sides.ts';
import { isEncrypted } from '../sdp/encryption.ts';
import type { MediaSession, TrunkMedia } from './trunk-media.ts';

const SIDES = { overlay: OVERLAY_SIDE, outside: OUTSIDE_SIDE };

type Done = (sdp: Uint8Array | undefined, now: number) => void;

/** A phone shows it to who called. */
const NOT_ENCRYPTED = 'Media Not Encrypted by Provider';
/**
 * What rtpengine offers besides AES is left out: no encryption at all, and a mode that nobody has. Keys are padded as RFC 3548 has it:
 * baresip 1.0 reads others as too short.
 */
const KEYS: readonly string[] = [
  'pad',
  ...['no-NULL_HMAC_SHA1_80', 'no-NULL_HMAC_SHA1_32'],
  ...['no-F8_128_HMAC_SHA1_80', 'no-F8_128_HMAC_SHA1_32'],
];

export interface RtpengineMediaOptions {
  /** Whether this host has an IPv4 address in the overlay, which every phone knows. */
  readonly hasIpv4: () => boolean;
  /** Of what goes outside: in the overlay links encrypt. */
  readonly protection: 'rtp' | 'srtp' | 'srtp-optional';
}

/**
 * Media of a gateway's calls through rtpengine, between the overlay and the address that leads to the provider:
 *
 *     phone <──RTP, in the overlay's links──> rtpengine <──RTP, or SRTP with the keys of SDP (RFC 4568)──> provider
 */
export class RtpengineMedia implements TrunkMedia {
  private readonly ports: Pick<MediaRelayPorts, 'ask' | 'onAnswer'>;
  private readonly options: RtpengineMediaOptions;

  constructor(ports: Pick<MediaRelayPorts, 'ask' | 'onAnswer'>, options: RtpengineMediaOptions) {
    this.ports = ports;
    this.options = options;
  }

  offer(session: MediaSession, sdp: Uint8Array, done: Done): void {
    const isIpv6 = session.to === 'outside' ? session.isOutsideIpv6 : !this.options.hasIpv4();
    const direction = [SIDES[session.from], SIDES[session.to]];
    const family = isIpv6 ? 'IP6' : 'IP4';
    this.ask({ command: 'offer', direction, 'address-family': family, ...this.profile(session) }, session, sdp, done);
  }

  answer(session: MediaSession, sdp: Uint8Array, done: Done): void {
    const suites: NgCommand = this.options.protection === 'rtp' ? {} : { SDES: KEYS };
    this.ask({ command: 'answer', ...suites }, session, sdp, done);
  }

  objection(session: MediaSession, sdp: Uint8Array): string | undefined {
    return session.from === 'overlay' || !this.isBound(session) || isEncrypted(sdp) ? undefined : NOT_ENCRYPTED;
  }

  delete(id: string): void {
    this.ports.ask({ command: 'delete', 'call-id': callOf(id), 'delete-delay': 0 }, () => undefined);
  }

  /** Whether nothing but SRTP goes outside. */
  private isBound({ isEmergency }: MediaSession): boolean {
    return this.options.protection === 'srtp' && !isEmergency;
  }

  /** What an offer becomes on the other side. */
  private profile(session: MediaSession): NgCommand {
    if (this.options.protection === 'rtp') return {};
    const isOutward = session.to === 'outside';
    const profile = isOutward && this.isBound(session) ? 'RTP/SAVP' : 'RTP/AVP';
    // RFC 8643: who offers both in one says RTP/AVP, and keys.
    const both = this.isBound(session) ? {} : { OSRTP: [isOutward ? 'offer' : 'accept'] };
    return { 'transport-protocol': profile, DTLS: 'off', SDES: KEYS, ...both };
  }

  private ask(command: NgCommand, session: MediaSession, sdp: Uint8Array, done: Done): void {
    const { id, to, fromTag, toTag = '' } = session;
    // Tags of an answer are those of its offer: first of whoever made that.
    const [first, second] = command['command'] === 'answer' ? [toTag, fromTag] : [fromTag, toTag];
    const tags = { 'call-id': callOf(id), 'from-tag': first, ...(second !== '' && { 'to-tag': second }) };
    this.ports.ask({ ...command, ...tags, sdp, ICE: 'remove', replace: ['origin'] }, (answer, now) => {
      const said = answer?.result === 'ok' ? answer.sdp : undefined;
      // What is told outside is looked at once more: no bug of anybody's gives a call away.
      const isTold = said !== undefined && (to === 'overlay' || !this.isBound(session) || isEncrypted(said));
      const failure = said === undefined ? (answer?.reason ?? answer?.result) : 'it does not encrypt';
      this.ports.onAnswer(isTold ? undefined : (failure ?? 'it does not answer'));
      done(isTold ? said : undefined, now);
    });
  }
}

/** None of the calls that the adaptor has relayed. */
function callOf(id: string): string {
  return `trunk/${id}`;
}
