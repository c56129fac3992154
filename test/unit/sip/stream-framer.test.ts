import test from 'ava';
import { encodeSip } from '../../../src/sip/message/codec.ts';
import { MAX_MESSAGE_BYTES } from '../../../src/sip/message/constants.ts';
import { firstHeader } from '../../../src/sip/message/headers.ts';
import { KEEPALIVE_ANSWER, type SipFrame, SipStreamFramer } from '../../../src/sip/message/stream-framer.ts';
import { validateRequest } from '../../../src/sip/message/validation.ts';
import { requestOf, vector } from './vectors.ts';

function withBody(callId: string, body: string): string {
  return `MESSAGE sip:b@c SIP/2.0\r\nCall-ID: ${callId}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

function summary(frames: readonly SipFrame[]): string[] {
  return frames.map((frame) =>
    frame.type === 'keepalive'
      ? 'keepalive'
      : `${firstHeader(frame.message, 'call-id') ?? ''}:${Buffer.from(frame.message.body).toString('latin1')}`,
  );
}

const STREAM = `${withBody('1', 'one')}\r\n\r\n${withBody('2', '')}\r\n${withBody('3', 'a\r\n\r\nb')}\r\n\r\n\r\n\r\n${withBody('4', 'x')}`;
const FRAMES = ['1:one', 'keepalive', '2:', '3:a\r\n\r\nb', 'keepalive', 'keepalive', '4:x'];

test('messages and keepalives come out the same however the stream was cut', (t) => {
  for (let size = 1; size <= STREAM.length; size += 1) {
    const framer = new SipStreamFramer();
    const frames: SipFrame[] = [];
    for (let at = 0; at < STREAM.length; at += size)
      frames.push(...framer.push(Buffer.from(STREAM.slice(at, at + size), 'latin1')));
    t.deepEqual(summary(frames), FRAMES, `pieces of ${size}`);
    t.is(framer.failure, undefined);
  }
});

test('a body is not written over by what comes after it', (t) => {
  const framer = new SipStreamFramer();
  const [first] = framer.push(Buffer.from(`${withBody('1', 'one')}${withBody('2', 'two').slice(0, 20)}`));
  framer.push(Buffer.from(withBody('2', 'two').slice(20)));
  t.deepEqual(summary(first === undefined ? [] : [first]), ['1:one']);
});

test('the answer to a keepalive is no keepalive', (t) => {
  const framer = new SipStreamFramer();
  t.deepEqual(framer.push(KEEPALIVE_ANSWER), []);
  t.deepEqual(summary(framer.push(Buffer.from(withBody('1', 'one')))), ['1:one']);
});

test('half a keepalive is waited for', (t) => {
  const framer = new SipStreamFramer();
  t.deepEqual(framer.push(Buffer.from('\r\n\r')), []);
  t.deepEqual(summary(framer.push(Buffer.from('\n'))), ['keepalive']);
});

for (const name of ['ncl', 'mcl01'])
  test(`${name} on a stream: what came before, the request to be refused, and then nothing more`, (t) => {
    const framer = new SipStreamFramer();
    const frames = framer.push(Buffer.concat([Buffer.from(withBody('1', 'one')), vector(name)]));
    t.is(frames.length, 2);
    const [, last] = frames;
    t.is(last?.type === 'message' ? validateRequest(requestOf(last.message))?.status : 0, 400);
    t.is(framer.failure?.reason, 'a Content-Length that is no number');
    t.deepEqual(framer.push(Buffer.from(withBody('2', 'two'))), []);
  });

test('clerr on a stream: the rest of its body is waited for', (t) => {
  const framer = new SipStreamFramer();
  t.deepEqual(framer.push(vector('clerr')), []);
  t.is(framer.failure, undefined);
});

test('a stream ends at a message without Content-Length, at what is no message, and at one that is too long', (t) => {
  for (const [text, reason] of [
    ['OPTIONS sip:b@c SIP/2.0\r\nCall-ID: 1\r\n\r\n', 'no Content-Length on a stream'],
    ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'neither a request line nor a status line'],
    ['x'.repeat(MAX_MESSAGE_BYTES + 1), 'too long'],
    [`OPTIONS sip:b@c SIP/2.0\r\nContent-Length: ${MAX_MESSAGE_BYTES}\r\n\r\n`, 'too long'],
  ] as const) {
    const framer = new SipStreamFramer();
    t.deepEqual(framer.push(Buffer.from(text)), []);
    t.is(framer.failure?.reason, reason);
  }
});

test('the largest message passes, a byte at a time', (t) => {
  const head = 'MESSAGE sip:b@c SIP/2.0\r\nCall-ID: 1\r\nContent-Length: ';
  const bytes = Buffer.from(withBody('1', 'x'.repeat(MAX_MESSAGE_BYTES - head.length - 9)));
  t.is(bytes.length, MAX_MESSAGE_BYTES);
  const framer = new SipStreamFramer();
  const frames = [...bytes].flatMap((byte) => framer.push(Uint8Array.of(byte)));
  t.is(frames.length, 1);
  const [frame] = frames;
  t.is(frame?.type === 'message' ? encodeSip(frame.message).length : 0, MAX_MESSAGE_BYTES);
});
