import test from 'ava';
import {
  firstHeader,
  headerValues,
  prependHeader,
  withHeader,
  withoutHeader,
} from '../../../../src/sip/message/headers.ts';
import type { SipMessage } from '../../../../src/sip/message/message.ts';
import { parseVia } from '../../../../src/sip/message/via.ts';
import { MAX_ROUTES } from '../../../../src/sip/proxy/constants.ts';
import { request } from '../../../sim/sip/messages.ts';
import { MEMBER, OWN, OUTER, phone, PHONE, ProxyFixture } from './proxy-fixture.ts';

const INVITE = request('INVITE');

function branchOf(message: SipMessage | undefined): string {
  return parseVia(firstHeader(message ?? INVITE, 'via') ?? '')?.params.get('branch') ?? '';
}

test('an INVITE has 100 at once, and goes on with one hop less, its fields and body as they were', (t) => {
  const fixture = new ProxyFixture();
  const body = Buffer.from('v=0\r\n');
  fixture.receive({ ...request('INVITE', { headers: ['X-Odd: a,b;c', 'Date: nonsense'] }), body });
  t.like(fixture.sent[0]?.message, { status: 100 });
  const [sent] = fixture.forwarded;
  if (sent === undefined) return void t.fail();
  t.is(sent.uri, 'sip:bob@198.18.0.2:5060');
  t.is(firstHeader(sent, 'max-forwards'), '69');
  t.is(firstHeader(sent, 'x-odd'), 'a,b;c');
  t.is(firstHeader(sent, 'date'), 'nonsense');
  t.deepEqual(sent.body, body);
  t.deepEqual(
    headerValues(sent, 'via').map((via) => parseVia(via)?.host),
    ['198.18.0.9', '198.18.0.1'],
  );
  t.deepEqual(fixture.sent[1]?.flow, phone(2).flow);
});

test('a request that is no INVITE has no 100 at once', (t) => {
  const fixture = new ProxyFixture();
  fixture.receive(request('MESSAGE'));
  t.deepEqual(
    fixture.sent.map(({ message }) => message.type),
    ['request'],
  );
});

test('without Max-Forwards it goes on with 70; with 0 it has 483', (t) => {
  const fixture = new ProxyFixture();
  fixture.receive(withoutHeader(request('MESSAGE'), 'max-forwards'));
  t.is(firstHeader(fixture.forwarded[0] ?? INVITE, 'max-forwards'), '70');
  fixture.receive(withHeader(request('MESSAGE', { branch: 'z9hG4bK2' }), 'Max-Forwards', '0'));
  t.deepEqual(fixture.statuses, [483]);
});

test('a request that comes back as it was has 482; with another Request-URI it goes on', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [{ uri: 'sip:bob@home.example', flow: MEMBER }];
  const back = (index: number, uri: string) => {
    const sent = fixture.forwarded[index] ?? INVITE;
    const via = 'SIP/2.0/UDP [2001:20::1]:5062;branch=z9hG4bKmember;rport';
    fixture.receive(
      prependHeader({ ...sent, uri }, 'Via', `${via}${index}`.replace(';rport', `${index};rport`)),
      MEMBER,
    );
  };
  fixture.receive(INVITE);
  back(0, 'sip:bob@elsewhere.example');
  t.is(fixture.forwarded.length, 2);
  back(1, 'sip:bob@elsewhere.example');
  t.deepEqual(fixture.statuses, [482]);
  t.is(fixture.forwarded.length, 2);
});

test('the same request through another proxy before is no loop: its mark is its own', (t) => {
  const [first, second] = [new ProxyFixture(), new ProxyFixture({}, 2)];
  const found = [{ ...phone(2), uri: INVITE.uri }];
  for (const fixture of [first, second]) fixture.found = found;
  first.receive(INVITE);
  const [sent] = first.forwarded;
  if (sent === undefined) return void t.fail();
  second.receive(sent);
  t.deepEqual(second.statuses, []);
  t.is(second.forwarded.length, 1);
  first.receive(sent);
  t.deepEqual(first.statuses, [482]);
});

test('an option of Proxy-Require that no one here knows: 420 names it; an unknown scheme: 416; nonsense: 400', (t) => {
  const fixture = new ProxyFixture();
  fixture.receive(request('MESSAGE', { headers: ['Proxy-Require: foo, bar'] }));
  fixture.receive(request('MESSAGE', { uri: 'http://home.example', branch: 'z9hG4bK2' }));
  fixture.receive(withoutHeader(request('MESSAGE', { branch: 'z9hG4bK3' }), 'call-id'));
  t.deepEqual(fixture.statuses, [420, 416, 400]);
  t.deepEqual(headerValues(fixture.answers[0] ?? INVITE, 'unsupported'), ['foo', 'bar']);
  t.is(fixture.forwarded.length, 0);
});

test('more Route values than any path has: 400', (t) => {
  const fixture = new ProxyFixture();
  const routes = Array(MAX_ROUTES + 1)
    .fill('<sip:198.18.0.9:5062;lr>')
    .join(',');
  fixture.receive(request('MESSAGE', { headers: [`Route: ${routes}`] }));
  t.deepEqual(fixture.statuses, [400]);
});

test('whom the port does not admit gets its answer, in dialogs too; of an ACK nothing goes on', (t) => {
  const fixture = new ProxyFixture({ admit: () => ({ status: 403, reason: 'Forbidden' }) });
  fixture.receive(INVITE);
  fixture.receive(request('BYE', { uri: 'sip:bob@198.18.0.2', to: '<sip:bob@home.example>;tag=x' }));
  fixture.receive(
    request('ACK', { uri: 'sip:bob@198.18.0.2', to: '<sip:bob@home.example>;tag=x', branch: 'z9hG4bK9' }),
  );
  t.deepEqual(fixture.statuses, [403, 403]);
  t.is(fixture.forwarded.length, 0);
});

test('nobody to go to: 480; a refusal of the port goes out with its fields', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [];
  fixture.receive(INVITE);
  fixture.found = { status: 302, reason: 'Moved', headers: [{ name: 'Contact', value: '<sip:bob@else.example>' }] };
  fixture.receive(request('INVITE', { branch: 'z9hG4bK2' }));
  t.deepEqual(fixture.statuses, [480, 302]);
  t.is(firstHeader(fixture.answers[1] ?? INVITE, 'contact'), '<sip:bob@else.example>');
  t.regex(firstHeader(fixture.answers[0] ?? INVITE, 'to') ?? '', /;tag=/);
});

test('in a dialog the Request-URI says where to; where it is no address, the port is asked', (t) => {
  const fixture = new ProxyFixture();
  const to = '<sip:bob@home.example>;tag=callee';
  fixture.receive(request('BYE', { uri: 'sip:bob@198.18.0.7:5070', to }));
  t.deepEqual(fixture.sent[0]?.flow.remote, { address: '198.18.0.7', port: 5070 });
  fixture.receive(request('BYE', { uri: 'sip:gruu@home.example', to, branch: 'z9hG4bK2' }));
  t.deepEqual(fixture.sent[1]?.flow, phone(2).flow);
});

test('values of ours on top of Route go, all of them; the next one says where to', (t) => {
  const fixture = new ProxyFixture();
  const headers = [
    'Route: <sip:198.18.0.9:5062;lr>, <sip:[2001:20::9]:5062;lr>',
    'Route: <sip:[2001:20::1]:5062;lr>,<sip:198.18.0.9:5062;lr>',
  ];
  fixture.receive(request('MESSAGE', { headers }));
  const [sent] = fixture.forwarded;
  t.deepEqual(headerValues(sent ?? INVITE, 'route'), ['<sip:[2001:20::1]:5062;lr>', '<sip:198.18.0.9:5062;lr>']);
  t.is(sent?.uri, 'sip:bob@home.example');
  t.deepEqual(fixture.sent[0]?.flow, MEMBER);
});

test('a Route that leads nowhere: 480', (t) => {
  const fixture = new ProxyFixture();
  fixture.receive(request('MESSAGE', { headers: ['Route: <sip:proxy.example;lr>'] }));
  t.deepEqual(fixture.statuses, [480]);
});

test('a strict router put our Record-Route into the Request-URI: the last Route is the target', (t) => {
  const fixture = new ProxyFixture();
  const headers = ['Route: <sip:[2001:20::1]:5062;lr>, <sip:bob@198.18.0.7>'];
  fixture.receive(request('BYE', { uri: 'sip:198.18.0.9:5062;lr', to: '<sip:bob@home.example>;tag=x', headers }));
  const [sent] = fixture.forwarded;
  t.is(sent?.uri, 'sip:bob@198.18.0.7');
  t.deepEqual(headerValues(sent ?? INVITE, 'route'), ['<sip:[2001:20::1]:5062;lr>']);
  t.deepEqual(fixture.sent[0]?.flow, MEMBER);
});

test('the next hop is a strict router: it becomes the Request-URI, and that the last Route', (t) => {
  const fixture = new ProxyFixture();
  const headers = ['Route: <sip:198.18.0.5>, <sip:198.18.0.6;lr>'];
  fixture.receive(request('BYE', { uri: 'sip:bob@198.18.0.7', to: '<sip:bob@home.example>;tag=x', headers }));
  const [sent] = fixture.forwarded;
  t.is(sent?.uri, 'sip:198.18.0.5');
  t.deepEqual(headerValues(sent ?? INVITE, 'route'), ['<sip:198.18.0.6;lr>', '<sip:bob@198.18.0.7>']);
  t.is(fixture.sent[0]?.flow.remote.address, '198.18.0.5');
});

test('a maddr that is ours goes from the Request-URI, with its port and transport', (t) => {
  const asked: string[] = [];
  const fixture = new ProxyFixture({
    targets: ({ uri }) => void asked.push(uri),
  });
  fixture.receive(request('MESSAGE', { uri: 'sip:bob@home.example:5062;maddr=198.18.0.9;transport=udp;user=phone' }));
  fixture.receive(request('MESSAGE', { uri: 'sip:bob@home.example;maddr=192.0.2.1', branch: 'z9hG4bK2' }));
  t.deepEqual(asked, ['sip:bob@home.example;user=phone', 'sip:bob@home.example;maddr=192.0.2.1']);
});

const STREAM = { ...phone(2).flow, transport: 'tcp' as const, key: 'stream' };
const ROUTES: readonly (readonly [string, typeof PHONE, readonly string[]])[] = [
  ['the same side', phone(2).flow, ['<sip:198.18.0.9:5062;lr>']],
  ['the other side', MEMBER, ['<sip:[2001:20::9]:5062;lr>', '<sip:198.18.0.9:5062;lr>']],
  ['another transport', STREAM, ['<sip:198.18.0.9:5062;transport=tcp;lr>', '<sip:198.18.0.9:5062;lr>']],
];
for (const [where, flow, recorded] of ROUTES)
  test(`what leaves by ${where} has ${recorded.length} values of ours in Record-Route, above those of others`, (t) => {
    const fixture = new ProxyFixture();
    fixture.found = [{ uri: 'sip:bob@home.example', flow }];
    fixture.receive(request('SUBSCRIBE', { headers: ['Record-Route: <sip:192.0.2.1;lr>'] }));
    t.deepEqual(headerValues(fixture.forwarded[0] ?? INVITE, 'record-route'), [...recorded, '<sip:192.0.2.1;lr>']);
  });

test('what begins no dialog has no Record-Route; a method that is not known has one', (t) => {
  const fixture = new ProxyFixture();
  fixture.receive(request('MESSAGE'));
  fixture.receive(request('NEWMETHOD', { branch: 'z9hG4bK2' }));
  t.deepEqual(
    fixture.forwarded.map((sent) => headerValues(sent, 'record-route').length),
    [0, 1],
  );
});

test('the route of a target is visited before, and its rewriting is of its copy only', (t) => {
  const fixture = new ProxyFixture();
  const rewrite = <T extends SipMessage>(message: T): T => withHeader(message, 'X-Device', 'one');
  fixture.found = [{ ...phone(2), route: ['sip:[2001:20::1]:5062;lr'], flow: MEMBER, rewrite }, phone(3)];
  fixture.receive(INVITE);
  const [first, second] = fixture.forwarded;
  t.deepEqual(headerValues(first ?? INVITE, 'route'), ['<sip:[2001:20::1]:5062;lr>']);
  t.deepEqual(headerValues(second ?? INVITE, 'route'), []);
  t.deepEqual(
    [first, second].map((sent) => sent && firstHeader(sent, 'x-device')),
    ['one', undefined],
  );
});

test('each request and response that is passed on goes through the port, with the flows of its own direction', (t) => {
  const seen: string[] = [];
  const fixture = new ProxyFixture({
    outgoing: (message, { from, to }) => {
      seen.push(`${from.remote.address} ${to.remote.address}`);
      return withHeader(message, 'X-Seen', 'yes');
    },
  });
  fixture.receive(INVITE);
  fixture.answer(0, 180);
  fixture.answer(0, 200);
  t.deepEqual(seen, ['198.18.0.1 198.18.0.2', '198.18.0.2 198.18.0.1', '198.18.0.2 198.18.0.1']);
  t.true([...fixture.forwarded, ...fixture.answers].every((message) => firstHeader(message, 'x-seen') === 'yes'));
});

test('an ACK goes the way of its dialog with a branch that is the same when it comes again, and nothing is kept', (t) => {
  const fixture = new ProxyFixture();
  const parts = {
    uri: 'sip:bob@198.18.0.7',
    to: '<sip:bob@home.example>;tag=x',
    headers: ['Route: <sip:198.18.0.9:5062;lr>'],
  };
  fixture.receive(request('ACK', parts));
  fixture.receive(request('ACK', parts));
  fixture.receive(request('ACK', { ...parts, branch: 'z9hG4bKnext' }));
  const branches = fixture.sent.map(({ message }) => branchOf(message));
  t.is(branches.length, 3);
  t.is(branches[0], branches[1]);
  t.not(branches[0], branches[2]);
  t.true(branches.every((branch) => branch.startsWith('z9hG4bK')));
  t.is(fixture.sent[0]?.flow.remote.address, '198.18.0.7');
  t.deepEqual(headerValues(fixture.forwarded[0] ?? INVITE, 'record-route'), []);
  t.true(fixture.isEmpty);
});

test('an ACK that may not be forwarded further, or is none, goes nowhere', (t) => {
  const fixture = new ProxyFixture();
  fixture.receive(withHeader(request('ACK', { uri: 'sip:bob@198.18.0.7' }), 'Max-Forwards', '0'));
  fixture.receive(withoutHeader(request('ACK', { uri: 'sip:bob@198.18.0.7' }), 'call-id'));
  t.is(fixture.sent.length, 0);
});

test('a response that belongs to nothing is not forwarded (RFC 6026)', (t) => {
  const fixture = new ProxyFixture();
  fixture.receive(INVITE);
  fixture.answer(0, 200);
  fixture.run(40_000);
  fixture.sent.splice(2);
  fixture.answer(0, 200);
  t.is(fixture.sent.length, 2);
});

test('both addresses are the proxy: a phone that comes to its overlay address by IPv6 is routed the same', (t) => {
  const fixture = new ProxyFixture();
  const headers = [`Route: <sip:[${OUTER.address}]:${OUTER.port};lr>`];
  fixture.receive(request('MESSAGE', { headers }), { ...MEMBER });
  t.deepEqual(fixture.sent[0]?.flow.local, OWN);
});
