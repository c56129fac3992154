import test from 'ava';
import { LinkedMembers } from '../../../src/agent/linked-members.ts';
import { MemberLinks } from '../../../src/agent/member-links.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import type { VerifiedPeer } from '../../../src/identity/trust-store.ts';
import type { LinkEvent } from '../../../src/link/link-events.ts';
import type { OverlayRole } from '../../../src/overlay/events.ts';
import type { NameService } from '../../../src/overlay/naming.ts';
import type { OverlayNode } from '../../../src/overlay/overlay-node.ts';
import { AddressMap } from '../../../src/tunnel/address-map.ts';

const ALICE = '20010022000000000000000000000002';
const BOB = '20010022000000000000000000000003';
const REMOTE = { address: '192.0.2.2', port: 6084 };
const MESSAGE = new Uint8Array([1]);
const NOTICE = new Uint8Array([2]);

interface Situation {
  hasNode?: boolean;
  role?: OverlayRole;
  /** The peer that is responsible for us. */
  keeper?: Hit;
  lapsed?: boolean;
  timeIsKnown?: boolean;
  isAway?: boolean;
  revoked?: boolean;
}

/** A host that writes down who is told what, in which order. */
function host({
  hasNode = true,
  role,
  keeper,
  lapsed = false,
  timeIsKnown = true,
  isAway = false,
  revoked = false,
}: Situation = {}): {
  log: string[];
  members: LinkedMembers;
  memberLinks: MemberLinks;
  tell: (event: LinkEvent) => string[];
} {
  const log: string[] = [];
  const note = (what: string) => (): void => void log.push(what);
  const members = new LinkedMembers();
  const addresses = new AddressMap();
  addresses.set(ALICE, '198.18.0.2');
  const overlay = {
    role: role ?? 'peer',
    responsiblePeer: keeper,
    linkUp: note('node up'),
    linkMended: note('node mended'),
    linkDown: note('node down'),
    silent: note('node silent'),
    doubtful: note('node doubtful'),
  } as unknown as OverlayNode;
  const memberLinks = new MemberLinks({
    dataPlane: { authorize: (_, hit, ipv4, user) => void log.push(`authorize ${hit} ${ipv4 ?? ''} ${user}`) },
    links: {
      close: (hit, why) => void log.push(`close ${hit}: ${why}`),
      closeAll: (why) => void log.push(`close all: ${why}`),
      remoteOf: () => REMOTE,
      addresses: { known: (remote) => remote },
      dataPlaneLinkOf: () => 1,
    },
    members,
    turn: { needed: note('relay needed') },
    membership: {
      state: revoked ? 'revoked' : 'member',
      lapsed,
      answeredAsGuest: () => false,
      noticed: (message) => message === NOTICE,
      inviting: undefined,
      linkUp: note('membership up'),
      linkDown: note('membership down'),
    },
    guests: {
      ask: note('ask as guest'),
      answer: note('answer guest'),
      welcome: note('welcome guest'),
      includesUs: lapsed && timeIsKnown,
    },
    node: {
      overlay: hasNode ? overlay : undefined,
      names: hasNode ? ({ refresh: note('store anew') } as unknown as NameService) : undefined,
      receive: note('node message'),
    },
    doubles: {
      isAway,
      linkUp: note('doubles up'),
      suspect: note('doubles suspect'),
      met: note('doubles met'),
    },
    resolver: { linkUp: note('resolver up'), linkDown: note('resolver down') },
    time: { linkUp: note('time up'), linkDown: note('time down') },
    entry: { linkUp: note('entry up'), linkDown: note('entry down'), noneWorks: note('entry none works') },
    finder: { linkUp: note('finder up') },
    claims: { addresses, linkUp: note('claims up') },
    meetings: { linked: note('meetings linked'), consider: note('meetings') },
    calls: { connect: note('connect') },
    clock: { monotonic: () => 0, wall: () => 0 },
    logger: silentLogger,
    remember: (hit) => void log.push(`remember ${hit}`),
  });
  const tell = (event: LinkEvent): string[] => {
    log.length = 0;
    memberLinks.onLinkEvent(event, 0);
    return log;
  };
  return { log, members, memberLinks, tell };
}

function up(hit: Hit, { member = true, replaced = false } = {}): LinkEvent {
  const peer = { hit, user: 'alice@home.example', member } as unknown as VerifiedPeer;
  return { type: 'up', hit, peer, link: 1, replaced };
}

test('a member that is linked may send at once; then our node knows it, and it is asked for our double before anything else', (t) => {
  const { tell, members } = host();
  t.deepEqual(tell(up(ALICE)), [
    'meetings linked',
    `authorize ${ALICE} 198.18.0.2 1`,
    'node up',
    'doubles up',
    'membership up',
    'resolver up',
    'time up',
    'entry up',
    'finder up',
    'claims up',
    `remember ${ALICE}`,
    'meetings',
  ]);
  t.true(members.has(ALICE));
});

test('before our node is there nobody is asked over a link; the node learns of it, and so does whoever asks through it', (t) => {
  const { log, tell, memberLinks } = host({ hasNode: false });
  const told = tell(up(ALICE));
  t.false(told.some((what) => ['node up', 'membership up', 'time up'].includes(what)));
  memberLinks.nodeMade(0);
  t.deepEqual(log.slice(-2), ['time up', 'membership up']);
});

test('what we store is stored anew when the peer that keeps it was started anew, or when a client has none', (t) => {
  const isStored = (situation: Situation, replaced: boolean): boolean =>
    host(situation).tell(up(ALICE, { replaced })).includes('store anew');
  t.true(isStored({ keeper: ALICE }, true));
  t.true(isStored({ role: 'client' }, true));
  t.false(isStored({ keeper: BOB }, true));
  t.false(isStored({ role: 'peer' }, true));
  t.false(isStored({ keeper: ALICE }, false));
});

test('a guest is no member; its message is a question to an inviter, and no message of the overlay', (t) => {
  const { tell, members } = host();
  t.deepEqual(tell(up(BOB, { member: false })), ['meetings linked', 'welcome guest']);
  t.is(members.size, 0);
  t.deepEqual(tell({ type: 'message', hit: BOB, member: false, data: MESSAGE }), ['answer guest']);
  t.deepEqual(tell({ type: 'message', hit: ALICE, member: true, data: MESSAGE }), ['node message']);
});

test('that we were revoked is heard as the first thing that a member says, and as nothing else', (t) => {
  const { tell } = host();
  const says = (data: Uint8Array): string[] => tell({ type: 'message', hit: ALICE, member: true, data });
  tell(up(ALICE));
  t.deepEqual(says(NOTICE), []);
  t.deepEqual(says(NOTICE), ['node message']);
  tell(up(ALICE));
  t.deepEqual(says(MESSAGE), ['node message']);
  t.deepEqual(says(NOTICE), ['node message']);
});

test('once we were revoked we are linked with nobody, also not with whoever has not heard of it yet', (t) => {
  t.deepEqual(host({ revoked: true }).tell(up(ALICE)), [`close ${ALICE}: revoked`]);
});

test('with a certificate that has ended a member is asked for another, and is a member for us only while our time may be wrong', (t) => {
  const guest = host({ lapsed: true });
  t.deepEqual(guest.tell(up(ALICE)), ['meetings linked', 'ask as guest']);
  t.false(guest.members.has(ALICE));
  const unsure = host({ lapsed: true, timeIsKnown: false });
  t.true(unsure.tell(up(ALICE)).includes('ask as guest'));
  t.true(unsure.members.has(ALICE));
});

test('while another agent has our place each link is closed', (t) => {
  const { tell, members } = host({ isAway: true });
  t.deepEqual(tell(up(ALICE)), [`close ${ALICE}: another agent has this host's key`]);
  t.is(members.size, 0);
});

test('a link that was mended is no new one, but what was spread meanwhile is compared; of one that was never up nothing was mended', (t) => {
  const { tell } = host();
  t.deepEqual(tell({ type: 'mended', hit: ALICE }), []);
  tell(up(ALICE));
  t.deepEqual(tell({ type: 'mended', hit: ALICE }), [
    'node mended',
    'membership up',
    'resolver up',
    'entry up',
    'meetings',
  ]);
});

test('the end of a link, or of an attempt, is told to all who wait; only a member is missed, or suspected', (t) => {
  const { tell } = host();
  const down = (hit: Hit): LinkEvent => ({ type: 'down', hit, reason: 'closed', byPeer: true });
  const all = ['node down', 'time down', 'membership down', 'resolver down'];
  t.deepEqual(tell(down(BOB)), [...all, 'meetings']);
  tell(up(ALICE));
  t.deepEqual(tell(down(ALICE)), ['doubles suspect', ...all, 'entry down', 'meetings']);
});

test('to leave ends every link at once, and the way in is looked for also when there was none', (t) => {
  const { log, tell, members, memberLinks } = host();
  memberLinks.leave('we go', 0);
  t.deepEqual(log, ['close all: we go', 'entry down']);
  tell(up(ALICE));
  tell(up(BOB));
  log.length = 0;
  memberLinks.leave('we go', 0);
  t.is(log[0], 'close all: we go');
  t.is(log.filter((what) => what === 'entry down').length, 2);
  t.is(members.size, 0);
});
