import test, { type ExecutionContext } from 'ava';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { parseSip } from '../../../src/sip/message/codec.ts';
import { firstHeader, headerValues } from '../../../src/sip/message/headers.ts';
import type { SipRequest, SipResponse } from '../../../src/sip/message/message.ts';
import { validateRequest } from '../../../src/sip/message/validation.ts';
import { OverlayNames } from '../../../src/sip/names.ts';
import { Registrar } from '../../../src/sip/registrar/registrar.ts';
import { PHONE, ProxyFixture } from './proxy/proxy-fixture.ts';
import { requestOf, vector, vectorNames } from './vectors.ts';

// What goes out for each torture message as it comes in: of a proxy, and of the registrar of example.com for those that register there.

const HIT = '20010022'.padEnd(31, '0') + '1';
const tested = new Set<string>();

/** Of a datagram, as `SipAdaptor.receiveDatagram` takes it. */
function received(name: string): ProxyFixture {
  const fixture = new ProxyFixture();
  try {
    fixture.receive(parseSip(vector(name)));
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error;
  }
  return fixture;
}

function refused(name: string, status: number, reason: string, check?: (t: ExecutionContext, it: SipResponse) => void) {
  tested.add(name);
  test(`${name}: answered with ${status} ${reason}, and goes no further`, (t) => {
    const fixture = received(name);
    const [answer] = fixture.answers;
    t.like(answer, { status, reason });
    t.is(fixture.answers.length, 1);
    t.deepEqual(fixture.forwarded, []);
    if (answer === undefined) return;
    // RFC 3261 s8.2.6.2: so that whoever asked knows it by these.
    const request = requestOf(parseSip(vector(name)));
    for (const field of ['from', 'call-id', 'cseq']) t.is(firstHeader(answer, field), firstHeader(request, field));
    check?.(t, answer);
  });
}

/** Of proxies "as they would any other request" (RFC 4475 s3.3.4). */
function forwarded(name: string, check?: (t: ExecutionContext, it: SipRequest) => void) {
  tested.add(name);
  test(`${name}: goes on`, (t) => {
    const fixture = received(name);
    t.deepEqual(fixture.answers, []);
    const [request] = fixture.forwarded;
    t.is(fixture.forwarded.length, 1);
    t.is(request?.method, requestOf(parseSip(vector(name))).method);
    if (request !== undefined) check?.(t, request);
  });
}

function dropped(name: string, why: string) {
  tested.add(name);
  test(`${name}: no answer, and nothing goes on: ${why}`, (t) => {
    const fixture = received(name);
    t.deepEqual(fixture.sent, []);
    t.true(fixture.isEmpty);
  });
}

/** @param contacts that a later question is told */
function registered(name: string, status: number, contacts: readonly string[]) {
  tested.add(name);
  test(`${name}: the registrar says ${status}, and has ${contacts.join(', ') || 'no contact'}`, (t) => {
    const request = requestOf(parseSip(vector(name)));
    t.is(validateRequest(request), undefined, 'else the proxy core would refuse it');
    const names = new OverlayNames('example.com');
    const ports = {
      owns: () => true,
      user: () => 'user@example.com',
      isOwnAddress: (address: string) => address.startsWith('2001:db8::10'),
      changed: () => undefined,
    };
    const clock = { monotonic: () => 0, wall: () => 1_700_000_000_000 };
    const registrar = new Registrar({ names, ports, random: seededRandom(1), clock }, { hit: HIT, outbound: [] });
    t.is(registrar.register(request, PHONE, 0).status, status);
    const asking = {
      ...request,
      headers: request.headers.filter(({ name: field }) => !/^(?:m|contact)$/i.test(field)),
    };
    t.deepEqual(headerValues(registrar.register(asking, PHONE, 0), 'contact'), status === 200 ? contacts : []);
  });
}

// RFC 4475 s3.1.1: valid messages. A proxy forwards them, with methods that it does not know.

forwarded('wsinv');
forwarded('intmeth', (t, { method }) => t.is(method, "!interesting-Method0123456789_*+`.%indeed'~"));
forwarded('esc01');
registered('escnull', 200, ['<sip:%00@host5.example.com>;expires=3600', '<sip:%00%00@host5.example.com>;expires=3600']);
// Of an unknown method: it is no REGISTER.
forwarded('esc02', (t, { method }) => t.is(method, 'RE%47IST%45R'));
forwarded('lwsdisp');
forwarded('longreq');
registered('dblreq', 200, ['<sip:j.user@host.example.com>;expires=3600']);
forwarded('semiuri');
forwarded('transports');
forwarded('mpart01', (t, { body }) => t.is(body.length, 553));
dropped('unreason', 'nobody here has asked');
dropped('noreason', 'nobody here has asked');

// s3.1.2: invalid ones.

refused('badinv01', 400, 'Malformed Via');
refused('clerr', 400, 'Content-Length beyond the end');
refused('ncl', 400, 'Malformed Content-Length');
refused('scalar02', 400, 'Malformed CSeq');
dropped('scalarlg', 'a CSeq of that size is of no request');
refused('quotbal', 400, 'Malformed To');
refused('ltgtruri', 400, 'Malformed Request-URI');
refused('lwsruri', 400, 'Malformed Request-URI');
forwarded('lwsstart');
forwarded('trws');
refused('escruri', 400, 'Header fields in Request-URI');
forwarded('baddate', (t, request) => t.is(firstHeader(request, 'date'), 'Fri, 01 Jan 2010 16:00:00 EST'));
refused('regbadct', 400, 'Malformed Contact');
refused('badaspec', 400, 'Malformed To');
refused('baddn', 400, 'Malformed From');
refused('badvers', 505, 'Version Not Supported');
refused('mismatch01', 400, 'CSeq of another method');
refused('mismatch02', 501, 'Not Implemented');
dropped('bigcode', 'no status line');

// s3.2 to s3.4.

refused('badbranch', 400, 'Branch without an identifier');
refused('insuf', 400, 'Missing From');
refused('unkscm', 416, 'Unsupported URI Scheme');
refused('novelsc', 416, 'Unsupported URI Scheme');
registered('unksm2', 400, []);
refused('bext01', 420, 'Bad Extension', (t, answer) => {
  t.deepEqual(headerValues(answer, 'unsupported'), ['noProxiesSupportThis', 'norDoAnyProxiesSupportThis']);
});
// The 415 is of the end that would read it.
forwarded('invut', (t, request) => t.is(firstHeader(request, 'content-type'), 'application/unknownformat'));
// Who is on this host is let in without a password.
registered('regaut01', 200, []);
refused('multi01', 400, 'Several From');
refused('mcl01', 400, 'Malformed Content-Length');
dropped('bcast', 'it would go to all');
refused('zeromf', 483, 'Too Many Hops');
registered('cparam01', 200, ['<sip:+19725552222@gw1.example.net>;expires=3600']);
registered('cparam02', 200, ['<sip:+19725552222@gw1.example.net;unknownparam>;expires=3600']);
registered('regescrt', 200, ['<sip:user@example.com?Route=%3Csip:sip.example.com%3E>;expires=3600']);
// The 406 is of the end that would answer.
forwarded('sdp01', (t, request) => t.is(firstHeader(request, 'accept'), 'text/nobodyKnowsThis'));
forwarded('inv2543');

// RFC 5118.

registered('ipv6-good', 200, ['<sip:caller@[2001:db8::1]>;expires=3600']);
refused('ipv6-bad', 400, 'Malformed Request-URI');
registered('port-ambiguous', 200, ['<sip:caller@[2001:db8::1]>;expires=3600']);
registered('port-unambiguous', 200, ['<sip:caller@[2001:db8::1]>;expires=3600']);
forwarded('via-received-param-with-delim');
forwarded('via-received-param-no-delim');
forwarded('ipv6-in-sdp');
forwarded('mult-ip-in-header', (t, request) => t.is(headerValues(request, 'via').length, 4));
forwarded('mult-ip-in-sdp');
forwarded('ipv4-mapped-ipv6');
forwarded('ipv6-bug-abnf-3-colons');
forwarded('ipv6-correct-abnf-2-colons');

test('every message of both RFCs is among them', (t) => {
  t.deepEqual([...tested].sort(), [...vectorNames('rfc4475'), ...vectorNames('rfc5118')].sort());
});
