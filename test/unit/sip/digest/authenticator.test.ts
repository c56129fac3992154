import test from 'ava';
import { seededRandom } from '../../../../src/base/random.ts';
import { Authenticator, type Verdict } from '../../../../src/sip/digest/authenticator.ts';
import { MAX_NONCES, MAX_WRONG, NONCE_LIFETIME_MS, WRONG_EVERY_MS } from '../../../../src/sip/digest/constants.ts';
import { type DigestAlgorithm, digestResponse, ha1Of } from '../../../../src/sip/digest/digest.ts';
import { Nonces } from '../../../../src/sip/digest/nonces.ts';
import { WrongPasswords } from '../../../../src/sip/digest/wrong-passwords.ts';
import type { SipRequest } from '../../../../src/sip/message/message.ts';
import { request } from '../../../sim/sip/messages.ts';

const REALM = 'home.example';
const PHONE = '192.168.1.20';

function authenticator(): Authenticator {
  const ha1 = (algorithm: DigestAlgorithm): string => ha1Of(algorithm, 'kitchen', REALM, 'secret');
  const users = [{ name: 'kitchen', ha1: { 'SHA-256': ha1('SHA-256'), MD5: ha1('MD5') } }];
  return new Authenticator({ random: seededRandom(1) }, { realm: REALM, users });
}

const statusOf = (verdict: Verdict): number | string => (verdict.type === 'known' ? verdict.user : verdict.status);

function challengesOf(verdict: Verdict): string[] {
  return verdict.type === 'known' ? [] : verdict.headers.map(({ name, value }) => `${name}: ${value}`);
}

const nonceOf = (verdict: Verdict): string => /nonce="([^"]+)"/.exec(challengesOf(verdict)[0] ?? '')?.[1] ?? '';

interface Answer {
  readonly nonce: string;
  readonly nc?: number;
  readonly algorithm?: DigestAlgorithm;
  readonly user?: string;
  readonly password?: string;
  readonly uri?: string;
  readonly method?: string;
}

function answered(answer: Answer): SipRequest {
  const { nonce, nc, algorithm = 'SHA-256', user = 'kitchen', password = 'secret', method = 'INVITE' } = answer;
  const { uri = 'sip:bob@home.example' } = answer;
  const qop = nc === undefined ? undefined : { nc: nc.toString(16).padStart(8, '0'), cnonce: 'c' };
  const response = digestResponse(algorithm, ha1Of(algorithm, user, REALM, password), { method, uri, nonce, qop });
  const quality = qop === undefined ? '' : `, qop=auth, nc=${qop.nc}, cnonce="c"`;
  const field = method === 'REGISTER' ? 'Authorization' : 'Proxy-Authorization';
  const header = `${field}: Digest username="${user}", realm="${REALM}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=${algorithm}${quality}`;
  return request(method, { headers: [header] });
}

test('a request without credentials is asked for them, with SHA-256 before MD5: a registrar with 401, a proxy with 407', (t) => {
  const asked = authenticator().check(request('INVITE'), PHONE, 0);
  t.is(statusOf(asked), 407);
  t.regex(
    challengesOf(asked)[0] ?? '',
    /^Proxy-Authenticate: Digest realm="home.example", .*qop="auth", algorithm=SHA-256$/,
  );
  t.regex(challengesOf(asked)[1] ?? '', /algorithm=MD5$/);
  const registering = authenticator().check(request('REGISTER'), PHONE, 0);
  t.is(statusOf(registering), 401);
  t.regex(challengesOf(registering)[0] ?? '', /^WWW-Authenticate: Digest /);
});

for (const algorithm of ['SHA-256', 'MD5'] as const)
  test(`the right password is known by ${algorithm}, and a number of its nonce counts once`, (t) => {
    const at = authenticator();
    const nonce = nonceOf(at.check(request('INVITE'), PHONE, 0));
    t.is(statusOf(at.check(answered({ nonce, nc: 1, algorithm }), PHONE, 10)), 'kitchen');
    t.is(statusOf(at.check(answered({ nonce, nc: 2, algorithm }), PHONE, 20)), 'kitchen');
    const replayed = at.check(answered({ nonce, nc: 2, algorithm }), PHONE, 30);
    t.is(statusOf(replayed), 407);
    t.regex(challengesOf(replayed)[0] ?? '', /stale=true/);
    t.is(statusOf(at.check(answered({ nonce, nc: 1, algorithm }), PHONE, 40)), 407);
  });

test('a phone that sends no number uses each nonce once', (t) => {
  const at = authenticator();
  const nonce = nonceOf(at.check(request('INVITE'), PHONE, 0));
  t.is(statusOf(at.check(answered({ nonce, algorithm: 'MD5' }), PHONE, 0)), 'kitchen');
  t.is(statusOf(at.check(answered({ nonce, algorithm: 'MD5' }), PHONE, 0)), 407);
});

test('a nonce that is too old, of another address or of a former life is stale', (t) => {
  const at = authenticator();
  const nonce = nonceOf(at.check(request('INVITE'), PHONE, 0));
  const other = nonceOf(authenticator().check(request('INVITE'), '192.168.1.21', 0));
  for (const [used, address, now] of [
    [nonce, PHONE, NONCE_LIFETIME_MS + 1],
    [nonce, '192.168.1.99', 0],
    [other, PHONE, 0],
    ['no nonce of ours', PHONE, 0],
  ] as const) {
    const verdict = at.check(answered({ nonce: used, nc: 1 }), address, now);
    t.is(statusOf(verdict), 407);
    t.regex(challengesOf(verdict)[0] ?? '', /stale=true/);
  }
});

for (const [what, wrong] of [
  ['a wrong password', { password: 'guess' }],
  ['an unknown user', { user: 'cellar' }],
  ['the digest of another method', { method: 'BYE' }],
] as const)
  test(`${what} is not known, and not told from any other`, (t) => {
    const at = authenticator();
    const nonce = nonceOf(at.check(request('INVITE'), PHONE, 0));
    const said = { ...answered({ nonce, nc: 1, ...wrong }), method: 'INVITE' };
    const verdict = at.check(said, PHONE, 0);
    t.is(statusOf(verdict), 407);
    t.notRegex(challengesOf(verdict).join(), /stale/);
  });

test('a digest of another Request-URI is refused, and one that leaves out parameters is not', (t) => {
  const at = authenticator();
  const nonce = nonceOf(at.check(request('INVITE'), PHONE, 0));
  t.is(statusOf(at.check(answered({ nonce, nc: 1, uri: 'sip:carol@home.example' }), PHONE, 0)), 400);
  const same = { ...answered({ nonce, nc: 2 }), uri: 'sip:bob@home.example;transport=udp' };
  t.is(statusOf(at.check(same, PHONE, 0)), 'kitchen');
});

test('a phone that gives up where SHA-256 is offered is asked for MD5 alone when it comes again', (t) => {
  const at = authenticator();
  t.is(challengesOf(at.check(request('REGISTER'), PHONE, 0)).length, 2);
  const again = at.check(request('REGISTER'), PHONE, 30_000);
  t.is(challengesOf(again).length, 1);
  t.regex(challengesOf(again)[0] ?? '', /algorithm=MD5$/);
  const right = answered({ nonce: nonceOf(again), nc: 1, algorithm: 'MD5', method: 'REGISTER' });
  t.is(statusOf(at.check(right, PHONE, 30_010)), 'kitchen');
  t.is(challengesOf(at.check(request('INVITE'), PHONE, 40_000)).length, 1);
  t.is(challengesOf(at.check(request('INVITE'), '192.168.1.21', 40_000)).length, 2);
});

test('a phone that answers with MD5 to a former life of ours is asked for MD5 alone', (t) => {
  const at = authenticator();
  const asked = at.check(
    answered({ nonce: 'of a former life', nc: 9, algorithm: 'MD5', method: 'REGISTER' }),
    PHONE,
    0,
  );
  t.is(challengesOf(asked).length, 1);
  t.regex(challengesOf(asked)[0] ?? '', /algorithm=MD5, stale=true$/);
});

test('after five wrong passwords an address waits, the right one too, and another address does not', (t) => {
  const at = authenticator();
  const nonce = nonceOf(at.check(request('INVITE'), PHONE, 0));
  for (let n = 1; n <= MAX_WRONG; n += 1)
    t.is(statusOf(at.check(answered({ nonce, nc: n, password: `guess${n}` }), PHONE, 0)), 407);
  const held = at.check(answered({ nonce, nc: 9 }), PHONE, 0);
  t.is(statusOf(held), 503);
  t.deepEqual(challengesOf(held), [`Retry-After: ${WRONG_EVERY_MS / 1_000}`]);
  const other = nonceOf(at.check(request('INVITE'), '192.168.1.21', 0));
  t.is(statusOf(at.check(answered({ nonce: other, nc: 1 }), '192.168.1.21', 0)), 'kitchen');
  t.is(statusOf(at.check(answered({ nonce, nc: 10 }), PHONE, WRONG_EVERY_MS)), 'kitchen');
});

test('who writes the address of another, and never heard a nonce there, does not lock it out, and learns nothing of the password', (t) => {
  const at = authenticator();
  for (let n = 1; n <= 100; n += 1)
    for (const password of ['guess', 'secret']) {
      const verdict = at.check(answered({ nonce: 'invented', nc: n, password }), PHONE, 0);
      t.is(statusOf(verdict), 407);
      t.regex(challengesOf(verdict)[0] ?? '', /stale=true/);
    }
  const nonce = nonceOf(at.check(request('INVITE'), PHONE, 0));
  t.is(statusOf(at.check(answered({ nonce, nc: 1 }), PHONE, 0)), 'kitchen');
});

test('credentials for us do not go on, those for others do', (t) => {
  const at = authenticator();
  const theirs =
    'Proxy-Authorization: Digest username="a", realm="elsewhere.example", nonce="n", uri="u", response="r"';
  const ours = answered({ nonce: 'n', nc: 1 });
  const both = { ...ours, headers: [...ours.headers, ...request('INVITE', { headers: [theirs] }).headers.slice(-1)] };
  const passed = at.withoutCredentials(both).headers.filter(({ name }) => /authorization/i.test(name));
  t.deepEqual(
    passed.map(({ value }) => /realm="([^"]+)"/.exec(value)?.[1]),
    ['elsewhere.example'],
  );
});

test('a nonce whose number was forgotten is not taken again, and fresh ones are', (t) => {
  const nonces = new Nonces({ random: seededRandom(7) });
  const first = nonces.issue(PHONE, 0);
  t.true(nonces.use(first, PHONE, 5, 0));
  for (let n = 1; n <= MAX_NONCES; n += 1) t.true(nonces.use(nonces.issue(PHONE, n), PHONE, 1, n));
  t.false(nonces.use(first, PHONE, 6, MAX_NONCES));
  t.true(nonces.use(nonces.issue(PHONE, MAX_NONCES + 1), PHONE, 1, MAX_NONCES + 1));
});

test('a nonce that was changed, cut or written otherwise is not ours', (t) => {
  const nonces = new Nonces({ random: seededRandom(7) });
  const nonce = nonces.issue(PHONE, 1_000);
  for (const text of [`${nonce}=`, `${nonce}A`, nonce.slice(1), `B${nonce.slice(1)}`, nonce.toLowerCase(), ''])
    t.false(nonces.isOurs(text, PHONE), text);
  t.true(nonces.isOurs(nonce, PHONE));
});

test('addresses of one IPv6 network share their wrong passwords, with and without a zone', (t) => {
  const wrong = new WrongPasswords();
  for (let n = 1; n <= MAX_WRONG; n += 1) wrong.note(`fd00::${n}`, 0);
  t.is(wrong.waitMs('fd00::99', 0), WRONG_EVERY_MS);
  t.is(wrong.waitMs('fd00::99%eth0', 0), WRONG_EVERY_MS);
  t.is(wrong.waitMs('fd00:0:0:1::1', 0), 0);
});
