import test from 'ava';
import { Guard } from '../../src/agent/guard.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { AgentWorld } from '../sim/agent/agent-world.ts';

function bug(): never {
  throw new Error('a bug');
}

test('a bug that one packet meets costs that packet: the next ones of the same batch are handled', (t) => {
  const guard = new Guard({ logger: silentLogger });
  const world = new AgentWorld(t, 1);
  const [alice, bob] = [world.member(world.publicHost(), { guard }), world.member(world.publicHost())];
  world.started(alice, bob);
  t.true(world.allReady([alice, bob]));
  const { resolver } = alice.engine;
  const miss = resolver.miss.bind(resolver);
  resolver.miss = (address, ...rest) => {
    if (address === '198.18.0.77') bug();
    miss(address, ...rest);
  };
  // In one turn of the event loop.
  alice.send('198.18.0.77', 'the one with the bug');
  alice.send(bob.address, 'the next one');
  t.true(world.until(() => bob.received(alice).includes('the next one'), 5_000));
  t.is(guard.count, 1);
});

test('a bug in the handling of a new link ends that link, and the peer comes in by the next', (t) => {
  const guard = new Guard({ logger: silentLogger });
  const world = new AgentWorld(t, 2, { guard });
  const { links } = world.founder.engine;
  const handleEvent = links.handleEvent.bind(links);
  let met = 0;
  links.handleEvent = (event, now) => {
    if (event.type === 'connected' && met === 0) {
      met += 1;
      bug();
    }
    handleEvent(event, now);
  };
  const alice = world.member(world.publicHost());
  world.started(alice);
  t.true(world.allReady([alice], 60_000));
  t.is(met, 1);
  t.is(guard.count, 1);
});

test('a bug in a message ends that message: the link and the agent go on', (t) => {
  const guard = new Guard({ logger: silentLogger });
  const world = new AgentWorld(t, 3, { guard });
  const alice = world.member(world.publicHost());
  world.started(alice);
  t.true(world.allReady([alice]));
  const { overlay } = world.founder.engine;
  if (overlay === undefined) throw new Error('no overlay');
  const receive = overlay.receive.bind(overlay);
  let broken = true;
  overlay.receive = (...args) => {
    if (broken) bug();
    receive(...args);
  };
  const handshakes = alice.handshakes(world.founder);
  // The ring asks after its neighbours by itself.
  t.true(world.until(() => guard.count > 0, 1_200_000));
  broken = false;
  const found = alice.lookupName(world.founder.user);
  t.true(world.until(() => found.answer !== undefined, 10_000));
  t.true(found.answer?.ok);
  t.is(alice.handshakes(world.founder), handshakes);
});
