import test from 'ava';
import dnsPacket, { type Answer } from 'dns-packet';
import { decodeQuery, encodeResponse, isQuery, Rcode, type Response, udpLimit } from '../../../src/dns/message.ts';
import { frameMessage, MessageStream } from '../../../src/dns/message-stream.ts';

const bytes = dnsPacket.encode({ type: 'query', id: 5, questions: [{ type: 'TXT', name: 'MiXed.example' }] });
const long: Answer[] = Array.from({ length: 30 }, () => ({
  type: 'TXT' as const,
  name: 'mixed.example',
  ttl: 5,
  data: 'x'.repeat(40),
}));
const response: Response = { rcode: Rcode.NOERROR, authoritative: true, answers: [], authorities: [], additionals: [] };

test('an answer that fits without its additional records loses these only', (t) => {
  const query = decodeQuery(bytes);
  const out = encodeResponse(query, { ...response, answers: long.slice(0, 2), additionals: long }, undefined, 512);
  const decoded = dnsPacket.decode(Buffer.from(out));
  t.false(decoded.flag_tc);
  t.is(decoded.answers?.length, 2);
  t.is(decoded.additionals?.length, 0);
});

test('an answer that cannot fit is truncated and says so', (t) => {
  const out = encodeResponse(decodeQuery(bytes), { ...response, answers: long }, undefined, 512);
  t.true(out.length <= 512);
  t.true(dnsPacket.decode(Buffer.from(out)).flag_tc);
});

test('the question comes back in the letters it was asked in', (t) => {
  const out = encodeResponse(decodeQuery(bytes), response, undefined, 512);
  t.is(dnsPacket.decode(Buffer.from(out)).questions?.[0]?.name, 'MiXed.example');
});

test('the limit of an answer is 512 bytes at least and what we announce at most', (t) => {
  t.is(udpLimit(undefined), 512);
  t.is(udpLimit({ udpPayloadSize: 100, version: 0 }), 512);
  t.is(udpLimit({ udpPayloadSize: 800, version: 0 }), 800);
  t.is(udpLimit({ udpPayloadSize: 65_535, version: 0 }), 1232);
});

test('every cut of a query is refused as malformed', (t) => {
  for (let length = 0; length < bytes.length; length++) {
    t.throws(() => decodeQuery(bytes.subarray(0, length)), { name: 'MalformedMessageError' });
  }
  t.false(isQuery(bytes.subarray(0, 11)));
});

test('messages over TCP are found however the stream is cut', (t) => {
  const all = Buffer.concat([frameMessage(bytes), frameMessage(new Uint8Array()), frameMessage(bytes)]);
  for (let cut = 0; cut <= all.length; cut++) {
    const stream = new MessageStream();
    const messages = [...stream.push(all.subarray(0, cut)), ...stream.push(all.subarray(cut))];
    t.deepEqual(
      messages.map((message) => message.length),
      [bytes.length, 0, bytes.length],
    );
  }
});
