import test from 'ava';
import { parseSip } from '../../../src/sip/message/codec.ts';
import { validateRequest, validateResponse } from '../../../src/sip/message/validation.ts';
import { judged, readsTheSame } from '../../sim/sip/judge.ts';
import { phoneInvite, PHONES, vector, vectorNames } from './vectors.ts';

/** Well formed as the RFCs say, and refused by sip.js. */
const REFUSED_BY_JUDGE = new Set([
  // Spaces that RFC 4475 lets a liberal element ignore.
  ...['lwsstart', 'trws'],
  // Schemes other than sip in To and Contact.
  'unksm2',
  // No empty line at the end; and three colons.
  ...['ipv6-bug-abnf-3-colons', 'ipv6-correct-abnf-2-colons'],
]);

for (const name of [...vectorNames('rfc4475'), ...vectorNames('rfc5118')]) {
  if (name === 'bigcode') continue;
  const message = parseSip(vector(name));
  const wrong = message.type === 'request' ? validateRequest(message) : validateResponse(message);
  if (wrong !== undefined || REFUSED_BY_JUDGE.has(name)) continue;

  test(`sip.js reads the same in ${name}`, (t) => readsTheSame(t, vector(name)));
}

for (const name of PHONES)
  test(`sip.js reads the same in an INVITE of ${name}`, (t) => readsTheSame(t, phoneInvite(name)));

test('sip.js refuses what RFC 4475 says is malformed and a grammar can tell', (t) => {
  for (const name of ['badinv01', 'ncl', 'quotbal', 'ltgtruri', 'lwsruri', 'regbadct', 'badaspec', 'baddn', 'bigcode'])
    t.is(judged(vector(name)), undefined, name);
});
