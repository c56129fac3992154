import { readFileSync } from 'node:fs';
import test from 'ava';
import { Ring } from '../../../../src/overlay/chord/ring.ts';
import { RoutingTable } from '../../../../src/overlay/chord/routing-table.ts';

interface ChordVectors {
  readonly nodes_sorted: readonly string[];
  readonly resources: readonly { resource_id: string; responsible: string; replicas: readonly string[] }[];
  readonly edge_cases: readonly { k: string; responsible: string }[];
  readonly routing: {
    readonly node: string;
    readonly routing_table: readonly string[];
    readonly cases: readonly { k: string; next_hop: string }[];
  };
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../vectors/chord/chord.json', import.meta.url), 'utf8'),
) as ChordVectors;

function tableOf(self: string, peers: readonly string[]): RoutingTable {
  const table = new RoutingTable(new Ring(), self);
  for (const peer of peers) table.add(peer);
  return table;
}

test('each resource of the vectors has the responsible peer and the replicas they say', (t) => {
  for (const self of vectors.nodes_sorted) {
    const table = tableOf(self, vectors.nodes_sorted);
    for (const { resource_id, responsible, replicas } of vectors.resources) {
      t.is(table.isResponsibleFor(resource_id), self === responsible);
      if (self === responsible) t.deepEqual(table.successors(2), replicas as string[]);
    }
    for (const { k, responsible } of vectors.edge_cases) t.is(table.isResponsibleFor(k), self === responsible);
  }
});

test('next hops are those of the vectors', (t) => {
  const { node, routing_table, cases } = vectors.routing;
  const table = tableOf(node, routing_table);
  for (const { k, next_hop } of cases) t.is(table.nextHop(k), next_hop);
});

test('an empty table makes the peer responsible for everything and knows no hop', (t) => {
  const [self = ''] = vectors.nodes_sorted;
  const table = tableOf(self, []);
  t.true(table.isResponsibleFor('f'.repeat(32)));
  t.is(table.nextHop('f'.repeat(32)), undefined);
  t.deepEqual(table.successors(3), []);
});

test('a peer is added once, never itself or an id of another ring', (t) => {
  const self = `20010022${'0'.repeat(24)}`;
  const table = new RoutingTable(new Ring('20010022'), self);
  const peer = `20010022${'1'.repeat(24)}`;
  t.true(table.add(peer));
  t.false(table.add(peer));
  t.false(table.add(self));
  t.false(table.add('f'.repeat(32)));
  t.deepEqual([table.size, table.has(peer)], [1, true]);
  t.true(table.remove(peer));
  t.false(table.remove(peer));
});

test('a hop to avoid is passed over while another precedes the id, but not the responsible peer', (t) => {
  const { node, routing_table } = vectors.routing;
  const table = tableOf(node, routing_table);
  const k = 'e6486eb322aa566cdd076e7260d4deae';
  t.is(table.nextHop(k), 'c0932e562c38612464924c94f9114cfa');
  t.is(table.nextHop(k, new Set(['c0932e562c38612464924c94f9114cfa'])), 'b36828398e513ae808e0c63582fb5dba');
  const next = '84aab752af7fa3cda2e2079ba7a2dac2';
  t.is(table.nextHop(next, new Set(['87dedec92e0cec702f31c8483f7c4b12'])), '87dedec92e0cec702f31c8483f7c4b12');
});

test('walking the ring wraps around and stops after each peer was seen once', (t) => {
  const table = tableOf('5'.repeat(32), ['1'.repeat(32), '9'.repeat(32)]);
  t.deepEqual(table.successors(3), ['9'.repeat(32), '1'.repeat(32)]);
  t.deepEqual(table.predecessors(3), ['1'.repeat(32), '9'.repeat(32)]);
  t.is(table.firstFrom('a'.repeat(32)), '1'.repeat(32));
});
