import test from 'ava';
import { seededRandom } from '../../../src/base/random.ts';
import { OverlayAuthority } from '../../../src/identity/authority.ts';
import { decodeEnrollmentAnswer } from '../../../src/identity/enrollment-message.ts';
import { EnrollmentRegister } from '../../../src/identity/enrollment-register.ts';
import {
  acceptEnrollmentAnswer,
  enrollmentRequest,
  EnrollmentServer,
  type Membership,
} from '../../../src/identity/enrollment.ts';
import { CertificateError, EnrollmentError, KeyStoreError } from '../../../src/identity/errors.ts';
import { generateHostIdentity, type HostIdentity } from '../../../src/identity/host-identity.ts';

const wallNow = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
const random = seededRandom(3);
const overlay = 'example.net';
const authority = OverlayAuthority.create({ overlay, wallNow, random });
const configuration = Buffer.from('<overlay/>');

class Office {
  saved: string | undefined;
  register: EnrollmentRegister;
  server: EnrollmentServer;

  constructor(saved?: string) {
    this.saved = saved;
    this.register = new EnrollmentRegister(saved, (json) => {
      this.saved = json;
    });
    const { register } = this;
    this.server = new EnrollmentServer({ authority, register, configuration: () => configuration, random });
  }

  code(user: string | null = null): Uint8Array {
    const code = random.bytes(16);
    this.register.addCode(code, { expiresAt: wallNow + HOUR_MS, user, wallNow });
    return code;
  }

  enroll(host: HostIdentity, code: Uint8Array | null, user: string | null = null, at = wallNow): Membership {
    const answer = this.server.handle(enrollmentRequest(host, { overlay, code, user }), host.spki, at);
    return acceptEnrollmentAnswer(answer, host, { overlay, authority: authority.fingerprint, wallNow: at });
  }
}

const refused = (refusal: string): { instanceOf: typeof EnrollmentError; message: RegExp } => ({
  instanceOf: EnrollmentError,
  message: new RegExp(refusal),
});

test('a newcomer with a code gets a certificate, the root and the configuration', (t) => {
  const host = generateHostIdentity();
  const office = new Office();
  const membership = office.enroll(host, office.code(), 'alice@example.net');
  t.is(membership.certificate.nodeId, host.hit);
  t.is(membership.certificate.user, 'alice@example.net');
  t.deepEqual(membership.authorityCertificate, authority.certificate);
  t.deepEqual(membership.configuration, new Uint8Array(configuration));
});

test('a code works once, but the same key may ask again when the answer was lost', (t) => {
  const office = new Office();
  const code = office.code();
  const host = generateHostIdentity();
  office.enroll(host, code);
  t.notThrows(() => office.enroll(host, code));
  t.throws(() => office.enroll(host, code, 'second@example.net'), refused('needs a new ticket'));
  t.throws(() => office.enroll(generateHostIdentity(), code), refused('used by another host'));
});

test('unknown and expired codes, and no code, are refused', (t) => {
  const office = new Office();
  const code = office.code();
  const host = generateHostIdentity();
  t.throws(() => office.enroll(host, random.bytes(16)), refused('not known'));
  t.throws(() => office.enroll(host, null), refused('no member'));
  t.throws(() => office.enroll(host, code, null, wallNow + HOUR_MS), refused('expired'));
});

test('a user name belongs to the key that got it first', (t) => {
  const office = new Office();
  office.enroll(generateHostIdentity(), office.code(), 'alice@example.net');
  t.throws(() => office.enroll(generateHostIdentity(), office.code(), 'alice@example.net'), refused('taken'));
});

test('a ticket that names the user gives another host of that user the same name', (t) => {
  const office = new Office();
  office.enroll(generateHostIdentity(), office.code(), 'alice@example.net');
  const second = office.enroll(generateHostIdentity(), office.code('alice@example.net'));
  t.is(second.certificate.user, 'alice@example.net');
  t.throws(
    () => office.enroll(generateHostIdentity(), office.code('alice@example.net'), 'bob@example.net'),
    refused('for the user alice'),
  );
});

test('a name that waits in a ticket is not given to another newcomer', (t) => {
  const office = new Office();
  office.code('carol@example.net');
  t.throws(() => office.enroll(generateHostIdentity(), office.code(), 'carol@example.net'), refused('taken'));
});

test('a member renews without a code and keeps its name, but takes no other name without one', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  office.enroll(host, office.code(), 'alice@example.net');
  const later = new Office(office.saved);
  const renewed = later.enroll(host, null, null, wallNow + 300 * 24 * HOUR_MS);
  t.is(renewed.certificate.user, 'alice@example.net');
  t.throws(() => later.enroll(host, null, 'bob@'), refused('not allowed'));
  t.throws(() => later.enroll(host, null, 'bob@example.net'), refused('needs a new ticket'));
  t.is(later.enroll(host, later.code(), 'bob@example.net').certificate.user, 'bob@example.net');
});

test('a revoked key is refused and its name stays taken', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  office.enroll(host, office.code(), 'alice@example.net');
  t.true(office.register.revoke(host.hit));
  t.false(office.register.revoke(generateHostIdentity().hit));
  const later = new Office(office.saved);
  t.throws(() => later.enroll(host, later.code()), refused('revoked'));
  t.throws(() => later.enroll(generateHostIdentity(), later.code(), 'alice@example.net'), refused('taken'));
});

test('the register keeps what proves a code, not the code', (t) => {
  const office = new Office();
  const code = office.code();
  t.false(office.saved?.includes(Buffer.from(code).toString('hex')) ?? true);
  const request = enrollmentRequest(generateHostIdentity(), { overlay, code, user: null });
  t.false(Buffer.from(request).includes(Buffer.from(code)));
});

test('a hop that carries the request cannot use it for its own key', (t) => {
  const office = new Office();
  const [host, thief] = [generateHostIdentity(), generateHostIdentity()];
  const request = enrollmentRequest(host, { overlay, code: office.code(), user: null });
  const answer = decodeEnrollmentAnswer(office.server.handle(request, thief.spki, wallNow));
  t.deepEqual([answer.issued, answer.issued ? '' : answer.refusal], [false, 'bad_csr']);
});

test('when the register cannot be saved nothing is issued and the code stays good', (t) => {
  let full = false;
  const register = new EnrollmentRegister(undefined, () => {
    if (full) throw new Error('no space left on device');
  });
  const server = new EnrollmentServer({ authority, register, configuration: () => configuration, random });
  const code = random.bytes(16);
  register.addCode(code, { expiresAt: wallNow + HOUR_MS, user: null, wallNow });
  full = true;
  const host = generateHostIdentity();
  t.throws(() => server.handle(enrollmentRequest(host, { overlay, code, user: null }), host.spki, wallNow), {
    message: /no space/,
  });
  t.deepEqual(register.memberList(), []);
  full = false;
  const other = generateHostIdentity();
  const answer = server.handle(enrollmentRequest(other, { overlay, code, user: null }), other.spki, wallNow);
  t.true(decodeEnrollmentAnswer(answer).issued);
});

test('garbage is answered as a bad request', (t) => {
  const { server } = new Office();
  for (const bytes of [
    new Uint8Array(),
    new Uint8Array(600),
    Uint8Array.of(9, 0, 0, 0, 0),
    Uint8Array.of(1, 0, 0, 0, 0),
  ]) {
    const answer = decodeEnrollmentAnswer(server.handle(bytes, generateHostIdentity().spki, wallNow));
    t.is(answer.issued ? '' : answer.refusal, 'bad_csr');
  }
});

test('the newcomer refuses an answer by another authority than its ticket names, or for another key', (t) => {
  const office = new Office();
  const host = generateHostIdentity();
  const answer = office.server.handle(
    enrollmentRequest(host, { overlay, code: office.code(), user: null }),
    host.spki,
    wallNow,
  );
  const accept = (identity: HostIdentity, fingerprint: Uint8Array): Membership =>
    acceptEnrollmentAnswer(answer, identity, { overlay, authority: fingerprint, wallNow });
  t.throws(() => accept(host, random.bytes(32)), { instanceOf: CertificateError });
  t.throws(() => accept(generateHostIdentity(), authority.fingerprint), { instanceOf: CertificateError });
  t.notThrows(() => accept(host, authority.fingerprint));
});

test('a broken register is refused', (t) => {
  for (const json of ['', '{}', '[]', '{"version":1,"codes":[],"members":[{}]}'])
    t.throws(() => new EnrollmentRegister(json, () => {}), { instanceOf: KeyStoreError });
});
