import test from 'ava';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { MAX_QUEUED_FRAMES } from '../../../src/link/constants.ts';
import { Framing, receivedMask } from '../../../src/link/framing.ts';
import { decodeFrame, encodeFrame } from '../../../src/reload/frame.ts';

function records(framing: Framing): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let record = framing.pollTransmit(); record !== undefined; record = framing.pollTransmit()) out.push(record);
  return out;
}

function sequences(framing: Framing): number[] {
  return records(framing).map((record) => {
    const frame = decodeFrame(record);
    return frame.type === 'data' ? frame.sequence : -1;
  });
}

function messageOf(record: Uint8Array): number | undefined {
  const frame = decodeFrame(record);
  return frame.type === 'data' ? frame.message[0] : undefined;
}

const ack = (ackSequence: number): Uint8Array => encodeFrame({ type: 'ack', ackSequence, received: 0 });
const data = (sequence: number): Uint8Array =>
  encodeFrame({ type: 'data', sequence, message: Uint8Array.of(sequence) });

test('the first message goes out at once with sequence zero', (t) => {
  const framing = new Framing();
  framing.send(Uint8Array.of(1, 2), 0);
  t.deepEqual(records(framing).map(decodeFrame), [{ type: 'data', sequence: 0, message: Uint8Array.of(1, 2) }]);
});

test('without an acknowledgement it is sent five times at 0, 500, 1500, 3500 and 7500 ms, each with its own sequence', (t) => {
  const framing = new Framing();
  framing.send(Uint8Array.of(1), 0);
  const times: number[] = [];
  let now = 0;
  const seen: number[] = [];
  while (!framing.takeFailure()) {
    const sent = sequences(framing);
    if (sent.length > 0) times.push(now);
    seen.push(...sent);
    now = framing.nextTimeout() ?? Infinity;
    framing.handleTimeout(now);
  }
  t.deepEqual(times, [0, 500, 1500, 3500, 7500]);
  t.deepEqual(seen, [0, 1, 2, 3, 4]);
  t.is(now, 15_500);
  t.like(framing.counters, { failed: 1, retransmitted: 4, sent: 1 });
});

test('an acknowledgement of any transmission ends the message', (t) => {
  const framing = new Framing();
  framing.send(Uint8Array.of(1), 0);
  framing.handleTimeout(500);
  t.deepEqual(sequences(framing), [0, 1]);
  t.is(framing.receive(ack(0), 600), undefined);
  t.true(framing.idle);
  t.is(framing.nextTimeout(), undefined);
});

test('four frames are under way at first, two more for each acknowledgement, eight at most', (t) => {
  const framing = new Framing();
  for (let i = 0; i < 40; i++) framing.send(Uint8Array.of(i), 0);
  t.deepEqual(sequences(framing), [0, 1, 2, 3]);
  framing.receive(ack(0), 20);
  t.deepEqual(sequences(framing), [4, 5]);
  for (let i = 1; i < 10; i++) framing.receive(ack(i), 20 + i);
  t.deepEqual(sequences(framing).at(-1), 17);
});

test('a frame that three later ones have overtaken is sent again at once, and the window halved, once', (t) => {
  const framing = new Framing();
  for (let i = 0; i < 20; i++) framing.send(Uint8Array.of(i), 0);
  sequences(framing);
  for (const at of [0, 1, 2, 3]) framing.receive(ack(at), 20);
  t.deepEqual(sequences(framing), [4, 5, 6, 7, 8, 9, 10, 11]);
  for (const at of [5, 6]) framing.receive(ack(at), 40);
  t.deepEqual(sequences(framing), [12, 13]);
  framing.receive(ack(7), 41);
  t.deepEqual(records(framing).map(messageOf), [4]);
  // Seven are under way, and four may be.
  for (const at of [8, 9, 10]) framing.receive(ack(at), 42);
  t.deepEqual(sequences(framing), []);
  framing.receive(ack(11), 42);
  t.deepEqual(records(framing).map(messageOf), [14]);
  t.like(framing.counters, { retransmitted: 1, failed: 0 });
});

test('the mask of a later acknowledgement stands for one that was lost', (t) => {
  const framing = new Framing();
  for (let i = 0; i < 4; i++) framing.send(Uint8Array.of(i), 0);
  framing.receive(encodeFrame({ type: 'ack', ackSequence: 3, received: 0b1110 }), 20);
  t.true(framing.idle);
});

test('after a timeout one frame goes, and the others when it has arrived', (t) => {
  const framing = new Framing();
  for (let i = 0; i < 6; i++) framing.send(Uint8Array.of(i), 0);
  sequences(framing);
  framing.handleTimeout(500);
  t.deepEqual(records(framing).map(messageOf), [0]);
  framing.receive(ack(4), 520);
  t.deepEqual(records(framing).map(messageOf), [1, 2]);
});

test('a frame that is lost five times while others arrive is given up, and says nothing about the peer', (t) => {
  const framing = new Framing();
  const lost = Uint8Array.of(255);
  framing.send(lost, 0);
  for (let now = 0; framing.counters.failed === 0 && now < 10_000; now++) {
    framing.send(Uint8Array.of(1), now);
    for (const record of records(framing)) {
      const frame = decodeFrame(record);
      if (frame.type === 'data' && frame.message[0] !== 255) framing.receive(ack(frame.sequence), now);
    }
  }
  t.is(framing.counters.failed, 1);
  t.false(framing.takeFailure());
});

test('with three sends unanswered it is doubtful, which is told once, until an acknowledgement comes', (t) => {
  const framing = new Framing();
  framing.send(Uint8Array.of(1), 0);
  for (const at of [500, 1_500]) {
    framing.handleTimeout(at);
    t.false(framing.doubtful);
  }
  framing.handleTimeout(3_500);
  t.true(framing.doubtful);
  t.deepEqual([framing.takeDoubt(), framing.takeDoubt()], [true, false]);
  framing.receive(ack(3), 3_600);
  t.false(framing.doubtful);
});

test('an acknowledgement of something else changes nothing', (t) => {
  const framing = new Framing();
  framing.send(Uint8Array.of(1), 0);
  framing.receive(ack(7), 100);
  t.is(framing.nextTimeout(), 500);
});

test('the retransmission follows the measured round trip, but is not below 100 ms', (t) => {
  const framing = new Framing();
  framing.measuredByIce(40);
  framing.send(Uint8Array.of(1), 0);
  t.is(framing.nextTimeout(), 120);
  framing.receive(ack(0), 10);
  framing.send(Uint8Array.of(2), 20);
  t.is((framing.nextTimeout() ?? 0) - 20, 127);
  framing.receive(ack(1), 21);
  for (let i = 2; i < 40; i++) {
    framing.send(Uint8Array.of(i), i * 100);
    framing.receive(ack(i), i * 100 + 1);
  }
  framing.send(Uint8Array.of(99), 5_000);
  t.is(framing.nextTimeout(), 5_100);
});

test('each data frame is acknowledged, a repeated one is handed up once', (t) => {
  const framing = new Framing();
  t.deepEqual(framing.receive(data(0), 0), Uint8Array.of(0));
  t.is(framing.receive(data(0), 1), undefined);
  t.deepEqual(framing.receive(data(2), 2), Uint8Array.of(2));
  t.deepEqual(records(framing).map(decodeFrame), [
    { type: 'ack', ackSequence: 0, received: 0 },
    { type: 'ack', ackSequence: 0, received: 0 },
    { type: 'ack', ackSequence: 2, received: 0b100 },
  ]);
});

test('the mask names those of the 31 sequence numbers before, also across the end of the number space', (t) => {
  t.is(receivedMask(5, [4, 3, 1, 5, 9]), 0b10110);
  t.is(receivedMask(40, [8, 9]), 2 ** 31);
  t.is(receivedMask(1, [0xffffffff, 0]), 0b110);
});

test('a pause holds everything, a resume sends what was in flight with all its attempts', (t) => {
  const framing = new Framing();
  framing.send(Uint8Array.of(1), 0);
  framing.handleTimeout(500);
  t.deepEqual(sequences(framing), [0, 1]);
  framing.pause();
  framing.send(Uint8Array.of(2), 600);
  framing.handleTimeout(20_000);
  t.is(framing.nextTimeout(), undefined);
  t.deepEqual(sequences(framing), []);
  framing.resume(25_000);
  t.deepEqual(records(framing).map(messageOf), [1, 2]);
  t.is(framing.nextTimeout(), 25_500);
  t.false(framing.takeFailure());
});

test('a message sent while paused goes out on resume', (t) => {
  const framing = new Framing();
  framing.pause();
  framing.send(Uint8Array.of(1), 0);
  framing.resume(10);
  t.deepEqual(sequences(framing), [0]);
});

test('a queue that is full drops and counts', (t) => {
  const framing = new Framing();
  for (let i = 0; i < MAX_QUEUED_FRAMES + 11; i++) framing.send(Uint8Array.of(1), 0);
  t.is(framing.counters.dropped, 7);
});

test('bytes that are no frame are refused', (t) => {
  const framing = new Framing();
  for (const bytes of [Uint8Array.of(), Uint8Array.of(0x80), Uint8Array.of(0x81, 0), Uint8Array.of(7, 7, 7, 7)])
    t.throws(() => framing.receive(bytes, 0), { instanceOf: MalformedMessageError });
  t.deepEqual(records(framing), []);
});

test('an association is replaced: what it has not delivered goes over the new one, in order', (t) => {
  const before = new Framing();
  for (const byte of [1, 2, 3, 4, 5, 6]) before.send(Uint8Array.of(byte), 0);
  t.deepEqual(sequences(before), [0, 1, 2, 3]);
  const after = new Framing();
  after.inherit(before, 100);
  const sent: number[] = [];
  for (let now = 100; !after.idle; now += 20) {
    after.handleTimeout(now);
    for (const record of records(after)) {
      const frame = decodeFrame(record);
      if (frame.type !== 'data') continue;
      sent.push(...frame.message);
      after.receive(ack(frame.sequence), now + 1);
    }
  }
  t.deepEqual(sent, [1, 2, 3, 4, 5, 6]);
  t.true(before.idle);
  before.handleTimeout(10_000);
  t.deepEqual(sequences(before), []);
});
