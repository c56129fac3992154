import test from 'ava';
import { MAX_RECORD_BYTES, MAX_REVOCATIONS } from '../../../src/membership/constants.ts';
import { Ledger } from '../../../src/membership/ledger.ts';
import { readStatement, statement } from './statements.ts';

test('a record is taken once, and only when its reader has proven it', (t) => {
  const ledger = new Ledger(readStatement);
  t.is(ledger.admit('grant', statement(1))?.at, 1);
  t.is(ledger.admit('grant', statement(1)), undefined);
  t.is(ledger.admit('grant', Buffer.from('forged')), undefined);
  t.is(ledger.admit('grant', new Uint8Array(MAX_RECORD_BYTES + 1)), undefined);
  t.is(ledger.size, 1);
});

test('a grant and a revocation of the same bytes are two records', (t) => {
  const ledger = new Ledger(readStatement);
  t.truthy(ledger.admit('grant', statement(1)));
  t.truthy(ledger.admit('revocation', statement(1)));
  t.is(ledger.size, 2);
});

test('ledgers with the same records have the same summary, whatever the order; one more record changes one digest', (t) => {
  const [a, b] = [new Ledger(readStatement), new Ledger(readStatement)];
  for (let at = 0; at < 100; at++) {
    a.admit('revocation', statement(at));
    b.admit('revocation', statement(99 - at));
  }
  t.deepEqual(a.summary(), b.summary());
  b.admit('revocation', statement(100));
  const other = b.summary();
  t.is(a.summary().filter((digest, i) => Buffer.compare(digest, other[i] ?? digest) !== 0).length, 1);
});

test('of too many revocations the latest stay, in any order of arrival, and no grant leaves for them', (t) => {
  const [a, b] = [new Ledger(readStatement), new Ledger(readStatement)];
  const count = MAX_REVOCATIONS + 20;
  a.admit('grant', statement(-1));
  b.admit('grant', statement(-1));
  for (let at = 0; at < count; at++) {
    a.admit('revocation', statement(at));
    b.admit('revocation', statement(count - 1 - at));
  }
  t.is(a.size, MAX_REVOCATIONS + 1);
  t.deepEqual(a.summary(), b.summary());
  t.is(a.admit('revocation', statement(0)), undefined);
});

test('what inviters revoke, however much and however late, takes no room from what the authority has said', (t) => {
  const [a, b] = [new Ledger(readStatement), new Ledger(readStatement)];
  for (let at = 0; at < MAX_REVOCATIONS; at++) a.admit('revocation', statement(1_000_000 + at));
  for (let at = 0; at < 10; at++) t.truthy(a.admit('revocation', statement(at, 'authority')));
  for (let at = 0; at < 10; at++) b.admit('revocation', statement(at, 'authority'));
  for (let at = 0; at < MAX_REVOCATIONS; at++) b.admit('revocation', statement(1_000_000 + at));
  t.is(a.size, MAX_REVOCATIONS);
  t.deepEqual(a.summary(), b.summary());
  t.is(a.all().filter(({ byAuthority }) => byAuthority).length, 10);
});

test('of too many revocations of the authority the latest stay', (t) => {
  const ledger = new Ledger(readStatement);
  for (let at = 0; at < MAX_REVOCATIONS + 5; at++) ledger.admit('revocation', statement(at, 'authority'));
  t.is(ledger.admit('revocation', statement(1_000_000)), undefined);
  t.is(Math.min(...ledger.all().map(({ at }) => at)), 5);
});
