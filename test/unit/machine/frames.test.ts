import test from 'ava';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import {
  encodeFrame,
  encodeJson,
  FRAME,
  FrameReader,
  MAX_PAYLOAD_BYTES,
  MAX_SECONDS,
  parseOrders,
  parseReady,
  parseReport,
} from '../../../src/machine/frames.ts';

const ORDERS = { task: 'record', family: 6, interfaceName: 'idloc0', codec: 'opus', maxSeconds: 120 } as const;
const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

test('frames come out whole and in order, in whatever pieces a stream brings them', (t) => {
  const sound = Buffer.alloc(70_000, 7);
  const stream = Buffer.concat([
    encodeJson(FRAME.orders, ORDERS),
    encodeFrame(FRAME.sound, sound),
    encodeFrame(FRAME.start),
  ]);
  for (const size of [1, 5, 4_096, stream.length]) {
    const reader = new FrameReader();
    const frames = [];
    for (let at = 0; at < stream.length; at += size) frames.push(...reader.push(stream.subarray(at, at + size)));
    t.deepEqual(
      frames.map(({ type }) => type),
      [FRAME.orders, FRAME.sound, FRAME.start],
    );
    t.deepEqual(parseOrders(frames[0]?.payload ?? sound), ORDERS);
    t.deepEqual(parseOrders(json({ ...ORDERS, soundSeconds: [1, 5.5] })).soundSeconds, [1, 5.5]);
    t.true(Buffer.from(frames[1]?.payload ?? []).equals(sound));
  }
});

test('what is no frame, or longer than any may be, is refused before its payload is there', (t) => {
  t.throws(() => new FrameReader().push(Buffer.from([99, 0, 0, 0, 0])), { instanceOf: MalformedMessageError });
  const long = Buffer.alloc(5);
  long.writeUInt8(FRAME.sound, 0);
  long.writeUInt32BE(MAX_PAYLOAD_BYTES + 1, 1);
  t.throws(() => new FrameReader().push(long), { instanceOf: MalformedMessageError });
});

test('orders, reports and ports that are none are refused', (t) => {
  for (const wrong of [
    { ...ORDERS, task: 'listen' },
    { ...ORDERS, family: 5 },
    { ...ORDERS, interfaceName: 'idloc0\nmodule evil.so' },
    { ...ORDERS, interfaceName: '' },
    { ...ORDERS, codec: 'x' },
    { ...ORDERS, maxSeconds: MAX_SECONDS + 1 },
    { ...ORDERS, maxSeconds: 0 },
    { ...ORDERS, maxSeconds: null },
    { ...ORDERS, soundSeconds: 3 },
    { ...ORDERS, soundSeconds: [0] },
    { ...ORDERS, soundSeconds: [MAX_SECONDS + 1] },
    { ...ORDERS, soundSeconds: ['3'] },
    { ...ORDERS, soundSeconds: Array.from({ length: 65 }, () => 3) },
    null,
    7,
  ])
    t.throws(() => parseOrders(json(wrong)), { instanceOf: MalformedMessageError });
  t.throws(() => parseOrders(Buffer.from('{')), { instanceOf: MalformedMessageError });
  for (const wrong of [
    { seconds: -1, played: 0 },
    { seconds: 1 },
    { seconds: 1, played: 1.5 },
    { seconds: 1e9, played: 0 },
  ])
    t.throws(() => parseReport(json(wrong)), { instanceOf: MalformedMessageError });
  t.deepEqual(parseReport(json({ seconds: 2.5, played: 1, why: 'x' })), { seconds: 2.5, played: 1, why: 'x' });
  for (const wrong of [{ port: 0 }, { port: 65_536 }, { port: '5060' }, {}])
    t.throws(() => parseReady(json(wrong)), { instanceOf: MalformedMessageError });
  t.is(parseReady(json({ port: 5_060 })), 5_060);
});
