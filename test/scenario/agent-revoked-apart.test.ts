import test, { type ExecutionContext } from 'ava';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';

// A host is revoked while it is cut off from the overlay together with one that it is linked with: the word has to get there first.

const HEARD_MS = 5_000;
/** Others have given up on a peer that was away for so long; when it comes back it looks for them (RFC 6940 s10.7.4.4). */
const FOUND_MS = 300_000;
const HOME_ADDRESSES = ['10.0.0.2', '10.0.0.3'] as const;
const PLACES = ['in one home', 'as public peers'] as const;

/** A founder, two more peers; alice and mallory, who have a link that works when nothing else does. */
class Apart extends AgentWorld {
  readonly alice: SimAgent;
  readonly mallory: SimAgent;
  private readonly outside: readonly SimAgent[];

  constructor(t: ExecutionContext, seed: number, place: (typeof PLACES)[number]) {
    super(t, seed);
    this.run(1_000);
    const peers = [0, 1].map(() => this.member(this.publicHost(), { role: 'peer' }));
    this.started(...peers);
    this.outside = [this.founder, ...peers];
    const lan = place === 'in one home' ? this.home() : undefined;
    const [alice, mallory] = HOME_ADDRESSES.map((address) =>
      this.member(lan === undefined ? this.publicHost() : this.network.host(lan, address)),
    ) as [SimAgent, SimAgent];
    this.started(alice, mallory);
    if (!this.allReady([...this.outside, alice, mallory])) throw new Error('they are not in the overlay');
    this.alice = alice;
    this.mallory = mallory;
    alice.send(mallory.address, 'call');
    if (!this.until(() => alice.isLinkedTo(mallory), 20_000)) throw new Error('they are not linked');
    this.run(10_000);
  }

  /** Nothing passes between those outside and the others, except for one of these. */
  cut(back?: SimAgent): void {
    const outside = new Set(this.outside.flatMap(({ host }) => host.addresses));
    const isBack = new Set(back?.host.addresses ?? []);
    this.network.internet.isCut = ({ source: { address: from }, destination: { address: to } }) =>
      outside.has(from) !== outside.has(to) && !isBack.has(from) && !isBack.has(to);
  }

  revokeMallory(): void {
    this.founder.act(({ membership }, now) => membership.office.revoke([this.mallory.hit], now));
  }

  /** Of those two, the link. */
  get linked(): boolean {
    return this.alice.isLinkedTo(this.mallory) || this.mallory.isLinkedTo(this.alice);
  }
}

for (const place of PLACES)
  for (const [who, seed, boundMs] of [
    ['both come', 1000, HEARD_MS],
    ['the other comes', 1010, HEARD_MS],
    ['the revoked one alone comes', 1020, FOUND_MS],
  ] as const)
    for (const cutMs of [20_000, 120_000]) {
      // Behind one NAT both come back.
      if (place === 'in one home' && who !== 'both come') continue;
      test(`two hosts ${place}, cut off for ${cutMs / 1_000} s: when ${who} back, the link to the one that was revoked ends in ${boundMs / 1_000} s`, (t) => {
        const world = new Apart(t, seed + cutMs / 20_000, place);
        const { alice, mallory, founder } = world;
        world.cut();
        world.run(5_000);
        world.revokeMallory();
        world.run(cutMs);
        t.true(founder.engine.membership.revoked.has(mallory.hit));
        t.true(world.linked);
        t.is(mallory.engine.membership.state, 'member');
        const since = world.now;
        if (who === 'both come') world.network.internet.isCut = () => false;
        else world.cut(who === 'the other comes' ? alice : mallory);
        t.true(world.until(() => !world.linked, FOUND_MS));
        t.log(`${(world.now - since).toFixed(0)} ms`);
        t.true(world.now - since <= boundMs);
        world.run(30_000);
        t.false(world.linked);
        t.is(mallory.engine.membership.state, 'revoked');
        t.is(alice.engine.membership.state, 'member');
      });
    }
