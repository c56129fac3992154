import test from 'ava';
import { ByteReader, ByteWriter, fromHex, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import {
  decodeDestination,
  decodeFrame,
  decodeIpAddressPort,
  decodeSecurityBlock,
  decodeSignature,
  decodeSignerIdentity,
  decodeTurnServer,
  encodeDestination,
  encodeFrame,
  encodeIpAddressPort,
  encodeSecurityBlock,
  encodeSignature,
  encodeSignerIdentity,
  encodeTurnServer,
} from '../../../src/reload/index.ts';
import { readResourceId, writeResourceId } from '../../../src/reload/wire.ts';
import { addressOf, destinationOf, field, identityOf, securityOf, signatureOf, vectors } from './vectors.ts';
import type { Fields } from './vectors.ts';

interface Component<T> {
  readonly prefix: RegExp;
  readonly of: (fields: Fields) => T;
  readonly encode: (writer: ByteWriter, value: T) => void;
  readonly decode: (reader: ByteReader) => T | undefined;
}

function component<T>({ prefix, of, encode, decode }: Component<T>): void {
  for (const { name, file, hex } of vectors(prefix))
    test(`${name} is read with its fields and written again`, (t) => {
      const value = of(field(file, 'fields'));
      const reader = new ByteReader(fromHex(hex['wire'] ?? ''));
      t.deepEqual(decode(reader), value);
      reader.end();
      const writer = new ByteWriter();
      encode(writer, value);
      t.is(toHex(writer.finish()), hex['wire'] ?? '');
    });
}

component({ prefix: /^c_destination/, of: destinationOf, encode: encodeDestination, decode: decodeDestination });
component({ prefix: /^c_ip_address/, of: addressOf, encode: encodeIpAddressPort, decode: decodeIpAddressPort });
component({ prefix: /^c_security_block/, of: securityOf, encode: encodeSecurityBlock, decode: decodeSecurityBlock });
component({ prefix: /^c_signature/, of: signatureOf, encode: encodeSignature, decode: decodeSignature });
component({ prefix: /^c_signer/, of: identityOf, encode: encodeSignerIdentity, decode: decodeSignerIdentity });
component({
  prefix: /^c_resource_id/,
  of: (fields) => fields['hex'] as string,
  encode: writeResourceId,
  decode: readResourceId,
});

for (const { name, file, hex } of vectors(/^c_frame/))
  test(`${name} is read with its fields and written again`, (t) => {
    const fields = field(field(file, 'fields'), 'frame');
    const frame = decodeFrame(fromHex(hex['wire'] ?? ''));
    t.is(frame.type === 'data' ? frame.sequence : frame.ackSequence, fields['sequence'] as number);
    if (frame.type === 'data') t.is(toHex(frame.message), field(fields, 'message')['hex'] as string);
    else t.is(frame.received, fields['received'] as number);
    t.is(toHex(encodeFrame(frame)), hex['wire'] ?? '');
  });

test('a frame of another type, or with trailing bytes, is refused', (t) => {
  for (const hex of ['', '82', '8000000000', '8000000000000001aabb', '810000002100000000ff', '16fefd'])
    t.throws(() => decodeFrame(fromHex(hex)), { instanceOf: MalformedMessageError });
});

test('a destination of a type to come is skipped by its length and kept', (t) => {
  const bytes = fromHex('0703aabbcc');
  const destination = decodeDestination(new ByteReader(bytes));
  t.deepEqual(destination, { type: 'unknown', code: 7, data: fromHex('aabbcc') });
  const writer = new ByteWriter();
  encodeDestination(writer, destination);
  t.deepEqual(writer.finish(), bytes);
});

test('destinations whose inner length disagrees with the outer one are refused', (t) => {
  const nodeId = '545e0a773ec48f4a1de91ffd4232f9ed';
  for (const hex of [
    '0002aabb',
    `0111${nodeId}00`,
    `010f${nodeId}`,
    `021210${nodeId}00`,
    `021010${nodeId}`,
    '030302aa',
    '8a',
  ])
    t.throws(() => decodeDestination(new ByteReader(fromHex(hex))), { instanceOf: MalformedMessageError });
});

test('opaque IDs of two bytes keep the form in which they came', (t) => {
  for (const hex of ['8abc', '0303028abc']) {
    const writer = new ByteWriter();
    encodeDestination(writer, decodeDestination(new ByteReader(fromHex(hex))));
    t.is(toHex(writer.finish()), hex);
  }
  const compact = (opaqueId: Uint8Array) => () =>
    encodeDestination(new ByteWriter(), { type: 'opaque', opaqueId, compact: true });
  t.throws(compact(fromHex('0abc')), { instanceOf: RangeError });
  t.throws(compact(fromHex('8abcde')), { instanceOf: RangeError });
});

test('a Resource-ID of 254 bytes is the longest', (t) => {
  const longest = 'ab'.repeat(254);
  const writer = new ByteWriter();
  writeResourceId(writer, longest);
  t.is(readResourceId(new ByteReader(writer.finish())), longest);
  t.throws(() => writeResourceId(new ByteWriter(), `${longest}ab`), { instanceOf: RangeError });
  t.throws(() => writeResourceId(new ByteWriter(), 'AB'), { instanceOf: RangeError });
  const tooLong = new Uint8Array(256).fill(0xab);
  tooLong[0] = 255;
  t.throws(() => readResourceId(new ByteReader(tooLong)), { instanceOf: MalformedMessageError });
});

test('an address of a type to come is skipped by its length, one of the wrong length is refused', (t) => {
  const reader = new ByteReader(fromHex('0903aabbcc'));
  t.is(decodeIpAddressPort(reader), undefined);
  reader.end();
  for (const hex of ['0006c000020117c4', '0107c000020117c400', '0105c0000201ff', '0206c000020117c4'])
    t.throws(() => decodeIpAddressPort(new ByteReader(fromHex(hex))), { instanceOf: MalformedMessageError });
});

test('the TURN server of the vectors is read and written again', (t) => {
  const writer = new ByteWriter();
  const server = { iteration: 1, address: { address: '192.0.2.1', port: 6084 } };
  encodeTurnServer(writer, server);
  t.is(toHex(writer.finish()), '010106c000020117c4');
  t.deepEqual(decodeTurnServer(writer.finish()), server);
  t.throws(() => decodeTurnServer(fromHex('010106c000020117c400')), { instanceOf: MalformedMessageError });
});

test('a signer identity of a type to come is kept', (t) => {
  const bytes = fromHex('090002beef');
  const identity = decodeSignerIdentity(new ByteReader(bytes));
  const writer = new ByteWriter();
  encodeSignerIdentity(writer, identity);
  t.deepEqual(writer.finish(), bytes);
  t.throws(() => decodeSignerIdentity(new ByteReader(fromHex('03000100'))), { instanceOf: MalformedMessageError });
});
