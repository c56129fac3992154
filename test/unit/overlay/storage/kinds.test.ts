import test from 'ava';
import { DEFAULT_KINDS, IDLOC_IPV4, kindsOf } from '../../../../src/overlay/storage/kinds.ts';

const NOTES = {
  kind: 0xf0000042,
  dataModel: 'SINGLE',
  accessControl: 'NODE-MATCH',
  maxCount: 1,
  maxSize: 100,
} as const;

test('a configuration adds Kinds by number', (t) => {
  const copies = { ...NOTES, kind: 0xf0000043, accessControl: 'NODE-MULTIPLE', maxNodeMultiple: 20 } as const;
  const added = kindsOf([NOTES, copies]).slice(DEFAULT_KINDS.length);
  t.like(added, [
    { id: 0xf0000042, dataModel: 'single', accessPolicy: 'NODE-MATCH', maxCount: 1, maxSize: 100 },
    { id: 0xf0000043, accessPolicy: 'NODE-MULTIPLE', maxNodeMultiple: 20 },
  ]);
});

test('a Kind whose name or policy nobody knows here is left out, and those of idloc stay what they are', (t) => {
  const unknown = [
    { ...NOTES, kind: 'WEATHER' },
    { ...NOTES, accessControl: 'ANYBODY' },
    { ...NOTES, kind: IDLOC_IPV4.id, maxSize: 1_000_000 },
    { ...NOTES, kind: 'TURN-SERVICE', accessControl: 'NODE-MATCH' },
    { ...NOTES, kind: 'SIP-REGISTRATION', accessControl: 'USER-MATCH' },
    { ...NOTES, kind: 1 },
    { ...NOTES, accessControl: 'FIRST-CLAIM' },
  ];
  t.deepEqual(kindsOf(unknown), DEFAULT_KINDS);
});
