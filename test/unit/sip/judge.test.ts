import test from 'ava';
import { Core } from 'sip.js';
import { parseSip } from '../../../src/sip/message/codec.ts';
import { parseCSeq } from '../../../src/sip/message/cseq.ts';
import { firstHeader, headerRows } from '../../../src/sip/message/headers.ts';
import { parseNameAddr } from '../../../src/sip/message/name-addr.ts';
import { parseUri } from '../../../src/sip/message/uri.ts';
import { validateRequest, validateResponse } from '../../../src/sip/message/validation.ts';
import { parseVia } from '../../../src/sip/message/via.ts';
import { vector, vectorNames } from './vectors.ts';

/** Well formed as the RFCs say, and refused by sip.js. */
const REFUSED_BY_JUDGE = new Set([
  // Spaces that RFC 4475 lets a liberal element ignore.
  ...['lwsstart', 'trws'],
  // Schemes other than sip in To and Contact.
  'unksm2',
  // No empty line at the end; and three colons.
  ...['ipv6-bug-abnf-3-colons', 'ipv6-correct-abnf-2-colons'],
]);

const silent = { error: () => undefined, warn: () => undefined, log: () => undefined, debug: () => undefined };

function judged(bytes: Uint8Array): ReturnType<typeof Core.Parser.parseMessage> {
  return Core.Parser.parseMessage(Buffer.from(bytes).toString('latin1'), silent as unknown as Core.Logger);
}

const withoutBrackets = (host: string | undefined): string | undefined => host?.replaceAll(/[[\]]/g, '').toLowerCase();
const user = (text: string | undefined): string | undefined => (text === undefined ? undefined : parseUri(text)?.user);

for (const name of [...vectorNames('rfc4475'), ...vectorNames('rfc5118')]) {
  if (name === 'bigcode') continue;
  const message = parseSip(vector(name));
  const wrong = message.type === 'request' ? validateRequest(message) : validateResponse(message);
  if (wrong !== undefined || REFUSED_BY_JUDGE.has(name)) continue;

  test(`sip.js reads the same in ${name}`, (t) => {
    const other = judged(vector(name));
    if (other === undefined) return t.fail('sip.js refuses it');
    const cseq = parseCSeq(firstHeader(message, 'cseq') ?? '');
    const via = parseVia(firstHeader(message, 'via') ?? '');
    if (message.type === 'request') t.is<unknown, unknown>(other.method, message.method);
    t.is<unknown, unknown>(other.callId, firstHeader(message, 'call-id'));
    t.is<unknown, unknown>(other.cseq, cseq?.number);
    t.is(withoutBrackets(other.via.host), via?.host);
    t.is<unknown, unknown>(other.via.port, via?.port);
    t.is(other.viaBranch || undefined, via?.params.get('branch'));
    t.is(other.getHeaders('via').length, headerRows(message.headers, 'via').length);
    for (const field of ['from', 'to'] as const) {
      const ours = parseNameAddr(firstHeader(message, field) ?? '');
      t.is(withoutBrackets(other[field].uri.host), parseUri(ours?.uri ?? '')?.host);
      t.is(user(other[field].uri.toString()), user(ours?.uri));
      // It leaves half of an escape in a display name.
      if (!(firstHeader(message, field) ?? '').includes('\\'))
        t.is<unknown, unknown>(other[field].displayName || '', ours?.displayName);
    }
    t.is(other.body.length, message.body.length);
  });
}

test('sip.js refuses what RFC 4475 says is malformed and a grammar can tell', (t) => {
  for (const name of ['badinv01', 'ncl', 'quotbal', 'ltgtruri', 'lwsruri', 'regbadct', 'badaspec', 'baddn', 'bigcode'])
    t.is(judged(vector(name)), undefined, name);
});
