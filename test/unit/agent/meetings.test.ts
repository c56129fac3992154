import test from 'ava';
import { Meetings } from '../../../src/agent/meetings.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../../../src/base/socket-address.ts';
import type { OverlayRole } from '../../../src/overlay/events.ts';
import type { OverlayNode } from '../../../src/overlay/overlay-node.ts';
import type { Urgency } from '../../../src/rendezvous/meeting-place.ts';
import { pauseAfter } from '../../../src/rendezvous/visiting-plan.ts';

const PEER = '20010022000000000000000000000002';
const CLIENT = '20010022000000000000000000000003';
const OWN: SocketAddress = { address: '192.0.2.1', port: 6084 };
const THERE: SocketAddress = { address: '192.0.2.2', port: 6084 };
/** When what is urgent at first is less so. */
const LATER_MS = 200_000;

/** A member with one place to meet, which writes down whom it calls. */
class Host {
  searching = false;
  joined = true;
  role: OverlayRole = 'peer';
  missesPeers = false;
  readonly linked = new Set<Hit>();
  /** Those whose links are not being mended. */
  readonly up = new Set<Hit>();
  now = 0;
  readonly called: string[] = [];
  visits = 0;
  private looks = 0;
  private tell: (address: SocketAddress) => void = () => {};
  readonly meetings: Meetings;

  constructor() {
    const overlay = (): OverlayNode | undefined =>
      ({
        state: this.joined ? 'joined' : 'joining',
        role: this.role,
        missesPeers: this.missesPeers,
      }) as unknown as OverlayNode;
    const isSearching = (): boolean => this.searching;
    this.meetings = new Meetings(
      {
        places: [
          {
            name: 'board',
            leastPauseMs: 0,
            onFound: (handler) => void (this.tell = handler),
            visit: () => void (this.visits += 1),
          },
        ],
        links: {
          addresses: { isOwn: (address) => address === OWN },
          isUp: (hit) => this.up.has(hit),
          remoteOf: () => THERE,
        },
        members: { some: (isMeant) => [...this.linked].some(isMeant) },
        acquaintances: { isPeer: (hit) => hit === PEER },
        node: {
          get overlay(): OverlayNode | undefined {
            return overlay();
          },
        },
        entry: {
          get searching(): boolean {
            return isSearching();
          },
          found: (address) => void this.called.push(`entry ${formatSocketAddress(address)}`),
        },
        calls: { dial: (address) => this.called.push(`dial ${formatSocketAddress(address)}`) > 0 },
        random: seededRandom(1),
        clock: { monotonic: () => this.now, wall: () => 0 },
      },
      { secret: new Uint8Array(32) },
    );
  }

  link(hit: Hit): void {
    this.linked.add(hit);
    this.up.add(hit);
  }

  /** How soon it comes to the place again, once the situation has been what it is now for a while; undefined: not at all. */
  nextVisitMs(): number | undefined {
    const begun = 1_000_000 * ++this.looks;
    this.meetings.consider(begun);
    const later = begun + LATER_MS;
    this.meetings.handleTimeout(later);
    const next = this.meetings.nextTimeout();
    return next === undefined ? undefined : next - later;
  }

  find(address: SocketAddress): void {
    this.tell(address);
  }
}

/** Whether it is what `urgency` asks for, as it is spread. */
function isPauseOf(urgency: Urgency, ms: number | undefined): boolean {
  const pause = pauseAfter(urgency, LATER_MS, 1);
  return ms !== undefined && ms >= pause * 0.9 && ms <= pause * 1.1;
}

test('a member that finds no way in looks for others; alone it waits for them; in the overlay it only lets itself be found', (t) => {
  const host = new Host();
  t.true(isPauseOf('wait', host.nextVisitMs()), 'alone');
  host.link(CLIENT);
  t.true(isPauseOf('keep', host.nextVisitMs()), 'a peer with a link, at no public address');
  host.meetings.setHostAddresses(['8.8.8.8'], 0);
  t.true(isPauseOf('watch', host.nextVisitMs()), 'a peer with a link, at a public address');
  host.missesPeers = true;
  // At once, and then at that pause.
  host.nextVisitMs();
  t.true(isPauseOf('miss', host.nextVisitMs()), 'other peers were lost');
  host.missesPeers = false;
  host.nextVisitMs();
  t.true(isPauseOf('watch', host.nextVisitMs()), 'and found again');
  host.up.delete(CLIENT);
  t.true(isPauseOf('wait', host.nextVisitMs()), 'its only link is being mended');
  host.searching = true;
  t.true(isPauseOf('arrive', host.nextVisitMs()), 'no way in works');
  host.searching = false;
  t.true(isPauseOf('wait', host.nextVisitMs()), 'a way in is found');
  host.joined = false;
  t.true(isPauseOf('arrive', host.nextVisitMs()), 'not in the overlay');
});

test('a client looks for others until a peer is linked, and again while that link is being mended', (t) => {
  const host = new Host();
  host.role = 'client';
  host.link(CLIENT);
  t.true(isPauseOf('arrive', host.nextVisitMs()));
  host.link(PEER);
  t.is(host.nextVisitMs(), undefined);
  host.up.delete(PEER);
  t.true(isPauseOf('arrive', host.nextVisitMs()));
});

test('an address that was found is called, or added to those where a way in is looked for; our own is neither', (t) => {
  const host = new Host();
  host.meetings.consider(0);
  host.find(OWN);
  host.find(THERE);
  host.searching = true;
  host.find({ ...THERE, port: 6085 });
  t.deepEqual(host.called, ['dial 192.0.2.2:6084', 'entry 192.0.2.2:6085']);
});

test('who was met at an address is not called there while there is a link to it', (t) => {
  const host = new Host();
  host.meetings.consider(0);
  host.find(THERE);
  host.link(PEER);
  host.meetings.linked(PEER);
  host.now = 60_000;
  host.find(THERE);
  t.is(host.called.length, 1);
  host.up.delete(PEER);
  host.now = 300_000;
  host.find(THERE);
  t.is(host.called.length, 2);
});

test('a place that is new is come to at once, in whatever situation somebody can be met; a host that stops comes no more', (t) => {
  const host = new Host();
  host.link(PEER);
  host.meetings.setHostAddresses(['8.8.8.8'], 0);
  t.true(isPauseOf('watch', host.nextVisitMs()));
  const before = host.visits;
  host.meetings.placesChanged(3_000_000);
  t.true(host.visits > before);
  host.meetings.stop();
  const after = host.visits;
  host.meetings.placesChanged(3_100_000);
  t.is(host.visits, after);
});
