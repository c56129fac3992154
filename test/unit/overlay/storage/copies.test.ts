import test from 'ava';
import { resourceIdOf } from '../../../../src/overlay/chord/ring.ts';
import { copiesOf } from '../../../../src/overlay/storage/copies.ts';
import { IDLOC_NAME } from '../../../../src/overlay/storage/kinds.ts';
import { ORIGINAL, type SignedValue } from '../../../../src/overlay/storage/admission.ts';
import { ResourceStore } from '../../../../src/overlay/storage/resource-store.ts';
import { EMPTY_SIGNATURE } from '../../../../src/reload/index.ts';

const WALL = 1_700_000_000_000;

test('many values are copied in messages that each fit, with the certificates of their writers', (t) => {
  const store = new ResourceStore({ maxBytes: 1_000_000, maxPerWriter: 8 });
  const resource = resourceIdOf('alice@example.net');
  const values = Array.from({ length: 12 }, (_, i): SignedValue => {
    const value = { model: 'dictionary' as const, key: Uint8Array.of(i), exists: true, value: new Uint8Array(5) };
    const signer = { nodeId: `${i}`, user: null, spki: new Uint8Array(), chain: [new Uint8Array(500)], hash: `${i}` };
    return { data: { storageTime: BigInt(WALL), lifetime: 10, value, signature: EMPTY_SIGNATURE }, signer };
  });
  store.offer(resource, [{ kind: IDLOC_NAME, generation: 0n, values }], ORIGINAL, 0, WALL);
  const found = store.find(resource);
  if (found === undefined) return t.fail();
  const copies = copiesOf(store, found, 0, 5_000, 0);
  const perMessage = copies.map(({ body }) => body.kindData[0]?.values.length ?? 0);
  t.is(
    perMessage.reduce((a, b) => a + b, 0),
    12,
  );
  t.true(copies.length > 1 && perMessage.every((count) => count > 0 && count * 665 <= 3_400));
  for (const [i, { certificates, body }] of copies.entries()) {
    t.is(certificates.length, perMessage[i] ?? 0);
    t.is(body.replicaNumber, 1);
  }
  t.is(copiesOf(store, found, 0, 20_000, 0).length, 1);
  t.is(copiesOf(store, found, found.revision, 20_000, 0).length, 0);
});
