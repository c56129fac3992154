import test from 'ava';
import { UPDATE_RATE } from '../../src/overlay/constants.ts';
import { type KnownBody, MESSAGE_CODES, decodeEnvelope } from '../../src/reload/index.ts';
import { OverlayWorld, type SimNode } from '../sim/overlay/overlay-world.ts';
import { RawMember } from '../sim/overlay/raw-member.ts';
import { storeHost } from '../sim/overlay/records.ts';

const SEED = 20261201;
const FLOOD = 500;

function floodable(records = 0): { world: OverlayWorld; victim: SimNode; raw: RawMember } {
  const world = new OverlayWorld({ seed: SEED, signatures: 'fake' });
  const [victim] = world.grow(6);
  if (victim === undefined) throw new Error('no node');
  world.settle(60_000);
  for (const node of world.peers.slice(0, records)) storeHost(world, node, '198.18.0.1');
  world.loop.run(40_000);
  return { world, victim, raw: new RawMember(world, victim) };
}

function sentBy(world: OverlayWorld, { overlay }: SimNode): number {
  return overlay.snapshot(world.now).counters.sent;
}

/** @returns the messages that a flood of one second makes the node send. */
function reactions(
  { world, victim, raw }: ReturnType<typeof floodable>,
  body: () => KnownBody,
  sequence = 1,
): { sent: number; pending: number } {
  const before = sentBy(world, victim);
  let pending = 0;
  for (let i = 0; i < FLOOD; i++) {
    raw.send(body(), { configurationSequence: sequence });
    world.loop.run(2);
    pending = Math.max(pending, victim.overlay.snapshot(world.now).pendingRequests);
  }
  return { sent: sentBy(world, victim) - before, pending };
}

const node = (raw: RawMember): { type: 'node'; nodeId: string } => ({ type: 'node', nodeId: raw.id });

/** The transactions of its Updates that were answered. */
function updateAnswersTo({ received }: RawMember): bigint[] {
  return received
    .map(decodeEnvelope)
    .filter(({ code }) => code === MESSAGE_CODES.update_ans)
    .map(({ header }) => header.transactionId);
}

const FLOODS: readonly [string, (raw: RawMember) => () => KnownBody, number, number?][] = [
  ['Joins', (raw) => () => ({ type: 'join_req', joiningPeerId: raw.id, overlaySpecificData: new Uint8Array() }), 40],
  [
    'Attaches',
    () => () => ({
      type: 'attach_req',
      ufrag: 'abcd',
      pwd: 'p'.repeat(24),
      role: 'passive',
      candidates: [],
      sendUpdate: true,
    }),
    40,
  ],
  [
    'RouteQueries that ask for the Routing Table',
    (raw) => () => ({
      type: 'route_query_req',
      sendUpdate: true,
      destination: node(raw),
      overlaySpecificData: new Uint8Array(),
    }),
    40,
  ],
  [
    'documents',
    () => () => ({ type: 'config_update_req', content: { type: 'config', configData: new Uint8Array(9_000) } }),
    20,
  ],
  [
    'Updates that name 256 invented peers',
    (raw) => {
      const { ring } = raw.node.overlay.settings;
      const invented = (i: number): string => ring.add(raw.node.id, BigInt(i + 1));
      const fingers = Array.from({ length: 256 }, (_, i) => invented(i));
      return () => ({
        type: 'update_req',
        update: { type: 'full', uptime: 1, predecessors: [], successors: [], fingers },
      });
    },
    40,
  ],
  [
    'Leaves that name 256 invented peers',
    (raw) => {
      const { ring } = raw.node.overlay.settings;
      const successors = Array.from({ length: 256 }, (_, i) => ring.add(raw.node.id, BigInt(i + 1)));
      return () => ({ type: 'leave_req', leavingPeerId: raw.id, leaveData: { type: 'from_succ', successors } });
    },
    40,
  ],
  ['Probes', () => () => ({ type: 'probe_req', requestedInfo: Array.from({ length: 200 }, () => 1) }), FLOOD + 20],
  ['Pings under an older configuration', () => () => ({ type: 'ping_req', padding: new Uint8Array() }), FLOOD + 20, 0],
  ['Pings under a newer configuration', () => () => ({ type: 'ping_req', padding: new Uint8Array() }), FLOOD + 20, 9],
];

for (const [what, bodyOf, most, sequence] of FLOODS)
  test(`a flood of ${what} has a bounded answer and leaves nothing behind`, (t) => {
    t.log(`seed ${SEED}`);
    const scene = floodable(6);
    const { world, victim } = scene;
    const { sent, pending } = reactions(scene, bodyOf(scene.raw), sequence);
    t.log(`${FLOOD} messages: ${sent} sent, at most ${pending} pending`);
    t.true(sent <= most, `${sent} messages for ${FLOOD}`);
    t.true(pending < 20);
    world.loop.run(60_000);
    t.true(victim.overlay.snapshot(world.now).pendingRequests < 5);
    t.is(victim.overlay.state, 'joined');
  });

test('a linked node that says goodbye and is a peer again, over and over, is a peer once', (t) => {
  t.log(`seed ${SEED}`);
  const scene = floodable();
  const { victim, raw } = scene;
  const changesBefore = victim.events.filter(({ type }) => type === 'neighborsChanged').length;
  let turn = 0;
  reactions(scene, () => {
    turn += 1;
    if (turn % 2 === 0) return { type: 'leave_req', leavingPeerId: raw.id };
    return { type: 'update_req', update: { type: 'neighbors', uptime: 1, predecessors: [], successors: [] } };
  });
  t.true(victim.events.filter(({ type }) => type === 'neighborsChanged').length - changesBefore <= 2);
});

test('a change is told to hundreds of clients a few at a time, and all have heard of it within a second', (t) => {
  t.log(`seed ${SEED}`);
  const { world, victim } = floodable();
  const clients = Array.from({ length: 300 }, () => new RawMember(world, victim));
  world.loop.run(10);
  for (const client of clients) client.answerFirst({ type: 'update_ans' });
  const before = clients.map(({ received }) => received.length);
  const newcomer = world.add();
  let most = 0;
  const { overlay } = victim;
  const handleTimeout = overlay.handleTimeout.bind(overlay);
  overlay.handleTimeout = (now) => {
    const sent = sentBy(world, victim);
    handleTimeout(now);
    most = Math.max(most, sentBy(world, victim) - sent);
  };
  const [predecessor] = overlay.snapshot(world.now).predecessors;
  const gone = world.nodes.get(predecessor ?? '');
  if (gone === undefined) return;
  world.disconnect(victim, gone);
  world.loop.run(1_100);
  t.true(clients.every(({ received }, i) => received.length > (before[i] ?? 0)));
  t.log(`at most ${most} messages in one turn`);
  t.true(most <= 32);
  t.is(newcomer.overlay.state, 'idle');
});

test('the last of a burst of Updates is looked at, with whom it names, within the interval', (t) => {
  t.log(`seed ${SEED}`);
  const { world, victim, raw } = floodable();
  world.loop.run(10);
  raw.answerFirst({ type: 'update_ans' });
  const [successor] = victim.overlay.snapshot(world.now).successors;
  const real = world.nodes.get(successor ?? '');
  if (real === undefined) return;
  world.disconnect(victim, real);
  const offers = victim.links.offers;
  const update = { type: 'neighbors' as const, uptime: 1, predecessors: [], successors: [] };
  for (let i = 0; i < 100; i++) raw.send({ type: 'update_req', update });
  t.is(victim.links.offers, offers, 'it is not looked for yet');
  const last = raw.header();
  const body = { type: 'update_req' as const, update: { ...update, successors: [real.id] } };
  raw.sendPayload(last, raw.signing.seal(last.transactionId, body));
  t.is(victim.links.offers, offers, 'the last one waits');
  world.loop.run(UPDATE_RATE.intervalMs);
  t.true(victim.links.offered.has(real.id));
  t.true(updateAnswersTo(raw).includes(last.transactionId));
});

test('a link made anew begins without what came over the one before', (t) => {
  t.log(`seed ${SEED}`);
  const { world, victim, raw } = floodable();
  const update = { type: 'neighbors' as const, uptime: 1, predecessors: [], successors: [] };
  for (let i = 0; i < 100; i++) raw.send({ type: 'update_req', update });
  t.true(victim.overlay.snapshot(world.now).counters.limited > 0);
  raw.link(victim);
  const before = updateAnswersTo(raw).length;
  t.is(before, UPDATE_RATE.burst);
  world.loop.run(2 * UPDATE_RATE.intervalMs);
  t.is(updateAnswersTo(raw).length, before);
});

test('an Update that waited and turns out to be none is counted as malformed, and that is all', (t) => {
  t.log(`seed ${SEED}`);
  const { world, victim, raw } = floodable();
  const update = { type: 'neighbors' as const, uptime: 1, predecessors: [], successors: [] };
  for (let i = 0; i < UPDATE_RATE.burst; i++) raw.send({ type: 'update_req', update });
  const { malformed } = victim.overlay.snapshot(world.now).counters;
  const updateReq = new Uint8Array([0, MESSAGE_CODES.update_req, 0xff, 0xff]);
  raw.sendPayload(raw.header(), updateReq);
  t.is(victim.overlay.snapshot(world.now).counters.malformed, malformed, 'it is not looked at yet');
  world.loop.run(UPDATE_RATE.intervalMs);
  t.is(victim.overlay.snapshot(world.now).counters.malformed, malformed + 1);
  raw.send({ type: 'update_req', update });
  world.loop.run(UPDATE_RATE.intervalMs);
  t.is(updateAnswersTo(raw).length, UPDATE_RATE.burst + 1);
});
