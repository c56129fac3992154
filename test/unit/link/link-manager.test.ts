import test from 'ava';
import { seededRandom } from '../../../src/base/random.ts';
import { toStreamAddress } from '../../../src/base/stream-address.ts';
import { GUEST_TIMEOUT_MS, MAX_GUESTS, OFFER_TIMEOUT_MS } from '../../../src/link/constants.ts';
import type { LinkEvent } from '../../../src/link/link-manager.ts';
import { encodeForwardingHeader } from '../../../src/reload/forwarding-header.ts';
import { WHOLE_MESSAGE_FRAGMENT } from '../../../src/reload/constants.ts';
import { decodeStun, encodeStun } from '../../../src/stun/codec.ts';
import { simHit, SimNode } from '../../sim/network/sim-node.ts';
import { ThreeHosts } from '../../sim/network/three-hosts.ts';

/** A RELOAD message of about `bytes`, a request when `code` is odd. */
function message(bytes: number, code = 0x17, transactionId = 1n): Uint8Array {
  const body = new Uint8Array(bytes);
  body[1] = code;
  const header = encodeForwardingHeader(
    {
      overlay: 1,
      configurationSequence: 0,
      ttl: 100,
      fragment: WHOLE_MESSAGE_FRAGMENT,
      transactionId,
      maxResponseLength: 0,
      viaList: [],
      destinationList: [{ type: 'node', nodeId: simHit(1) }],
      options: [],
    },
    body.length,
  );
  return Uint8Array.of(...header, ...body);
}

function isLike(bytes: Uint8Array): (other: Uint8Array) => boolean {
  return (other) => Buffer.compare(bytes, other) === 0;
}

function messages(node: SimNode): Extract<LinkEvent, { type: 'message' }>[] {
  return node.events.filter((event) => event.type === 'message');
}

test('messages arrive whole, each once, the long ones in fragments', (t) => {
  const world = new ThreeHosts(t, 1, { internet: { latencyMs: 10, loss: 0.1 } });
  t.true(world.join());
  const sent = [message(100, 0x17, 1n), message(4_500, 0x17, 2n), message(2_000, 0x18, 3n)];
  for (const bytes of sent) world.a.input(() => world.a.links.send(world.peer.hit, bytes));
  t.true(world.until(() => messages(world.peer).length === 3, 10_000));
  // What was lost and sent again comes later.
  const arrived = messages(world.peer).sort((a, b) => sent.findIndex(isLike(a.data)) - sent.findIndex(isLike(b.data)));
  t.deepEqual(
    arrived.map(({ data, hit, member }) => ({ data, hit, member })),
    sent.map((data) => ({ data, hit: world.a.hit, member: true })),
  );
});

test('a message to a host without a link is dropped and counted', (t) => {
  const world = new ThreeHosts(t, 2);
  world.a.links.send(simHit(77), message(10));
  t.is(world.a.links.counters.messagesWithoutLink, 1);
});

test('a guest may talk but has no link, and not for long', (t) => {
  const world = new ThreeHosts(t, 3);
  const { network, overlay, peer } = world;
  const host = network.host(network.internet, '203.0.113.9');
  const guest = new SimNode(network, host, simHit(9), overlay, { member: false });
  guest.dial(peer);
  network.loop.run(1_000);
  t.true(guest.links.isUp(peer.hit));
  t.false(peer.links.isUp(guest.hit));
  t.is(peer.links.dataPlaneLinkOf(guest.hit), undefined);
  t.false(peer.links.peerOf(guest.hit)?.member);
  t.truthy(peer.links.certificateOf(guest.hit));
  guest.input(() => guest.links.send(peer.hit, message(50)));
  network.loop.run(200);
  t.like(messages(peer), [{ hit: guest.hit, member: false }]);
  peer.input(() => peer.links.send(guest.hit, message(60)));
  network.loop.run(200);
  t.is(messages(guest).length, 1);
  network.loop.run(GUEST_TIMEOUT_MS);
  t.is(peer.links.peerOf(guest.hit), undefined);
  t.true(guest.events.some((event) => event.type === 'down'));
});

test('a guest that has become a member dials again and has a link', (t) => {
  const world = new ThreeHosts(t, 4);
  const { network, overlay, peer } = world;
  const host = network.host(network.internet, '203.0.113.9');
  const guest = new SimNode(network, host, simHit(9), overlay, { member: false });
  guest.dial(peer);
  network.loop.run(1_000);
  guest.kill();
  const member = new SimNode(network, host, simHit(9), overlay);
  member.dial(peer);
  t.true(world.until(() => member.links.isUp(peer.hit) && peer.links.isUp(member.hit), 5_000));
  t.is(peer.links.snapshot().links.filter(({ hit }) => hit === member.hit).length, 1);
});

test('more guests than the bound push out the oldest', (t) => {
  const world = new ThreeHosts(t, 5);
  const { network, overlay, peer } = world;
  const host = network.host(network.internet, '203.0.113.9');
  for (let i = 0; i <= MAX_GUESTS; i++)
    new SimNode(network, host, simHit(100 + i), overlay, { member: false, port: 7_000 + i }).dial(peer);
  network.loop.run(2_000);
  t.is(peer.links.snapshot().links.filter(({ state }) => state === 'guest').length, MAX_GUESTS);
});

test('a peer whose certificate proves nothing is refused on both sides', (t) => {
  const world = new ThreeHosts(t, 6);
  world.a.dataPlane.setCredentials([Uint8Array.of(1, 2, 3)]);
  world.a.dial(world.peer);
  world.network.loop.run(2_000);
  t.is(world.peer.events.length, 0);
  t.false(world.a.links.isUp(world.peer.hit));
  t.deepEqual(world.peer.links.snapshot().links, []);
});

test('two hosts with one key get no link with each other, and both are told where the other is', (t) => {
  const world = new ThreeHosts(t, 7);
  const q = new SimNode(
    world.network,
    world.network.host(world.network.internet, '203.0.113.7'),
    world.peer.hit,
    world.overlay,
  );
  q.dial(world.peer);
  world.network.loop.run(5_000);
  const [at] = world.peer.host.addresses;
  t.deepEqual(
    q.events.map((event) => (event.type === 'double' ? `double at ${event.remote.address}` : event.type)),
    ['connectFailed', `double at ${at ?? ''}`],
  );
  t.deepEqual(
    world.peer.events.map((event) => (event.type === 'double' ? `double at ${event.remote.address}` : event.type)),
    ['double at 203.0.113.7'],
  );
  t.deepEqual([...q.links.snapshot().links, ...world.peer.links.snapshot().links], []);
});

test('an offer without an answer is forgotten, a cancelled one at once', (t) => {
  const world = new ThreeHosts(t, 8);
  const { links } = world.a;
  world.a.input(() => links.offer(simHit(50)));
  world.a.input(() => links.offer(simHit(51)));
  t.is(links.snapshot().links.length, 2);
  world.a.input(() => links.cancel(simHit(51)));
  t.is(links.snapshot().links.length, 1);
  world.network.loop.run(OFFER_TIMEOUT_MS);
  t.deepEqual(links.snapshot().links, []);
  t.deepEqual(
    world.a.events.map((event) => event.type === 'down' && event.hit),
    [simHit(50)],
  );
});

test('calls in any order leave a living link as it is', (t) => {
  const world = new ThreeHosts(t, 9);
  t.true(world.join());
  t.true(world.call());
  const { a, b } = world;
  const id = world.linkId(a, b);
  a.input(() => a.links.cancel(b.hit));
  a.input(() => a.links.accept(b.hit, { ufrag: 'abcd', pwd: 'x'.repeat(22), candidates: [] }));
  const offer = a.input(() => a.links.offer(b.hit));
  a.input(() => a.links.offer(b.hit));
  a.input(() => a.links.cancel(b.hit));
  a.input(() => a.links.cancel(b.hit));
  a.input(() => a.links.answer(b.hit, offer));
  world.network.loop.run(60_000);
  t.true(world.linked);
  t.is(world.linkId(a, b), id);
});

test('an offer of a host that has lost the association leaves the old one until the new one has proven itself', (t) => {
  const world = new ThreeHosts(t, 10);
  t.true(world.join());
  t.true(world.call());
  const { a, b } = world;
  const id = world.linkId(b, a);
  b.input(() => b.links.answer(a.hit, { ufrag: 'replayed', pwd: 'x'.repeat(22), candidates: [] }));
  world.network.loop.run(40_000);
  t.true(world.linked);
  t.is(world.linkId(b, a), id);
});

test('an offer that a dialed handshake has overtaken leaves that link as it is: no message waits', (t) => {
  const world = new ThreeHosts(t, 14);
  const { network, overlay, peer } = world;
  const dialer = new SimNode(network, network.host(network.internet, '203.0.113.9'), simHit(9), overlay);
  const offer = peer.input(() => peer.links.offer(dialer.hit));
  dialer.dial(peer);
  t.true(world.until(() => dialer.links.isUp(peer.hit), 1_000));
  network.loop.run(5);
  const answer = dialer.input(() => dialer.links.answer(peer.hit, offer));
  peer.input(() => peer.links.accept(dialer.hit, answer));
  for (let i = 0; i < 20; i++) {
    const before = messages(peer).length;
    dialer.input(() => dialer.links.send(peer.hit, message(100)));
    network.loop.run(100);
    t.is(messages(peer).length, before + 1);
  }
  network.loop.run(40_000);
  t.true(peer.links.isUp(dialer.hit));
  t.is(messages(peer).length, 20);
});

test('who is dialed by a stream beside UDP is given up when a link is up by UDP', (t) => {
  const world = new ThreeHosts(t, 15);
  const { network, overlay, peer } = world;
  const dialer = new SimNode(network, network.host(network.internet, '203.0.113.9'), simHit(9), overlay);
  const stream = toStreamAddress({ address: '203.0.113.99', port: 443 });
  t.true(dialer.input(() => dialer.links.connectDirect(stream, network.loop.now)));
  network.loop.run(100);
  t.deepEqual(dialer.events, []);
  dialer.dial(peer);
  t.true(world.until(() => dialer.links.isUp(peer.hit), 1_000));
  t.deepEqual(
    dialer.events.filter(({ type }) => type === 'connectFailed'),
    [{ type: 'connectFailed', remote: stream, reason: 'UDP was faster' }],
  );
});

test('a closed link is down on both sides', (t) => {
  const world = new ThreeHosts(t, 11);
  t.true(world.join());
  t.true(world.call());
  world.a.input(() => world.a.links.close(world.b.hit, 'revoked'));
  world.network.loop.run(200);
  t.false(world.a.links.isUp(world.b.hit));
  t.false(world.b.links.isUp(world.a.hit));
  t.like(world.a.events.at(-1), { type: 'down', hit: world.b.hit, reason: 'revoked' });
  t.like(world.b.events.at(-1), { type: 'down', hit: world.a.hit });
  t.deepEqual(
    [world.a, world.b].map((node) => node.links.snapshot().links.length),
    [1, 1],
  );
});

test('a peer that the data plane has followed to a new address is shown there, and its link stays up', (t) => {
  const world = new ThreeHosts(t, 60);
  t.true(world.join());
  const { a, peer, network } = world;
  const link = a.links.dataPlaneLinkOf(peer.hit);
  if (link === undefined) return t.fail('no link');
  const path = a.links.snapshot().links.find(({ hit }) => hit === peer.hit)?.path;
  const local = path?.local;
  if (local === undefined) return t.fail('no path');
  const remote = { address: '203.0.113.77', port: 4_444 };
  a.input(() => a.links.handleEvent({ type: 'moved', link, local, remote, cause: 'peer' }, network.loop.now));
  t.deepEqual(a.links.snapshot().links.find(({ hit }) => hit === peer.hit)?.path?.remote, remote);
  t.true(a.events.some((event) => event.type === 'path' && event.path.remote.port === remote.port));
  t.true(a.links.isUp(peer.hit));
  // Of a link that is gone already.
  a.input(() => a.links.handleEvent({ type: 'moved', link: 9_999, local, remote, cause: 'peer' }, network.loop.now));
});

test('a broken link that the data plane has followed to a new address is mended, and not ended when the time to mend it is over', (t) => {
  const world = new ThreeHosts(t, 61);
  t.true(world.join());
  const { a, peer, network } = world;
  const link = a.links.dataPlaneLinkOf(peer.hit);
  const local = a.links.snapshot().links.find(({ hit }) => hit === peer.hit)?.path?.local;
  if (link === undefined || local === undefined) return t.fail('no link');
  peer.host.unplug('203.0.113.1');
  // Traffic, so that it does not rest.
  const asking = (): void => {
    a.sendPacket(peer.hit, 'on');
    network.loop.after(1_000, asking);
  };
  asking();
  t.true(world.until(() => !a.links.isUp(peer.hit), 60_000));
  // ICE has given up; the repair has some seconds left.
  network.loop.run(25_000);
  t.is(a.count('down'), 0);
  a.input(() =>
    a.links.handleEvent(
      { type: 'moved', link, local, remote: { address: '203.0.113.77', port: 4_444 }, cause: 'peer' },
      network.loop.now,
    ),
  );
  t.true(a.links.isUp(peer.hit));
  t.is(a.events.at(-1)?.type, 'mended');
  network.loop.run(20_000);
  t.is(a.count('down'), 0);
  t.true(a.links.isUp(peer.hit));
});

test('an echo tells the round trip, and nothing without a link', (t) => {
  const world = new ThreeHosts(t, 12);
  t.true(world.join());
  const results: (number | undefined)[] = [];
  world.a.input(() => world.a.links.echo(world.peer.hit, world.a.now, (rttMs) => results.push(rttMs)));
  world.a.input(() => world.a.links.echo(simHit(70), world.a.now, (rttMs) => results.push(rttMs)));
  world.network.loop.run(200);
  t.deepEqual(results, [undefined, 22]);
});

test('the reflexive address and the kind of the NAT are learned from peers', (t) => {
  const world = new ThreeHosts(t, 13);
  const told: boolean[] = [];
  world.a.links.onReflexive((own) => told.push(own));
  t.true(world.join());
  t.deepEqual(told, [false]);
  t.like(world.a.links.snapshot().reflexive, [{ mapped: { address: '198.51.100.1', port: 6084 } }]);
  world.a.links.onReflexive((own) => told.push(own));
  t.deepEqual(told, [false, false]);
});

test('a check with unknown credentials is answered by an error that is no longer than the check', (t) => {
  const world = new ThreeHosts(t, 14);
  const answers: Uint8Array[] = [];
  const host = world.network.host(world.network.internet, '203.0.113.66');
  host.bind(5_000, ({ data }) => answers.push(data));
  const check = encodeStun({
    class: 'request',
    method: 1,
    transactionId: '0'.repeat(24),
    attributes: { username: 'nobody:here', priority: 1, paddingLength: 30 },
  });
  for (let i = 0; i < 300; i++) host.send(null, 5_000, { address: '203.0.113.1', port: 6084 }, check);
  world.network.loop.run(100);
  t.true(answers.length > 0 && answers.length <= 100, `${answers.length} answers`);
  for (const answer of answers) {
    t.true(answer.length <= check.length);
    t.is(decodeStun(answer).attributes.errorCode?.code, 401);
  }
  t.is(world.peer.links.counters.stunStrangers, 300);
});

test('random and mutated datagrams neither harm nor get more than they brought', (t) => {
  const world = new ThreeHosts(t, 15);
  t.true(world.join());
  const random = seededRandom(15);
  const host = world.network.host(world.network.internet, '203.0.113.66');
  let received = 0;
  host.bind(5_000, ({ data }) => (received += data.length));
  const valid = encodeStun({
    class: 'request',
    method: 1,
    transactionId: '0'.repeat(24),
    attributes: { username: 'nobody:here', priority: 1, paddingLength: 20 },
  });
  let sent = 0;
  for (let i = 0; i < 3_000; i++) {
    const data = i % 2 === 0 ? random.bytes(random.uint32() % 100) : valid.slice();
    if (data.length === 0) continue;
    if (i % 2 === 0) data[0] = (data[0] ?? 0) % 4;
    else data[random.uint32() % data.length] = random.uint32() & 0xff;
    sent += data.length;
    host.send(null, 5_000, { address: '203.0.113.1', port: 6084 }, data);
    if (i % 10 === 0) world.network.loop.run(1);
  }
  world.network.loop.run(5_000);
  t.true(received <= sent);
  t.true(world.a.links.isUp(world.peer.hit) && world.peer.links.isUp(world.a.hit));
});

test('malformed records of a member are counted and dropped', (t) => {
  const world = new ThreeHosts(t, 16);
  t.true(world.join());
  const link = world.linkId(world.a, world.peer) ?? 0;
  for (const bytes of [[0x80, 1], [0x81], [0x80, 0, 0, 0, 0, 0, 0, 9, 1], [0x2f], [0x80, 0, 0, 0, 9, 0, 0, 1, 7]])
    world.a.dataPlane.sendRecord(link, Uint8Array.from(bytes));
  world.network.loop.run(100);
  t.is(world.peer.links.counters.recordsMalformed, 5);
  t.true(world.peer.links.isUp(world.a.hit));
});

test('when everything is closed, calls that were under way are too, and nobody is told', (t) => {
  const world = new ThreeHosts(t, 30);
  t.true(world.join());
  world.a.input(() => world.a.links.connectDirect({ address: '203.0.113.250', port: 6084 }, world.network.loop.now));
  t.is(world.a.dataPlane.linkCount, 2);
  const told = world.a.events.length;
  world.a.input(() => world.a.links.closeAll('the end'));
  t.deepEqual(world.a.links.snapshot().links, []);
  t.is(world.a.dataPlane.linkCount, 0);
  world.network.loop.run(20_000);
  t.is(world.a.events.length, told);
});
