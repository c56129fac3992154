import test from 'ava';
import { MAX_PENDING_LINKS } from '../../src/overlay/constants.ts';
import { OverlayWorld, type SimNode } from '../sim/overlay/overlay-world.ts';
import { RawMember } from '../sim/overlay/raw-member.ts';

const SEED = 20261130;

/** A member that is linked to one peer and tells it, every second, of sixteen peers beside it that do not exist. */
class Inventor {
  readonly raw: RawMember;
  private readonly world: OverlayWorld;
  private readonly victim: SimNode;

  constructor(world: OverlayWorld, victim: SimNode) {
    this.world = world;
    this.victim = victim;
    this.raw = new RawMember(world, victim);
    this.tell();
  }

  private tell(): void {
    const { ring } = this.world.settings;
    const near = (sign: bigint): string[] =>
      Array.from({ length: 8 }, () => ring.add(this.victim.id, sign * BigInt(this.world.random.uint32())));
    const update = { type: 'neighbors' as const, uptime: 1, predecessors: near(-1n), successors: near(1n) };
    this.raw.send({ type: 'update_req', update });
    this.world.loop.after(1_000, () => this.tell());
  }

  /** Attach requests that it was to pass on to those whom it invented. */
  get asked(): number {
    return this.raw.received.length;
  }
}

/** Peers whose neighbours, but for the inventors, are not the next ones on the ring. */
function wronged(world: OverlayWorld, inventors: readonly Inventor[]): SimNode[] {
  const others = new Set(inventors.map(({ raw }) => raw.id));
  const ids = world.peers.map(({ id }) => id).sort();
  return world.peers.filter(({ id, overlay }) => {
    const at = ids.indexOf(id);
    const { predecessors, successors } = overlay.snapshot(world.now);
    const isRight = (list: readonly string[], step: number): boolean => {
      const seen = list.filter((peer) => !others.has(peer));
      return (
        seen.length > 0 && seen.every((peer, i) => peer === ids[(at + step * (i + 1) + ids.length * 8) % ids.length])
      );
    };
    return !isRight(predecessors, -1) || !isRight(successors, 1);
  });
}

test('a ring repairs itself beside members that invent peers in every Update', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED, signatures: 'fake' });
  world.grow(24);
  t.true(world.settle(60_000));
  const ids = world.peers.map(({ id }) => id).sort();
  const victim = world.nodes.get(ids[5] ?? '');
  if (victim === undefined) return;
  const inventors = [new Inventor(world, victim), new Inventor(world, victim)];
  world.loop.run(20_000);
  for (const dead of [6, 7, 8, 3]) {
    const node = world.nodes.get(ids[dead] ?? '');
    if (node !== undefined) world.crash(node);
  }
  world.loop.run(60_000);
  t.deepEqual(wronged(world, inventors), []);
  const newcomer = world.add();
  const bootstrap = world.nodes.get(ids[20] ?? '');
  if (bootstrap !== undefined) world.join(newcomer, bootstrap);
  world.loop.run(20_000);
  t.is(newcomer.overlay.state, 'joined');
  t.deepEqual(wronged(world, inventors), []);
});

test('who invents peers is believed less and less: an hour of it costs a few attempts a minute', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED, signatures: 'fake' });
  world.grow(8);
  t.true(world.settle(60_000));
  const [victim] = world.peers;
  if (victim === undefined) return;
  const attaches = (): number => victim.links.offers;
  const before = attaches();
  const inventor = new Inventor(world, victim);
  world.loop.run(600_000);
  t.log(`${attaches() - before} attempts after ten minutes`);
  t.true(attaches() - before < 40);
  world.loop.run(3_000_000);
  t.log(`${attaches() - before} attempts after an hour`);
  t.true(attaches() - before < 40 + 50 * 2);
  t.true(victim.links.offered.size < MAX_PENDING_LINKS / 100);
  t.true(inventor.asked > 0);
});

test('what an inventor tells does not keep a peer from those that others tell of', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED, signatures: 'fake' });
  world.grow(12);
  t.true(world.settle(60_000));
  const ids = world.peers.map(({ id }) => id).sort();
  const victim = world.nodes.get(ids[4] ?? '');
  const next = world.nodes.get(ids[5] ?? '');
  if (victim === undefined || next === undefined) return;
  const inventors = Array.from({ length: 6 }, () => new Inventor(world, victim));
  world.loop.run(2_000);
  world.disconnect(victim, next);
  world.loop.run(25_000);
  t.true(victim.links.up.has(next.id));
  t.deepEqual(wronged(world, inventors), []);
});
