import test from 'ava';
import { concatBytes, fromHex } from '../../../../src/base/bytes.ts';
import { parseIpv4Prefix } from '../../../../src/base/ipv4-prefix.ts';
import { orchidRing, resourceIdOf } from '../../../../src/overlay/chord/ring.ts';
import { ipv4Choice } from '../../../../src/overlay/ipv4-choice.ts';
import type { Signer } from '../../../../src/overlay/security/certificate-cache.ts';
import { claimOf, claimWins, mayWrite } from '../../../../src/overlay/storage/access.ts';
import {
  CERTIFICATE_BY_NODE,
  CERTIFICATE_BY_USER,
  IDLOC_IPV4,
  IDLOC_LOCATORS,
  IDLOC_MEMBER,
  IDLOC_NAME,
  IDLOC_RESERVATION,
  type Kind,
} from '../../../../src/overlay/storage/kinds.ts';
import { memberShardName, memberShardOf } from '../../../../src/overlay/storage/member-value.ts';
import {
  encodeIpv4Value,
  encodeReservationValue,
  ipv4ResourceName,
  reservationResourceName,
} from '../../../../src/overlay/storage/values.ts';
import type { StoredDataValue } from '../../../../src/reload/index.ts';

const HIT = '20010022'.padEnd(32, 'a');
const OTHER = '20010022'.padEnd(32, 'b');
const USER = 'alice@example.net';
const PREFIX = parseIpv4Prefix('198.18.0.0/15');
const PLACES = { ring: orchidRing, ipv4Prefix: PREFIX, mayInvite: (hit: string) => hit === HIT };
const CHOICE = 3;
const ADDRESS = ipv4Choice(PREFIX, HIT, CHOICE);
const signer: Signer = { nodeId: HIT, user: USER, spki: new Uint8Array(), chain: [], hash: '' };
const anonymous: Signer = { ...signer, user: null };
const element: StoredDataValue = { model: 'array', index: 0, exists: true, value: new Uint8Array() };

const entry = (key: string): StoredDataValue => ({
  model: 'dictionary',
  key: fromHex(key),
  exists: true,
  value: new Uint8Array(),
});

function claim(over: Partial<Parameters<typeof encodeIpv4Value>[0]> = {}): StoredDataValue {
  const value = encodeIpv4Value({ ipv4: ADDRESS, hit: HIT, choice: CHOICE, user: USER, ...over });
  return { model: 'single', exists: true, value };
}

test('USER-MATCH: only at the hash of the own user name', (t) => {
  t.true(mayWrite(PLACES, CERTIFICATE_BY_USER, resourceIdOf(USER), element, signer));
  t.false(mayWrite(PLACES, CERTIFICATE_BY_USER, resourceIdOf('bob@example.net'), element, signer));
  t.false(mayWrite(PLACES, CERTIFICATE_BY_USER, resourceIdOf(USER), element, anonymous));
});

test('NODE-MATCH: only at the hash of the own Node-ID', (t) => {
  t.true(mayWrite(PLACES, CERTIFICATE_BY_NODE, resourceIdOf(fromHex(HIT)), element, signer));
  t.false(mayWrite(PLACES, CERTIFICATE_BY_NODE, resourceIdOf(fromHex(OTHER)), element, signer));
});

test('nobody else says where a peer is, or that it is nowhere, at its Node-ID; nor in its name elsewhere', (t) => {
  const says: StoredDataValue = { model: 'single', exists: true, value: new Uint8Array() };
  for (const value of [says, { ...says, exists: false }]) {
    t.true(mayWrite(PLACES, IDLOC_LOCATORS, resourceIdOf(fromHex(HIT)), value, signer));
    t.false(mayWrite(PLACES, IDLOC_LOCATORS, resourceIdOf(fromHex(OTHER)), value, signer));
    t.false(mayWrite(PLACES, IDLOC_LOCATORS, resourceIdOf(USER), value, signer));
  }
});

test('USER-NODE-MATCH: also the key is the own Node-ID', (t) => {
  t.true(mayWrite(PLACES, IDLOC_NAME, resourceIdOf(USER), entry(HIT), signer));
  t.false(mayWrite(PLACES, IDLOC_NAME, resourceIdOf(USER), entry(OTHER), signer));
  t.false(mayWrite(PLACES, IDLOC_NAME, resourceIdOf('bob@example.net'), entry(HIT), signer));
});

test('NODE-MULTIPLE: up to the number that the Kind allows', (t) => {
  const kind: Kind = { ...CERTIFICATE_BY_NODE, accessPolicy: 'NODE-MULTIPLE', maxNodeMultiple: 3 };
  const at = (i: number): string => resourceIdOf(concatBytes(fromHex(HIT), Uint8Array.of(i)));
  t.true(mayWrite(PLACES, kind, at(3), element, signer));
  t.false(mayWrite(PLACES, kind, at(4), element, signer));
  t.false(mayWrite(PLACES, kind, at(0), element, signer));
});

test('NODE-SHARD: the own entry, in the part of the list that the Node-ID says', (t) => {
  const shard = memberShardOf(HIT);
  const at = (part: number): string => resourceIdOf(memberShardName(part));
  t.true(mayWrite(PLACES, IDLOC_MEMBER, at(shard), entry(HIT), signer));
  t.false(mayWrite(PLACES, IDLOC_MEMBER, at(shard ^ 1), entry(HIT), signer));
  t.false(mayWrite(PLACES, IDLOC_MEMBER, at(memberShardOf(OTHER)), entry(OTHER), signer));
  t.false(mayWrite(PLACES, IDLOC_MEMBER, at(shard), { ...element, index: 0 }, signer));
});

test('FIRST-CLAIM: a claim names its writer, its user and its place', (t) => {
  const place = resourceIdOf(ipv4ResourceName(ADDRESS));
  t.true(mayWrite(PLACES, IDLOC_IPV4, place, claim(), signer));
  t.false(mayWrite(PLACES, IDLOC_IPV4, place, claim({ hit: OTHER }), signer));
  t.false(mayWrite(PLACES, IDLOC_IPV4, place, claim({ user: null }), signer));
  t.false(mayWrite(PLACES, IDLOC_IPV4, place, claim({ ipv4: '198.18.1.3' }), signer));
  t.false(mayWrite(PLACES, IDLOC_IPV4, place, { model: 'single', exists: true, value: fromHex('01') }, signer));
});

test('FIRST-CLAIM: an address that is none of the writer’s choices is not claimed by it', (t) => {
  const at = (choice: number): boolean => {
    const ipv4 = ipv4Choice(PREFIX, HIT, choice);
    return mayWrite(PLACES, IDLOC_IPV4, resourceIdOf(ipv4ResourceName(ipv4)), claim({ ipv4, choice }), signer);
  };
  t.true(at(0) && at(63));
  t.false(at(64));
  const place = resourceIdOf(ipv4ResourceName(ADDRESS));
  t.false(mayWrite(PLACES, IDLOC_IPV4, place, claim({ choice: CHOICE + 1 }), signer));
  const elsewhere = { ...PLACES, ipv4Prefix: parseIpv4Prefix('10.1.0.0/16') };
  t.false(mayWrite(elsewhere, IDLOC_IPV4, place, claim(), signer));
});

test('INVITER-CLAIM: a name is kept by whoever may let hosts in, in its place, for any host, and by nobody else', (t) => {
  const value = (hit: string | null): StoredDataValue => {
    return { model: 'single', exists: true, value: encodeReservationValue({ user: USER, hit }) };
  };
  const place = resourceIdOf(reservationResourceName(USER));
  const other = { ...signer, nodeId: OTHER };
  for (const hit of [null, HIT, OTHER]) {
    t.true(mayWrite(PLACES, IDLOC_RESERVATION, place, value(hit), signer));
    t.false(mayWrite(PLACES, IDLOC_RESERVATION, place, value(hit), other));
  }
  const elsewhere = resourceIdOf(reservationResourceName('bob@example.net'));
  t.false(mayWrite(PLACES, IDLOC_RESERVATION, elsewhere, value(null), signer));
  t.false(mayWrite(PLACES, IDLOC_RESERVATION, resourceIdOf(USER), value(null), signer));
  t.false(mayWrite(PLACES, IDLOC_RESERVATION, place, { ...value(null), value: fromHex('02') }, signer));
  const gone: StoredDataValue = { model: 'single', exists: false, value: new Uint8Array() };
  t.true(mayWrite(PLACES, IDLOC_RESERVATION, place, gone, signer));
  t.false(mayWrite(PLACES, IDLOC_RESERVATION, place, gone, other));
});

test('of two claims the earlier choice wins, of equal ones the lower HIT', (t) => {
  const a = claimOf(claim());
  const later = claimOf(claim({ choice: CHOICE + 1 }));
  const other = claimOf(claim({ hit: OTHER }));
  if (a === undefined || later === undefined || other === undefined) return t.fail();
  t.true(claimWins(a, later) && !claimWins(later, a));
  t.true(claimWins(a, other) && !claimWins(other, a));
});
