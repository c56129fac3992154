import test from 'ava';
import { AgentWorld } from '../sim/agent/agent-world.ts';

const TEN_MINUTES_MS = 600_000;

for (const seed of [1, 2, 3])
  test(`a laptop at home has slept: its peers have given it up, its NAT has forgotten all, and four seconds later it is called (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const { lan, nat } = world.network.home('laptop', '198.51.100.200');
    const laptop = world.member(world.network.host(lan, '10.0.0.2'));
    const peer = world.member(world.publicHost());
    const caller = world.member(world.hostAtHome());
    world.run(1_000);
    world.started(laptop, peer, caller);
    t.true(world.allReady([laptop, peer, caller]));
    world.run(60_000);
    // Its clock stands still: for itself no time passes.
    laptop.sleptMs = TEN_MINUTES_MS;
    nat.reboot();
    world.network.internet.isCut = () => true;
    for (const other of [world.founder, peer, caller])
      other.act((engine) => engine.links.close(laptop.hit, 'it is silent'));
    world.run(10);
    world.network.internet.isCut = () => false;
    t.false([world.founder, peer].some((other) => other.isLinkedTo(laptop)));
    world.run(4_000);
    caller.send(laptop.address, 'good morning');
    t.true(world.until(() => laptop.received(caller).length > 0, 2_000));
  });
