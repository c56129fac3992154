import test from 'ava';
import { hitToAddress, type Hit } from '../../../src/base/node-id.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { OverlayAuthority } from '../../../src/identity/authority.ts';
import type { NodeCertificate } from '../../../src/identity/certificate.ts';
import { selfSignedCertificate } from '../../../src/identity/certificate-issuer.ts';
import { decodeEnrollmentAnswer } from '../../../src/identity/enrollment-message.ts';
import { EnrollmentRegister, type RegisterStore } from '../../../src/identity/enrollment-register.ts';
import {
  acceptEnrollmentAnswer,
  enrollmentRequest,
  EnrollmentServer,
  type CertificateRequest,
  outcomeOf,
  type Membership,
  type Replacement,
} from '../../../src/identity/enrollment.ts';
import { CertificateError, EnrollmentError, KeyStoreError } from '../../../src/identity/errors.ts';
import { generateHostIdentity, type HostIdentity } from '../../../src/identity/host-identity.ts';
import { Inviter, type Issuer } from '../../../src/identity/issuer.ts';
import { TrustStore } from '../../../src/identity/trust-store.ts';

const wallNow = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
const random = seededRandom(3);
const overlay = 'example.net';
const authority = OverlayAuthority.create({ overlay, wallNow, random });
const configuration = Buffer.from('<overlay/>');

const WEEK_MS = 7 * 24 * HOUR_MS;
const secret = random.bytes(16);

interface Asked {
  readonly code?: Uint8Array;
  readonly user?: string;
  /** What the host shows to renew. */
  readonly from?: Membership;
  readonly at?: number;
}

/** What an inviter writes; each write of the whole is counted, and each line of the journal. */
class Disk implements RegisterStore {
  json: string | undefined;
  journal = '';
  full = false;
  writes = 0;
  lines = 0;
  /** A slow one: ends the write of the whole that is under way. */
  private end: ((error?: unknown) => void) | undefined;

  append(line: string): void {
    this.checkRoom();
    this.journal += line;
    this.lines += 1;
  }

  write(pieces: Iterable<string>): void {
    this.checkRoom();
    this.writes += 1;
    this.json = [...pieces].join('');
    this.journal = '';
    this.end = undefined;
  }

  writeSoon(pieces: Iterable<string>, done: (error?: unknown) => void): void {
    const before = this.journal;
    const json = [...pieces].join('');
    const end = (error?: unknown): void => {
      if (error === undefined && this.end === end) {
        this.writes += 1;
        this.json = json;
        this.journal = this.journal.slice(before.length);
      }
      done(error);
    };
    this.end = end;
  }

  settle(): void {
    this.end?.(this.full ? NO_SPACE : undefined);
  }

  private checkRoom(): void {
    if (this.full) throw new KeyStoreError('/var/lib/idloc/x cannot be written', { cause: NO_SPACE });
  }
}

/** One inviter; the authority when nothing else is said. */
class Office {
  readonly disk = new Disk();
  readonly register: EnrollmentRegister;
  readonly server: EnrollmentServer;
  readonly trust = new TrustStore({
    overlay,
    mode: 'invite',
    authority: authority.fingerprint,
    authorityCertificate: authority.certificate,
  });
  readonly replacements: Replacement[] = [];

  constructor(saved?: string, issuer: Issuer = authority) {
    this.disk.json = saved;
    this.register = new EnrollmentRegister({ overlay, json: saved, store: this.disk });
    const { register, trust } = this;
    this.server = new EnrollmentServer({
      issuer,
      register,
      trust,
      configuration: () => configuration,
      secret: () => secret,
      lifetimeMs: () => WEEK_MS,
      random,
      onReplaced: (replacement) => this.replacements.push(replacement),
    });
  }

  /** What the agent knows when it is started after a crash. */
  get saved(): string {
    const { json, journal } = this.disk;
    return new EnrollmentRegister({ overlay, json, journal }).toJson();
  }

  code(user: string | null = null, options: { uses?: number; replaces?: boolean } = {}): Uint8Array {
    const code = random.bytes(16);
    this.register.addCode(code, { expiresAt: wallNow + HOUR_MS, user, wallNow, ...options });
    return code;
  }

  ask(host: HostIdentity, asked: Asked = {}): Uint8Array {
    return this.exchange(host, asked).answer;
  }

  exchange(
    host: HostIdentity,
    { code, user, from, at = wallNow }: Asked = {},
  ): { readonly bytes: Uint8Array; readonly answer: Uint8Array } {
    const asked = request(host, { code, user, from });
    return { bytes: asked.bytes, answer: this.server.handle(asked, at) };
  }

  enroll(host: HostIdentity, asked: Asked = {}): Membership {
    const { bytes, answer } = this.exchange(host, asked);
    return acceptEnrollmentAnswer(answer, host, { ...TICKET, request: bytes });
  }

  /** The agent is started again. */
  restarted(): Office {
    return new Office(this.saved);
  }

  /** Another certificate, for the chain alone. */
  renewed(membership: Membership, at: number): NodeCertificate {
    return this.trust.verifyMember(this.server.renew(membership.certificates, at), at).certificate;
  }

  /** The host shows itself as a member. */
  sees(host: HostIdentity, { certificates }: Membership, at = wallNow): void {
    const peer = this.trust.verifyMember(certificates, at);
    if (peer.nodeId !== host.hit) throw new TypeError('the certificate of another host');
    this.server.sawMember(peer, at);
  }
}

/** Of the authority's host. */
const TICKET = { overlay, authority: authority.fingerprint, inviter: generateHostIdentity().hit };
const NO_SPACE = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });

function request(
  host: HostIdentity,
  { code, user, from }: { [K in keyof Asked]?: Asked[K] | undefined },
): CertificateRequest {
  const bytes = enrollmentRequest(host, {
    overlay,
    code: code ?? null,
    user: user ?? null,
    ...(from !== undefined && { certificates: from.certificates.slice(0, -1) }),
  });
  return { bytes, spki: host.spki };
}

function generateHit(): Hit {
  return `20010022${Buffer.from(random.bytes(12)).toString('hex')}`;
}

const refused = (refusal: string): { instanceOf: typeof EnrollmentError; message: RegExp } => ({
  instanceOf: EnrollmentError,
  message: new RegExp(refusal),
});

test('a newcomer with a code gets a certificate, the root, the configuration and the secret', (t) => {
  const host = generateHostIdentity();
  const office = new Office();
  const membership = office.enroll(host, { code: office.code(), user: 'alice@example.net' });
  t.is(membership.certificate.nodeId, host.hit);
  t.is(membership.certificate.user, 'alice@example.net');
  t.is(membership.certificate.notAfter, wallNow + WEEK_MS);
  t.deepEqual(membership.certificates, [membership.certificate.der, authority.certificate]);
  t.deepEqual(membership.configuration, new Uint8Array(configuration));
  t.deepEqual(membership.secret, secret);
});

test('the outcome of an answer is known to whoever gives it', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  const answer = (code: Uint8Array) =>
    office.server.handle({ bytes: enrollmentRequest(host, { overlay, code, user: null }), spki: host.spki }, wallNow);
  t.deepEqual(outcomeOf(answer(office.code())), { admitted: true });
  t.like(outcomeOf(answer(random.bytes(16))), { admitted: false });
  t.regex(outcomeOf(answer(random.bytes(16))).reason ?? '', /the ticket is not known here/);
  t.false(outcomeOf(new Uint8Array()).admitted);
});

test('a code works once, but the same key may ask again when the answer was lost', (t) => {
  const office = new Office();
  const code = office.code();
  const host = generateHostIdentity();
  office.enroll(host, { code });
  t.notThrows(() => office.enroll(host, { code }));
  t.throws(() => office.enroll(generateHostIdentity(), { code }), refused('used by another host'));
});

test('unknown and expired codes, and no code, are refused', (t) => {
  const office = new Office();
  const code = office.code();
  const host = generateHostIdentity();
  t.throws(() => office.enroll(host, { code: random.bytes(16) }), refused('not known'));
  t.throws(() => office.enroll(host), refused('no member'));
  t.throws(() => office.enroll(host, { code, at: wallNow + HOUR_MS }), refused('expired'));
});

test('a user name belongs to the key that got it first', (t) => {
  const office = new Office();
  office.enroll(generateHostIdentity(), { code: office.code(), user: 'alice@example.net' });
  t.throws(
    () => office.enroll(generateHostIdentity(), { code: office.code(), user: 'alice@example.net' }),
    refused('taken'),
  );
  t.false(office.register.isFree('alice@example.net', wallNow));
  t.true(office.register.isFree('bob@example.net', wallNow));
});

test('a newcomer is no user of another domain and no name that the DNS would not carry', (t) => {
  const office = new Office();
  const code = office.code();
  for (const user of [
    'x3@other.example',
    'a.b@example.net',
    'my_host@example.net',
    'x',
    `${'a'.repeat(64)}@example.net`,
  ])
    t.throws(() => office.enroll(generateHostIdentity(), { code, user }), refused('no user of example.net'), user);
  t.throws(() => office.code('x3@other.example'), refused('no user of example.net'));
});

test('nobody new is called as phones call for their messages, by a ticket, at the door or by another name', (t) => {
  const office = new Office();
  const user = 'voicemail@example.net';
  t.throws(() => office.code(user), refused('messages'));
  const host = generateHostIdentity();
  t.throws(() => office.enroll(host, { code: office.code(), user }), refused('messages'));
  office.enroll(host, { code: office.code(), user: 'alice@example.net' });
  t.throws(() => office.enroll(host, { user }), refused('messages'));
  // Who was called so before that had a meaning keeps the name.
  const former = generateHostIdentity();
  const times = { issuedAt: wallNow - 1_000, expiresAt: wallNow + 86_400_000 };
  office.register.noteMembers([{ hit: former.hit, user, ...times, issuer: null }], wallNow);
  t.is(office.enroll(former, { user }).certificate.user, user);
});

test('a ticket that names the user gives another host of that user the same name', (t) => {
  const office = new Office();
  office.enroll(generateHostIdentity(), { code: office.code(), user: 'alice@example.net' });
  const second = office.enroll(generateHostIdentity(), { code: office.code('alice@example.net') });
  t.is(second.certificate.user, 'alice@example.net');
  t.throws(
    () => office.enroll(generateHostIdentity(), { code: office.code('alice@example.net'), user: 'bob@example.net' }),
    refused('for the user alice'),
  );
});

test('a name that waits in a ticket is not given to another newcomer, until the ticket ends', (t) => {
  const office = new Office();
  office.code('carol@example.net');
  const code = office.code();
  t.throws(() => office.enroll(generateHostIdentity(), { code, user: 'carol@example.net' }), refused('taken'));
  t.true(office.register.isFree('carol@example.net', wallNow + HOUR_MS));
});

test('a ticket for three hosts lets three in and no fourth, each under its own name', (t) => {
  const office = new Office();
  const code = office.code(null, { uses: 3 });
  for (const user of ['a', 'b', 'c'])
    t.is(
      office.enroll(generateHostIdentity(), { code, user: `${user}@example.net` }).certificate.user,
      `${user}@example.net`,
    );
  t.throws(() => office.enroll(generateHostIdentity(), { code }), refused('used by 3 hosts'));
});

test('two hosts that come at once with one ticket and one name do not take each other for a failed installation', (t) => {
  const office = new Office();
  const code = office.code(null, { uses: 12 });
  office.enroll(generateHostIdentity(), { code, user: 'debian@example.net' });
  t.throws(() => office.enroll(generateHostIdentity(), { code, user: 'debian@example.net' }), refused('taken'));
  t.notThrows(() => office.enroll(generateHostIdentity(), { code, user: 'debian2@example.net' }));
});

test('a host whose installation failed is replaced by the next with the same ticket, and its name is not lost', (t) => {
  const later = wallNow + 120_000;
  for (const [named, uses] of [
    [null, 1],
    [null, 2],
    ['alice@example.net', 1],
  ] as const) {
    const office = new Office();
    const code = office.code(named, { uses });
    const failed = generateHostIdentity();
    const next = generateHostIdentity();
    office.enroll(failed, { code, user: 'alice@example.net' });
    const { certificate } = office.enroll(next, { code, user: 'alice@example.net', at: later });
    t.is(certificate.user, 'alice@example.net');
    t.deepEqual(office.replacements, [
      { newcomer: next.hit, user: 'alice@example.net', replaced: [failed.hit], replacesUser: false },
    ]);
    t.deepEqual(office.register.hostsOf('alice@example.net'), [next.hit]);
  }
});

test('a host that showed itself as a member loses its place to nobody', (t) => {
  const office = new Office();
  const code = office.code();
  const host = generateHostIdentity();
  office.sees(host, office.enroll(host, { code, user: 'alice@example.net' }));
  t.throws(
    () => office.enroll(generateHostIdentity(), { code, at: wallNow + 120_000 }),
    refused('used by another host'),
  );
});

const TEN_MINUTES_MS = 600_000;

test('a name of a host that was let in and never came is the next one’s with any ticket after ten minutes, and its key is to be revoked', (t) => {
  const office = new Office();
  const [failed, early, next] = [generateHostIdentity(), generateHostIdentity(), generateHostIdentity()];
  const used = office.code(null, { uses: 3 });
  office.enroll(failed, { code: used, user: 'alice@example.net' });
  const at = wallNow + TEN_MINUTES_MS;
  t.throws(
    () => office.enroll(early, { code: office.code(), user: 'alice@example.net', at: at - 1 }),
    refused('alice@example.net is taken by a host that was let in and has not come yet: .*in 10 minutes'),
  );
  t.deepEqual(office.replacements, []);
  const { certificate } = office.enroll(next, { code: office.code(), user: 'alice@example.net', at });
  t.is(certificate.user, 'alice@example.net');
  t.deepEqual(office.replacements, [
    { newcomer: next.hit, user: 'alice@example.net', replaced: [failed.hit], replacesUser: false },
  ]);
  for (const now of [office, office.restarted()]) {
    t.deepEqual(now.register.hostsOf('alice@example.net'), [next.hit]);
    // The ticket that it came with is not lost with it, and lets in as many as before.
    now.register.endTickets([{ hit: failed.hit, user: null, at }], at);
    t.is(now.register.openTickets(at).find(({ uses }) => uses === 3)?.left, 3);
  }
});

test('a host that asks again with its ticket, or was seen once, or was revoked, keeps its name from others', (t) => {
  const office = new Office();
  const [retrying, seen, revoked] = [generateHostIdentity(), generateHostIdentity(), generateHostIdentity()];
  const code = office.code();
  office.enroll(retrying, { code, user: 'retrying@example.net' });
  office.enroll(retrying, { code, user: 'retrying@example.net', at: wallNow + 1 });
  office.sees(seen, office.enroll(seen, { code: office.code(), user: 'seen@example.net' }));
  office.enroll(revoked, { code: office.code(), user: 'revoked@example.net' });
  office.register.revoke(revoked.hit, wallNow);
  const at = wallNow + TEN_MINUTES_MS;
  for (const name of ['retrying', 'seen', 'revoked'])
    t.throws(
      () => office.enroll(generateHostIdentity(), { code: office.code(), user: `${name}@example.net`, at }),
      refused('is taken'),
      name,
    );
  // Who is a member already may not take it that way.
  const member = generateHostIdentity();
  const membership = office.enroll(member, { code: office.code(), user: 'member@example.net' });
  const after = at + TEN_MINUTES_MS;
  t.throws(
    () => office.enroll(member, { from: membership, user: 'retrying@example.net', at: after }),
    refused('taken'),
  );
});

test('many hosts that one ticket let in under one name are no failed installation', (t) => {
  const office = new Office();
  const code = office.code('alice@example.net', { uses: 5 });
  for (let i = 0; i < 5; i++) office.enroll(generateHostIdentity(), { code });
  const at = wallNow + TEN_MINUTES_MS;
  t.throws(
    () => office.enroll(generateHostIdentity(), { code: office.code(), user: 'alice@example.net', at }),
    refused('taken'),
  );
});

test('whose place a newcomer would take is told before anything is issued; whoever is there all the same keeps it', (t) => {
  const office = new Office();
  const [failed, next] = [generateHostIdentity(), generateHostIdentity()];
  office.enroll(failed, { code: office.code(), user: 'alice@example.net' });
  const at = wallNow + TEN_MINUTES_MS;
  const asked = request(next, { code: office.code(), user: 'alice@example.net' });
  t.deepEqual(office.server.failedHosts(asked, at - 1), []);
  t.deepEqual(office.server.failedHosts(asked, at), [failed.hit]);
  office.server.sawShown(failed.hit);
  for (const now of [office, office.restarted()]) t.deepEqual(now.server.failedHosts(asked, at), []);
  const { answer } = decodeEnrollmentAnswer(office.server.handle(asked, at));
  t.is(answer.issued ? '' : answer.refusal, 'username_not_available');
  t.deepEqual(office.server.failedHosts({ bytes: new Uint8Array(3), spki: next.spki }, at), []);
});

test('the name of a failed installation is free for strangers when its certificate has ended, that of a member never', (t) => {
  const office = new Office();
  const [failed, member] = [generateHostIdentity(), generateHostIdentity()];
  office.enroll(failed, { code: office.code(), user: 'failed@example.net' });
  office.sees(member, office.enroll(member, { code: office.code(), user: 'member@example.net' }));
  const ended = wallNow + WEEK_MS + 1;
  t.false(office.register.isFree('failed@example.net', wallNow + WEEK_MS - 1));
  t.true(office.register.isFree('failed@example.net', ended));
  t.false(office.register.isFree('member@example.net', ended));
});

test('a lost key is replaced: the new one has the name, the old hosts of the user are to be revoked', (t) => {
  const office = new Office();
  const old = generateHostIdentity();
  const membership = office.enroll(old, { code: office.code(), user: 'alice@example.net' });
  office.sees(old, membership);
  const code = office.code('alice@example.net', { replaces: true });
  const next = generateHostIdentity();
  t.is(office.enroll(next, { code }).certificate.user, 'alice@example.net');
  t.deepEqual(office.replacements, [
    { newcomer: next.hit, user: 'alice@example.net', replaced: [old.hit], replacesUser: true },
  ]);
  t.throws(() => office.enroll(old, { from: membership }), refused('revoked'));
  t.deepEqual(office.register.hostsOf('alice@example.net'), [next.hit]);
  const phone = generateHostIdentity();
  office.enroll(phone, { code: office.code('alice@example.net') });
  office.enroll(next, { code });
  t.deepEqual(office.register.hostsOf('alice@example.net'), [next.hit, phone.hit], 'asking again replaces nobody');
  t.is(office.replacements.length, 1);
  t.throws(() => office.code(null, { replaces: true }), refused('name the user'));
  t.throws(() => office.code('alice@example.net', { replaces: true, uses: 2 }), refused('one host'));
});

test('a member renews without a code and keeps its name', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  const membership = office.enroll(host, { code: office.code(), user: 'alice@example.net' });
  const again = new Office(office.saved);
  t.is(again.enroll(host, { at: wallNow + WEEK_MS / 2 }).certificate.user, 'alice@example.net');
  t.is(again.enroll(host, { from: membership, at: wallNow + 9 * WEEK_MS }).certificate.user, 'alice@example.net');
});

test('a member renames itself to a free name, and others do not get the name that it had', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  const membership = office.enroll(host, { code: office.code(), user: 'alice@example.net' });
  office.sees(host, membership);
  office.enroll(generateHostIdentity(), { code: office.code(), user: 'bob@example.net' });
  t.throws(() => office.enroll(host, { from: membership, user: 'bob@example.net' }), refused('taken'));
  const renamed = office.enroll(host, { from: membership, user: 'carol@example.net' });
  t.is(renamed.certificate.user, 'carol@example.net');
  const code = office.code();
  t.throws(() => office.enroll(generateHostIdentity(), { code, user: 'alice@example.net' }), refused('taken'));
  t.is(office.enroll(host, { from: renamed, user: 'alice@example.net' }).certificate.user, 'alice@example.net');
});

test('a name that a request chooses is told before anything is issued, one that its ticket or certificate gives is not', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  const chosen = (asked: Asked): string | undefined => office.server.chosenName(request(host, asked), wallNow);
  const code = office.code();
  t.is(chosen({ code, user: 'alice@example.net' }), 'alice@example.net');
  t.is(chosen({ code }), undefined);
  t.is(chosen({ code: office.code('bob@example.net') }), undefined);
  t.is(chosen({ code: random.bytes(16), user: 'alice@example.net' }), undefined);
  t.is(office.server.chosenName({ bytes: new Uint8Array(3), spki: host.spki }, wallNow), undefined);
  t.deepEqual(office.register.memberList(), []);
  const membership = office.enroll(host, { code, user: 'alice@example.net' });
  t.is(chosen({ from: membership }), undefined);
  t.is(chosen({ from: membership, user: 'carol@example.net' }), 'carol@example.net');
  const { answer } = decodeEnrollmentAnswer(office.server.refuseName(request(host, { code }), 'alice@example.net'));
  t.is(answer.issued ? '' : answer.refusal, 'username_not_available');
});

test('a host that says it leaves frees its name, which is kept; said before it came back it frees nothing', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  const taken = { code: office.code(), user: 'alice@example.net' };
  office.sees(host, office.enroll(host, taken));
  office.server.sawLeaving(generateHostIdentity().hit, wallNow);
  office.server.sawLeaving(host.hit, wallNow - 1);
  t.false(office.register.isFree('alice@example.net', wallNow));
  office.server.sawLeaving(host.hit, wallNow);
  t.true(new Office(office.saved).register.isFree('alice@example.net', wallNow));
  const next = generateHostIdentity();
  t.is(office.enroll(next, { code: office.code(), user: 'alice@example.net' }).certificate.user, 'alice@example.net');
});

test('a host that came back has its name, whatever is told of an earlier leave or of another name', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  const membership = office.enroll(host, { code: office.code(), user: 'alice@example.net' });
  office.sees(host, membership);
  office.sees(host, office.enroll(host, { from: membership, at: wallNow + 1_000 }));
  t.false(office.server.sawLeaving(host.hit, wallNow - 1, 'alice@example.net'));
  const other = request(generateHostIdentity(), { code: office.code(), user: 'alice@example.net' });
  t.is(office.server.takenName(other, wallNow), 'alice@example.net');
  t.false(office.server.sawLeaving(host.hit, wallNow + 2_000, 'bob@example.net'));
  t.true(office.server.sawLeaving(host.hit, wallNow + 2_000, 'alice@example.net'));
  t.is(office.server.takenName(other, wallNow), undefined);
});

test('a revoked host cannot leave: its key stays refused, and its name taken', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  office.sees(host, office.enroll(host, { code: office.code(), user: 'alice@example.net' }));
  office.register.revoke(host.hit, wallNow);
  office.server.sawLeaving(host.hit, wallNow);
  t.false(office.register.isFree('alice@example.net', wallNow));
  t.throws(() => office.enroll(host, { code: office.code() }), refused('revoked'));
});

test('a revoked key is refused and its name stays taken', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  const membership = office.enroll(host, { code: office.code(), user: 'alice@example.net' });
  office.sees(host, membership);
  office.register.revoke(host.hit, wallNow);
  const later = new Office(office.saved);
  t.throws(() => later.enroll(host, { code: later.code() }), refused('revoked'));
  t.throws(() => later.enroll(host, { from: membership }), refused('revoked'));
  t.throws(
    () => later.enroll(generateHostIdentity(), { code: later.code(), user: 'alice@example.net' }),
    refused('taken'),
  );
  const elsewhere = new Office();
  elsewhere.trust.revoke(host.hit);
  t.throws(() => elsewhere.enroll(host, { from: membership }), refused('revoked'));
});

// Several inviters

const inviterKey = generateHostIdentity();
const grant = authority.grant(inviterKey.spki, wallNow, random);

function branch(): Office {
  const office = new Office(undefined, new Inviter(inviterKey, grant, authority.certificate));
  office.trust.learnIssuer(grant);
  return office;
}

test('an inviter lets newcomers in, who bring three certificates', (t) => {
  const office = branch();
  const host = generateHostIdentity();
  const membership = office.enroll(host, { code: office.code('alice@example.net') });
  t.deepEqual(membership.certificates, [membership.certificate.der, grant, authority.certificate]);
  t.is(membership.certificate.inviter, inviterKey.hit);
});

test('a member of the authority renews at an inviter that never heard of it, also long after its certificate ended', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  const membership = office.enroll(host, { code: office.code(), user: 'alice@example.net' });
  for (const at of [wallNow + WEEK_MS / 2, wallNow + 100 * WEEK_MS]) {
    const renewed = branch().enroll(host, { from: membership, at });
    t.is(renewed.certificate.user, 'alice@example.net');
    t.is(renewed.certificate.notAfter, at + WEEK_MS);
  }
  const third = new Office();
  const byBranch = branch().enroll(host, { from: membership });
  t.is(third.enroll(host, { from: byBranch }).certificate.user, 'alice@example.net');
});

test('a chain alone renews too: for its own key, under the name of today, and never for whoever is revoked or unproven', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  const { certificates } = office.enroll(host, { code: office.code(), user: 'alice@example.net' });
  const renewed = (by: Office, chain: readonly Uint8Array[]): string | null =>
    by.trust.verifyMember(by.server.renew(chain, wallNow + 100 * WEEK_MS), wallNow + 100 * WEEK_MS).user;
  t.is(renewed(branch(), certificates), 'alice@example.net');
  office.enroll(host, { user: 'anna@example.net' });
  t.is(renewed(office, certificates), 'anna@example.net');
  const own = selfSignedCertificate(host, { overlay, user: 'alice@example.net', wallNow, random });
  t.throws(() => branch().server.renew([own], wallNow), refused('no member'));
  const stolen = branch();
  const forged = stolen.enroll(generateHostIdentity(), { code: stolen.code('mallory@example.net') });
  office.trust.learnIssuer(grant);
  office.trust.revokeIssuer(inviterKey.hit, { since: wallNow + 1000 });
  t.throws(() => office.server.renew(forged.certificates, wallNow), refused('no member'));
  office.trust.revoke(host.hit);
  t.throws(() => office.server.renew(certificates, wallNow), { instanceOf: CertificateError, message: /revoked/ });
});

test('the certificate of another key, of another overlay, or a self-signed one renews nothing', (t) => {
  const office = new Office();
  const [host, thief] = [generateHostIdentity(), generateHostIdentity()];
  const membership = office.enroll(host, { code: office.code() });
  const elsewhere = new Office();
  t.throws(() => elsewhere.enroll(thief, { from: membership }), refused('no member'));
  const own = selfSignedCertificate(thief, { overlay, user: 'alice@example.net', wallNow, random });
  t.throws(() => elsewhere.enroll(thief, { from: { ...membership, certificates: [own, own] } }), refused('no member'));
  const other = OverlayAuthority.create({ overlay, wallNow, random });
  const [forged = own] = other.issue(thief.spki, 'alice@example.net', wallNow, random);
  t.throws(
    () => elsewhere.enroll(thief, { from: { ...membership, certificates: [forged, own] } }),
    refused('not issued by the authority'),
  );
});

test('what a thief of an inviter key made is worth nothing after the right is withdrawn; hosts that were seen before renew', (t) => {
  const stolen = branch();
  const [honest, forged] = [generateHostIdentity(), generateHostIdentity()];
  const membership = stolen.enroll(honest, { code: stolen.code('alice@example.net') });
  const forgery = stolen.enroll(forged, { code: stolen.code('mallory@example.net') });
  const office = new Office();
  office.trust.learnIssuer(grant);
  office.sees(honest, membership);
  office.trust.revokeIssuer(inviterKey.hit, { since: wallNow + 1000 });
  t.throws(() => office.enroll(forged, { from: forgery }), refused('no member'));
  t.is(office.enroll(honest, { from: membership }).certificate.user, 'alice@example.net');
});

test('a host that only an inviter knew whose right has ended is told so', (t) => {
  const elsewhere = branch();
  const host = generateHostIdentity();
  const membership = elsewhere.enroll(host, { code: elsewhere.code() });
  const office = new Office();
  office.trust.learnIssuer(grant);
  office.trust.revokeIssuer(inviterKey.hit, { since: wallNow + 1000 });
  const why = new RegExp(`${hitToAddress(inviterKey.hit)}, which let it in, may not invite any more.*new ticket`);
  t.throws(() => office.enroll(host, { from: membership }), { instanceOf: EnrollmentError, message: why });
  t.throws(() => office.server.renew(membership.certificates, wallNow), { instanceOf: EnrollmentError, message: why });
  t.is(office.enroll(host, { from: membership, code: office.code() }).certificate.inviter, undefined);
  t.notThrows(() => office.server.renew(membership.certificates, wallNow), 'a ticket is the word of another inviter');
});

test('what a thief of an inviter key makes when the right has ended is worth nothing either where that is heard of later', (t) => {
  const stolen = branch();
  const [honest, seen, renewed] = [generateHostIdentity(), generateHostIdentity(), generateHostIdentity()];
  const membership = stolen.enroll(honest, { code: stolen.code('alice@example.net') });
  const [ended, after, later] = [wallNow + 1000, wallNow + 2000, wallNow + 3000];
  const forge = (host: HostIdentity): Membership => stolen.enroll(host, { code: stolen.code(), at: after });
  const office = new Office();
  office.trust.learnIssuer(grant);
  office.sees(honest, membership, ended - 1);
  const forgery = forge(seen);
  office.sees(seen, forgery, after);
  const laundered = office.enroll(renewed, { from: forge(renewed), at: after });
  office.trust.revokeIssuer(inviterKey.hit, { since: ended });
  office.register.flush();
  const again = new Office(office.saved);
  again.trust.learnIssuer(grant);
  again.trust.revokeIssuer(inviterKey.hit, { since: ended });
  for (const by of [office, again]) {
    t.throws(() => by.enroll(seen, { from: forgery, at: later }), refused('may not invite any more'));
    t.throws(() => by.enroll(seen, { at: later }), refused('may not invite any more'));
    t.throws(() => by.enroll(renewed, { from: laundered, at: later }), refused('may not invite any more'));
    t.throws(() => by.server.renew(laundered.certificates, later), refused('may not invite any more'));
    t.is(by.enroll(honest, { from: membership, at: later }).certificate.user, 'alice@example.net');
  }
});

test('a host that is known gets no name of others by a certificate that the thief of an inviter key made for it', (t) => {
  const office = new Office();
  office.trust.learnIssuer(grant);
  const [alice, mallory] = [generateHostIdentity(), generateHostIdentity()];
  office.sees(alice, office.enroll(alice, { code: office.code(), user: 'alice@example.net' }));
  office.sees(mallory, office.enroll(mallory, { code: office.code(), user: 'mallory@example.net' }));
  const stolen = branch();
  const options = { code: stolen.code('alice@example.net'), at: wallNow + 60_000 };
  const forgery = stolen.enroll(mallory, options);
  const after = wallNow + 2 * WEEK_MS;
  const renewed = (): string | null =>
    office.trust.verify(office.server.renew(forgery.certificates, after), after).certificate.user;
  // It was let in while nobody knew of the theft.
  office.sees(mallory, forgery);
  t.is(renewed(), 'mallory@example.net');
  office.trust.revokeIssuer(inviterKey.hit, { since: wallNow + 120_000 });
  t.is(renewed(), 'mallory@example.net');
  t.deepEqual(office.register.hostsOf('alice@example.net'), [alice.hit]);
});

test('a host that another inviter gave a free name has that name in every register that sees it', (t) => {
  const office = new Office();
  const elsewhere = branch();
  office.trust.learnIssuer(grant);
  const host = generateHostIdentity();
  office.sees(host, office.enroll(host, { code: office.code(), user: 'alice@example.net' }));
  office.sees(host, elsewhere.enroll(host, { code: elsewhere.code('anna@example.net'), at: wallNow + 60_000 }));
  t.deepEqual(office.register.hostsOf('anna@example.net'), [host.hit]);
});

test('a renewal is for the user of the latest certificate: another inviter has renamed the host that was never seen since', (t) => {
  const office = new Office();
  const elsewhere = branch();
  office.trust.learnIssuer(grant);
  const host = generateHostIdentity();
  const first = office.enroll(host, { code: office.code(), user: 'alice@example.net' });
  office.sees(host, first);
  const renamed = elsewhere.enroll(host, { code: elsewhere.code('anna@example.net'), at: wallNow + 60_000 });
  const at = wallNow + 120_000;
  t.is(office.renewed(renamed, at).user, 'anna@example.net');
  t.deepEqual(office.register.hostsOf('anna@example.net'), [host.hit]);
  // Also after a restart; and what it had before, shown again, takes nothing back.
  t.is(office.restarted().renewed(first, at + 60_000).user, 'anna@example.net');
  t.is(office.enroll(host, { from: renamed, at: at + 120_000 }).certificate.user, 'anna@example.net');
});

test('a later certificate with the name of somebody else renews nobody under that name', (t) => {
  const office = new Office();
  const elsewhere = branch();
  office.trust.learnIssuer(grant);
  const [host, other] = [generateHostIdentity(), generateHostIdentity()];
  office.sees(other, office.enroll(other, { code: office.code(), user: 'anna@example.net' }));
  office.sees(host, office.enroll(host, { code: office.code(), user: 'alice@example.net' }));
  const renamed = elsewhere.enroll(host, { code: elsewhere.code('anna@example.net'), at: wallNow + 60_000 });
  t.is(office.renewed(renamed, wallNow + 120_000).user, 'alice@example.net');
});

// Tickets that end

const revokedAt = wallNow + 5_000;

test('a revoked host ends the ticket that it came with: the rest of its uses lets nobody in', (t) => {
  const office = new Office();
  const [code, other] = [office.code(null, { uses: 50 }), office.code(null, { uses: 50 })];
  const [mallory, alice] = [generateHostIdentity(), generateHostIdentity()];
  const membership = office.enroll(mallory, { code, user: 'mallory@example.net' });
  office.sees(mallory, membership);
  office.enroll(alice, { code, user: 'alice@example.net' });
  t.is(office.register.endTickets([{ hit: mallory.hit, user: null, at: revokedAt }], revokedAt), 1);
  for (const now of [office, office.restarted()]) {
    const again = generateHostIdentity();
    t.throws(() => now.enroll(again, { code, user: 'm2@example.net', at: revokedAt }), refused('withdrawn'));
    // Who was let in before stays, also when its answer was lost.
    t.is(now.enroll(alice, { code, at: revokedAt }).certificate.user, 'alice@example.net');
    t.notThrows(() => now.enroll(again, { code: other, at: revokedAt }));
  }
  t.is(office.register.endTickets([{ hit: mallory.hit, user: null, at: revokedAt }], revokedAt), 0);
});

test('a ticket for the user of a revoked host ends, one that was made for it afterwards does not', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  office.sees(host, office.enroll(host, { code: office.code(), user: 'carol@example.net' }));
  const before = office.code('carol@example.net');
  const dave = office.code('dave@example.net');
  const later = random.bytes(16);
  const expiresAt = wallNow + HOUR_MS;
  office.register.addCode(later, { expiresAt, user: 'carol@example.net', wallNow: revokedAt + 1 });
  // Its user is the register's to know, or the revocation's.
  const stranger = { hit: generateHostIdentity().hit, user: 'dave@example.net', at: revokedAt };
  t.is(office.register.endTickets([{ hit: host.hit, user: null, at: revokedAt }, stranger], revokedAt), 2);
  const at = revokedAt + 2;
  for (const code of [before, dave])
    t.throws(() => office.enroll(generateHostIdentity(), { code, at }), refused('withdrawn'));
  t.is(office.enroll(generateHostIdentity(), { code: later, at }).certificate.user, 'carol@example.net');
});

test('open tickets say for whom they are and what is left of them; one that is withdrawn is none, and its name is free', (t) => {
  const office = new Office();
  const carol = office.code('carol@example.net');
  const open = office.code(null, { uses: 3 });
  office.enroll(generateHostIdentity(), { code: open });
  const tickets = office.register.openTickets(wallNow);
  const facts = { replaces: false, madeAt: wallNow, expiresAt: wallNow + HOUR_MS };
  t.deepEqual(tickets, [
    { id: tickets[0]?.id ?? '', user: null, uses: 3, left: 2, ...facts },
    { id: tickets[1]?.id ?? '', user: 'carol@example.net', uses: 1, left: 1, ...facts },
  ]);
  t.deepEqual(office.register.openTickets(wallNow + HOUR_MS), []);
  const copy = office.register.toJson();
  office.register.withdraw(tickets[1]?.id ?? '');
  // An older copy of the register, as an export of the authority has one, does not bring it back.
  office.register.absorb(copy);
  t.deepEqual(
    office.register.openTickets(wallNow).map(({ user }) => user),
    [null],
  );
  t.throws(() => office.enroll(generateHostIdentity(), { code: carol }), refused('withdrawn'));
  t.is(
    office.enroll(generateHostIdentity(), { code: open, user: 'carol@example.net' }).certificate.user,
    'carol@example.net',
  );
});

test('what another register of the overlay knows is taken over with the key', (t) => {
  const founder = new Office();
  const host = generateHostIdentity();
  founder.sees(host, founder.enroll(host, { code: founder.code(), user: 'alice@example.net' }));
  const code = founder.code('bob@example.net');
  const office = new Office();
  const own = generateHostIdentity();
  office.enroll(own, { code: office.code(), user: 'carol@example.net' });
  office.register.absorb(founder.saved);
  t.is(office.enroll(host).certificate.user, 'alice@example.net');
  t.is(office.enroll(generateHostIdentity(), { code }).certificate.user, 'bob@example.net');
  t.is(office.enroll(own).certificate.user, 'carol@example.net');
  t.throws(() => office.register.absorb('{}'), { instanceOf: KeyStoreError });
});

// What goes wrong

test('the register keeps what proves a code, not the code', (t) => {
  const office = new Office();
  const code = office.code();
  for (const text of [office.disk.journal, office.saved]) {
    t.true(text.includes('"codes"') || text.includes('"code"'));
    t.false(text.includes(Buffer.from(code).toString('hex')));
  }
  t.false(Buffer.from(request(generateHostIdentity(), { code }).bytes).includes(Buffer.from(code)));
});

test('a hop that carries the request cannot use it for its own key', (t) => {
  const office = new Office();
  const [host, thief] = [generateHostIdentity(), generateHostIdentity()];
  const { bytes } = request(host, { code: office.code() });
  const { answer } = decodeEnrollmentAnswer(office.server.handle({ bytes, spki: thief.spki }, wallNow));
  t.deepEqual([answer.issued, answer.issued ? '' : answer.refusal], [false, 'bad_csr']);
});

test('on a full disk a newcomer is told so without the path, and gets in with the same code when there is room', (t) => {
  const office = new Office();
  const code = office.code();
  const host = generateHostIdentity();
  office.disk.full = true;
  const { answer } = decodeEnrollmentAnswer(office.ask(host, { code, user: 'alice@example.net' }));
  t.like(answer, { issued: false, refusal: 'cannot_write', text: 'cannot write: no space: try again later' });
  t.deepEqual(office.register.memberList(), []);
  t.true(office.register.isFree('alice@example.net', wallNow));
  t.throws(() => office.code(), refused('no space'));
  office.disk.full = false;
  t.is(office.enroll(generateHostIdentity(), { code }).certificate.user, null);
});

test('on a full disk members renew all the same, and what is not written is written later', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  const membership = office.enroll(host, { code: office.code(), user: 'alice@example.net' });
  const before = office.saved;
  office.disk.full = true;
  t.is(office.enroll(host, { from: membership, at: wallNow + 1000 }).certificate.user, 'alice@example.net');
  t.is(office.saved, before);
  t.throws(() => office.register.flush());
  office.disk.full = false;
  office.register.flush();
  t.deepEqual(
    new Office(office.saved).register.memberList().map(({ hit, seen, expiresAt }) => ({ hit, seen, expiresAt })),
    [{ hit: host.hit, seen: true, expiresAt: wallNow + 1000 + WEEK_MS }],
  );
});

// How it is kept

test('members that show themselves are written once, however many they are, and hold nothing up', (t) => {
  const office = new Office();
  let waits = 0;
  office.register.onWaiting(() => (waits += 1));
  const hits = Array.from({ length: 2_500 }, () => generateHit());
  for (const hit of hits)
    office.register.noteMembers(
      [{ hit, user: null, issuedAt: wallNow, expiresAt: wallNow + 1, issuer: null }],
      wallNow,
    );
  t.deepEqual([office.disk.writes, office.disk.lines, waits], [0, 0, 1]);
  let done: unknown = 'not yet';
  office.register.writeSoon((error) => (done = error));
  const [first = ''] = hits;
  office.register.noteMembers(
    [{ hit: first, user: null, issuedAt: wallNow, expiresAt: wallNow + 2, issuer: null }],
    wallNow,
  );
  t.is(waits, 2, 'what comes while it is written waits for the next time');
  t.is(done, 'not yet');
  office.disk.settle();
  t.is(done, undefined);
  t.deepEqual([office.disk.writes, office.disk.lines], [1, 0]);
  t.deepEqual(
    new Office(office.saved).register.memberList().map(({ hit, expiresAt }) => ({ hit, expiresAt })),
    hits.map((hit) => ({ hit, expiresAt: wallNow + 1 })),
  );
  office.register.flush();
  office.register.flush();
  t.is(office.disk.writes, 2);
  t.is(new Office(office.saved).register.memberList()[0]?.expiresAt, wallNow + 2);
});

test('a crash at any moment costs none of what must not be lost: tickets and their uses, names, certificates', (t) => {
  const office = new Office();
  const [once, named] = [office.code(), office.code('bob@example.net')];
  const [host, left] = [generateHostIdentity(), generateHostIdentity()];
  const membership = office.enroll(host, { code: once, user: 'alice@example.net' });
  office.sees(host, membership);
  office.enroll(host, { from: membership, at: wallNow + 1000 });
  office.enroll(left, { code: office.code(), user: 'carol@example.net' });
  office.server.sawLeaving(left.hit, wallNow + 1);
  t.is(office.disk.writes, 0);
  const again = new Office(office.saved);
  const later = wallNow + 120_000;
  t.throws(() => again.enroll(generateHostIdentity(), { code: once, at: later }), refused('used by another host'));
  t.throws(
    () => again.enroll(generateHostIdentity(), { code: again.code(), user: 'alice@example.net' }),
    refused('taken'),
  );
  t.is(again.enroll(generateHostIdentity(), { code: named }).certificate.user, 'bob@example.net');
  t.is(again.enroll(left, { code: again.code(), user: 'carol@example.net' }).certificate.user, 'carol@example.net');
  t.is(again.register.memberList()[0]?.expiresAt, wallNow + 1000 + WEEK_MS);
  t.is(office.register.toJson(), office.saved);
});

test('what happens while the whole is written, and when that fails, is not lost', (t) => {
  const office = new Office();
  const code = office.code();
  const results: unknown[] = [];
  office.register.writeSoon((error) => results.push(error));
  office.enroll(generateHostIdentity(), { code });
  const asWritten = office.saved;
  office.disk.settle();
  t.is(office.saved, asWritten);
  t.is(office.saved, office.register.toJson());
  office.enroll(generateHostIdentity(), { code: office.code() });
  office.register.writeSoon((error) => results.push(error));
  office.disk.full = true;
  office.disk.settle();
  t.deepEqual(results, [undefined, NO_SPACE]);
  office.disk.full = false;
  t.is(office.saved, office.register.toJson());
  office.register.flush();
  t.is(office.disk.journal, '');
  t.is(office.saved, office.register.toJson());
});

test('when the agent stops all is written, also what was being written', (t) => {
  const office = new Office();
  office.register.noteMembers(
    [{ hit: generateHit(), user: null, issuedAt: wallNow, expiresAt: wallNow, issuer: null }],
    wallNow,
  );
  office.register.writeSoon(() => {});
  office.register.flush();
  t.is(office.disk.writes, 1);
  t.is(office.saved, office.register.toJson());
  office.disk.settle();
  t.is(office.disk.writes, 1);
});

test('a journal that is older than the register changes nothing in it, and one of another overlay is refused', (t) => {
  const office = new Office();
  const [code, other] = [office.code('alice@example.net', { uses: 2 }), office.code()];
  const [first, second] = [generateHostIdentity(), generateHostIdentity()];
  office.enroll(first, { code });
  office.enroll(generateHostIdentity(), { code: other });
  office.enroll(second, { code, at: wallNow + 1 });
  const { journal } = office.disk;
  const json = office.register.toJson();
  t.is(new EnrollmentRegister({ overlay, json, journal }).toJson(), json);
  t.throws(() => new EnrollmentRegister({ overlay: 'other.example', journal }), {
    message: /of the overlay example.net/,
  });
  t.throws(() => new EnrollmentRegister({ overlay, json, journal: 'x\n' }), { instanceOf: KeyStoreError });
});

test('garbage is answered as a bad request', (t) => {
  const { server } = new Office();
  for (const bytes of [
    new Uint8Array(),
    new Uint8Array(600),
    new Uint8Array(60_000),
    Uint8Array.of(9, 0, 0, 0, 0, 0, 0),
    Uint8Array.of(2, 0, 0, 0, 0, 0, 0),
  ]) {
    const { answer } = decodeEnrollmentAnswer(server.handle({ bytes, spki: generateHostIdentity().spki }, wallNow));
    t.is(answer.issued ? '' : answer.refusal, 'bad_csr');
  }
});

test('the newcomer refuses an answer by another authority than its ticket names, or for another key', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  const { answer, bytes } = office.exchange(host, { code: office.code() });
  const accept = (identity: HostIdentity, fingerprint: Uint8Array): Membership =>
    acceptEnrollmentAnswer(answer, identity, { ...TICKET, authority: fingerprint, request: bytes });
  t.throws(() => accept(host, random.bytes(32)), { instanceOf: CertificateError });
  t.throws(() => accept(generateHostIdentity(), authority.fingerprint), { instanceOf: CertificateError });
  t.notThrows(() => accept(host, authority.fingerprint));
});

test('a refusal is of the authority or of the inviter that the ticket names: what anyone else says is none', (t) => {
  const [deputy, other, host] = [generateHostIdentity(), generateHostIdentity(), generateHostIdentity()];
  const officeOf = (key: HostIdentity): Office =>
    new Office(undefined, new Inviter(key, authority.grant(key.spki, wallNow, random), authority.certificate));
  const strangers = OverlayAuthority.create({ overlay, wallNow, random });
  for (const [office, inviter, proven] of [
    [new Office(), deputy.hit, true],
    [officeOf(deputy), deputy.hit, true],
    [officeOf(other), deputy.hit, false],
    [new Office(undefined, strangers), deputy.hit, false],
  ] as const) {
    const { bytes, answer } = office.exchange(host, { code: random.bytes(16) });
    const accept = (request: Uint8Array, given = answer): Membership =>
      acceptEnrollmentAnswer(given, host, { ...TICKET, inviter, request });
    const error = t.throws(() => accept(bytes));
    t.is(error instanceof EnrollmentError, proven);
    // The inviter's own word, but to another request, or with another text.
    t.throws(() => accept(request(host, { code: random.bytes(16) }).bytes), { instanceOf: CertificateError });
    const changed = Buffer.from(answer);
    changed.write('X', changed.indexOf('ticket'));
    t.throws(() => accept(bytes, changed), { instanceOf: CertificateError });
  }
});

test('who carries a certificate to its host can change nothing beside it', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  const { bytes, answer } = office.exchange(host, { code: office.code() });
  for (const part of [configuration, secret]) {
    const changed = Buffer.from(answer);
    const at = changed.indexOf(part);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    t.throws(() => acceptEnrollmentAnswer(changed, host, { ...TICKET, request: bytes }), {
      instanceOf: CertificateError,
      message: /changed on its way/,
    });
  }
});

test('a broken register is refused', (t) => {
  const office = new Office();
  office.code();
  const { saved } = office;
  for (const json of [
    '',
    '{}',
    '[]',
    '{"version":2,"overlay":"example.net","codes":[],"members":[{}]}',
    saved.slice(0, -9),
  ])
    t.throws(() => new Office(json), { instanceOf: KeyStoreError });
  t.throws(() => new Office(saved.replace('"example.net"', '"other.example"')), { message: /of the overlay other/ });
  t.notThrows(() => new Office(saved));
});
