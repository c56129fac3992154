import test from 'ava';
import { MembershipTies } from '../../../src/agent/membership-ties.ts';
import type { NodeParts } from '../../../src/agent/own-node.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import type { Contact } from '../../../src/identity/contacts.ts';
import type { MembershipEvent, MembershipOverlay } from '../../../src/membership/membership.ts';
import { ERROR_CODES } from '../../../src/reload/index.ts';
import type { NameService } from '../../../src/overlay/naming.ts';
import type { SipRecords } from '../../../src/sip/usage/sip-records.ts';
import type { Roster } from '../../../src/membership/roster.ts';

const KNOWN = '20010022000000000000000000000002';
const FOUND = '20010022000000000000000000000003';
const REVOKED = '20010022000000000000000000000004';

interface Situation {
  hasNode?: boolean;
  /** Phones may register at this host. */
  hasPhones?: boolean;
  /** By a time that we know, our certificate has ended. */
  isGuest?: boolean;
  user?: string | null;
}

/** A host that writes down what it does; the overlay finds two hosts of any name, or fails. */
function host({ hasNode = true, hasPhones = false, isGuest = false, user = 'alice@home.example' }: Situation = {}): {
  ties: MembershipTies;
  overlay: { finds: boolean };
  /** What the membership was given to ask. */
  entered: () => MembershipOverlay | undefined;
  tell: (event: MembershipEvent) => string[];
} {
  const log: string[] = [];
  const note =
    (what: string) =>
    (about?: unknown): void =>
      void log.push(typeof about === 'string' ? `${what} ${about}` : what);
  let entered: MembershipOverlay | undefined;
  const overlay = { finds: true };
  const names: Pick<NameService, 'claimName' | 'releaseName' | 'refresh' | 'lookupName'> = {
    claimName: note('claim'),
    releaseName: note('release name'),
    refresh: note('store anew'),
    lookupName: (_, now, done) => {
      const value = [{ hit: FOUND }, { hit: REVOKED }];
      done((overlay.finds ? { ok: true, value } : { ok: false }) as Parameters<typeof done>[0], now + 5);
    },
  };
  const ties = new MembershipTies({
    dataPlane: { setCredentials: note('show certificates') },
    identity: { pkcs8: new Uint8Array() },
    membership: {
      enter: (given) => (entered = given),
      own: { chain: [] },
      user,
      revoked: new Set([REVOKED]),
      inviting: undefined,
    },
    links: {
      close: (hit, why) => void log.push(`close ${hit}: ${why}`),
      closeAll: note('close all:'),
    },
    members: { all: new Map() },
    memberLinks: { leave: note('leave:') },
    guests: { includesUs: isGuest },
    node: {
      names: hasNode ? (names as NameService) : undefined,
      roster: hasNode ? ({ changed: note('tell the roster') } as unknown as Roster) : undefined,
      userRecords: hasPhones
        ? [{ releaseName: note('release phones of'), changed: note('tell of phones') } as unknown as SipRecords]
        : [],
    },
    claims: { forget: note('forget the address of') },
    entry: { stop: note('stop searching') },
    acquaintances: { byUser: () => [{ hit: KNOWN } as Contact] },
    clock: { monotonic: () => 0, wall: () => 0 },
    remember: (hit, known) => void log.push(`remember ${hit} ${JSON.stringify(known)}`),
    revoked: note('say that we are revoked'),
    configured: () => void log.push('follow the document'),
  });
  const tell = (event: MembershipEvent): string[] => {
    log.length = 0;
    ties.onMembershipEvent(event, 0);
    return log;
  };
  return { ties, overlay, entered: () => entered, tell };
}

test('a new certificate is shown, and what the old one signed is signed anew; links of a guest are made anew', (t) => {
  const { tell } = host();
  const renewed = ['show certificates', 'claim alice@home.example', 'store anew', 'tell the roster'];
  t.deepEqual(tell({ type: 'certificates', asGuest: false }), renewed);
  t.deepEqual(tell({ type: 'certificates', asGuest: true }), [...renewed, 'leave: our certificate was renewed']);
  const early = host({ hasNode: false });
  t.deepEqual(early.tell({ type: 'certificates', asGuest: false }), ['show certificates']);
  const nameless = host({ user: null });
  t.deepEqual(nameless.tell({ type: 'certificates', asGuest: false }), [
    'show certificates',
    'store anew',
    'tell the roster',
  ]);
});

test('what the overlay knows of our phones goes with the old name, and is told anew under the new certificate', (t) => {
  const { tell } = host({ hasPhones: true });
  t.true(tell({ type: 'renaming', from: 'alice@home.example' }).includes('release phones of'));
  t.true(tell({ type: 'certificates', asGuest: false }).includes('tell of phones'));
});

test('a certificate that has ended ends our links only by a time that we know', (t) => {
  t.deepEqual(host({ isGuest: true }).tell({ type: 'lapsed' }), ['leave: our certificate has ended']);
  t.deepEqual(host({ isGuest: false }).tell({ type: 'lapsed' }), []);
});

test('who is revoked loses its link and its address; when it is us, nobody is looked for any more', (t) => {
  const { tell } = host();
  t.deepEqual(tell({ type: 'revoked', hit: REVOKED }), [
    `close ${REVOKED}: revoked`,
    `forget the address of ${REVOKED}`,
  ]);
  t.deepEqual(tell({ type: 'ended' }), ['stop searching', 'close all: revoked', 'say that we are revoked']);
});

test('a host that has left is remembered without its name and its address', (t) => {
  t.deepEqual(host().tell({ type: 'leaving', hit: KNOWN }), [`remember ${KNOWN} {"user":null,"ipv4":null}`]);
});

test('a newer document of the overlay is followed at once', (t) => {
  t.deepEqual(host().tell({ type: 'configuration' }), ['follow the document']);
});

test('holders of a name are those that the overlay knows and those that we remember, without who is revoked', (t) => {
  const { ties, overlay } = host();
  const ask = (asked = ties): { hits: readonly Hit[] | undefined; now: number } | undefined => {
    let answer: { hits: readonly Hit[] | undefined; now: number } | undefined;
    asked.holdersOf('alice@home.example', 0, (hits, now) => (answer = { hits, now }));
    return answer;
  };
  t.deepEqual(ask(), { hits: [KNOWN, FOUND], now: 5 });
  overlay.finds = false;
  t.deepEqual(ask(), { hits: [KNOWN], now: 5 });
  t.deepEqual(ask(host({ hasNode: false }).ties), { hits: [KNOWN], now: 0 }, 'nobody can be asked');
});

test('of former holders of a name an overlay that does not answer says that there are none', (t) => {
  const { ties, entered } = host();
  const answers = [{ ok: true, value: [FOUND] }, { ok: false }];
  const names = {
    lookupFormerHosts: (_: string, now: number, done: (result: unknown, at: number) => void) => {
      done(answers.shift(), now);
    },
  };
  ties.enter({ names } as unknown as NodeParts);
  const seen: unknown[] = [];
  for (let i = 0; i < 2; i++) entered()?.formerHoldersOf('alice@home.example', 0, (hits) => seen.push(hits));
  t.deepEqual(seen, [[FOUND], []]);
});

test('whether a host has come its own record says; an overlay that does not answer says neither', (t) => {
  const { ties, entered } = host();
  const notFound = { errorCode: ERROR_CODES.not_found };
  const results = [
    { ok: true },
    { ok: false, error: notFound },
    { ok: false, error: { errorCode: ERROR_CODES.request_timeout } },
  ];
  const names = {
    lookupHit: (_: Hit, now: number, done: (result: unknown, at: number) => void) => {
      done(results.shift(), now);
    },
  };
  ties.enter({ names } as unknown as NodeParts);
  const seen: unknown[] = [];
  for (let i = 0; i < 3; i++) entered()?.hasCome(KNOWN, 0, (come) => seen.push(come));
  t.deepEqual(seen, [true, false, undefined]);
});
