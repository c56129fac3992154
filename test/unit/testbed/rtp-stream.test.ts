import test from 'ava';
import { compareDirections, jitterMs, longestGapMs, splitRtp } from '../../../scripts/testbed/rtp-stream.ts';
import type { RtpPacket } from '../../../scripts/testbed/rtp-stream.ts';

/** A packet every 20 ms; `delayS` later at the receiver. */
function stream(count: number, delayS = 0): RtpPacket[] {
  return Array.from({ length: count }, (_, i) => ({
    at: 100 + 0.02 * i + delayS,
    source: '2001:20::1',
    ssrc: '0x1',
    sequence: (65_530 + i) & 0xffff,
    timestamp: 960 * i,
    payloadType: 96,
  }));
}

/** RFC 3550 s5.1, version 2, with a payload whose bytes are all the same. */
function rtp(sequence: number, payloadBytes: number, ssrc = 0x8060_8060): Buffer {
  const packet = Buffer.alloc(12 + payloadBytes, 0x80);
  packet[1] = 0xe0;
  packet.writeUInt16BE(sequence, 2);
  packet.writeUInt32BE(960 * sequence, 4);
  packet.writeUInt32BE(ssrc, 8);
  return packet;
}

test('one packet alone is one packet, whatever it holds', (t) => {
  for (const bytes of [0, 1, 11, 12, 13, 160])
    t.deepEqual(splitRtp(rtp(7, bytes)), [{ ssrc: '0x80608060', sequence: 7, timestamp: 960 * 7, payloadType: 96 }]);
});

test('packets of one length that an agent made one of are told apart, and so is a shorter one behind them', (t) => {
  for (const bytes of [0, 1, 12, 100, 160])
    for (const last of [0, bytes >> 1, bytes]) {
      const joined = Buffer.concat([rtp(65_535, bytes), rtp(1, bytes), rtp(0, bytes), rtp(2, last)]);
      t.deepEqual(
        splitRtp(joined).map(({ sequence, timestamp }) => [sequence, timestamp]),
        [65_535, 1, 0, 2].map((sequence) => [sequence, 960 * sequence]),
        `${bytes} and ${last} bytes`,
      );
    }
});

test('what holds the header of another stream is one packet', (t) => {
  t.is(splitRtp(Buffer.concat([rtp(7, 100), rtp(8, 100, 0x1234_5678)])).length, 1);
});

test('a stream that arrives whole across a sequence number wrap has lost nothing and has no jitter', (t) => {
  const result = compareDirections(stream(50), stream(50, 0.01));
  t.is(result.sent, 50);
  t.is(result.received, 50);
  t.is(result.lost, 0);
  t.true(result.jitterMs < 0.001);
  t.true(Math.abs(result.longestGapMs - 20) < 0.001);
});

test('packets that do not arrive are lost, and the silence they leave is the longest gap', (t) => {
  const arrived = stream(50, 0.01).filter((_, i) => i < 20 || i >= 30);
  const result = compareDirections(stream(50), arrived);
  t.is(result.lost, 10);
  t.true(Math.abs(result.longestGapMs - 220) < 0.001);
});

test('a packet that arrives twice is received once', (t) => {
  t.is(compareDirections(stream(3), [...stream(3), ...stream(1)]).received, 3);
});

test('packets sent outside the window do not count', (t) => {
  const result = compareDirections(stream(50), stream(50), { from: 100.099, to: 100.201 });
  t.is(result.sent, 6);
  t.is(result.lost, 0);
});

test('one packet 16 ms late adds a sixteenth of it to the jitter, and its successor as much', (t) => {
  const [first, second] = stream(2);
  if (first === undefined || second === undefined) throw new Error('two packets');
  t.true(Math.abs(jitterMs([first, { ...second, at: second.at + 0.016 }]) - 1) < 1e-6);
});

test('fewer than two packets have no gap', (t) => {
  t.is(longestGapMs([]), 0);
  t.is(longestGapMs([5]), 0);
});
