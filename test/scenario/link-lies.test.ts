import test from 'ava';
import type { ExecutionContext } from 'ava';
import { REFLEXIVE_REFRESH_MS } from '../../src/mobility/constants.ts';
import { decodeStun, encodeStun } from '../../src/stun/codec.ts';
import { encodeErrorResponse } from '../../src/stun/error-response.ts';
import type { Datagram } from '../sim/network/datagram.ts';
import { simHit, SimNode } from '../sim/network/sim-node.ts';
import { ThreeHosts } from '../sim/network/three-hosts.ts';

const NAT_A = '198.51.100.1';
const NAT_B = '198.51.100.2';

function inCall(t: ExecutionContext, seed: number): ThreeHosts {
  const world = new ThreeHosts(t, seed);
  t.true(world.join());
  t.true(world.call());
  return world;
}

/** Of A to B, outside their NATs. */
function isCheck({ source, destination, data }: Datagram): boolean {
  if (source.address !== NAT_A || destination.address !== NAT_B || (data[0] ?? 255) > 3) return false;
  return decodeStun(data).class === 'request';
}

/**
 * Somebody on the way sees the next check of A to B, and answers it before B does: 401, as from B. @returns when.
 * @param isLost says what is lost from then on, so many ms later.
 */
function forge401(world: ThreeHosts, isLost: (datagram: Datagram, afterMs: number) => boolean = () => false): number {
  const { internet, loop } = world.network;
  let forgedAt: number | undefined;
  let forged: Uint8Array | undefined;
  internet.isCut = (datagram) => {
    if (forgedAt !== undefined) return datagram.data !== forged && isLost(datagram, loop.now - forgedAt);
    const refusal = isCheck(datagram) ? encodeErrorResponse(decodeStun(datagram.data), 401) : undefined;
    if (refusal === undefined) return false;
    forgedAt = loop.now;
    forged = refusal;
    internet.send({ source: datagram.destination, destination: datagram.source, data: refusal });
    return isLost(datagram, 0);
  };
  world.until(() => forgedAt !== undefined, 10_000);
  return forgedAt ?? NaN;
}

function linkKept(t: ExecutionContext, world: ThreeHosts, link: number | undefined): void {
  t.true(world.linked);
  t.is(world.linkId(world.a, world.b), link);
  t.is(world.handshakes(world.a, world.b), 1);
  t.false(world.a.events.some((event) => event.type === 'down' && event.hit === world.b.hit));
}

test('a forged word that the peer has forgotten us neither ends an idle link nor troubles the overlay: the peer answers', (t) => {
  const world = inCall(t, 1);
  const link = world.linkId(world.a, world.b);
  t.true(forge401(world) > 0);
  t.true(world.until(() => !world.linked, 100));
  t.true(
    world.until(() => world.linked, 100),
    'in doubt for two round trips at most',
  );
  world.network.loop.run(30_000);
  linkKept(t, world, link);
  t.is(world.a.count('needsRestart'), 0);
});

test('forged words, one for each check, do not end a link while no message can be routed', (t) => {
  const world = inCall(t, 2);
  const link = world.linkId(world.a, world.b);
  world.peer.kill();
  let forged = 0;
  const { internet } = world.network;
  internet.isCut = (datagram) => {
    const refusal = isCheck(datagram) ? encodeErrorResponse(decodeStun(datagram.data), 401) : undefined;
    if (refusal === undefined) return false;
    forged += 1;
    internet.send({ source: datagram.destination, destination: datagram.source, data: refusal });
    return false;
  };
  for (let second = 0; second < 40; second++) {
    // Traffic, so that it does not rest.
    world.a.sendPacket(world.b.hit, 'on');
    world.network.loop.run(1_000);
  }
  t.true(forged >= 8 && forged < 60, `${forged} checks`);
  linkKept(t, world, link);
});

test('a forged word does not end a call whose media go on, also when no answer comes through for seconds', (t) => {
  const world = inCall(t, 3);
  const link = world.linkId(world.a, world.b);
  world.peer.kill();
  const since = world.network.loop.now;
  world.stream(world.b, world.a, 20_000);
  t.true(forge401(world, ({ data }, afterMs) => afterMs < 8_000 && (data[0] ?? 255) <= 3) > 0);
  world.network.loop.run(14_000);
  t.true(world.gap(world.a, world.b, since) < 100);
  linkKept(t, world, link);
});

test('a member that tells a host another address each time starts no mending and hides no address of it', (t) => {
  const world = new ThreeHosts(t, 4);
  const { network, overlay, a } = world;
  t.true(world.join());
  for (const [n, address] of ['203.0.113.2', '203.0.113.3'].entries()) {
    const member = new SimNode(network, network.host(network.internet, address), simHit(20 + n), overlay);
    a.dial(member);
    t.true(world.until(() => a.links.isUp(member.hit), 5_000));
  }
  t.true(world.call());
  let lies = 0;
  network.internet.isCut = (datagram) => {
    const { source, destination, data } = datagram;
    if (source.address !== '203.0.113.3' || destination.address !== NAT_A || (data[0] ?? 255) > 3) return false;
    const message = decodeStun(data);
    // Answers to the question how it sees us, which no credentials protect.
    if (message.class !== 'success' || message.integrity?.sha1 !== undefined) return false;
    const xorMappedAddress = { address: '192.0.2.66', port: 1_000 + lies };
    if (message.attributes.xorMappedAddress?.address === xorMappedAddress.address) return false;
    lies += 1;
    network.internet.send({
      ...datagram,
      data: encodeStun({ ...message, attributes: { xorMappedAddress } }, { fingerprint: true }),
    });
    return true;
  };
  network.loop.run(10 * REFLEXIVE_REFRESH_MS);
  t.true(lies >= 9, `${lies} lies`);
  t.is(a.count('needsRestart'), 0);
  t.true(a.links.addresses.whereSeen().some(({ address }) => address === NAT_A));
  const { candidates } = a.input(() => a.links.offer(simHit(99)));
  t.deepEqual(
    candidates.filter(({ type }) => type === 'srflx').map(({ address }) => address.address),
    [NAT_A],
  );
});

test('a check of a member that is caught and sent to its peer as from fifty other addresses binds none of them', (t) => {
  const world = new ThreeHosts(t, 5);
  const { network, peer, a } = world;
  t.true(world.join());
  const bound: string[] = [];
  const bindRemote = peer.dataPlane.bindRemote.bind(peer.dataPlane);
  peer.dataPlane.bindRemote = (link, remote): void => {
    bound.push(remote.address);
    bindRemote(link, remote);
  };
  let caught: Datagram | undefined;
  const answered: string[] = [];
  network.internet.isCut = (datagram) => {
    const { source, destination, data } = datagram;
    if (destination.address.startsWith('192.0.2.')) answered.push(destination.address);
    const isFromA = source.address === NAT_A && (data[0] ?? 255) <= 3 && decodeStun(data).class === 'request';
    if (!isFromA || decodeStun(data).attributes.username === undefined || caught !== undefined) return false;
    caught = datagram;
    return true;
  };
  t.true(world.until(() => caught !== undefined, 10_000));
  if (caught === undefined) return;
  for (let i = 1; i <= 50; i++) network.internet.send({ ...caught, source: { address: `192.0.2.${i}`, port: 6084 } });
  network.loop.run(30_000);
  t.deepEqual(bound, []);
  // The peer has heard this check from nowhere before: it answers the first, and checks there.
  t.deepEqual([...new Set(answered)], ['192.0.2.1']);
  t.true(answered.length <= 10, `${answered.length} datagrams`);
  t.true(a.links.isUp(peer.hit) && peer.links.isUp(a.hit));
});
