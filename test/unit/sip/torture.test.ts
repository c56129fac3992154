import test, { type ExecutionContext } from 'ava';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { encodeSip, parseSip } from '../../../src/sip/message/codec.ts';
import { parseCSeq } from '../../../src/sip/message/cseq.ts';
import { firstHeader, headerValues } from '../../../src/sip/message/headers.ts';
import type { SipRequest, SipResponse } from '../../../src/sip/message/message.ts';
import { parseNameAddr } from '../../../src/sip/message/name-addr.ts';
import { unquote } from '../../../src/sip/message/params.ts';
import { formatUri, parseUri, uriScheme } from '../../../src/sip/message/uri.ts';
import { type Rejection, validateRequest, validateResponse } from '../../../src/sip/message/validation.ts';
import { formatVia, parseVia } from '../../../src/sip/message/via.ts';
import { requestOf, responseOf, vector, vectorNames } from './vectors.ts';

const tested = new Set<string>();

/** A request that is well formed, read again as it is written. */
function accepted(name: string, what: string, check: (t: ExecutionContext, request: SipRequest) => void): void {
  tested.add(name);
  test(`${name}: accepted, ${what}`, (t) => {
    const request = requestOf(parseSip(vector(name)));
    t.is(validateRequest(request), undefined);
    t.deepEqual(parseSip(encodeSip(request)).headers, withLength(request).headers);
    t.deepEqual(Buffer.from(parseSip(encodeSip(request)).body), Buffer.from(request.body));
    check(t, request);
  });
}

function refused(
  name: string,
  status: Rejection['status'],
  reason: string,
  check?: (t: ExecutionContext) => void,
): void {
  tested.add(name);
  test(`${name}: ${status} ${reason}`, (t) => {
    const rejection = validateRequest(requestOf(parseSip(vector(name))));
    t.is(rejection?.status, status);
    t.is(rejection?.reason, reason);
    check?.(t);
  });
}

function acceptedResponse(
  name: string,
  what: string,
  check: (t: ExecutionContext, response: SipResponse) => void,
): void {
  tested.add(name);
  test(`${name}: accepted, ${what}`, (t) => {
    const response = responseOf(parseSip(vector(name)));
    t.is(validateResponse(response), undefined);
    t.deepEqual(Buffer.from(encodeSip(response)), Buffer.from(vector(name)));
    check(t, response);
  });
}

function droppedResponse(name: string, reason: string): void {
  tested.add(name);
  test(`${name}: dropped, ${reason}`, (t) => {
    t.is(validateResponse(responseOf(parseSip(vector(name)))), reason);
  });
}

/** What `encodeSip` adds to a request without Content-Length. */
function withLength(request: SipRequest): SipRequest {
  if (firstHeader(request, 'content-length') !== undefined) return request;
  return { ...request, headers: [...request.headers, { name: 'Content-Length', value: String(request.body.length) }] };
}

function bodyText(request: SipRequest): string {
  return Buffer.from(request.body).toString('latin1');
}

function uriOf(value: string | undefined): string {
  return parseNameAddr(value ?? '')?.uri ?? '';
}

// RFC 4475 s3.1.1

accepted(
  'wsinv',
  'folded, spaced, escaped and compact fields are read as RFC 4475 s3.1.1.1 means them',
  (t, request) => {
    t.deepEqual(parseNameAddr(firstHeader(request, 'to') ?? ''), {
      displayName: '',
      uri: 'sip:vivekg@chair-dnrc.example.com',
      params: new Map([['tag', '1918181833n']]),
    });
    t.is(parseNameAddr(firstHeader(request, 'from') ?? '')?.displayName, String.raw`J Rosenberg \"`);
    t.is(firstHeader(request, 'subject'), '');
    t.deepEqual(parseCSeq(firstHeader(request, 'cseq') ?? ''), { number: 9, method: 'INVITE' });
    t.is(firstHeader(request, 'newfangledheader'), 'newfangled value continued newfangled value');
    t.is(firstHeader(request, 'unknownheaderwithunusualvalue'), ';;,,;;,;');
    t.deepEqual(
      headerValues(request, 'via').map((via) => {
        const read = parseVia(via);
        return read === undefined ? undefined : formatVia(read);
      }),
      [
        'SIP/2.0/UDP 192.0.2.2;branch=390skdjuw',
        'SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8',
        'SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239',
      ],
    );
    const contact = parseNameAddr(firstHeader(request, 'contact') ?? '');
    t.is(contact?.displayName, 'Quoted string ""');
    t.deepEqual(
      [...(contact?.params ?? [])],
      [
        ['newparam', 'newvalue'],
        ['secondparam', ''],
        ['q', '0.33'],
      ],
    );
    t.is(request.body.length, 150);
  },
);

accepted('intmeth', 'every character that the grammar lets through is kept', (t, request) => {
  t.is(request.method, "!interesting-Method0123456789_*+`.%indeed'~");
  const uri = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*";
  const read = parseUri(request.uri);
  t.is(read?.user, uri);
  t.is(read?.password, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)");
  t.is(read === undefined ? '' : formatUri(read), request.uri);
  const to = parseNameAddr(firstHeader(request, 'to') ?? '');
  t.is(to?.displayName, 'BEL:\x07 NUL:\0 DEL:\x7f');
  const from = parseNameAddr(firstHeader(request, 'from') ?? '');
  t.is(from?.displayName, "token1~` token2'+_ token3*%!.-");
  t.is(unquote(from?.params.get("fromparam''~+*_!.-%") ?? ''), 'работающий');
  t.is(firstHeader(request, "extensionHeader-!.%*+_`'~"), '\ufeff大停電');
  t.is(firstHeader(request, 'call-id'), String.raw`intmeth.word%ZK-!.*_+'@word` + '`~)(><:\\/"][?}{');
});

accepted('esc01', 'escapes are undone once, in URIs only', (t, request) => {
  t.is(parseUri(request.uri)?.user, 'sips:user@example.com');
  t.is(parseUri(uriOf(firstHeader(request, 'to')))?.user, 'user');
  t.is(parseUri(uriOf(firstHeader(request, 'from')))?.user, 'I have spaces');
  const contact = parseUri(uriOf(firstHeader(request, 'contact')));
  t.is(contact?.user, 'caller');
  t.deepEqual(
    [...(contact?.params ?? [])],
    [
      ['lr', ''],
      ['name', 'value%41'],
    ],
  );
});

accepted('escnull', 'a null does not end a user name, and two contacts differ', (t, request) => {
  t.is(parseUri(uriOf(firstHeader(request, 'to')))?.user, 'null-\0-null');
  t.deepEqual(
    headerValues(request, 'contact').map((contact) => parseUri(uriOf(contact))?.user),
    ['\0', '\0\0'],
  );
});

accepted('esc02', 'what looks like an escape is none in a method, a display name and a field name', (t, request) => {
  t.is(request.method, 'RE%47IST%45R');
  t.is(parseNameAddr(firstHeader(request, 'to') ?? '')?.displayName, '%Z%45');
  t.deepEqual(headerValues(request, 'contact').map(uriOf), [
    'sip:alias1@host1.example.com',
    'sip:alias3@host3.example.com',
  ]);
});

accepted('lwsdisp', 'no space is needed behind a display name', (t, request) => {
  t.is(parseNameAddr(firstHeader(request, 'from') ?? '')?.displayName, 'caller');
});

accepted('longreq', 'long values are read whole', (t, request) => {
  t.is(headerValues(request, 'via').length, 34);
  t.is(parseVia(headerValues(request, 'via').at(-1) ?? '')?.params.get('branch')?.length, 4 + 200 + 11);
  t.is(parseNameAddr(firstHeader(request, 'from') ?? '')?.params.get('tag')?.length, 2 + 150 + 3);
});

accepted('dblreq', 'what is behind the body in a datagram is gone', (t, request) => {
  t.is(request.method, 'REGISTER');
  t.is(request.body.length, 0);
  t.false(Buffer.from(encodeSip(request)).includes('INVITE'));
});

accepted('semiuri', 'semicolons are part of the user', (t, request) => {
  t.is(parseUri(request.uri)?.user, 'user;par=u@example.net');
  t.is(headerValues(request, 'accept').length, 6);
});

accepted('transports', 'transports that are not known are kept', (t, request) => {
  t.deepEqual(
    headerValues(request, 'via').map((via) => parseVia(via)?.transport),
    ['UDP', 'SCTP', 'TLS', 'UNKNOWN', 'TCP'],
  );
});

accepted('mpart01', 'a body with nulls keeps every byte', (t, request) => {
  t.is(request.body.length, 553);
  t.true(request.body.includes(0));
  t.deepEqual(Buffer.from(encodeSip(request)), Buffer.from(vector('mpart01')));
});

acceptedResponse('unreason', 'with a reason phrase beyond ASCII', (t, response) => {
  t.is(response.reason, '= 2**3 * 5**2 но сто девяносто девять - простое');
});

acceptedResponse('noreason', 'without a reason phrase', (t, response) => {
  t.is(response.status, 100);
  t.is(response.reason, '');
});

// RFC 4475 s3.1.2

refused('badinv01', 400, 'Malformed Via');
refused('clerr', 400, 'Content-Length beyond the end');
refused('ncl', 400, 'Malformed Content-Length', (t) => t.is(parseSip(vector('ncl')).body.length, 0));
refused('scalar02', 400, 'Malformed CSeq');
droppedResponse('scalarlg', 'Malformed CSeq');
refused('quotbal', 400, 'Malformed To');
refused('ltgtruri', 400, 'Malformed Request-URI');
refused('lwsruri', 400, 'Malformed Request-URI');

accepted('lwsstart', 'and forwarded without the spaces that are too many', (t, request) => {
  t.is(request.uri, 'sip:user@example.com');
  t.true(Buffer.from(encodeSip(request)).toString('latin1').startsWith('INVITE sip:user@example.com SIP/2.0\r\n'));
});

accepted('trws', 'and forwarded without the spaces at the end of its first line', (t, request) => {
  t.true(
    Buffer.from(encodeSip(request)).toString('latin1').startsWith('OPTIONS sip:remote-target@example.com SIP/2.0\r\n'),
  );
});

refused('escruri', 400, 'Header fields in Request-URI');

accepted('baddate', 'the date is not for a proxy, and passes as it is', (t, request) => {
  t.is(firstHeader(request, 'date'), 'Fri, 01 Jan 2010 16:00:00 EST');
});

refused('regbadct', 400, 'Malformed Contact');
refused('badaspec', 400, 'Malformed To');
refused('baddn', 400, 'Malformed From');
refused('badvers', 505, 'Version Not Supported');
refused('mismatch01', 400, 'CSeq of another method');
refused('mismatch02', 501, 'Not Implemented');

tested.add('bigcode');
test('bigcode: dropped, no status line', (t) => {
  const error = t.throws(() => parseSip(vector('bigcode')), { instanceOf: MalformedMessageError });
  t.is(error.offset, 0);
});

// RFC 4475 s3.2 to s3.4

refused('badbranch', 400, 'Branch without an identifier');
refused('insuf', 400, 'Missing From');
refused('unkscm', 416, 'Unsupported URI Scheme');
refused('novelsc', 416, 'Unsupported URI Scheme');

accepted('unksm2', 'the schemes in its fields are for the registrar to refuse', (t, request) => {
  t.is(uriScheme(uriOf(firstHeader(request, 'to'))), 'isbn');
  t.is(parseUri(uriOf(firstHeader(request, 'to'))), undefined);
  t.is(uriOf(firstHeader(request, 'from')), 'http://www.example.com');
});

refused('bext01', 420, 'Bad Extension', (t) => {
  t.deepEqual(validateRequest(requestOf(parseSip(vector('bext01'))))?.unsupported, [
    'noProxiesSupportThis',
    'norDoAnyProxiesSupportThis',
  ]);
});

accepted('invut', 'a proxy does not look at the type of a body', (t, request) => {
  t.is(firstHeader(request, 'content-type'), 'application/unknownformat');
});

accepted('regaut01', 'an unknown scheme of authorization passes unmodified', (t, request) => {
  t.is(firstHeader(request, 'authorization'), 'NoOneKnowsThisScheme opaque-data=here');
});

refused('multi01', 400, 'Several From');
refused('mcl01', 400, 'Malformed Content-Length', (t) => t.is(parseSip(vector('mcl01')).body.length, 0));
droppedResponse('bcast', 'Via of many hosts');

accepted('zeromf', 'the 483 is of the proxy that would forward it', (t, request) => {
  t.is(firstHeader(request, 'max-forwards'), '0');
});

accepted('cparam01', 'the parameter is of the contact, not of its URI', (t, request) => {
  const contact = parseNameAddr(firstHeader(request, 'contact') ?? '');
  t.is(contact?.uri, 'sip:+19725552222@gw1.example.net');
  t.true(contact?.params.has('unknownparam'));
});

accepted('cparam02', 'the parameter is of the URI', (t, request) => {
  const contact = parseNameAddr(firstHeader(request, 'contact') ?? '');
  t.is(contact?.params.size, 0);
  t.true(parseUri(contact?.uri ?? '')?.params.has('unknownparam'));
});

accepted('regescrt', 'the header fields of its contact stay in the URI', (t, request) => {
  const uri = parseUri(uriOf(firstHeader(request, 'contact')));
  t.is(uri?.headers, 'Route=%3Csip:sip.example.com%3E');
  t.is(uri === undefined ? '' : formatUri(uri), 'sip:user@example.com?Route=%3Csip:sip.example.com%3E');
});

accepted('sdp01', 'the 406 is of the end that would answer', (t, request) => {
  t.deepEqual(headerValues(request, 'accept'), ['text/nobodyKnowsThis']);
});

accepted('inv2543', 'without branch, tag, Max-Forwards and Content-Length', (t, request) => {
  t.is(parseVia(firstHeader(request, 'via') ?? '')?.params.size, 0);
  t.true(bodyText(request).endsWith('m=audio 49217 RTP/AVP 0\r\n'));
});

// RFC 5118

accepted('ipv6-good', 'an IPv6 reference is the host', (t, request) => {
  t.is(parseUri(request.uri)?.host, '2001:db8::10');
  t.is(parseVia(firstHeader(request, 'via') ?? '')?.host, '2001:db8::9:1');
});

refused('ipv6-bad', 400, 'Malformed Request-URI');

accepted('port-ambiguous', 'what is within the brackets is the host', (t, request) => {
  t.is(parseUri(request.uri)?.host, '2001:db8::10:5070');
  t.is(parseUri(request.uri)?.port, undefined);
});

accepted('port-unambiguous', 'what is behind the brackets is the port', (t, request) => {
  t.is(parseUri(request.uri)?.host, '2001:db8::10');
  t.is(parseUri(request.uri)?.port, 5070);
});

accepted('via-received-param-with-delim', 'received may have brackets', (t, request) => {
  t.is(parseVia(firstHeader(request, 'via') ?? '')?.params.get('received'), '[2001:db8::9:255]');
});

accepted('via-received-param-no-delim', 'received needs no brackets', (t, request) => {
  t.is(parseVia(firstHeader(request, 'via') ?? '')?.params.get('received'), '2001:db8::9:255');
});

accepted('ipv6-in-sdp', 'its body is kept', (t, request) =>
  t.true(bodyText(request).includes('c=IN IP6 2001:db8::20\r\n')),
);

accepted('mult-ip-in-header', 'Via of both families are read', (t, request) => {
  t.deepEqual(
    headerValues(request, 'via').map((via) => parseVia(via)?.host),
    ['2001:db8::9:1', '192.0.2.1', '2001:db8::9:255'],
  );
});

accepted('mult-ip-in-sdp', 'its body is kept', (t, request) =>
  t.true(bodyText(request).includes('c=IN IP6 2001:db8::1\r\n')),
);

accepted('ipv4-mapped-ipv6', 'mapped addresses are read, with a port behind the brackets', (t, request) => {
  t.is(parseVia(firstHeader(request, 'via') ?? '')?.host, '::ffff:192.0.2.10');
  t.is(parseVia(firstHeader(request, 'via') ?? '')?.port, 19823);
});

accepted('ipv6-bug-abnf-3-colons', 'the colon that is too many is left out', (t, request) => {
  t.is(parseUri(request.uri)?.host, '2001:db8::192.0.2.1');
});

accepted('ipv6-correct-abnf-2-colons', 'an IPv4 address may end an IPv6 one', (t, request) => {
  t.is(parseUri(request.uri)?.host, '2001:db8::192.0.2.1');
});

test('every message of both RFCs has its test', (t) => {
  t.deepEqual([...tested].sort(), [...vectorNames('rfc4475'), ...vectorNames('rfc5118')].sort());
  t.is(tested.size, 49 + 12);
});
