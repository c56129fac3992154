import test from 'ava';
import { Standing } from '../../../src/identity/standing.ts';

const [alice, bob, carol] = ['alice', 'bob', 'carol'];

/** All orders in which the statements can arrive. */
function orders<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, at) => orders(items.toSpliced(at, 1)).map((rest) => [item, ...rest]));
}

type Statement = (standing: Standing) => void;

function inAnyOrder(...statements: readonly Statement[]): Standing[] {
  return orders(statements).map((order) => {
    const standing = new Standing();
    for (const statement of order) statement(standing);
    return standing;
  });
}

test('an inviter revokes members, and the authority everyone', (t) => {
  const [first] = inAnyOrder(
    (s) => s.grant(bob, 10),
    (s) => s.revoke(carol, { by: bob, at: 20 }),
    (s) => s.revoke(alice, { by: null, at: 30 }),
  );
  t.deepEqual(
    [alice, bob, carol].map((hit) => first?.isRevoked(hit)),
    [true, false, true],
  );
});

test('an inviter does not revoke another inviter, whatever comes first', (t) => {
  for (const standing of inAnyOrder(
    (s) => s.grant(alice, 10),
    (s) => s.grant(bob, 10),
    (s) => s.revoke(alice, { by: bob, at: 20 }),
  )) {
    t.false(standing.isRevoked(alice));
    t.true(standing.isInviter(alice));
  }
});

test('what a stolen inviter key revoked after its right had ended counts for nothing, what it revoked before stays', (t) => {
  for (const standing of inAnyOrder(
    (s) => s.grant(bob, 10),
    (s) => s.withdraw(bob, 50),
    (s) => s.revoke(alice, { by: bob, at: 20 }),
    (s) => s.revoke(carol, { by: bob, at: 60 }),
  )) {
    t.true(standing.isRevoked(alice));
    t.false(standing.isRevoked(carol));
  }
});

test('an inviter whom the authority revoked has no say after that', (t) => {
  for (const standing of inAnyOrder(
    (s) => s.grant(bob, 10),
    (s) => s.revoke(bob, { by: null, at: 50 }),
    (s) => s.revoke(carol, { by: bob, at: 60 }),
  )) {
    t.false(standing.isInviter(bob));
    t.false(standing.isRevoked(carol));
  }
});

test('a right that is given again after it was withdrawn counts, an older grant does not', (t) => {
  for (const standing of inAnyOrder(
    (s) => s.grant(bob, 10),
    (s) => s.withdraw(bob, 50),
    (s) => s.grant(bob, 40),
  ))
    t.deepEqual(standing.inviters(), []);
  for (const standing of inAnyOrder(
    (s) => s.grant(bob, 10),
    (s) => s.withdraw(bob, 50),
    (s) => s.grant(bob, 60),
  ))
    t.deepEqual(standing.inviters(), [bob]);
});

test('a host may end its own membership, also as an inviter', (t) => {
  const standing = new Standing();
  standing.grant(bob, 10);
  standing.revoke(bob, { by: bob, at: 20 });
  t.true(standing.isRevoked(bob));
});

test("many inviters' words leave room for the authority's", (t) => {
  const standing = new Standing();
  for (let i = 0; i < 100; i++) standing.revoke(alice, { by: `inviter${i}`, at: i });
  standing.grant(alice, 10);
  t.false(standing.isRevoked(alice));
  standing.revoke(alice, { by: null, at: 5 });
  t.true(standing.isRevoked(alice));
});

test('since when an inviter may not invite is told by the earliest word against it, unless it may again or nobody said when', (t) => {
  const orders = inAnyOrder(
    (s) => s.grant(bob, 10),
    (s) => s.withdraw(bob, 50),
    (s) => s.revoke(bob, { by: null, at: 60 }),
  );
  for (const standing of orders) t.is(standing.endedAt(bob), 50);
  const standing = new Standing();
  standing.grant(bob, 10);
  t.is(standing.endedAt(bob), undefined);
  standing.withdraw(bob, 50);
  standing.grant(bob, 60);
  t.is(standing.endedAt(bob), undefined);
  standing.revoke(bob, { by: null, at: 0 });
  t.false(standing.isInviter(bob));
  standing.grant(alice, 10);
  standing.revoke(alice, { by: null, at: 0 });
  t.is(standing.endedAt(alice), undefined, 'a bad-node of the configuration has no date');
});
