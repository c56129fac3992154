import test from 'ava';
import { fromHex } from '../../../../src/base/bytes.ts';
import { pack, sizeOf, unpack } from '../../../../src/overlay/storage/packed-data.ts';
import {
  EMPTY_SIGNATURE,
  type Signature,
  type StoredData,
  type StoredDataValue,
} from '../../../../src/reload/index.ts';

/** Every byte that there is. */
const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
const signature: Signature = {
  hashAlgorithm: 4,
  signatureAlgorithm: 3,
  identity: { type: 'cert_hash', hashAlgorithm: 4, hash: bytes.slice(100, 132) },
  value: bytes.slice(0, 71),
};
const VALUES: readonly StoredDataValue[] = [
  { model: 'single', exists: true, value: bytes },
  { model: 'single', exists: false, value: new Uint8Array() },
  { model: 'array', index: 0xfffffffe, exists: true, value: bytes },
  { model: 'dictionary', key: fromHex('00ff'), exists: true, value: bytes },
];

for (const value of VALUES)
  test(`what is unpacked is what was packed: ${value.model}, ${value.exists ? 'a value' : 'none'}`, (t) => {
    for (const each of [signature, EMPTY_SIGNATURE]) {
      const data: StoredData = { storageTime: 2n ** 63n + 1n, lifetime: 0xffffffff, value, signature: each };
      const packed = pack(data);
      t.deepEqual(unpack(packed, value.model), data);
      t.true(sizeOf(packed) > value.value.length + each.value.length);
    }
  });

test('what is unpacked is the callers own', (t) => {
  const packed = pack({
    storageTime: 1n,
    lifetime: 1,
    value: { model: 'single', exists: true, value: bytes },
    signature,
  });
  unpack(packed, 'single').value.value.fill(7);
  t.deepEqual(unpack(packed, 'single').value.value, bytes);
});
