import type { Capture } from './capture.ts';

/** RFC 3551: the payload types below 96 that phones use here count 8,000 a second; opus (RFC 7587) always counts 48,000. */
const NARROWBAND_CLOCK_HZ = 8000;
const OPUS_CLOCK_HZ = 48_000;
const FIRST_DYNAMIC_PAYLOAD_TYPE = 96;

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
  const names = [
    'frame.time_epoch',
    'ip.src',
    'ipv6.src',
    'rtp.ssrc',
    'rtp.seq',
    'rtp.timestamp',
    'rtp.p_type',
  ] as const;
  // Version 2 and a payload type of audio: RTCP (72-76 in these seven bits, RFC 5761) and chance finds stay out.
  const rows = await capture.fields(
    'rtp.version == 2 && (rtp.p_type < 64 || rtp.p_type >= 96) && !icmp && !icmpv6',
    names,
    ['rtp_udp'],
  );
  return rows.map((row) => ({
    at: Number(row['frame.time_epoch']),
    source: row['ip.src'] === '' ? (row['ipv6.src'] ?? '') : (row['ip.src'] ?? ''),
    ssrc: row['rtp.ssrc'] ?? '',
    sequence: Number(row['rtp.seq']),
    timestamp: Number(row['rtp.timestamp']),
    payloadType: Number(row['rtp.p_type']),
  }));
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
