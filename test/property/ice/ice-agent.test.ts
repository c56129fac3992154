import { fc, testProp } from '@fast-check/ava';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { sameSocketAddress } from '../../../src/base/socket-address.ts';
import { hostCandidates } from '../../../src/ice/candidates.ts';
import type { IceRole } from '../../../src/ice/ice-agent.ts';
import { IceAgent } from '../../../src/ice/ice-agent.ts';
import { decodeStun } from '../../../src/stun/codec.ts';
import { IceEndpoint, stunServer } from '../../sim/ice-endpoint.ts';
import type { NatBehaviour } from '../../sim/network/nat.ts';
import { HOME_NAT, SYMMETRIC_NAT } from '../../sim/network/nat.ts';
import { SimNetwork } from '../../sim/network/network.ts';

const NATS: Readonly<Record<string, NatBehaviour>> = {
  home: HOME_NAT,
  randomPort: { ...HOME_NAT, portPreservation: false },
  addressFilter: { ...HOME_NAT, filtering: 'address-dependent' },
  noFilter: { ...HOME_NAT, filtering: 'endpoint-independent' },
  symmetric: SYMMETRIC_NAT,
};
const nat = fc.constantFrom('none', ...Object.keys(NATS));
const role = fc.constantFrom<IceRole>('controlling', 'controlled');
const quality = fc.record({
  latencyMs: fc.integer({ min: 1, max: 150 }),
  jitterMs: fc.integer({ min: 0, max: 60 }),
  loss: fc.double({ min: 0, max: 0.15, noNaN: true }),
  duplicate: fc.double({ min: 0, max: 0.2, noNaN: true }),
});
const seed = fc.nat(0xffffffff);

/** RFC 4787: a mapping that differs by destination meets a filter that wants the exact port. */
function directPossible(a: string, b: string): boolean {
  const filtersPort = (name: string): boolean =>
    name !== 'none' && NATS[name]?.filtering === 'address-and-port-dependent';
  const symmetric = (name: string): boolean => name === 'symmetric';
  return !((symmetric(a) && filtersPort(b)) || (symmetric(b) && filtersPort(a)));
}

function endpoint(network: SimNetwork, name: string, kind: string, index: number, as: IceRole): IceEndpoint {
  const components = { loop: network.loop, random: network.random };
  const behaviour = NATS[kind];
  if (behaviour === undefined)
    return new IceEndpoint({ ...components, host: network.host(network.internet, `203.0.113.${index}`) }, as);
  const { lan } = network.home(name, `198.51.100.${index}`, behaviour);
  return new IceEndpoint({ ...components, host: network.host(lan, '10.0.0.2') }, as);
}

/** Do both use the same pair? */
function agree(a: IceEndpoint, b: IceEndpoint): boolean {
  const [here, there] = [a.agent.selected, b.agent.selected];
  if (here === undefined || there === undefined) return false;
  return sameSocketAddress(here.local, there.remote) && sameSocketAddress(here.remote, there.local);
}

/** Until the answer to a claim has come: two round trips of the slowest network here, one of them lost. */
const CLAIM_MS = 1_000;

/**
 * Control goes over together with the selected pair: while both use the same one, one of them has it. Never both; neither only
 * until who claimed it hears that the other has given it up.
 */
function contested(network: SimNetwork, a: IceEndpoint, b: IceEndpoint): () => boolean {
  let since: number | undefined;
  return () => {
    const { now } = network.loop;
    if (!agree(a, b) || a.agent.role !== b.agent.role) since = undefined;
    else since ??= now;
    return since !== undefined && (a.agent.role === 'controlling' || now > since + CLAIM_MS);
  };
}

testProp(
  'two agents connect over a lossy, reordering network with NATs exactly when a path exists',
  [seed, quality, nat, nat, role, role, fc.integer({ min: 0, max: 800 })],
  (t, worldSeed, internet, kindA, kindB, roleA, roleB, delayMs) => {
    const network = new SimNetwork(worldSeed, { latencyMs: internet.latencyMs });
    const server = stunServer(network.host(network.internet, '192.0.2.1'), '192.0.2.1');
    const a = endpoint(network, 'home-a', kindA, 1, roleA);
    const b = endpoint(network, 'home-b', kindB, 2, roleB);
    a.gather(server);
    b.gather(server);
    network.internet.quality = internet;
    b.setRemote(a.agent.localParameters);
    network.loop.run(delayMs);
    a.setRemote(b.agent.localParameters);
    const done = (): boolean => [a, b].every(({ agent }) => agent.state === 'connected' || agent.state === 'failed');
    t.true(network.loop.runUntil(done, 25_000));
    const expected = directPossible(kindA, kindB) ? 'connected' : 'failed';
    t.is(a.agent.state, expected, network.flow.join('\n'));
    t.is(b.agent.state, expected, network.flow.join('\n'));
    if (expected === 'failed') return;
    network.loop.run(60_000);
    t.not(a.agent.role, b.agent.role);
    t.false(a.has('consentExpired') || b.has('consentExpired'));
  },
  { numRuns: 60 },
);

testProp(
  'hosts with several addresses agree on one pair, and again after every change of addresses',
  [
    seed,
    quality,
    fc.array(
      fc.record({
        who: fc.constantFrom('a' as const, 'b' as const),
        what: fc.constantFrom('move' as const, 'plug' as const, 'unplug' as const),
        restMs: fc.integer({ min: 9_000, max: 30_000 }),
      }),
      { maxLength: 6 },
    ),
  ],
  (t, worldSeed, internet, changes) => {
    const network = new SimNetwork(worldSeed, internet);
    const a = endpoint(network, '', 'none', 1, 'controlling');
    const b = endpoint(network, '', 'none', 2, 'controlled');
    let nextAddress = 10;
    for (const { host } of [a, b]) host.plug(network.internet, `203.0.113.${nextAddress++}`);
    a.addressesChanged();
    b.addressesChanged();
    b.setRemote(a.agent.localParameters);
    a.setRemote(b.agent.localParameters);
    t.true(network.loop.runUntil(() => agree(a, b), 10_000));
    t.false(network.loop.runUntil(contested(network, a, b), 5_000));
    for (const { who, what, restMs } of changes) {
      const moving = who === 'a' ? a : b;
      const { host } = moving;
      if (what === 'move') host.move(network.internet, `203.0.113.${nextAddress++}`);
      else if (what === 'plug') host.plug(network.internet, `203.0.113.${nextAddress++}`);
      else if (host.addresses.length > 1) host.unplug(moving.agent.selected?.local.address ?? '');
      moving.addressesChanged();
      t.false(network.loop.runUntil(contested(network, a, b), restMs), `${who} ${what}: both are ${a.agent.role}`);
      // A row of lost consent checks may be moving the path at this very moment.
      t.true(
        network.loop.runUntil(() => agree(a, b), 5_000),
        `${who} ${what}\n${network.flow.slice(-60).join('\n')}`,
      );
      t.not(a.agent.role, b.agent.role);
    }
  },
  {
    numRuns: 60,
    examples: [
      // The controlled side leaves a silent path at the moment of the look.
      [
        902997387,
        { latencyMs: 128, jitterMs: 55, loss: 0.1398663171567023, duplicate: 0.16874705115333202 },
        [{ who: 'a', what: 'unplug', restMs: 21_512 }],
      ],
      // Answers to the first two nominations get lost, and the first pair is nominated again.
      [1527537106, { latencyMs: 55, jitterMs: 0, loss: 0.14953211193205787, duplicate: 0.11741462964564563 }, []],
      // The first nomination arrives after the second one.
      [2711638972, { latencyMs: 136, jitterMs: 56, loss: 0.14736287435516718, duplicate: 0 }, []],
      // One side claims control for another pair while the other one moves and nominates.
      [
        2485424818,
        { latencyMs: 144, jitterMs: 32, loss: 0.14039587648585442, duplicate: 0 },
        [
          { who: 'b', what: 'unplug', restMs: 29_280 },
          { who: 'b', what: 'move', restMs: 9_000 },
        ],
      ],
      // The controlling side leaves a path and comes back within a second.
      [
        1426694473,
        { latencyMs: 129, jitterMs: 20, loss: 0.009433327883016318, duplicate: 0.13668199833482506 },
        [
          { who: 'a', what: 'plug', restMs: 23_894 },
          { who: 'b', what: 'plug', restMs: 11_011 },
        ],
      ],
    ],
  },
);

testProp(
  'hosts that lose packets for five minutes move their path together, and control with it',
  [seed, quality],
  (t, worldSeed, internet) => {
    const network = new SimNetwork(worldSeed, internet);
    const a = endpoint(network, '', 'none', 1, 'controlling');
    const b = endpoint(network, '', 'none', 2, 'controlled');
    for (const [{ host }, address] of [
      [a, '203.0.113.10'],
      [b, '203.0.113.11'],
    ] as const)
      host.plug(network.internet, address);
    a.addressesChanged();
    b.addressesChanged();
    b.setRemote(a.agent.localParameters);
    a.setRemote(b.agent.localParameters);
    t.true(network.loop.runUntil(() => agree(a, b), 10_000));
    t.false(network.loop.runUntil(contested(network, a, b), 300_000), `both are ${a.agent.role}`);
    t.true(network.loop.runUntil(() => agree(a, b), 5_000));
  },
  {
    numRuns: 40,
    examples: [
      [3167154574, { latencyMs: 144, jitterMs: 21, loss: 0.12256225441815331, duplicate: 0.02972771623171866 }],
      // The claimed pair is used by both 150 ms before the claim's answer is there.
      [303806720, { latencyMs: 129, jitterMs: 34, loss: 0.14112772000953558, duplicate: 0 }],
    ],
  },
);

testProp(
  'a path is selected at both ends through any number of restarts, whoever begins them and however late the answer is',
  [
    seed,
    quality,
    fc.array(
      fc.record({
        first: fc.constantFrom('a' as const, 'b' as const),
        role,
        delayMs: fc.integer({ min: 0, max: 3_000 }),
        restMs: fc.integer({ min: 9_000, max: 20_000 }),
      }),
      { maxLength: 5 },
    ),
  ],
  (t, worldSeed, internet, restarts) => {
    const network = new SimNetwork(worldSeed, { latencyMs: internet.latencyMs });
    const server = stunServer(network.host(network.internet, '192.0.2.1'), '192.0.2.1');
    const a = endpoint(network, 'home-a', 'home', 1, 'controlling');
    const b = endpoint(network, 'home-b', 'randomPort', 2, 'controlled');
    a.gather(server);
    b.gather(server);
    network.internet.quality = internet;
    b.setRemote(a.agent.localParameters);
    a.setRemote(b.agent.localParameters);
    const both = (): boolean => a.agent.selected !== undefined && b.agent.selected !== undefined;
    t.true(network.loop.runUntil(both, 10_000));
    network.loop.run(2_000);
    for (const { first, role: as, delayMs, restMs } of restarts) {
      const [one, other] = first === 'a' ? [a, b] : [b, a];
      const offer = one.restart(as);
      network.loop.run(delayMs);
      t.true(both());
      const answer = other.restart(as === 'controlling' ? 'controlled' : 'controlling');
      other.setRemote(offer);
      network.loop.run(delayMs);
      one.setRemote(answer);
      const since = network.loop.now;
      const reselected = ({ events }: IceEndpoint): boolean =>
        events.some((event) => event.type === 'selected' && event.at >= since - delayMs);
      t.true(network.loop.runUntil(() => reselected(a) && reselected(b), 9_000));
      network.loop.run(restMs);
      t.true(both());
      t.false([a, b].some((end) => end.has('consentExpired') || end.has('failed')));
    }
  },
  { numRuns: 40 },
);

testProp(
  'whatever is done to a check or an answer on its way, the agent neither throws nor believes it',
  [seed, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 })],
  (t, worldSeed, damage) => {
    const random = seededRandom(worldSeed);
    const at = (address: string): { address: string; port: number } => ({ address, port: 6084 });
    const [here, there] = [at('192.0.2.1'), at('192.0.2.2')];
    const agent = (address: string, as: IceRole): IceAgent =>
      new IceAgent({ random, logger: silentLogger }, { role: as, localCandidates: hostCandidates([address], 6084) });
    const [a, b] = [agent(here.address, 'controlling'), agent(there.address, 'controlled')];
    a.setRemote(b.localParameters, 0);
    b.setRemote(a.localParameters, 0);
    const data = a.pollTransmit()?.data ?? new Uint8Array();
    const damaged = data.slice();
    for (const [offset, flip] of damage) {
      const i = offset % damaged.length;
      damaged[i] = (damaged[i] ?? 0) ^ flip;
    }
    b.pollTransmit();
    try {
      const message = decodeStun(damaged);
      const taken = b.receive(message, damaged, there, here, 1);
      // Only FINGERPRINT's own header, the last eight bytes, may differ: nothing covers that.
      t.is(taken, Buffer.compare(damaged.subarray(0, -8), data.subarray(0, -8)) === 0);
    } catch (error) {
      t.true(error instanceof MalformedMessageError, String(error));
    }
    t.pass();
  },
);
