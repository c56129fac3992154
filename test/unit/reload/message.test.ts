import { X509Certificate, verify } from 'node:crypto';
import test from 'ava';
import { ByteReader, fromHex, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import {
  EMPTY_SIGNATURE,
  HASH_ALGORITHMS,
  MESSAGE_CODES,
  SIGNATURE_ALGORITHMS,
  WHOLE_MESSAGE_FRAGMENT,
  contentsOf,
  decodeBody,
  decodeEnvelope,
  decodeFrame,
  decodeMessage,
  encodeContents,
  encodeForwardingHeader,
  encodeFrame,
  encodeMessage,
  isRequest,
  messageName,
  messageSignatureInput,
  overlayField,
} from '../../../src/reload/index.ts';
import type { Message } from '../../../src/reload/index.ts';
import { headerVectors, messageOfVector, messageVectors, vectorDataModel, vectorFile } from './vectors.ts';

const OPTIONS = { dataModelOf: vectorDataModel };

const PING: Message = {
  header: {
    overlay: 0x9aa32b8d,
    configurationSequence: 7,
    ttl: 100,
    fragment: WHOLE_MESSAGE_FRAGMENT,
    transactionId: 0x0123456789abcdefn,
    maxResponseLength: 0,
    viaList: [],
    destinationList: [{ type: 'node', nodeId: '545e0a773ec48f4a1de91ffd4232f9ed' }],
    options: [],
  },
  contents: contentsOf({ type: 'ping_req', padding: new Uint8Array(0) }),
  security: { certificates: [], signature: EMPTY_SIGNATURE },
};

for (const vector of [...messageVectors, ...headerVectors]) {
  const { name } = vector;
  const hex = (of: string): string => vector.hex[of] ?? '';

  test(`${name} is read with the fields that its maker wrote, and written again byte by byte`, (t) => {
    const message = decodeMessage(fromHex(hex('message')), OPTIONS);
    const { length, headerLength, ...header } = message.header;
    t.is(length, hex('message').length / 2);
    t.is(headerLength, hex('forwarding_header').length / 2);
    t.deepEqual({ header, contents: message.contents, security: message.security }, messageOfVector(vector));
    t.is(toHex(message.contentsBytes), hex('message_contents'));
    t.is(toHex(encodeMessage(message)), hex('message'));
  });

  test(`${name} is made from its fields`, (t) => {
    const message = messageOfVector(vector);
    t.is(toHex(encodeMessage(message)), hex('message'));
    t.is(toHex(encodeContents(message.contents)), hex('message_contents'));
  });

  test(`${name} comes out of its frame, and goes in again`, (t) => {
    const frame = decodeFrame(fromHex(hex('framed')));
    t.is(frame.type === 'data' ? toHex(frame.message) : undefined, hex('message'));
    t.is(toHex(encodeFrame(frame)), hex('framed'));
  });

  test(`${name} verifies with the key of its signer`, (t) => {
    const { header, contentsBytes, security, signerIdentityBytes } = decodeEnvelope(fromHex(hex('message')));
    const input = messageSignatureInput(header.overlay, header.transactionId, contentsBytes, signerIdentityBytes);
    t.is(toHex(input), hex('signature_input'));
    const { hashAlgorithm, signatureAlgorithm, value } = security.signature;
    t.is(hashAlgorithm, HASH_ALGORITHMS.sha256);
    const rsa = signatureAlgorithm === SIGNATURE_ALGORITHMS.rsa;
    const der = vectorFile(rsa ? 'certs/node-a-rsa2048.cert.der' : 'certs/node-b-p256-two-ids.cert.der');
    const key = new X509Certificate(der).publicKey;
    t.true(verify('sha256', input, key, value));
    t.false(verify('sha256', input.subarray(1), key, value));
  });
}

test('a message with one byte more, or one less than its length field says, is refused', (t) => {
  const bytes = encodeMessage(PING);
  for (const wrong of [new Uint8Array([...bytes, 0]), bytes.subarray(0, -1)]) {
    const error = t.throws(() => decodeMessage(wrong, OPTIONS), { instanceOf: MalformedMessageError });
    t.is(error.offset, 16);
  }
});

test('bytes behind the security block are refused even if the length field counts them in', (t) => {
  const bytes = new Uint8Array([...encodeMessage(PING), 0]);
  new DataView(bytes.buffer).setUint32(16, bytes.length);
  const error = t.throws(() => decodeMessage(bytes, OPTIONS), { instanceOf: MalformedMessageError });
  t.is(error.offset, bytes.length - 1);
});

test('bytes behind a body that is complete are refused at their offset in the message', (t) => {
  const contents = { code: MESSAGE_CODES.exp_a_req, extensions: [] };
  const bytes = encodeMessage({
    ...PING,
    contents: { ...contents, body: { type: 'exp_a_req', bytes: fromHex('000000') } },
  });
  const headerBytes = encodeForwardingHeader(PING.header, 0).length;
  bytes[headerBytes + 1] = MESSAGE_CODES.ping_req;
  const error = t.throws(() => decodeMessage(bytes, OPTIONS), { instanceOf: MalformedMessageError });
  t.is(error.offset, headerBytes + 6 + 2);
});

test('every prefix of every vector is refused', (t) => {
  for (const { hex } of messageVectors) {
    const bytes = fromHex(hex['message'] ?? '');
    for (let length = 0; length < Math.min(bytes.length, 400); length++) {
      const prefix = bytes.slice(0, length);
      if (length >= 20) new DataView(prefix.buffer).setUint32(16, length);
      t.throws(() => decodeMessage(prefix, OPTIONS), { instanceOf: MalformedMessageError });
    }
  }
});

test('a body of a code that is not known stays as it is', (t) => {
  const contents = { code: 0x27, body: { type: 'unknown' as const, bytes: fromHex('c0ffee') }, extensions: [] };
  const bytes = encodeMessage({ ...PING, contents });
  const read = decodeMessage(bytes, OPTIONS);
  t.deepEqual(read.contents, contents);
  t.deepEqual(encodeMessage(read), bytes);
  t.is(messageName(0x27), undefined);
});

test('message code 0, version 0.1 and a message without the token are refused', (t) => {
  const bytes = encodeMessage(PING);
  const headerBytes = encodeForwardingHeader(PING.header, 0).length;
  for (const [offset, value] of [
    [headerBytes + 1, 0],
    [10, 1],
    [0, 0x52],
    [12, 0x40],
  ] as const) {
    const wrong = bytes.slice();
    wrong[offset] = value;
    t.throws(() => decodeMessage(wrong, OPTIONS), { instanceOf: MalformedMessageError });
  }
});

test('a fragment is not taken for a message', (t) => {
  const bytes = encodeMessage({ ...PING, header: { ...PING.header, fragment: 0x80000000 } });
  const error = t.throws(() => decodeEnvelope(bytes), { instanceOf: MalformedMessageError });
  t.is(error.offset, 12);
});

test('a body is read only when asked for, with offsets of the whole message', (t) => {
  const bytes = encodeMessage(PING);
  const envelope = decodeEnvelope(bytes);
  t.is(envelope.code, MESSAGE_CODES.ping_req);
  const broken = { ...envelope, bodyBytes: fromHex('0005') };
  const error = t.throws(() => decodeBody(broken, OPTIONS), { instanceOf: MalformedMessageError });
  t.is(error.offset, envelope.bodyOffset + 2);
});

test('contents whose code is not the one of their body are not written', (t) => {
  t.throws(() => encodeContents({ ...PING.contents, code: MESSAGE_CODES.ping_ans }), { instanceOf: RangeError });
  const body = { type: 'unknown' as const, bytes: new Uint8Array(0) };
  t.throws(() => encodeContents({ code: MESSAGE_CODES.ping_req, body, extensions: [] }), { instanceOf: RangeError });
});

test('requests are told from answers and errors by their code', (t) => {
  t.true(isRequest(MESSAGE_CODES.probe_req));
  t.false(isRequest(MESSAGE_CODES.probe_ans));
  t.false(isRequest(MESSAGE_CODES.error));
});

test('a number that does not fit its field is not written', (t) => {
  const encode = (header: Partial<Message['header']>) => () =>
    encodeMessage({ ...PING, header: { ...PING.header, ...header } });
  t.throws(encode({ ttl: 256 }), { instanceOf: RangeError });
  t.throws(encode({ overlay: -1 }), { instanceOf: RangeError });
  t.throws(encode({ transactionId: 2n ** 64n }), { instanceOf: RangeError });
  t.throws(encode({ fragment: 0 }), { instanceOf: RangeError });
});

test('what was read borrows from the input', (t) => {
  const bytes = encodeMessage(PING);
  const { contentsBytes } = decodeMessage(bytes, OPTIONS);
  t.is(contentsBytes.buffer, bytes.buffer);
  t.is(new ByteReader(contentsBytes).u16(), MESSAGE_CODES.ping_req);
});

test('the overlay field is the low end of the hash of the name', (t) => {
  t.is(overlayField('overlay.example.org'), 0x9aa32b8d);
});
