import test from 'ava';
import { MalformedMessageError } from '../../../../src/base/errors.ts';
import {
  decodeMemberValue,
  encodeMemberValue,
  MEMBER_SHARDS,
  memberShardOf,
} from '../../../../src/overlay/storage/member-value.ts';

const VALUE = { role: 'client', startedAt: 1_700_000_000_000, software: '0.1.0' } as const;

test('an entry of the members list is read as it was written', (t) => {
  t.deepEqual(decodeMemberValue(encodeMemberValue(VALUE)), VALUE);
});

test('entries of other versions, cut short, too long or with control characters are refused', (t) => {
  const good = encodeMemberValue(VALUE);
  const changed = (at: number, byte: number): Uint8Array => good.map((old, i) => (i === at ? byte : old));
  for (const bad of [
    good.slice(0, -1),
    Buffer.concat([good, Buffer.of(0)]),
    changed(0, 2),
    changed(1, 3),
    changed(2, 255),
    changed(12, 10),
  ])
    t.throws(() => decodeMemberValue(bad), { instanceOf: MalformedMessageError });
});

test('every part of the list is some host’s', (t) => {
  const shards = Array.from({ length: 256 }, (_, i) => memberShardOf(i.toString(16).padStart(32, '2')));
  t.is(new Set(shards).size, MEMBER_SHARDS);
});
