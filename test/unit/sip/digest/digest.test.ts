import test from 'ava';
import { parseCredentials, realmOf } from '../../../../src/sip/digest/credentials.ts';
import { digestResponse, ha1Of } from '../../../../src/sip/digest/digest.ts';

/** RFC 7616 s3.9.1. */
const RFC_7616 = {
  ...{ method: 'GET', uri: '/dir/index.html', nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v' },
  qop: { nc: '00000001', cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ' },
};

for (const [algorithm, response] of [
  ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
] as const)
  test(`the example of RFC 7616 s3.9.1 has the response that it names, with ${algorithm}`, (t) => {
    const ha1 = ha1Of(algorithm, 'Mufasa', 'http-auth@example.org', 'Circle of Life');
    t.is(digestResponse(algorithm, ha1, RFC_7616), response);
  });

test('the example of RFC 2617 s3.5 has the response that it names, and RFC 2069 has one without qop', (t) => {
  const input = { method: 'GET', uri: '/dir/index.html', nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093' };
  const ha1 = ha1Of('MD5', 'Mufasa', 'testrealm@host.com', 'Circle Of Life');
  const qop = { nc: '00000001', cnonce: '0a4f113b' };
  t.is(digestResponse('MD5', ha1, { ...input, qop }), '6629fae49393a05397450978507c4ef1');
  // RFC 2069 s2.4, with the response of its erratum 749.
  const older = ha1Of('MD5', 'Mufasa', 'testrealm@host.com', 'CircleOfLife');
  t.is(digestResponse('MD5', older, input), '1949323746fe6a43ef61f9606e7febea');
});

const MD5 = 'a'.repeat(32);

test('credentials are read as phones write them: names in any case, with and without quotes, spaces and an algorithm', (t) => {
  const text = `DIGEST Username="kit\\"chen", realm="home.example",nonce="n", uri="sip:home.example",response="${MD5.toUpperCase()}" , qop=auth,NC=0000000a,cnonce="c"`;
  t.deepEqual(parseCredentials(text), {
    ...{ user: 'kit"chen', realm: 'home.example', nonce: 'n', uri: 'sip:home.example', algorithm: 'MD5' },
    ...{ response: MD5, qop: { nc: '0000000a', cnonce: 'c' } },
  });
  t.is(realmOf(text), 'home.example');
});

for (const [what, text] of [
  ['another scheme', 'Basic YWxpY2U6eA=='],
  ['no response', 'Digest username="a", realm="r", nonce="n", uri="u"'],
  ['a response that is too short', 'Digest username="a", realm="r", nonce="n", uri="u", response="ab"'],
  ['an MD5 for SHA-256', `Digest username="a", realm="r", nonce="n", uri="u", response="${MD5}", algorithm=SHA-256`],
  ['another algorithm', `Digest username="a", realm="r", nonce="n", uri="u", response="${MD5}", algorithm=MD5-sess`],
  [
    'auth-int',
    `Digest username="a", realm="r", nonce="n", uri="u", response="${MD5}", qop=auth-int, nc=00000001, cnonce="c"`,
  ],
  ['qop without nc', `Digest username="a", realm="r", nonce="n", uri="u", response="${MD5}", qop=auth, cnonce="c"`],
  ['a parameter twice', `Digest username="a", username="b", realm="r", nonce="n", uri="u", response="${MD5}"`],
  ['too many parameters', `Digest ${Array.from({ length: 100 }, (_, i) => `p${i}=x`).join(',')}`],
  ['too long', `Digest username="${'a'.repeat(4_096)}", realm="r", nonce="n", uri="u", response="${MD5}"`],
] as const)
  test(`no credentials: ${what}`, (t) => {
    t.is(parseCredentials(text), undefined);
  });
