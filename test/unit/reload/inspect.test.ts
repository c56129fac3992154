import test from 'ava';
import { concatBytes, fromHex, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { encodeFrame, fragmentMessage, inspect } from '../../../src/reload/index.ts';
import type { InspectedMessage, Inspection } from '../../../src/reload/index.ts';
import { pcap, udp } from './capture-file.ts';
import { headerVectors, messageVectors, vectorDataModel, vectorFile } from './vectors.ts';

const OPTIONS = { dataModelOf: vectorDataModel };
const ALL = [...messageVectors, ...headerVectors];
const HEX = ALL.map(({ hex }) => hex['message'] ?? '');
const FRAMED = ALL.map(({ hex }) => hex['framed'] ?? '');

function text(...lines: string[]): Uint8Array {
  return Buffer.from(lines.join('\n'));
}

function good(inspection: Inspection | undefined): InspectedMessage {
  if (inspection === undefined || 'reason' in inspection) throw new Error(`failed: ${JSON.stringify(inspection)}`);
  return inspection;
}

test('every vector, whole or in its frame, is shown with the same bytes again', (t) => {
  t.deepEqual(
    inspect(text(...HEX), OPTIONS).map((inspection) => good(inspection).reencoded),
    HEX,
  );
  t.deepEqual(
    inspect(text(...FRAMED), OPTIONS).map((inspection) => good(inspection).reencoded),
    FRAMED,
  );
});

test('what is shown is plain JSON with every field', (t) => {
  const [first] = inspect(text(messageVectors.find(({ name }) => name.startsWith('18_ping'))?.hex['framed'] ?? ''));
  const { origin, frame, header, contents, security } = good(first);
  const plain: unknown = JSON.parse(JSON.stringify({ origin, frame, header, contents }));
  t.deepEqual(plain, { origin, frame, header, contents });
  t.deepEqual(contents, {
    code: 24,
    body: { type: 'ping_ans', responseId: '18364758544493064720', time: '1700000000123' },
    extensions: [],
  });
  t.like(header, { overlay: 0x9aa32b8d, version: 10, transactionId: '81985529216486895' });
  t.like(security, { signature: { signatureAlgorithm: 3 } });
});

test('blanks, comments and empty lines are passed over, and lines keep their numbers', (t) => {
  const spaced = (HEX[0] ?? '').replace(/../g, '$& ').toUpperCase();
  const inspections = inspect(text('# a comment', '', `${spaced}  # probe`, '8100000021a000000f', ''), OPTIONS);
  t.deepEqual(
    inspections.map(({ origin }) => origin),
    [{ line: 3 }, { line: 4 }],
  );
  t.is(good(inspections[0]).reencoded, HEX[0] ?? '');
  t.deepEqual(good(inspections[1]).frame, { type: 'ack', ackSequence: 33, received: 0xa000000f });
});

test('a malformed line is told with offset and reason, and the others are shown', (t) => {
  const [first, second, third, fourth] = inspect(
    text((HEX[0] ?? '').slice(0, -2), 'd2454cxx', 'd24', HEX[1] ?? ''),
    OPTIONS,
  );
  t.like(first, { origin: { line: 1 }, offset: 16 });
  t.like(second, { offset: 3, reason: 'not a hexadecimal digit' });
  t.like(third, { offset: 1 });
  t.is(good(fourth).reencoded, HEX[1] ?? '');
});

test('a fragment is shown with its data', (t) => {
  const fragments = fragmentMessage(fromHex(HEX.find((hex) => hex.length > 6000) ?? ''), 1200);
  const inspections = inspect(text(...fragments.map(toHex)));
  t.deepEqual(
    inspections.map((inspection) => good(inspection).reencoded),
    fragments.map(toHex),
  );
  t.like(good(inspections[1]).header, { fragment: { last: false } });
  t.true((good(inspections[1]).fragmentData ?? '').length >= 512);
});

for (const [linkType, prefix] of [
  [101, ''],
  [1, '000000000000000000000000' + '86dd'],
  [113, '00000001000600000000000000000800'],
] as const)
  for (const little of [true, false])
    test(`frames of a capture of link type ${linkType}, ${little ? 'little' : 'big'} endian, are shown`, (t) => {
      const packets = FRAMED.map((hex, i) => concatBytes(fromHex(prefix), udp(fromHex(hex), i % 2 === 0 ? 4 : 6)));
      const inspections = inspect(pcap(linkType, little, packets), OPTIONS);
      t.deepEqual(
        inspections.map((inspection) => good(inspection).reencoded),
        FRAMED,
      );
      t.deepEqual(inspections[1]?.origin, {
        packet: 2,
        time: 1700000001.5,
        from: '[2001:db8::1]:6084',
        to: '[2001:db8::2]:6084',
      });
    });

test('a pcapng capture of Wireshark is shown', (t) => {
  const [data, ack] = inspect(vectorFile('ack_conversation.pcap'), OPTIONS);
  t.like(good(data).frame, { type: 'data', sequence: 34 });
  t.deepEqual(good(ack).frame, { type: 'ack', ackSequence: 34, received: 0xa000000f });
  t.is(good(ack).reencoded, '8100000022a000000f');
  t.like(good(ack).origin, { packet: 2, from: '10.2.2.2:6084', to: '10.1.1.1:6084' });
});

test('other ports, DTLS records and IP fragments of a capture are passed over', (t) => {
  const frame = fromHex(FRAMED[0] ?? '');
  const ipFragment = udp(frame, 4);
  ipFragment[6] = 0x20;
  const packets = [udp(frame, 4, 5060), udp(fromHex('16fefd0000'), 4), ipFragment, fromHex('45'), fromHex('')];
  t.deepEqual(inspect(pcap(101, true, packets), OPTIONS), []);
  t.is(inspect(pcap(101, true, packets), { ...OPTIONS, port: 5060 }).length, 1);
});

test('a packet that the capture cut off is told as such', (t) => {
  const [inspection] = inspect(pcap(101, true, [udp(fromHex(FRAMED[0] ?? ''), 6)], 10), OPTIONS);
  t.like(inspection, { reason: 'the capture kept a part of this packet only' });
});

test('a capture file that ends early, or of a link type that is not read, is refused', (t) => {
  const file = pcap(101, true, [udp(fromHex(FRAMED[0] ?? ''), 4)]);
  const pcapng = vectorFile('ack_conversation.pcap');
  for (const bytes of [
    file.subarray(0, 20),
    file.subarray(0, 30),
    file.subarray(0, -1),
    pcap(147, true, []),
    pcapng.subarray(0, 10),
    pcapng.subarray(0, -4),
  ])
    t.throws(() => inspect(bytes), { instanceOf: MalformedMessageError });
});

test('a frame around something else than a message is malformed', (t) => {
  const [inspection] = inspect(text(toHex(encodeFrame({ type: 'data', sequence: 0, message: fromHex('00') }))));
  t.like(inspection, { offset: 8 });
});
