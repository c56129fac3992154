import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Candidate } from '../../src/base/candidate.ts';
import { encodeCandidateList } from '../../src/link/candidate-list.ts';
import { LATE_CANDIDATES } from '../../src/native/data-plane.ts';
import { HOME_NAT, LINUX_NAT } from '../sim/network/nat.ts';
import type { NatBehaviour } from '../sim/network/nat.ts';
import type { SimNode } from '../sim/network/sim-node.ts';
import { ThreeHosts } from '../sim/network/three-hosts.ts';
import type { ThreeHostsOptions } from '../sim/network/three-hosts.ts';

const SECOND_ADDRESS = '10.0.3.9';
const STRICT_NAT: NatBehaviour = { ...HOME_NAT, portPreservation: false };
const THIRD_PARTY = '192.0.2.66';

function inCall(t: ExecutionContext, seed: number, options: ThreeHostsOptions = {}): ThreeHosts {
  const world = new ThreeHosts(t, seed, options);
  t.true(world.join());
  t.true(world.call());
  return world;
}

/** Link and number of the lists of candidates that `node` sends from now on, those that only confirm left out. */
function listsOf({ dataPlane }: SimNode): string[] {
  const lists: string[] = [];
  const sendRecord = dataPlane.sendRecord.bind(dataPlane);
  dataPlane.sendRecord = (link, data): void => {
    if (data[0] === LATE_CANDIDATES && data.length > 2) lists.push(`${link} ${data[1] ?? ''}`);
    sendRecord(link, data);
  };
  return lists;
}

for (const [routers, nat] of [
  ['home NATs', HOME_NAT],
  ['Linux routers', LINUX_NAT],
  ['strict NATs', STRICT_NAT],
] as const)
  for (const mover of ['a', 'b'] as const)
    test(`between ${routers} a second uplink of ${mover.toUpperCase()} comes up in a call: a path by it works within a second, without the overlay`, (t) => {
      const world = inCall(t, 1, { natA: nat, natB: nat });
      const { network, thirdHome } = world;
      world.stream(world.a, world.b, 2_000);
      world[mover].host.plug(thirdHome, SECOND_ADDRESS);
      network.loop.run(1_000);
      const other = world[mover === 'a' ? 'b' : 'a'];
      let arrived = 0;
      network.internet.isCut = ({ source, destination }) => {
        if (source.address === '198.51.100.3' && destination.address.startsWith('198.51.100.')) arrived += 1;
        return false;
      };
      world[mover].host.unplug('10.0.0.2');
      const since = network.loop.now;
      world.stream(world[mover], other, 1_000);
      network.loop.run(1_100);
      t.true(arrived > 0);
      // Not lost, since it goes on by the path that works already.
      t.true(world.gap(other, world[mover], since) <= 40);
      t.is(world.a.count('needsRestart') + world.b.count('needsRestart'), 0);
      t.is(world.handshakes(world.a, world.b), 1);
    });

test('a link that rests is told of a second uplink too: it goes on by that one when the first is gone', (t) => {
  const world = inCall(t, 2);
  const { network, a, b, thirdHome } = world;
  network.loop.run(30_000);
  const link = world.linkId(b, a);
  a.host.plug(thirdHome, SECOND_ADDRESS);
  network.loop.run(5_000);
  const since = network.loop.now;
  world.stream(b, a, 3_000);
  network.loop.run(1_000);
  a.host.unplug('10.0.0.2');
  network.loop.run(2_000);
  t.true(world.gap(a, b, since) <= 100, `${world.gap(a, b, since)} ms`);
  t.is(world.linkId(b, a), link);
});

test('a list that is lost is sent again until the peer has taken it; one that nobody takes is given up', (t) => {
  const world = inCall(t, 3);
  const { network, a, b, thirdHome } = world;
  world.stream(a, b, 60_000);
  const lists = listsOf(a);
  const { dataPlane } = b;
  const sendRecord = dataPlane.sendRecord.bind(dataPlane);
  let deafUntil = network.loop.now + 250;
  dataPlane.sendRecord = (link, data): void => {
    if (data[0] !== LATE_CANDIDATES || network.loop.now >= deafUntil) sendRecord(link, data);
  };
  a.host.plug(thirdHome, SECOND_ADDRESS);
  network.loop.run(10_000);
  const copies = lists.filter((list) => list === lists.at(-1)).length;
  t.true(lists.length > 2 && copies <= 4, `${lists.length} lists, ${copies} copies of the last`);
  // A peer that does not know the record.
  deafUntil = Infinity;
  lists.length = 0;
  a.host.unplug(SECOND_ADDRESS);
  network.loop.run(30_000);
  t.true(lists.length > 2 && lists.length <= 25, `${lists.length} copies`);
});

test('an interface that comes and goes ten times a second brings each peer at most five lists a second', (t) => {
  const world = inCall(t, 4);
  const { network, a, b, thirdHome } = world;
  world.stream(a, b, 12_000);
  const lists = listsOf(a);
  for (let i = 0; i < 100; i++)
    network.loop.after(i * 100, () => {
      if (i % 2 === 0) a.host.plug(thirdHome, SECOND_ADDRESS);
      else a.host.unplug(SECOND_ADDRESS);
    });
  network.loop.run(10_000);
  // Two links.
  t.true(new Set(lists).size <= 2 * 51, `${new Set(lists).size} lists`);
  t.true(lists.length <= 2 * 100, `${lists.length} copies`);
  network.loop.run(5_000);
  t.true(world.linked);
});

for (const spread of ['one port after another', 'one address after another'] as const)
  test(`a member that names ${spread} of others, ten lists a second, makes its peer send no more checks there than at a call`, (t) => {
    const world = inCall(t, 5);
    const { network, a, b } = world;
    const link = world.linkId(a, b) ?? 0;
    let reached = 0;
    network.internet.isCut = ({ destination }) => {
      if (destination.address.startsWith('192.0.2.')) reached += 1;
      return false;
    };
    for (let i = 0; i < 100; i++)
      network.loop.after(i * 100, () => {
        const candidates = Array.from({ length: 16 }, (_, n): Candidate => {
          const k = 16 * i + n;
          const address =
            spread === 'one port after another'
              ? { address: THIRD_PARTY, port: 1_000 + k }
              : { address: `192.0.2.${1 + (k % 250)}`, port: 1_000 + k };
          return { type: 'srflx', address, priority: 1, foundation: '1' };
        });
        a.dataPlane.sendRecord(link, encodeCandidateList({ number: i % 256, candidates }));
      });
    world.stream(a, b, 10_000);
    const since = network.loop.now;
    network.loop.run(10_000);
    // UNANSWERED_CHECKS: 40 and 2 a second of one address, 200 and 5 a second of all.
    t.true(reached <= (spread === 'one port after another' ? 70 : 270), `${reached} datagrams`);
    t.true(reached > 0);
    t.true(world.gap(b, a, since) <= 40);
    t.true(world.linked);
  });
