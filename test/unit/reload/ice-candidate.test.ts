import test from 'ava';
import { ByteReader, ByteWriter, concatBytes, fromHex, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import type { Candidate } from '../../../src/base/candidate.ts';
import { OVERLAY_LINK_TYPES, decodeAttachRequest, encodeAttach, toIceCandidates } from '../../../src/reload/index.ts';
import type { AttachRequest } from '../../../src/reload/index.ts';

const HOST: Candidate = {
  type: 'host',
  address: { address: '192.0.2.1', port: 6084 },
  priority: 2130706431,
  foundation: '1',
};
const RELAY: Candidate = {
  type: 'relay',
  address: { address: '2001:db8::1', port: 4000 },
  priority: 1,
  foundation: 'a+/',
  relatedAddress: { address: '203.0.113.7', port: 61000 },
  extensions: [{ name: 'generation', value: '0' }],
};

function attach(candidates: readonly Candidate[]): AttachRequest {
  const iceCandidates = toIceCandidates(candidates);
  return {
    type: 'attach_req',
    ufrag: '8hhY',
    pwd: 'asd88',
    role: 'passive',
    candidates: iceCandidates,
    sendUpdate: true,
  };
}

function encode(body: AttachRequest): Uint8Array {
  const writer = new ByteWriter();
  encodeAttach(writer, body);
  return writer.finish();
}

function decode(bytes: Uint8Array): AttachRequest {
  const reader = new ByteReader(bytes);
  const body = decodeAttachRequest(reader);
  reader.end();
  return body;
}

/** An Attach around candidates in hexadecimal. */
function wire(...candidates: string[]): Uint8Array {
  const list = candidates.join('');
  const length = (list.length / 2).toString(16).padStart(4, '0');
  return concatBytes(
    fromHex('0438686859' + '056173643838' + '0770617373697665' + length),
    fromHex(list),
    fromHex('01'),
  );
}

const PLAIN = '0106c000020117c4' + '01' + '0131' + '7effffff' + '01' + '0000';
const OF_ANOTHER_KIND = '0903aabbcc' + '01' + '0131' + '7effffff' + '01' + '0000';
const MAPPED = '021200000000000000000000ffffc000020117c4' + '01' + '0131' + '7effffff' + '01' + '0000';

test('candidates of an ICE agent come back as they were, with the overlay link', (t) => {
  const body = attach([HOST, RELAY]);
  t.is(body.candidates[0]?.overlayLink, OVERLAY_LINK_TYPES.dtlsUdpSr);
  t.deepEqual(decode(encode(body)), body);
});

test('candidates with addresses of another kind are set aside and written again in their places', (t) => {
  for (const order of [
    [OF_ANOTHER_KIND, PLAIN, MAPPED],
    [PLAIN, OF_ANOTHER_KIND, OF_ANOTHER_KIND],
    [MAPPED, MAPPED, PLAIN, PLAIN],
  ]) {
    const bytes = wire(...order);
    const body = decode(bytes);
    t.is(body.candidates.length, order.filter((candidate) => candidate === PLAIN).length);
    t.is(toHex(encode(body)), toHex(bytes));
  }
  const body = { ...attach([HOST]), skippedCandidates: [{ position: 7, bytes: fromHex(MAPPED) }] };
  t.throws(() => encode(body), { instanceOf: RangeError });
});

test('a candidate that does not tell its base has an unspecified one of its family', (t) => {
  const { type, address, priority, foundation } = RELAY;
  t.deepEqual(decode(encode(attach([{ type, address, priority, foundation }]))).candidates[0]?.relatedAddress, {
    address: '::',
    port: 0,
  });
});

test('peer-reflexive and unknown candidate types are refused', (t) => {
  t.throws(() => encode(attach([{ ...RELAY, type: 'prflx' }])), { instanceOf: RangeError });
  for (const type of ['00', '03', '05'])
    t.throws(() => decode(wire(PLAIN.slice(0, -6) + type + '0000')), { instanceOf: MalformedMessageError });
});

test('characters that ICE does not have are refused both ways', (t) => {
  t.throws(() => encode({ ...attach([]), ufrag: 'a b' }), { instanceOf: RangeError });
  t.throws(() => encode(attach([{ ...HOST, foundation: '' }])), { instanceOf: RangeError });
  t.throws(() => encode(attach([{ ...HOST, extensions: [{ name: 'a\n', value: '' }] }])), { instanceOf: RangeError });
  t.throws(() => decode(wire(PLAIN.replace('0131', '010a'))), { instanceOf: MalformedMessageError });
  t.throws(() => decode(wire(PLAIN.replace('0131', '00'))), { instanceOf: MalformedMessageError });
  const body = encode(attach([]));
  const role = toHex(body).replace(Buffer.from('passive').toString('hex'), Buffer.from('massive').toString('hex'));
  t.throws(() => decode(fromHex(role)), { instanceOf: MalformedMessageError });
});

test('an offer of more than a hundred candidates is refused', (t) => {
  t.is(decode(wire(...new Array<string>(100).fill(PLAIN))).candidates.length, 100);
  t.throws(() => decode(wire(...new Array<string>(101).fill(PLAIN))), { instanceOf: MalformedMessageError });
});

test('a Boolean other than 0 and 1 is refused', (t) => {
  const bytes = encode(attach([HOST]));
  bytes[bytes.length - 1] = 2;
  const error = t.throws(() => decode(bytes), { instanceOf: MalformedMessageError });
  t.is(error.offset, bytes.length - 1);
});
