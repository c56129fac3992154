import test from 'ava';
import { CERTIFICATE_BY_NODE, IDLOC_HOST, IDLOC_NAME } from '../../../../src/overlay/storage/kinds.ts';
import type { SignedValue } from '../../../../src/overlay/storage/admission.ts';
import { select } from '../../../../src/overlay/storage/selection.ts';
import { EMPTY_SIGNATURE, type StoredDataValue } from '../../../../src/reload/index.ts';

const signer = { nodeId: '', user: null, spki: new Uint8Array(), chain: [], hash: '' };
const stored = (value: StoredDataValue): SignedValue => ({
  data: { storageTime: 1n, lifetime: 1, value, signature: EMPTY_SIGNATURE },
  signer,
});
const present = { exists: true, value: Uint8Array.of(1) };
const entry = (key: number): SignedValue => stored({ model: 'dictionary', key: Uint8Array.of(key), ...present });
const element = (index: number): SignedValue => stored({ model: 'array', index, ...present });

test('a single value that is not there is answered by one that does not exist', (t) => {
  const selection = select(IDLOC_HOST, { model: 'single' }, []);
  t.is(selection?.absent.length, 1);
  t.false(selection?.absent[0]?.value.exists);
  t.is(select(IDLOC_HOST, { model: 'single' }, [stored({ model: 'single', ...present })])?.stored.length, 1);
});

test('keys that were asked for come, and those that are not there do not exist', (t) => {
  const keys = [Uint8Array.of(1), Uint8Array.of(9)];
  const selection = select(IDLOC_NAME, { model: 'dictionary', keys }, [entry(1), entry(2)]);
  t.deepEqual([selection?.stored.length, selection?.absent.length], [1, 1]);
  t.is(select(IDLOC_NAME, { model: 'dictionary', keys: [] }, [entry(1), entry(2)])?.stored.length, 2);
});

test('elements in the ranges come', (t) => {
  const ranges = [{ first: 1, last: 2 }];
  const selection = select(CERTIFICATE_BY_NODE, { model: 'array', ranges }, [element(0), element(1), element(2)]);
  t.is(selection?.stored.length, 2);
});

test('a specifier of another data model selects nothing', (t) => {
  t.is(select(IDLOC_HOST, { model: 'dictionary', keys: [] }, []), undefined);
  t.is(select(IDLOC_HOST, { model: 'opaque', bytes: new Uint8Array() }, []), undefined);
});
