import test from 'ava';
import { adoptMembership } from '../../src/agent/membership.ts';
import { overlayConfiguration } from '../../src/config/overlay-configuration.ts';
import { signOverlayConfiguration } from '../../src/config/overlay-configuration-writer.ts';
import { OverlayAuthority } from '../../src/identity/authority.ts';
import { parseCertificate } from '../../src/identity/certificate.ts';
import { SimAgent } from '../sim/agent/sim-agent.ts';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import { TwoClients } from '../sim/agent/two-clients.ts';

/** A host that made an overlay of the same name for itself: its certificates are of another authority. */
function stranger(world: AgentWorld): SimAgent {
  const { network, clock } = world;
  const { random } = network;
  const [overlay, user, wallNow] = ['home.example', 'eve@home.example', clock.wall()];
  const identity = world.newIdentity();
  const authority = OverlayAuthority.create({ overlay, wallNow, random });
  const [own = new Uint8Array()] = authority.issue(identity.spki, user, wallNow, random);
  const enrolled = {
    certificate: parseCertificate(own),
    certificates: [own, authority.certificate],
    secret: null,
    configuration: signOverlayConfiguration(overlayConfiguration({ overlay }), authority),
  };
  const store = world.newStore();
  const membership = adoptMembership(store, enrolled, { random, clock });
  return new SimAgent({ network, clock, host: world.publicHost(), identity, membership, store }, { role: 'peer' });
}

test('a host with a certificate of another authority gets no link, no answer and no packet in', (t) => {
  const world = new TwoClients(t, 500);
  const eve = stranger(world);
  eve.start({ start: [world.founderLocator] });
  world.run(5_000);
  eve.send(world.founder.address, 'let me in');
  eve.send(world.a.address, 'let me in');
  world.run(30_000);
  t.is(eve.engine.overlay, undefined);
  t.deepEqual(eve.engine.links.snapshot().links, []);
  t.deepEqual([world.founder.received(eve), world.a.received(eve)], [[], []]);
  t.false(world.founder.isLinkedTo(eve));
  t.is(world.founder.engine.userOf(eve.hit), null);
  t.true(world.call());
});

test('a guest that has not enrolled cannot send packets, nor ask the overlay anything', (t) => {
  const world = new TwoClients(t, 501);
  // Nobody else asks the founder anything meanwhile: what each looks after once it is in is done.
  world.run(30_000);
  const before = world.founder.engine.overlay?.snapshot(world.now).counters.delivered;
  const joining = world.join(
    world.publicHost(),
    { ...world.ticket(null), code: new Uint8Array(16) },
    'eve@home.example',
  );
  world.run(2_000);
  t.false(joining.result?.ok);
  t.is(world.founder.engine.overlay?.snapshot(world.now).counters.delivered, before);
  t.deepEqual(world.founder.dataPlane.delivered, []);
});
