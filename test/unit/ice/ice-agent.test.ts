import test from 'ava';
import type { ExecutionContext } from 'ava';
import { ICE_PORT, IceEndpoint, stunServer } from '../../sim/ice-endpoint.ts';
import type { NatBehaviour } from '../../sim/network/nat.ts';
import { HOME_NAT, SYMMETRIC_NAT } from '../../sim/network/nat.ts';
import { SimNetwork } from '../../sim/network/network.ts';
import type { SegmentQuality } from '../../sim/network/segment.ts';
import type { Candidate } from '../../../src/base/candidate.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { formatSocketAddress } from '../../../src/base/socket-address.ts';
import { hostCandidates } from '../../../src/ice/candidates.ts';
import { CONSENT_TIMEOUT_MS, MAX_PAIRS, NOMINATION_WAIT_MS, UNANSWERED_CHECKS } from '../../../src/ice/constants.ts';
import { keyOf } from '../../../src/ice/credentials.ts';
import type { IceAgentOptions, IceRole, IceTransmit } from '../../../src/ice/ice-agent.ts';
import { IceAgent } from '../../../src/ice/ice-agent.ts';
import { pathType } from '../../../src/ice/path.ts';
import { decodeStun, encodeStun } from '../../../src/stun/codec.ts';
import { encodeErrorResponse } from '../../../src/stun/error-response.ts';
import { computeIntegrity, shortTermKey, verifyIntegrity } from '../../../src/stun/integrity.ts';
import type { StunMessage } from '../../../src/stun/message.ts';
import { BINDING_METHOD } from '../../../src/stun/message.ts';

const SEED = 7;
const LATENCY_MS = 10;

interface World {
  readonly network: SimNetwork;
  readonly a: IceEndpoint;
  readonly b: IceEndpoint;
}

/** `a` is controlling, `b` controlled, both on the Internet. */
function publicHosts(
  quality: SegmentQuality = { latencyMs: 10 },
  options: { roles?: [IceRole, IceRole]; a?: Partial<IceAgentOptions>; b?: Partial<IceAgentOptions> } = {},
): World {
  const network = new SimNetwork(SEED, quality);
  const [roleA, roleB] = options.roles ?? ['controlling', 'controlled'];
  const endpoint = (address: string, role: IceRole, rest?: Partial<IceAgentOptions>): IceEndpoint =>
    new IceEndpoint(
      { loop: network.loop, random: network.random, host: network.host(network.internet, address) },
      role,
      rest,
    );
  return {
    network,
    a: endpoint('203.0.113.1', roleA, options.a),
    b: endpoint('203.0.113.2', roleB, options.b),
  };
}

/** Both behind NATs of their own, with reflexive candidates. */
function behindNats(natA: NatBehaviour, natB: NatBehaviour): World {
  const network = new SimNetwork(SEED, { latencyMs: 10 });
  const server = stunServer(network.host(network.internet, '192.0.2.1'), '192.0.2.1');
  const endpoint = (home: string, outer: string, nat: NatBehaviour, role: IceRole): IceEndpoint => {
    const { lan } = network.home(home, outer, nat);
    const made = new IceEndpoint(
      { loop: network.loop, random: network.random, host: network.host(lan, '10.0.0.2') },
      role,
    );
    made.gather(server);
    return made;
  };
  return {
    network,
    a: endpoint('home-a', '198.51.100.1', natA, 'controlling'),
    b: endpoint('home-b', '198.51.100.2', natB, 'controlled'),
  };
}

/** The controlled side answers an offer, so it starts `delayMs` earlier. */
function exchange({ network, a, b }: World, delayMs = 0): void {
  b.setRemote(a.agent.localParameters);
  network.loop.run(delayMs);
  a.setRemote(b.agent.localParameters);
}

function bothSelected({ network, a, b }: World, limitMs = 10_000): boolean {
  return network.loop.runUntil(() => a.agent.selected !== undefined && b.agent.selected !== undefined, limitMs);
}

test('two hosts on one network select their host pair within two round trips', (t) => {
  const world = publicHosts();
  exchange(world);
  t.true(bothSelected(world));
  t.true(world.network.loop.now <= 50, `took ${world.network.loop.now} ms`);
  t.deepEqual(world.a.agent.selected, {
    local: { address: '203.0.113.1', port: ICE_PORT },
    remote: { address: '203.0.113.2', port: ICE_PORT },
    localType: 'host',
    remoteType: 'host',
  });
  t.is(world.a.agent.state, 'connected');
  t.is(world.b.agent.state, 'connected');
  t.deepEqual(
    world.a.events.map((event) => event.type),
    ['valid', 'selected'],
  );
});

for (const latencyMs of [40, 190, 600]) {
  test(`one nomination is enough for hosts with several addresses that are ${latencyMs} ms apart`, (t) => {
    const world = publicHosts({ latencyMs });
    const { network, a, b } = world;
    for (const [{ host }, address] of [
      [a, '203.0.113.10'],
      [b, '203.0.113.11'],
    ] as const)
      host.plug(network.internet, address);
    a.addressesChanged();
    b.addressesChanged();
    exchange(world);
    // Round trips: of the check, of the nomination, and what checks of better pairs may delay it.
    t.true(network.loop.runUntil(() => a.agent.selected !== undefined, 5 * latencyMs + NOMINATION_WAIT_MS));
    network.loop.run(20_000);
    t.is(a.events.filter(({ type }) => type === 'selected').length, 1);
    t.is(b.events.filter(({ type }) => type === 'selected').length, 1);
    t.deepEqual(a.agent.selected?.remote, b.agent.selected?.local);
  });
}

test('the round-trip time is known once something is selected', (t) => {
  const world = publicHosts({ latencyMs: 80 });
  exchange(world);
  t.true(bothSelected(world));
  world.network.loop.run(500);
  t.is(Math.round(world.a.agent.rttMs ?? 0), 160);
  t.is(world.a.agent.loss, 0);
});

for (const [name, natA, natB] of [
  ['two home NATs', HOME_NAT, HOME_NAT],
  [
    'a home NAT and a symmetric one that filters by address',
    { ...HOME_NAT, filtering: 'address-dependent' },
    SYMMETRIC_NAT,
  ],
  ['a symmetric NAT and one that filters nothing', SYMMETRIC_NAT, { ...HOME_NAT, filtering: 'endpoint-independent' }],
] as const) {
  test(`hosts behind ${name} connect, and each knows that a NAT is between`, (t) => {
    const world = behindNats(natA, natB);
    exchange(world, 30);
    t.true(bothSelected(world), world.network.flow.join('\n'));
    for (const { agent } of [world.a, world.b]) {
      const { selected } = agent;
      t.truthy(selected);
      if (selected !== undefined) t.true(['srflx', 'prflx'].includes(pathType(selected)));
    }
  });
}

test('two symmetric NATs leave no direct path: both sides fail in bounded time, and only once', (t) => {
  const world = behindNats(SYMMETRIC_NAT, SYMMETRIC_NAT);
  exchange(world, 30);
  world.network.loop.run(25_000);
  for (const { agent, events } of [world.a, world.b]) {
    t.is(agent.state, 'failed');
    t.is(events.filter((event) => event.type === 'failed').length, 1);
    t.is(agent.nextTimeout(), undefined);
  }
});

test('a host that named no candidate is reached as peer-reflexive', (t) => {
  const world = publicHosts();
  world.b.setRemote({ ...world.a.agent.localParameters });
  world.a.setRemote({ ...world.b.agent.localParameters, candidates: [] });
  t.true(bothSelected(world));
  t.is(world.a.agent.selected?.remoteType, 'prflx');
  t.is(world.b.agent.selected?.localType, 'host');
});

test('checks that come before the parameters of the peer are answered and then returned', (t) => {
  const world = publicHosts();
  world.b.setRemote(world.a.agent.localParameters);
  world.network.loop.run(60);
  t.is(world.a.agent.state, 'new');
  t.true(world.b.has('valid'));
  world.a.setRemote({ ...world.b.agent.localParameters, candidates: [] });
  t.true(bothSelected(world));
});

for (const roles of [
  ['controlling', 'controlling'],
  ['controlled', 'controlled'],
] as const) {
  test(`two sides that both believe to be ${roles[0]} settle the conflict and connect`, (t) => {
    const world = publicHosts({ latencyMs: 10 }, { roles: [...roles] });
    exchange(world, 15);
    t.true(bothSelected(world));
    t.not(world.a.agent.role, world.b.agent.role);
  });
}

test('without an answer from anywhere the agent fails, and a late check of the peer revives it', (t) => {
  const world = publicHosts();
  world.a.setRemote({ ...world.b.agent.localParameters, candidates: [] });
  world.network.loop.run(21_000);
  t.is(world.a.agent.state, 'failed');
  world.b.setRemote(world.a.agent.localParameters);
  t.true(bothSelected(world));
  t.is(world.a.agent.state, 'connected');
});

test('a host that moves keeps the credentials and has a path again after its first round trip, whoever is in control', (t) => {
  for (const mover of ['a', 'b'] as const) {
    const world = publicHosts();
    exchange(world);
    t.true(bothSelected(world));
    world.network.loop.run(20_000);
    const moving = world[mover];
    const staying = world[mover === 'a' ? 'b' : 'a'];
    const before = moving.agent.localParameters;
    const movedAt = world.network.loop.now;
    moving.host.move(world.network.internet, '203.0.113.77');
    moving.addressesChanged();
    t.is(moving.agent.selected, undefined);
    const arrived = (): boolean =>
      moving.agent.selected?.local.address === '203.0.113.77' &&
      staying.agent.selected?.remote.address === '203.0.113.77';
    t.true(world.network.loop.runUntil(arrived, 5_000), world.network.flow.slice(-20).join('\n'));
    t.true(world.network.loop.now - movedAt <= 40, `${mover} took ${world.network.loop.now - movedAt} ms`);
    t.is(moving.agent.localParameters.ufrag, before.ufrag);
    t.is(moving.agent.role, 'controlling');
    t.is(staying.agent.role, 'controlled');
    world.network.loop.run(60_000);
    t.true(arrived());
    t.is(staying.events.filter((event) => event.type === 'consentExpired').length, 0);
  }
});

for (const how of ['told its new candidates', 'restarted'] as const) {
  test(`a host that moves from NAT to NAT reaches a peer behind a third one when that is ${how}`, (t) => {
    const world = behindNats(HOME_NAT, HOME_NAT);
    exchange(world, 30);
    t.true(bothSelected(world));
    world.network.loop.run(10_000);
    const server = stunServer(world.network.host(world.network.internet, '192.0.2.2'), '192.0.2.2');
    const { lan } = world.network.home('cafe', '198.51.100.9', { ...HOME_NAT, portPreservation: false });
    world.b.host.move(lan, '172.16.0.5');
    world.b.addressesChanged();
    // The peer's NAT lets in only what the peer has sent to, so that checks alone do not get through.
    world.network.loop.run(2_000);
    t.is(world.b.agent.selected, undefined);
    world.b.gather(server);
    if (how === 'restarted') {
      const offer = world.b.restart('controlling');
      const answer = world.a.restart('controlled');
      world.a.setRemote(offer);
      world.b.setRemote(answer);
    } else {
      world.a.setRemote(world.b.agent.localParameters);
    }
    const arrived = (): boolean =>
      world.b.agent.selected?.local.address === '172.16.0.5' &&
      world.a.agent.selected?.remote.address === '198.51.100.9';
    const from = world.network.loop.now;
    t.true(world.network.loop.runUntil(arrived, 5_000), world.network.flow.slice(-30).join('\n'));
    t.log(`${world.network.loop.now - from} ms`);
  });
}

test('a lost interface moves the path to another one of the same host', (t) => {
  const world = publicHosts();
  world.b.host.plug(world.network.internet, '203.0.113.3', 'second');
  world.b.addressesChanged();
  exchange(world);
  t.true(bothSelected(world));
  const first = world.b.agent.selected?.local.address ?? '';
  world.network.loop.run(40_000);
  world.b.host.unplug(first);
  world.b.addressesChanged();
  t.true(
    world.network.loop.runUntil(
      () => world.a.agent.selected !== undefined && world.a.agent.selected.remote.address !== first,
      1_000,
    ),
  );
  t.deepEqual(world.a.agent.selected?.remote, world.b.agent.selected?.local);
});

for (const restMs of [CONSENT_TIMEOUT_MS - 2 * LATENCY_MS, CONSENT_TIMEOUT_MS - 8 * LATENCY_MS, CONSENT_TIMEOUT_MS]) {
  test(`the path moves to a pair that was last answered ${restMs} ms ago, and stays there`, (t) => {
    const world = publicHosts({ latencyMs: LATENCY_MS });
    const { network, a, b } = world;
    a.host.plug(network.internet, '203.0.113.10', 'second');
    a.addressesChanged();
    exchange(world);
    t.true(bothSelected(world));
    network.loop.run(1_000);
    t.is(b.agent.selected?.remote.address, '203.0.113.1');
    const spare = b.events.find((event) => event.type === 'valid' && event.path.remote.address === '203.0.113.10');
    network.loop.run((spare?.at ?? 0) + restMs - network.loop.now);
    a.host.unplug('203.0.113.1');
    a.addressesChanged();
    network.loop.run(8 * LATENCY_MS);
    t.is(a.agent.selected?.local.address, '203.0.113.10');
    t.is(b.agent.selected?.remote.address, '203.0.113.10');
    network.loop.run(2 * CONSENT_TIMEOUT_MS);
    t.is(b.agent.selected?.remote.address, '203.0.113.10');
    t.false(a.has('consentExpired') || b.has('consentExpired'));
  });
}

/** Two agents without delay between them. `pass` says of each datagram whether it arrives. */
class Wire {
  now = 0;
  /** Of `a`, in order. */
  readonly nominations: { readonly at: number; readonly id: string; readonly from: string }[] = [];
  readonly a = Wire.agent(['192.0.2.1', '192.0.2.10'], 'controlling');
  readonly b = Wire.agent(['192.0.2.2'], 'controlled');
  pass: (message: StunMessage, local: string, remote: string) => boolean = () => true;

  private static agent(addresses: string[], role: IceRole): IceAgent {
    const components = { random: seededRandom(SEED + addresses.length), logger: silentLogger };
    return new IceAgent(components, { role, localCandidates: hostCandidates(addresses, ICE_PORT) });
  }

  run(ms: number): void {
    for (const end = this.now + ms; ;) {
      while (this.carry(this.a, this.b) || this.carry(this.b, this.a));
      const next = Math.max(this.now, Math.min(this.a.nextTimeout() ?? end, this.b.nextTimeout() ?? end));
      this.now = Math.min(next, end);
      if (next >= end) return;
      for (const agent of [this.a, this.b]) agent.handleTimeout(this.now);
    }
  }

  private carry(from: IceAgent, to: IceAgent): boolean {
    const out = from.pollTransmit();
    if (out === undefined) return false;
    const message = decodeStun(out.data);
    if (from === this.a && message.attributes.useCandidate === true)
      this.nominations.push({ at: this.now, id: message.transactionId, from: out.local.address });
    if (this.pass(message, out.local.address, out.remote.address))
      to.receive(message, out.data, out.remote, out.local, this.now);
    return true;
  }
}

test('a nomination is repeated until it is answered, also when an older check of its pair is', (t) => {
  const wire = new Wire();
  wire.b.setRemote({ ...wire.a.localParameters, candidates: [] }, 0);
  wire.a.setRemote(wire.b.localParameters, 0);
  const checks: IceTransmit[] = [];
  const answers: IceTransmit[] = [];
  const sent = (agent: IceAgent): IceTransmit[] => {
    const all: IceTransmit[] = [];
    for (let out = agent.pollTransmit(); out !== undefined; out = agent.pollTransmit()) all.push(out);
    return all;
  };
  const give = (to: IceAgent, { data, local, remote }: IceTransmit, now: number): void => {
    to.receive(decodeStun(data), data, remote, local, now);
  };
  const isOf = (kind: StunMessage['class']) => (out: IceTransmit) => decodeStun(out.data).class === kind;
  checks.push(...sent(wire.a));
  for (const check of checks.slice(0, 1)) give(wire.b, check, 1);
  const back = sent(wire.b);
  answers.push(...back.filter(isOf('success')));
  // The peer's own check makes another one of ours: two are under way.
  for (const request of back.filter(isOf('request'))) give(wire.a, request, 6);
  wire.a.handleTimeout(12);
  const second = sent(wire.a).filter(isOf('request'))[0];
  if (second === undefined) {
    t.fail('no second check');
    return;
  }
  give(wire.b, second, 13);
  for (const answer of answers) give(wire.a, answer, 14);
  wire.a.handleTimeout(60);
  const nomination = sent(wire.a).find(({ data }) => decodeStun(data).attributes.useCandidate === true);
  t.truthy(nomination);
  for (const answer of sent(wire.b).filter(isOf('success'))) give(wire.a, answer, 61);
  t.is(wire.a.selected, undefined);
  wire.a.handleTimeout(300);
  t.true(sent(wire.a).some(({ data }) => nomination !== undefined && Buffer.compare(data, nomination.data) === 0));
});

test('while another pair is nominated, checks of consent do not nominate the selected one', (t) => {
  const wire = new Wire();
  wire.a.setRemote(wire.b.localParameters, 0);
  wire.b.setRemote(wire.a.localParameters, 0);
  wire.run(2_000);
  const selected = wire.a.selected?.local.address ?? '';
  t.is(wire.b.selected?.remote.address, selected);
  const asked = new Set<string>();
  wire.pass = (message, local, remote) => {
    if (message.attributes.useCandidate === true) asked.add(message.transactionId);
    return (
      local !== selected && remote !== selected && !(message.class === 'success' && asked.has(message.transactionId))
    );
  };
  const another = (): number => wire.nominations.findIndex(({ from }) => from !== selected);
  for (let step = 0; step < 40 && another() < 0; step++) wire.run(500);
  t.true(another() >= 0);
  wire.run(7_000);
  t.deepEqual(
    wire.nominations.slice(another()).filter(({ from }) => from === selected),
    [],
  );
});

for (const latencyMs of [1, 100, 1_500]) {
  test(`new addresses of hosts that are ${latencyMs} ms apart are checked once, not for ever`, (t) => {
    const world = publicHosts({ latencyMs });
    const { network, a, b } = world;
    exchange(world);
    t.true(bothSelected(world));
    network.loop.run(20_000);
    a.host.plug(network.internet, '203.0.113.10');
    b.host.plug(network.internet, '203.0.113.11');
    a.addressesChanged();
    b.addressesChanged();
    network.loop.run(20_000);
    for (const end of [a, b]) t.true(end.events.filter(({ type }) => type === 'valid').length >= 3);
    const before = [a.requests.length, b.requests.length];
    network.loop.run(60_000);
    // Consent checks, 0.8 of 5 s apart at least.
    t.true(a.requests.length - (before[0] ?? 0) <= 15);
    t.true(b.requests.length - (before[1] ?? 0) <= 15);
    t.is(a.events.filter(({ type }) => type === 'selected').length, 1);
  });
}

test('of two hosts that move one after the other, each has a path again after its first round trip', (t) => {
  const world = publicHosts();
  const { network } = world;
  exchange(world);
  t.true(bothSelected(world));
  network.loop.run(20_000);
  for (let move = 0; move < 20; move++) {
    const [moving, staying] = move % 2 === 0 ? [world.a, world.b] : [world.b, world.a];
    const address = `203.0.113.${100 + move}`;
    moving.host.move(network.internet, address);
    moving.addressesChanged();
    const arrived = (): boolean =>
      moving.agent.selected?.local.address === address && staying.agent.selected?.remote.address === address;
    t.true(network.loop.runUntil(arrived, 40), `move ${move}`);
    t.is(moving.agent.role, 'controlling');
    t.is(staying.agent.role, 'controlled');
    network.loop.run(5_000);
  }
});

test('a nomination of the selected pair takes back the one before it, whose check is still under way', (t) => {
  const world = publicHosts({ latencyMs: LATENCY_MS });
  const { network, a, b } = world;
  exchange(world);
  t.true(bothSelected(world));
  network.loop.run(1_000);
  a.host.plug(network.internet, '203.0.113.10');
  const [asked, asker] = [b.agent.localParameters, a.agent.localParameters];
  const nominate = (from: string, transactionId: string): void => {
    const attributes = {
      priority: 1,
      useCandidate: true as const,
      iceControlling: 1n,
      username: `${asked.ufrag}:${asker.ufrag}`,
    };
    const data = encodeStun(
      { class: 'request', method: BINDING_METHOD, transactionId, attributes },
      { key: shortTermKey(asked.pwd), fingerprint: true },
    );
    a.host.send(from, ICE_PORT, { address: '203.0.113.2', port: ICE_PORT }, data);
  };
  nominate('203.0.113.10', '0a'.repeat(12));
  network.loop.run(LATENCY_MS / 2);
  nominate('203.0.113.1', '0b'.repeat(12));
  network.loop.run(1_000);
  t.true(b.events.some((event) => event.type === 'valid' && event.path.remote.address === '203.0.113.10'));
  t.is(b.agent.selected?.remote.address, '203.0.113.1');
});

test('a path that goes silent is left for another valid pair long before consent expires', (t) => {
  const world = publicHosts();
  world.b.host.plug(world.network.internet, '203.0.113.3', 'second');
  world.b.addressesChanged();
  exchange(world);
  t.true(bothSelected(world));
  const first = world.b.agent.selected?.local.address ?? '';
  // The wire is cut, and the host does not notice: its address stays.
  world.network.internet.detach(first);
  const moved = (): boolean =>
    world.a.agent.selected?.remote.address !== first && world.b.agent.selected?.local.address !== first;
  t.true(world.network.loop.runUntil(moved, 16_000));
  t.false(world.a.has('consentExpired'));
});

test('the peer forgets a NAT mapping: checks of consent from the new one move the path', (t) => {
  const network = new SimNetwork(SEED, { latencyMs: 10 });
  const { lan, nat } = network.home('home', '198.51.100.1', { ...HOME_NAT, portPreservation: false });
  const components = { loop: network.loop, random: network.random };
  const a = new IceEndpoint({ ...components, host: network.host(network.internet, '203.0.113.1') }, 'controlling');
  const b = new IceEndpoint({ ...components, host: network.host(lan, '10.0.0.2') }, 'controlled');
  const world = { network, a, b };
  exchange(world);
  t.true(bothSelected(world));
  network.loop.run(20_000);
  const before = a.agent.selected?.remote.port;
  nat.reboot();
  t.true(network.loop.runUntil(() => a.agent.selected?.remote.port !== before, 7_000));
  network.loop.run(60_000);
  t.is(a.agent.state, 'connected');
  t.is(b.agent.state, 'connected');
  t.false(a.has('consentExpired') || b.has('consentExpired'));
});

test('when the peer is gone, consent expires after 30 seconds, then the agent fails', (t) => {
  const world = publicHosts();
  exchange(world);
  t.true(bothSelected(world));
  const since = world.network.loop.now;
  world.b.agent.close();
  world.network.loop.run(60_000);
  const expired = world.a.events.find((event) => event.type === 'consentExpired');
  t.truthy(expired);
  t.true((expired?.at ?? 0) - since <= 36_000);
  t.true((expired?.at ?? 0) - since >= 24_000);
  t.is(world.a.agent.selected, undefined);
  t.is(world.a.agent.state, 'failed');
  t.is(world.a.events.at(-1)?.type, 'failed');
});

test('at a restart the old agent keeps the path, and answers on it, until the new one has selected a pair', (t) => {
  const world = publicHosts();
  exchange(world);
  t.true(bothSelected(world));
  const old = world.a.agent.localParameters;
  const offer = world.a.restart('controlling');
  t.not(offer.ufrag, old.ufrag);
  // The offer is on its way for longer than consent lasts; the old session goes on.
  world.network.loop.run(45_000);
  t.truthy(world.a.agent.selected);
  t.truthy(world.b.agent.selected);
  const answer = world.b.restart('controlled');
  world.b.setRemote(offer);
  world.network.loop.run(20);
  world.a.setRemote(answer);
  const selections = (): number => world.a.events.filter((event) => event.type === 'selected').length;
  t.true(world.network.loop.runUntil(() => selections() === 2, 5_000));
  world.network.loop.run(60_000);
  t.is(world.a.agent.localParameters.ufrag, offer.ufrag);
  t.is(world.b.agent.localParameters.ufrag, answer.ufrag);
  t.is(world.a.agent.state, 'connected');
  t.is(world.b.agent.state, 'connected');
  t.false(world.a.has('consentExpired'));
  t.false(world.a.has('failed'));
});

test('a restart that comes to nothing leaves the old agent with its path', (t) => {
  const world = publicHosts();
  exchange(world);
  t.true(bothSelected(world));
  const { agent } = world.a;
  world.a.restart('controlling');
  world.a.setRemote({ ufrag: 'abcd', pwd: 'x'.repeat(22), candidates: [] });
  world.network.loop.run(40_000);
  t.is(world.a.agent, agent);
  t.is(world.a.agent.state, 'connected');
  t.truthy(world.a.agent.selected);
  t.false(world.a.has('failed'));
});

test('parameters with other credentials are of another session: this one goes on as it is', (t) => {
  const world = publicHosts();
  exchange(world);
  t.true(bothSelected(world));
  world.network.loop.run(1_000);
  const asked = world.b.requests.length;
  world.a.setRemote({ ufrag: 'abcd', pwd: 'x'.repeat(22), candidates: hostCandidates(['203.0.113.2'], ICE_PORT) });
  // The next check of consent is not due yet.
  world.network.loop.run(2_500);
  t.is(world.b.requests.length, asked);
  world.network.loop.run(60_000);
  for (const { agent, events } of [world.a, world.b]) {
    t.is(agent.state, 'connected');
    t.is(events.filter(({ type }) => type === 'selected').length, 1);
    t.false(events.some(({ type }) => type === 'consentExpired'));
  }
});

test('wrong passwords are not answered', (t) => {
  const world = publicHosts();
  world.b.setRemote({ ...world.a.agent.localParameters, pwd: 'not the password of a' });
  world.network.loop.run(20_000);
  t.is(world.b.agent.state, 'failed');
  t.false(world.b.has('valid'));
});

test('when a relay was all that worked and a direct pair turns up, the direct one is selected', (t) => {
  const network = new SimNetwork(SEED, { latencyMs: 10 });
  const components = { loop: network.loop, random: network.random };
  const a = new IceEndpoint({ ...components, host: network.host(network.internet, '203.0.113.1') }, 'controlling');
  const b = new IceEndpoint({ ...components, host: network.host(network.internet, '203.0.113.2') }, 'controlled');
  const [own] = b.agent.localParameters.candidates;
  t.truthy(own);
  if (own === undefined) return;
  const relayed = { ...own, type: 'relay' as const, priority: 100 };
  b.setRemote(a.agent.localParameters);
  a.setRemote({ ...b.agent.localParameters, candidates: [relayed] });
  t.true(bothSelected({ network, a, b }));
  t.is(a.agent.selected?.remoteType, 'relay');
  network.loop.run(5_000);
  b.host.plug(network.internet, '203.0.113.3');
  b.addressesChanged();
  t.true(network.loop.runUntil(() => a.agent.selected?.remoteType !== 'relay', 2_000));
  t.is(a.agent.selected?.remote.address, '203.0.113.3');
});

test('a closed agent neither sends nor answers', (t) => {
  const world = publicHosts();
  exchange(world);
  world.a.agent.close();
  world.a.agent.close();
  t.is(world.a.agent.state, 'closed');
  t.is(world.a.agent.nextTimeout(), undefined);
  t.is(world.a.agent.pollTransmit(), undefined);
  world.network.loop.run(30_000);
  t.is(world.b.agent.state, 'failed');
});

function lone(role: IceRole, address: string): IceAgent {
  return new IceAgent(
    { random: seededRandom(SEED), logger: silentLogger },
    { role, localCandidates: hostCandidates([address], ICE_PORT) },
  );
}

const HERE = { address: '203.0.113.1', port: ICE_PORT };
const THERE = { address: '203.0.113.2', port: ICE_PORT };

/** A check that `from` sends at once to `to`, as it arrives. */
function firstCheck(from: IceAgent, to: IceAgent): { data: Uint8Array; message: StunMessage } {
  from.setRemote({ ...to.localParameters, candidates: hostCandidates([HERE.address], ICE_PORT) }, 0);
  const data = from.pollTransmit()?.data ?? new Uint8Array();
  return { data, message: decodeStun(data) };
}

test('a peer that answers 401 without integrity may have restarted: a hint comes once, and checks go on', (t) => {
  const asker = lone('controlling', THERE.address);
  const { message } = firstCheck(asker, lone('controlled', HERE.address));
  const refusal = encodeErrorResponse(message, 401);
  t.truthy(refusal);
  if (refusal === undefined) return;
  t.true(asker.hasTransaction(message.transactionId));
  t.false(asker.receive(decodeStun(refusal), refusal, THERE, { ...HERE, port: 9 }, 1));
  t.true(asker.receive(decodeStun(refusal), refusal, THERE, HERE, 1));
  t.true(asker.receive(decodeStun(refusal), refusal, THERE, HERE, 2));
  t.deepEqual(asker.pollEvent(), { type: 'peerForgot' });
  t.is(asker.pollEvent(), undefined);
  t.true(asker.hasTransaction(message.transactionId));
});

test('a check with an attribute that must be understood and is not gets an authenticated 420', (t) => {
  const asked = lone('controlled', HERE.address);
  const { message } = firstCheck(lone('controlling', THERE.address), asked);
  const key = shortTermKey(asked.localParameters.pwd);
  // The same check with an unknown attribute in front of its integrity.
  const plain = encodeStun(message);
  const raw = Uint8Array.from([...plain, 0x7f, 0, 0, 0, ...new Uint8Array(24)]);
  raw[3] = raw.length - 20;
  raw.set([0x00, 0x08, 0, 20], plain.length + 4);
  raw.set(computeIntegrity(raw, plain.length + 4, key, 'sha1'), plain.length + 8);
  t.true(asked.receive(decodeStun(raw), raw, HERE, THERE, 1));
  const answer = asked.pollTransmit()?.data ?? new Uint8Array();
  const { attributes } = decodeStun(answer);
  t.is(attributes.errorCode?.code, 420);
  t.deepEqual(attributes.unknownAttributes, [0x7f00]);
  t.true(verifyIntegrity(answer, decodeStun(answer), key));
  t.is(asked.pollTransmit(), undefined);
});

test('no answer is longer than the check that it answers', (t) => {
  for (const role of ['controlled', 'controlling'] as const) {
    for (const from of [THERE, { address: '2001:db8:1:2:3:4:5:6', port: 65535 }]) {
      const asked = lone(role, HERE.address);
      const { data, message } = firstCheck(lone('controlling', THERE.address), asked);
      t.true(asked.receive(message, data, HERE, from, 1));
      const answer = asked.pollTransmit();
      t.truthy(answer);
      t.true((answer?.data.length ?? Infinity) < data.length);
    }
  }
});

test('answers that got lost show as loss, and the path stays as long as one in two arrives', (t) => {
  const world = publicHosts({ latencyMs: 20 });
  exchange(world);
  t.true(bothSelected(world));
  world.network.internet.quality = { latencyMs: 20, loss: 0.2 };
  world.network.loop.run(120_000);
  t.is(world.a.agent.state, 'connected');
  t.true(world.a.agent.loss > 0.1 && world.a.agent.loss < 0.8, String(world.a.agent.loss));
  t.is(Math.round(world.a.agent.rttMs ?? 0), 40);
});

test('a candidate that is no IP address is passed over', (t) => {
  const agent = lone('controlling', HERE.address);
  const [candidate] = hostCandidates([THERE.address], ICE_PORT);
  t.truthy(candidate);
  if (candidate === undefined) return;
  const named = { ...candidate, address: { address: 'host.local', port: 1 } };
  agent.setRemote({ ufrag: 'abcd', pwd: 'x'.repeat(22), candidates: [named, candidate] }, 0);
  t.deepEqual(agent.pollTransmit()?.remote, THERE);
  t.is(agent.pollTransmit(), undefined);
});

test('a closed session takes no message, and neither does another one', (t) => {
  const asked = lone('controlled', HERE.address);
  const { data, message } = firstCheck(lone('controlling', THERE.address), asked);
  t.false(lone('controlled', HERE.address).receive({ ...message, class: 'success' }, data, HERE, THERE, 1));
  const other = new IceAgent(
    { random: seededRandom(SEED + 1), logger: silentLogger },
    { role: 'controlled', localCandidates: hostCandidates([HERE.address], ICE_PORT) },
  );
  t.true(asked.owns(message.attributes.username ?? ''));
  t.false(other.owns(message.attributes.username ?? ''));
  t.false(other.receive(message, data, HERE, THERE, 1));
  asked.close();
  t.false(asked.receive(message, data, HERE, THERE, 1));
});

test('when both hosts move at once, the new candidates of both, told over another way, bring the path back', (t) => {
  const world = publicHosts();
  exchange(world);
  t.true(bothSelected(world));
  world.network.loop.run(10_000);
  const { a, b, network } = world;
  a.host.move(network.internet, '203.0.113.71');
  b.host.move(network.internet, '203.0.113.72');
  a.addressesChanged();
  b.addressesChanged();
  network.loop.run(700);
  const from = network.loop.now;
  a.setRemote(b.agent.localParameters);
  b.setRemote(a.agent.localParameters);
  t.true(bothSelected(world, 1_000));
  t.true(network.loop.now - from <= 120, `${network.loop.now - from} ms`);
  t.deepEqual(a.agent.selected?.remote, b.agent.selected?.local);
  network.loop.run(30_000);
  t.not(a.agent.role, b.agent.role);
  t.true(bothSelected(world, 0));
});

test('a peer that checks from a thousand addresses costs a hundred pairs', (t) => {
  const asked = lone('controlled', HERE.address);
  const asker = lone('controlling', THERE.address);
  const { data, message } = firstCheck(asker, asked);
  asked.setRemote({ ...asker.localParameters, candidates: [] }, 0);
  const checked = new Set<string>();
  const drain = (): void => {
    for (let out = asked.pollTransmit(); out !== undefined; out = asked.pollTransmit())
      if (decodeStun(out.data).class === 'request') checked.add(formatSocketAddress(out.remote));
  };
  for (let i = 0; i < 1000; i++) {
    asked.receive(message, data, HERE, { address: `198.51.${Math.floor(i / 250)}.${(i % 250) + 1}`, port: 1024 }, 0);
    drain();
  }
  for (let at = asked.nextTimeout(); at !== undefined; at = asked.nextTimeout()) {
    asked.handleTimeout(at);
    drain();
  }
  t.is(asked.state, 'failed');
  t.true(checked.size <= MAX_PAIRS, String(checked.size));
});

/** All that the agent sends until it has nothing more to do. */
function sentUntilIdle(agent: IceAgent): { remote: string; message: StunMessage }[] {
  const sent: { remote: string; message: StunMessage }[] = [];
  for (let at: number | undefined = 0; at !== undefined; at = agent.nextTimeout()) {
    agent.handleTimeout(at);
    for (let out = agent.pollTransmit(); out !== undefined; out = agent.pollTransmit())
      sent.push({ remote: out.remote.address, message: decodeStun(out.data) });
  }
  return sent;
}

test('copies of a check, as from fifty other addresses, bring nothing to any of them', (t) => {
  const asked = lone('controlled', HERE.address);
  const asker = lone('controlling', THERE.address);
  const { data, message } = firstCheck(asker, asked);
  asked.setRemote({ ...asker.localParameters, candidates: [] }, 0);
  for (const from of [
    THERE,
    ...Array.from({ length: 50 }, (_, i) => ({ address: `192.0.2.${i + 1}`, port: 1024 })),
    THERE,
  ])
    t.true(asked.receive(message, data, HERE, from, 0));
  const sent = sentUntilIdle(asked);
  t.is(
    sent.filter(({ message: { class: kind } }) => kind === 'success').length,
    2,
    'a repeated check is answered again',
  );
  t.deepEqual([...new Set(sent.map(({ remote }) => remote))], [THERE.address]);
});

test('fifty checks that were captured and kept back bring each forged source an answer, and all together few checks', (t) => {
  const asked = lone('controlled', HERE.address);
  const asker = lone('controlling', THERE.address);
  const { message } = firstCheck(asker, asked);
  asked.setRemote({ ...asker.localParameters, candidates: [] }, 0);
  for (let i = 0; i < 50; i++) {
    const transactionId = i.toString(16).padStart(24, '0');
    const data = encodeStun({ ...message, transactionId }, { key: keyOf(asked.localParameters), fingerprint: true });
    t.true(asked.receive(decodeStun(data), data, HERE, { address: `192.0.2.${i + 1}`, port: 1024 }, 0));
  }
  const sent = sentUntilIdle(asked);
  const checks = sent.filter(({ message: { class: kind } }) => kind === 'request').length;
  t.is(sent.length - checks, 50);
  // Patience is 20 s at most.
  t.true(checks <= UNANSWERED_CHECKS.learnedBurst + 20 * UNANSWERED_CHECKS.learnedPerSecond, `${checks} checks`);
});

test('an offer of many candidates at a third party brings it few checks, whatever the ports', (t) => {
  const agent = lone('controlling', HERE.address);
  const [candidate] = hostCandidates([THERE.address], ICE_PORT);
  if (candidate === undefined) return t.fail();
  const candidates = Array.from({ length: 64 }, (_, i) => ({
    ...candidate,
    address: { address: '192.0.2.66', port: 1_000 + i },
    foundation: `${i}`,
  }));
  agent.setRemote({ ufrag: 'abcd', pwd: 'x'.repeat(22), candidates }, 0);
  const sent = sentUntilIdle(agent);
  t.true(sent.length >= 32, 'each of those that count is tried');
  t.true(
    sent.length <= UNANSWERED_CHECKS.addressBurst + 20 * UNANSWERED_CHECKS.addressPerSecond,
    `${sent.length} checks`,
  );
});

/** Connected; `a` rests. */
function restingHosts(t: ExecutionContext): ReturnType<typeof publicHosts> {
  const hosts = publicHosts();
  const { network, a } = hosts;
  exchange(hosts);
  t.true(bothSelected(hosts));
  t.true(network.loop.runUntil(() => a.agent.isSteady(network.loop.now), 30_000));
  a.agent.rest(network.loop.now);
  return hosts;
}

test('a pair that has just been answered may rest; then nothing is due, and the peer is answered all the same', (t) => {
  const { network, a, b } = restingHosts(t);
  t.is(a.agent.nextTimeout(), undefined);
  t.true(b.agent.nextTimeout() !== undefined);
  const asked = b.requests.length;
  network.loop.run(10 * CONSENT_TIMEOUT_MS);
  t.is(b.requests.length, asked);
  t.false(a.has('consentExpired') || b.has('consentExpired'));
  t.is(a.agent.state, 'connected');
});

test('an agent that is woken checks at once, and counts consent from when the peer was last heard', (t) => {
  const { network, a, b } = restingHosts(t);
  network.loop.run(10 * CONSENT_TIMEOUT_MS);
  b.host.unplug('203.0.113.2');
  const { now } = network.loop;
  a.agent.wake(now - 24_000, now);
  t.is(a.agent.nextTimeout(), now);
  a.pump();
  network.loop.run(6_001);
  const expired = a.events.find((event) => event.type === 'consentExpired');
  t.is(expired?.at, now + 6_000);
});

test('the peer of a resting agent moves: its check from the new address wakes the agent', (t) => {
  const { network, a, b } = restingHosts(t);
  network.loop.run(10 * CONSENT_TIMEOUT_MS);
  b.host.move(network.internet, '203.0.113.9');
  b.addressesChanged();
  network.loop.run(1_000);
  t.false(a.agent.resting);
  t.is(a.agent.selected?.remote.address, '203.0.113.9');
});

test('spares: each other address of ours comes first, then addresses of the kind that was selected, private ones of other networks last', (t) => {
  const at = (address: string): { address: string; port: number } => ({ address, port: ICE_PORT });
  const srflx = (address: string, base: string, priority: number): Candidate => ({
    type: 'srflx',
    address: at(address),
    priority,
    foundation: address.replaceAll('.', ''),
    relatedAddress: at(base),
  });
  const agent = new IceAgent(
    { random: seededRandom(SEED), logger: silentLogger },
    { role: 'controlled', localCandidates: hostCandidates(['10.0.0.2', '10.0.1.2'], ICE_PORT) },
  );
  const peer = ['192.168.1.7', '192.168.2.7'];
  const candidates = [
    ...hostCandidates(peer, ICE_PORT),
    srflx('198.51.100.1', '192.168.1.7', 2_000),
    srflx('198.51.100.2', '192.168.2.7', 1_000),
  ];
  agent.setRemote({ ufrag: 'peer', pwd: 'p'.repeat(22), candidates }, 0);
  agent.adopt(at('10.0.0.2'), at('198.51.100.1'), 0);
  t.is(agent.selected?.remote.address, '198.51.100.1');
  t.deepEqual(
    agent.spares(3).map(({ local, remote }) => `${local.address} ${remote.address}`),
    ['10.0.1.2 198.51.100.1', '10.0.0.2 198.51.100.2', '10.0.1.2 198.51.100.2'],
  );
});
