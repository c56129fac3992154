import test from 'ava';
import { seededRandom } from '../../../../src/base/random.ts';
import { FingerTable } from '../../../../src/overlay/chord/finger-table.ts';
import { Ring } from '../../../../src/overlay/chord/ring.ts';
import { RoutingTable } from '../../../../src/overlay/chord/routing-table.ts';

const self = '0'.repeat(32);
const at = (start: string): string => start.padEnd(32, '0');

function tableOf(...peers: string[]): FingerTable {
  const routing = new RoutingTable(new Ring(), self);
  for (const peer of peers) routing.add(at(peer));
  return new FingerTable(routing);
}

test('a finger is the first peer of its range', (t) => {
  const table = tableOf('9', 'c', '5', '21');
  t.is(table.finger(1), at('9'));
  t.is(table.finger(2), at('5'));
  t.is(table.finger(3), at('21'));
  t.is(table.finger(4), undefined);
  t.deepEqual(table.entries, ['21', '5', '9'].map(at));
});

test('missing fingers end where the neighbours begin', (t) => {
  const table = tableOf('9', '11');
  t.deepEqual(table.missing(at('11')), [2, 3]);
  t.deepEqual(table.missing(undefined), []);
});

test('a search goes to an id in the range of the finger', (t) => {
  const table = tableOf('11');
  const random = seededRandom(7);
  for (let i = 0; i < 20; i++) {
    const search = table.pickSearch(at('11'), random);
    if (search === undefined) return t.fail();
    t.true(table.isValid(search.index, search.target));
  }
});

test('a full table has nothing to search for', (t) => {
  const table = tableOf('9', '5', '21', '11');
  t.is(table.pickSearch(at('11'), seededRandom(1)), undefined);
});
