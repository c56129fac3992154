import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { HostIdentity } from '../../../src/identity/host-identity.ts';
import { MAX_RELAYS } from '../../../src/membership/constants.ts';
import { decodeCertificateMessage } from '../../../src/membership/certificate-message.ts';
import { type DeskRequest, EnrollmentDesk, type FormerHolder } from '../../../src/membership/enrollment-desk.ts';
import type { ReservationOutcome } from '../../../src/overlay/reservations.ts';
import type { Inviting } from '../../../src/membership/ports.ts';

const [ME, A, B] = ['1', 'a', 'b'].map((digit) => digit.repeat(32)) as [Hit, Hit, Hit];
const identity = HostIdentity.fromScalar(seededRandom(1).bytes(32));
const REQUEST: DeskRequest = { type: 'enroll', request: Uint8Array.of(1), spki: identity.spki };
const RENEWAL: DeskRequest = { type: 'renew', chain: [Uint8Array.of(2)] };
const ISSUED = Buffer.from('issued');
const REFUSED = Buffer.from('taken');

class Desk {
  answers: (string | undefined)[] = [];
  readonly asked: Hit[] = [];
  readonly open: ((answer: Uint8Array | undefined) => void)[] = [];
  holders: readonly Hit[] | undefined = [];
  reserved: ReservationOutcome = 'kept';
  former: readonly FormerHolder[] = [];
  readonly left: Hit[] = [];
  /** Of whom the overlay knows; the others it knows not, unless it cannot be asked. */
  come: readonly Hit[] | undefined = [];
  reservedBefore: Hit | undefined;
  readonly handedOn: Hit[] = [];
  readonly keptFor: string[] = [];
  readonly desk: EnrollmentDesk;

  constructor(options: { inviting?: Partial<Inviting> | undefined; inviters?: readonly Hit[] } = {}) {
    const inviting = options.inviting && {
      isAuthority: true,
      enroll: () => ISSUED,
      chosenName: () => undefined,
      failedHosts: () => [],
      givenName: () => undefined,
      sawShown: () => {},
      refuseKept: () => Buffer.from('kept'),
      refuseName: () => REFUSED,
      refuseNow: () => Buffer.from('later'),
      renew: () => ({ ok: true as const, chain: [] }),
      issueFor: () => [],
      sawMember: () => {},
      takenName: () => undefined,
      sawLeaving: () => true,
      sawIssued: () => {},
      sawRevoked: () => 0,
      revocationOf: () => ISSUED,
      grantFor: () => ISSUED,
      signConfiguration: () => ISSUED,
      ...options.inviting,
    };
    this.desk = new EnrollmentDesk({
      self: ME,
      ports: {
        inviting: () => inviting,
        inviters: () => options.inviters ?? [],
        ask: (inviter, _request, now, done) => {
          this.asked.push(inviter);
          this.open.push((answer) => done(answer, now));
        },
        holdersOf: (_user, now, done) => done(this.holders, now),
        reserve: (user, hits, now, done) => {
          this.keptFor.push(`${user} ${hits.join()}`);
          done(this.reserved, now, this.reservedBefore);
        },
        hasCome: (hit, now, done) => done(this.come?.includes(hit), now),
        handedOn: (hit) => this.handedOn.push(hit),
        formerHoldersOf: (_user, now, done) => done(this.former, now),
        left: (hit) => this.left.push(hit),
      },
      random: seededRandom(2),
      logger: silentLogger,
    });
  }

  readonly done = (answer: Uint8Array | undefined): void => {
    this.answers.push(answer && Buffer.from(answer).toString());
  };

  guest(inviter?: Hit): void {
    this.desk.fromGuest(REQUEST, inviter, 0, 0, this.done);
  }
}

test('an inviter answers a guest itself', (t) => {
  const desk = new Desk({ inviting: {} });
  desk.guest();
  desk.guest(ME);
  t.deepEqual(desk.answers, ['issued', 'issued']);
});

test('a ticket of another inviter goes to that one, whoever is asked', (t) => {
  for (const inviting of [{}, undefined]) {
    const desk = new Desk({ inviting, inviters: [B] });
    desk.guest(A);
    t.deepEqual(desk.asked, [A]);
    desk.open[0]?.(Buffer.from('answer of A'));
    t.deepEqual(desk.answers, ['answer of A']);
  }
});

test('a renewal goes to some inviter, and to the next when that one is off', (t) => {
  const desk = new Desk({ inviters: [A, B] });
  desk.guest();
  desk.open[0]?.(undefined);
  t.deepEqual([...desk.asked].sort(), [A, B]);
  desk.open[1]?.(ISSUED);
  t.deepEqual(desk.answers, ['issued']);
});

test('nobody can answer: the guest is told nothing, and what came through the overlay is not passed on', (t) => {
  const desk = new Desk({ inviters: [A] });
  desk.desk.fromOverlay(REQUEST, 0, 0, desk.done);
  t.deepEqual(desk.answers, [undefined]);
  t.deepEqual(desk.asked, []);
  desk.guest();
  desk.open[0]?.(undefined);
  t.deepEqual(desk.answers, [undefined, undefined]);
});

test('a name that somebody else has in the overlay is refused; the host that has it already gets it again', (t) => {
  const desk = new Desk({ inviting: { chosenName: () => ({ hit: identity.hit, user: 'alice@x.example' }) } });
  desk.holders = [A];
  desk.guest();
  desk.holders = [identity.hit];
  desk.guest();
  desk.holders = undefined;
  desk.guest();
  t.deepEqual(desk.answers, ['taken', 'issued', 'issued']);
});

test('a name that another inviter keeps is refused; while nobody can say whether one does, the guest is to ask again', (t) => {
  const desk = new Desk({ inviting: { chosenName: () => ({ hit: identity.hit, user: 'alice@x.example' }) } });
  for (const reserved of ['others', 'unknown', 'kept'] as const) {
    desk.reserved = reserved;
    desk.guest();
  }
  t.deepEqual(desk.answers, ['kept', 'later', 'issued']);
});

test('whoever would lose its place is looked up: who is in the overlay keeps it, and while nobody can say the guest is to ask again', (t) => {
  let failed = [A, B];
  const desk = new Desk({
    inviting: {
      failedHosts: () => failed,
      sawShown: (hit) => (failed = failed.filter((other) => other !== hit)),
      enroll: () => (failed.length === 2 ? ISSUED : REFUSED),
    },
  });
  desk.come = undefined;
  desk.guest();
  desk.come = [];
  desk.guest();
  desk.come = [B];
  desk.guest();
  t.deepEqual(desk.answers, ['later', 'issued', 'taken']);
  t.deepEqual(failed, [A]);
});

test('a name that the ticket was made for is kept for the host that has come with it', (t) => {
  const given = { hit: identity.hit, user: 'alice@x.example' };
  const desk = new Desk({ inviting: { givenName: () => given } });
  desk.reserved = 'others';
  desk.guest();
  t.deepEqual(desk.answers, ['issued']);
  t.deepEqual(desk.keptFor, [`alice@x.example ${identity.hit}`]);
});

test('a host for which another inviter kept the name is to be a member no more when it never came', (t) => {
  const desk = new Desk({ inviting: { chosenName: () => ({ hit: identity.hit, user: 'alice@x.example' }) } });
  desk.reservedBefore = A;
  desk.come = undefined;
  desk.guest();
  desk.come = [A];
  desk.guest();
  desk.come = [];
  desk.former = [{ hit: A, leftAt: 5 }];
  desk.guest();
  desk.former = [];
  desk.reserved = 'others';
  desk.guest();
  t.deepEqual(desk.handedOn, []);
  desk.reserved = 'kept';
  desk.guest();
  t.deepEqual(desk.answers, ['later', 'issued', 'issued', 'kept', 'issued']);
  t.deepEqual(desk.handedOn, [A]);
});

test('a name that is taken is asked for in the overlay: whoever gave it back while this host was away has it no more', (t) => {
  const released: string[] = [];
  const desk = new Desk({
    inviting: {
      takenName: () => (released.length === 0 ? 'alice@x.example' : undefined),
      sawLeaving: (hit, leftAt, user) => released.push(`${hit} ${leftAt} ${user ?? ''}`) > 0,
      enroll: () => (released.length === 0 ? REFUSED : ISSUED),
    },
  });
  desk.guest();
  desk.former = [{ hit: A, leftAt: 5 }];
  desk.guest();
  t.deepEqual(desk.answers, ['taken', 'issued']);
  t.deepEqual(released, [`${A} 5 alice@x.example`]);
  t.deepEqual(desk.left, [A]);
});

test('a certificate that has ended is renewed unless its user is somebody else by now', (t) => {
  const renew: Inviting['renew'] = (_chain, _wallNow, checked) =>
    checked ? { ok: true, chain: [ISSUED] } : { ok: 'ask', hit: A, user: 'alice@x.example' };
  for (const [holders, expected] of [
    [[], 'issued'],
    [[A, B], 'issued'],
    [[B], 'refused'],
    [undefined, 'issued'],
  ] as const) {
    const desk = new Desk({ inviting: { renew } });
    desk.holders = holders;
    desk.desk.fromGuest(RENEWAL, undefined, 0, 0, (answer) => {
      t.is(decodeCertificateMessage(answer ?? new Uint8Array()).type, expected);
    });
  }
  t.plan(4);
});

test('a full disk: nothing is issued, and the desk goes on', (t) => {
  let full = true;
  const desk = new Desk({
    inviting: {
      enroll: () => {
        if (full) throw new Error('ENOSPC');
        return ISSUED;
      },
    },
  });
  desk.guest();
  full = false;
  desk.guest();
  t.deepEqual(desk.answers, [undefined, 'issued']);
});

test('guests without number wait for no more than a bounded number of answers', (t) => {
  const desk = new Desk({ inviters: [A] });
  for (let i = 0; i < MAX_RELAYS + 10; i++) desk.guest(A);
  t.is(desk.asked.length, MAX_RELAYS);
  t.is(desk.answers.length, 10);
  for (const answer of desk.open) answer(ISSUED);
  desk.guest(A);
  t.is(desk.asked.length, MAX_RELAYS + 1);
});
