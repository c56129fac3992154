import { X509Certificate, verify } from 'node:crypto';
import test from 'ava';
import { ByteReader, ByteWriter, fromHex, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import {
  dataSignatureInput,
  decodeMessage,
  decodeStoredData,
  decodeStoredDataSpecifier,
  decodeStoredDataValue,
  encodeStoredDataSpecifier,
  encodeStoredDataValue,
} from '../../../src/reload/index.ts';
import type { DataModel, SignerIdentity, StoredDataSpecifier } from '../../../src/reload/index.ts';
import { list, messageVectors, vectorDataModel, vectorFile, vectors } from './vectors.ts';
import type { Fields } from './vectors.ts';

const IDENTITIES: Readonly<Record<string, SignerIdentity>> = {
  A: {
    type: 'cert_hash',
    hashAlgorithm: 4,
    hash: fromHex('b15011810d4ad6d47952b577e47453e583d38f39ac4b72730566b6d4ed0755ba'),
  },
  B: {
    type: 'cert_hash_node_id',
    hashAlgorithm: 4,
    hash: fromHex('ffc2cf038a00e34281d7309626833c137d0d4e78bac3f8b508ca99ccf9bb1524'),
  },
};
const CERTIFICATES: Readonly<Record<string, string>> = {
  A: 'certs/node-a-rsa2048.cert.der',
  B: 'certs/node-b-p256-two-ids.cert.der',
};

function keyOf(signer: string) {
  return new X509Certificate(vectorFile(CERTIFICATES[signer] ?? '')).publicKey;
}

const items: Fields[] = vectors(/^s_data_signatures/).flatMap(({ file }) => list(file, 'items'));

items.forEach((item, i) => {
  test(`data signature ${i} covers what its maker signed`, (t) => {
    const kind = item['kind'] as number;
    const signer = item['signer'] as string;
    const signed = new ByteReader(fromHex(item['stored_data_value_as_signed'] as string));
    const value = decodeStoredDataValue(signed, vectorDataModel(kind) ?? 'single');
    signed.end();
    const storageTime = BigInt(item['storage_time'] as number);
    const identity = IDENTITIES[signer] ?? { type: 'none' };
    const input = dataSignatureInput(item['resource_id'] as string, kind, storageTime, value, identity);
    t.is(toHex(input), item['tbs_raw_resource_id'] as string);
    t.true(verify('sha256', input, keyOf(signer), fromHex(item['signature_over_raw'] as string)));
  });
});

for (const { name, hex } of messageVectors.filter((vector) => /store_req|0a_fetch_ans/.test(vector.name)))
  test(`${name}: every stored value verifies at the resource it was stored at`, (t) => {
    const { contents } = decodeMessage(fromHex(hex['message'] ?? ''), { dataModelOf: vectorDataModel });
    const { body } = contents;
    const resources = new Set(items.map((item) => item['resource_id'] as string));
    const kinds = body.type === 'store_req' ? body.kindData : body.type === 'fetch_ans' ? body.kindResponses : [];
    for (const { kind, values } of kinds)
      for (const { storageTime, value, signature } of values) {
        const signer = signature.identity.type === 'cert_hash' ? 'A' : 'B';
        const verifies = (resourceId: string) =>
          verify(
            'sha256',
            dataSignatureInput(resourceId, kind, storageTime, value, signature.identity),
            keyOf(signer),
            signature.value,
          );
        if (body.type === 'store_req') t.true(verifies(body.resource));
        else t.true([...resources].some(verifies));
      }
    t.true(kinds.length > 0 || name.includes('unchanged'));
  });

test('the index of an array entry does not change what is signed', (t) => {
  const identity = { type: 'none' } as const;
  const input = (index: number) =>
    dataSignatureInput('00', 1, 0n, { model: 'array', index, exists: true, value: fromHex('aa') }, identity);
  t.deepEqual(input(0xffffffff), input(0));
});

test('a stored value with bytes behind its signature, or cut off, is refused', (t) => {
  const good = '0000000000000000' + '00000000' + '0100000001aa' + '00000300000000';
  for (const [length, content] of [
    [0x1a, good + '00'],
    [0x18, good.slice(0, -2)],
    [0x19, good.replace('0100000001aa', '0200000001aa')],
  ] as const) {
    const bytes = fromHex(length.toString(16).padStart(8, '0') + content);
    t.throws(() => decodeStoredData(new ByteReader(bytes), 'single'), { instanceOf: MalformedMessageError });
  }
});

test('a value is read by the data model of its Kind', (t) => {
  const cases: [DataModel, string][] = [
    ['single', '0100000001aa'],
    ['array', '000000050100000001aa'],
    ['dictionary', '0002beef0000000000'],
  ];
  for (const [model, hex] of cases) {
    const value = decodeStoredDataValue(new ByteReader(fromHex(hex)), model);
    t.is(value.model, model);
    const writer = new ByteWriter();
    encodeStoredDataValue(writer, value);
    t.is(toHex(writer.finish()), hex);
  }
});

test('values of a Kind that is not known here stay opaque and are written again', (t) => {
  const vector = messageVectors.find(({ name }) => name.startsWith('07_store_req_multi_kind'));
  const bytes = fromHex(vector?.hex['message_body'] ?? '');
  const { body } = decodeMessage(fromHex(vector?.hex['message'] ?? ''), { dataModelOf: () => undefined }).contents;
  t.true(body.type === 'store_req');
  if (body.type !== 'store_req') return;
  const opaque = body.kindData.reduce((sum, { opaqueValues }) => sum + (opaqueValues?.length ?? 0), 0);
  t.is(opaque, bytes.length - 17 - 1 - 4 - body.kindData.length * 16);
  t.true(body.kindData.every(({ values }) => values.length === 0));
});

test('array ranges that overlap or end before they start are refused, both ways', (t) => {
  const specifier = (ranges: { first: number; last: number }[]): StoredDataSpecifier => ({
    kind: 3,
    generation: 0n,
    specifier: { model: 'array', ranges },
  });
  for (const ranges of [
    [{ first: 2, last: 1 }],
    [
      { first: 5, last: 9 },
      { first: 0, last: 5 },
    ],
    [
      { first: 0, last: 0xffffffff },
      { first: 7, last: 7 },
    ],
  ]) {
    const writer = new ByteWriter();
    t.throws(() => encodeStoredDataSpecifier(writer, specifier(ranges)), { instanceOf: RangeError });
    const wire = new ByteWriter();
    wire.u32(3);
    wire.u64(0n);
    wire.vector(2, () =>
      wire.vector(2, () => {
        for (const { first, last } of ranges) {
          wire.u32(first);
          wire.u32(last);
        }
      }),
    );
    t.throws(() => decodeStoredDataSpecifier(new ByteReader(wire.finish()), vectorDataModel), {
      instanceOf: MalformedMessageError,
    });
  }
});
