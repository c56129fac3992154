import test from 'ava';
import { OwnNode } from '../../../src/agent/own-node.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { OverlayClock } from '../../../src/base/overlay-clock.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { HostIdentity } from '../../../src/identity/host-identity.ts';
import type { TrustStore } from '../../../src/identity/trust-store.ts';
import type { OverlayLinks } from '../../../src/overlay/links.ts';
import { overlaySettings } from '../../../src/overlay/settings.ts';
import { realEnrollment } from '../../sim/overlay/sim-identity.ts';

const MEMBER = '20010022000000000000000000000002';
const OVERLAY = 'home.example';
const WALL = Date.UTC(2026, 0, 1);
const FORMER_IPV4 = '198.18.0.7';
/** No message of any overlay, which the node counts. */
const NOISE = new Uint8Array([1]);

/** An agent whose role is not decided yet, alone in the world. */
function undecided(): { node: OwnNode; claimed: string[] } {
  const claimed: string[] = [];
  const random = seededRandom(1);
  const enrollment = realEnrollment(OVERLAY, WALL, random);
  const { identity, certificates } = enrollment.enroll(null);
  const node = new OwnNode(
    {
      identity: identity as unknown as HostIdentity,
      membership: {
        own: { messageChain: certificates },
        acceptConfiguration: () => false,
        answer: () => {},
        user: null,
      },
      trust: enrollment.trust() as unknown as TrustStore,
      configuration: overlaySettings({ name: OVERLAY, sequence: 1 }),
      links: { isUp: () => false, isAnswering: () => false } as unknown as OverlayLinks,
      random,
      clock: new OverlayClock({ monotonic: () => 0, uptime: () => 0, wall: () => WALL }),
      logger: silentLogger,
      timeIsKnown: () => true,
      turnServer: { own: () => undefined, isOff: false, density: () => 1 },
      ipv4Claimed: (address) => claimed.push(address),
    },
    { ipv4Prefix: '198.18.0.0/15', ipv4: FORMER_IPV4 },
  );
  return { node, claimed };
}

test('what members send before our role is decided, up to a bound, is for the node that comes of it', (t) => {
  const { node } = undecided();
  for (let i = 0; i < 100; i++) node.receive(MEMBER, NOISE, 0);
  const { overlay } = node.make('peer');
  overlay.create(0);
  t.is(overlay.snapshot(0).counters.received, 0);
  node.receiveEarly(0);
  t.is(overlay.snapshot(0).counters.received, 64);
  node.receiveEarly(0);
  node.receive(MEMBER, NOISE, 0);
  t.is(overlay.snapshot(0).counters.received, 65, 'each once, and from now on at once');
});

test('the node is joined only while it is in the overlay', (t) => {
  const { node } = undecided();
  t.is(node.parts, undefined);
  const parts = node.make('peer');
  t.is(node.overlay, parts.overlay);
  t.is(node.joined, undefined);
  parts.overlay.create(0);
  t.is(node.joined, parts);
  parts.overlay.leave(0);
  parts.overlay.handleTimeout(60_000);
  t.is(node.joined, undefined);
});

test('the address of a former life is ours until one is claimed in this life', (t) => {
  const { node, claimed } = undecided();
  node.claim(0);
  t.is(node.ipv4, FORMER_IPV4, 'without a node nothing is claimed');
  const { overlay, names } = node.make('peer');
  overlay.create(0);
  node.claim(0);
  for (let now = 0; claimed.length === 0 && now < 60_000; now += 100) {
    overlay.handleTimeout(now);
    names.handleTimeout(now);
  }
  t.is(claimed.length, 1);
  t.is(node.ipv4, claimed[0]);
  t.not(node.ipv4, FORMER_IPV4, 'it is none of those that our key may choose');
});
