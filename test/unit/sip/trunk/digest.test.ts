import test from 'ava';
import { seededRandom } from '../../../../src/base/random.ts';
import type { SipResponse } from '../../../../src/sip/message/message.ts';
import { DigestClient } from '../../../../src/sip/trunk/digest.ts';

const NONCE = '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v';
const CNONCE = 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ';
const REALM = 'http-auth@example.org';

function challenge(...values: readonly string[]): SipResponse {
  const headers = values.map((value) => ({ name: 'WWW-Authenticate', value }));
  return { type: 'response', status: 401, reason: 'Unauthorized', headers, body: new Uint8Array() };
}

function client(): DigestClient {
  const random = { ...seededRandom(1), bytes: () => new Uint8Array(Buffer.from(CNONCE, 'base64')) };
  return new DigestClient({ user: 'Mufasa', password: 'Circle of Life' }, random);
}

const asked = (algorithm: string, more = ''): string =>
  `Digest realm="${REALM}", qop="auth, auth-int", algorithm=${algorithm}, nonce="${NONCE}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"${more}`;

for (const [algorithm, response] of [
  ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
  ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
] as const)
  test(`the answer to ${algorithm} is that of RFC 7616 s3.9.1`, (t) => {
    const digest = client();
    t.is(digest.learn(challenge(asked(algorithm))), 'fresh');
    const [header] = digest.answer('GET', '/dir/index.html');
    t.is(header?.name, 'Authorization');
    for (const part of [
      `response="${response}"`,
      'nc=00000001',
      `cnonce="${CNONCE}"`,
      'qop=auth',
      `algorithm=${algorithm}`,
    ])
      t.true(header?.value.includes(part), `${part} in ${header?.value ?? ''}`);
    t.true(digest.answer('GET', '/dir/index.html')[0]?.value.includes('nc=00000002'));
  });

test('of several challenges of one realm the best algorithm is answered, and one alone', (t) => {
  const digest = client();
  digest.learn(challenge(asked('MD5'), asked('SHA-256'), asked('SHA-1024')));
  const answers = digest.answer('REGISTER', 'sip:example.org');
  t.is(answers.length, 1);
  t.true(answers[0]?.value.includes('algorithm=SHA-256'));
});

test('stale is told from refused, and what cannot be answered is not', (t) => {
  const digest = client();
  t.is(digest.learn(challenge(asked('SHA-256', ', stale=true'))), 'stale');
  t.is(
    digest.learn(challenge('Basic realm="x"', asked('SHA-1024'), `Digest realm="x", nonce="a", qop="auth-int"`)),
    'none',
  );
  t.deepEqual(digest.answer('GET', '/'), []);
});

test('a challenge of RFC 2069, without qop and algorithm, is answered as it asks', (t) => {
  const digest = client();
  digest.learn(challenge(`Digest realm="${REALM}", nonce="${NONCE}"`));
  const [header] = digest.answer('GET', '/dir/index.html');
  t.false(/cnonce|nc=|qop|algorithm/.test(header?.value ?? 'nc='));
});
