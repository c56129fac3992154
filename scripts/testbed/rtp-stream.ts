import type { Capture } from './capture.ts';

/** RFC 3551: the payload types below 96 that phones use here count 8,000 a second; opus (RFC 7587) always counts 48,000. */
const NARROWBAND_CLOCK_HZ = 8000;
const OPUS_CLOCK_HZ = 48_000;
const FIRST_DYNAMIC_PAYLOAD_TYPE = 96;
/** RFC 3550 s5.1, without contributing sources. */
const RTP_HEADER_BYTES = 12;
const VERSION_MASK = 0xc0;
const SSRC_OFFSET = 8;
const PAYLOAD_TYPE_MASK = 0x7f;

/** One RTP packet as a capture saw it. */
export interface RtpPacket {
  /** Seconds since the epoch. */
  readonly at: number;
  readonly source: string;
  readonly ssrc: string;
  readonly sequence: number;
  readonly timestamp: number;
  readonly payloadType: number;
}

/** What became of the packets in one direction. */
export interface RtpDirection {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  /** RFC 3550 s6.4.1, milliseconds, at the end of the stream. */
  readonly jitterMs: number;
  /** The longest silence at the receiver between two packets, milliseconds. */
  readonly longestGapMs: number;
}

export async function rtpPackets(capture: Capture): Promise<RtpPacket[]> {
  // Version 2 and a payload type of audio: RTCP (72-76 in these seven bits, RFC 5761) and chance finds stay out.
  const rows = await capture.fields(
    'rtp.version == 2 && (rtp.p_type < 64 || rtp.p_type >= 96) && !icmp && !icmpv6',
    ['frame.time_epoch', 'ip.src', 'ipv6.src', 'udp.payload'],
    ['rtp_udp'],
  );
  return rows.flatMap((row) => {
    const at = Number(row['frame.time_epoch']);
    const source = row['ip.src'] === '' ? (row['ipv6.src'] ?? '') : (row['ip.src'] ?? '');
    return splitRtp(Buffer.from(row['udp.payload'] ?? '', 'hex')).map((packet) => ({ at, source, ...packet }));
  });
}

/**
 * The RTP packets in a UDP payload as captured. Of packets that come at once an agent makes one for its interface, as GRO does,
 * and the kernel takes it apart on the way to the program, which the capture does not see: all pieces are as long as the first
 * but the last, which may be shorter.
 */
export function splitRtp(payload: Buffer): Omit<RtpPacket, 'at' | 'source'>[] {
  const packets = [];
  const length = pieceLength(payload);
  for (let at = 0; at + RTP_HEADER_BYTES <= payload.length; at += length)
    packets.push({
      ssrc: `0x${payload.toString('hex', at + SSRC_OFFSET, at + RTP_HEADER_BYTES)}`,
      sequence: payload.readUInt16BE(at + 2),
      timestamp: payload.readUInt32BE(at + 4),
      payloadType: (payload[at + 1] ?? 0) & PAYLOAD_TYPE_MASK,
    });
  return packets;
}

/** A piece begins where a header of the same stream does: of the version and the SSRC, 34 bits, by chance nowhere else. */
function pieceLength(payload: Buffer): number {
  const begins = (at: number): boolean =>
    payload.length - at >= RTP_HEADER_BYTES &&
    (((payload[at] ?? 0) ^ (payload[0] ?? 0)) & VERSION_MASK) === 0 &&
    payload.compare(payload, SSRC_OFFSET, RTP_HEADER_BYTES, at + SSRC_OFFSET, at + RTP_HEADER_BYTES) === 0;
  for (let length = RTP_HEADER_BYTES; length < payload.length; length++) {
    let at = length;
    while (at < payload.length && begins(at)) at += length;
    if (at >= payload.length) return length;
  }
  return payload.length;
}

/**
 * Compares what left one phone's interface with what came out of the other's.
 * @param window only packets sent in it count, seconds since the epoch
 */
export function compareDirections(
  atSender: readonly RtpPacket[],
  atReceiver: readonly RtpPacket[],
  window: { readonly from: number; readonly to: number } = { from: 0, to: Infinity },
): RtpDirection {
  const key = (packet: RtpPacket): string => `${packet.ssrc}/${packet.sequence}/${packet.timestamp}`;
  const sent = new Set(atSender.filter(({ at }) => at >= window.from && at <= window.to).map(key));
  const arrived = atReceiver.filter((packet) => sent.has(key(packet)));
  const received = new Set(arrived.map(key)).size;
  return {
    sent: sent.size,
    received,
    lost: sent.size - received,
    jitterMs: jitterMs(arrived),
    longestGapMs: longestGapMs(arrived.map(({ at }) => at)),
  };
}

/** RFC 3550 s6.4.1 and A.8. */
export function jitterMs(packets: readonly RtpPacket[]): number {
  let jitter = 0;
  let previous: RtpPacket | undefined;
  for (const packet of packets) {
    const clockHz = packet.payloadType >= FIRST_DYNAMIC_PAYLOAD_TYPE ? OPUS_CLOCK_HZ : NARROWBAND_CLOCK_HZ;
    if (previous?.ssrc === packet.ssrc) {
      const transitChange = packet.at - previous.at - (packet.timestamp - previous.timestamp) / clockHz;
      jitter += (Math.abs(transitChange) * 1000 - jitter) / 16;
    }
    previous = packet;
  }
  return jitter;
}

/** @param times seconds, ascending; @returns milliseconds, 0 for fewer than two */
export function longestGapMs(times: readonly number[]): number {
  let longest = 0;
  for (let i = 1; i < times.length; i++) longest = Math.max(longest, (times[i] ?? 0) - (times[i - 1] ?? 0));
  return longest * 1000;
}
