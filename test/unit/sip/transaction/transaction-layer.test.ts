import test from 'ava';
import { silentLogger } from '../../../../src/base/logger.ts';
import { seededRandom } from '../../../../src/base/random.ts';
import { type SipFlow, udpFlow } from '../../../../src/sip/flow.ts';
import { firstHeader, headerValues, withHeader, withoutHeader } from '../../../../src/sip/message/headers.ts';
import type { SipMessage, SipRequest, SipResponse } from '../../../../src/sip/message/message.ts';
import { parseVia } from '../../../../src/sip/message/via.ts';
import { MAX_TIMEOUTS_PER_TURN } from '../../../../src/sip/transaction/constants.ts';
import type { LedgerLimits } from '../../../../src/sip/transaction/ledger.ts';
import type { ServerTransaction } from '../../../../src/sip/transaction/transaction.ts';
import { TransactionLayer } from '../../../../src/sip/transaction/transaction-layer.ts';
import { request, response, type RequestParts } from '../../../sim/sip/messages.ts';

const OWN = { address: '198.18.0.9', port: 5062 };
const PHONE = { address: '198.18.0.1', port: 5060 };
const FLOW = udpFlow({ local: OWN, remote: PHONE });
const STREAM: SipFlow = { ...FLOW, transport: 'tcp', remote: { ...PHONE, port: 40_000 }, key: 'stream' };

class Fixture {
  readonly sent: { readonly flow: SipFlow; readonly message: SipMessage }[] = [];
  readonly requests: { readonly transaction: ServerTransaction; readonly request: SipRequest }[] = [];
  readonly heard: string[] = [];
  whileSending: (flow: SipFlow) => void = () => {};
  readonly layer: TransactionLayer;
  now = 0;

  constructor(limits?: LedgerLimits) {
    this.layer = new TransactionLayer(
      {
        ...{ random: seededRandom(1), logger: silentLogger },
        ports: {
          ownAddress: () => OWN,
          send: (flow, message) => {
            this.sent.push({ flow, message });
            this.whileSending(flow);
          },
        },
        user: {
          onRequest: (transaction, incoming) => void this.requests.push({ transaction, request: incoming }),
          onAck: (ack) => void this.heard.push(`ACK ${firstHeader(ack, 'cseq') ?? ''}`),
          onCancel: (invite) => void this.heard.push(`cancelled ${invite.state}`),
          onStrayResponse: ({ status }) => void this.heard.push(`stray ${status}`),
          onFailure: (_transaction, reason) => void this.heard.push(reason),
        },
      },
      limits,
    );
  }

  receive(message: SipMessage, flow: SipFlow = FLOW): void {
    this.layer.receive(message, flow, this.now);
  }

  /** Sends a request, and writes down what becomes of it. */
  ask(method: string, flow: SipFlow = FLOW, mark?: string): SipRequest {
    const handlers = {
      onProvisional: ({ status }: SipResponse) => void this.heard.push(`${method} ${status}`),
      onFinal: ({ status }: SipResponse) => void this.heard.push(`${method} ${status}`),
      onTimeout: () => void this.heard.push(`${method} timeout`),
      onTransportError: () => void this.heard.push(`${method} transport error`),
    };
    const bare = withoutHeader(request(method), 'via');
    this.layer.request(bare, flow, this.now, handlers, mark);
    const message = this.sent.at(-1)?.message;
    if (message?.type !== 'request') throw new Error('nothing was sent');
    return message;
  }

  /** The user's response to the last request. */
  answer(status: number, tag?: string): void {
    const last = this.requests.at(-1);
    if (last === undefined) throw new Error('no request');
    this.layer.respond(last.transaction, response(last.request, status, tag === undefined ? {} : { tag }), this.now);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (let at = this.layer.nextTimeout(); at !== undefined && at <= end; at = this.layer.nextTimeout()) {
      this.now = Math.max(at, this.now);
      this.layer.handleTimeout(this.now);
    }
    this.now = end;
  }

  statuses(): (number | string)[] {
    return this.sent.map(({ message }) => (message.type === 'response' ? message.status : message.method));
  }

  get isEmpty(): boolean {
    const { servers, clients, others } = this.layer.sizes;
    return servers + clients + others === 0;
  }
}

test('a request goes out with a Via of ours on top: our address, rport, a branch that is new each time and ends with the mark', (t) => {
  const fixture = new Fixture();
  const vias = [fixture.ask('OPTIONS'), fixture.ask('OPTIONS', STREAM, 'mark')].map((sent) =>
    parseVia(firstHeader(sent, 'via') ?? ''),
  );
  const [first, second] = vias;
  t.like(first, { transport: 'UDP', host: '198.18.0.9', port: 5062 });
  t.is(second?.transport, 'TCP');
  t.is(first?.params.get('rport'), '');
  t.regex(first?.params.get('branch') ?? '', /^z9hG4bK[0-9a-f]{32}$/);
  t.regex(second?.params.get('branch') ?? '', /^z9hG4bK[0-9a-f]{32}\.mark$/);
  t.not(first?.params.get('branch')?.slice(0, 39), second?.params.get('branch')?.slice(0, 39));
});

test('a response belongs to the request with its branch and method; all others are strays, and malformed ones are nothing', (t) => {
  const fixture = new Fixture();
  const sent = fixture.ask('OPTIONS');
  fixture.receive(withHeader(response(sent, 200), 'CSeq', '1 INVITE'));
  fixture.receive(withHeader(response(sent, 200), 'CSeq', 'nonsense'));
  fixture.receive(response(request('OPTIONS'), 200));
  fixture.receive(withoutHeader(response(sent, 200), 'via'));
  fixture.receive(response(sent, 200));
  fixture.receive(response(sent, 200));
  t.deepEqual(fixture.heard, ['stray 200', 'stray 200', 'OPTIONS 200']);
});

test('the responses to INVITE and to its CANCEL, of one branch, are kept apart', (t) => {
  const fixture = new Fixture();
  const handlers = {
    onProvisional: () => {},
    onFinal: ({ status }: SipResponse) => void fixture.heard.push(`INVITE ${status}`),
    onTimeout: () => {},
    onTransportError: () => {},
  };
  const transaction = fixture.layer.request(withoutHeader(request('INVITE'), 'via'), FLOW, 0, handlers);
  const invite = fixture.sent[0]?.message;
  if (invite?.type !== 'request' || transaction === undefined) return void t.fail();
  fixture.receive(response(invite, 180));
  fixture.layer.cancel(transaction, [], 0);
  const cancel = fixture.sent[1]?.message;
  if (cancel?.type !== 'request') return void t.fail();
  t.is(firstHeader(cancel, 'via'), firstHeader(invite, 'via'));
  fixture.receive(response(cancel, 200));
  t.deepEqual(fixture.heard, []);
  fixture.receive(response(invite, 487));
  t.deepEqual(fixture.heard, ['INVITE 487']);
  t.deepEqual(fixture.statuses(), ['INVITE', 'CANCEL', 'ACK']);
  fixture.run(40_000);
  t.true(fixture.isEmpty);
});

const VIA_CASES: readonly (readonly [string, string, number, string | undefined, string | undefined])[] = [
  ['SIP/2.0/UDP 198.18.0.1:5060;branch=z9hG4bK1', 'the port it names', 5060, undefined, undefined],
  ['SIP/2.0/UDP 198.18.0.1:5090;branch=z9hG4bK1', 'the port it names', 5090, undefined, undefined],
  ['SIP/2.0/UDP phone.example;branch=z9hG4bK1', 'port 5060', 5060, '198.18.0.1', undefined],
  ['SIP/2.0/UDP 10.0.0.1:5090;branch=z9hG4bK1', 'our view of its address', 5090, '198.18.0.1', undefined],
  ['SIP/2.0/UDP 10.0.0.1:5090;rport;branch=z9hG4bK1', 'where it came from', 40_000, '198.18.0.1', '40000'],
  ['SIP/2.0/UDP 198.18.0.1:5090;rport;branch=z9hG4bK1', 'where it came from', 40_000, '198.18.0.1', '40000'],
  ['SIP/2.0/UDP 1.2.3.4;received=9.9.9.9;rport=9;branch=z9hG4bK1', 'no third party', 40_000, '198.18.0.1', '40000'],
  ['SIP/2.0/UDP 198.18.0.1;received=9.9.9.9;branch=z9hG4bK1', 'no third party', 5060, undefined, undefined],
  ['SIP/2.0/UDP 198.18.0.1;maddr=9.9.9.9;branch=z9hG4bK1', 'no third party', 5060, undefined, undefined],
];
for (const [via, where, port, received, rport] of VIA_CASES)
  test(`the response to what came with \`${via}\` goes to ${where}`, (t) => {
    const fixture = new Fixture();
    fixture.receive(request('OPTIONS', { via }), udpFlow({ local: OWN, remote: { ...PHONE, port: 40_000 } }));
    fixture.answer(200);
    const [answer] = fixture.sent;
    t.deepEqual(answer?.flow.remote, { address: '198.18.0.1', port });
    if (answer === undefined) return;
    t.deepEqual(answer.flow.local, OWN);
    const seen = parseVia(firstHeader(answer.message, 'via') ?? '');
    t.is(seen?.params.get('received'), received);
    t.is(seen?.params.get('rport'), rport);
  });

test('over a stream, the response goes by the connection that the request came by', (t) => {
  const fixture = new Fixture();
  fixture.receive(request('OPTIONS', { via: 'SIP/2.0/TCP 198.18.0.1:5060;branch=z9hG4bK1' }), STREAM);
  fixture.answer(200);
  t.is(fixture.sent[0]?.flow, STREAM);
});

const OTHERS: readonly (readonly [string, SipRequest, SipFlow])[] = [
  ['another branch', request('OPTIONS', { branch: 'z9hG4bKother' }), FLOW],
  ['another sent-by', request('OPTIONS', { via: 'SIP/2.0/UDP 198.18.0.1:5070;branch=z9hG4bKphone;rport' }), FLOW],
  ['another method', request('MESSAGE'), FLOW],
  ['another source', request('OPTIONS'), udpFlow({ local: OWN, remote: { address: '198.18.0.2', port: 5060 } })],
];
for (const [what, other, flow] of OTHERS)
  test(`a request that comes again is absorbed; with ${what} it is a new one`, (t) => {
    const fixture = new Fixture();
    fixture.receive(request('OPTIONS'));
    fixture.receive(request('OPTIONS'));
    t.is(fixture.requests.length, 1);
    fixture.answer(200);
    fixture.receive(request('OPTIONS'));
    t.deepEqual(fixture.statuses(), [200, 200]);
    fixture.receive(other, flow);
    t.is(fixture.requests.length, 2);
  });

const OLD: RequestParts = { via: 'SIP/2.0/UDP 198.18.0.1:5060' };

test('of a client of RFC 2543, an INVITE that comes again is absorbed, and the next one is not', (t) => {
  const fixture = new Fixture();
  fixture.receive(request('INVITE', OLD));
  fixture.receive(request('INVITE', OLD));
  t.is(fixture.requests.length, 1);
  fixture.receive(request('INVITE', { ...OLD, cseq: 2 }));
  fixture.receive(request('INVITE', { ...OLD, callId: 'two' }));
  fixture.receive(request('INVITE', { ...OLD, uri: 'sip:carol@home.example' }));
  fixture.receive(request('INVITE', { ...OLD, to: '<sip:bob@home.example>;tag=known' }));
  t.is(fixture.requests.length, 5);
});

test("of a client of RFC 2543, the ACK with the To tag of our refusal is absorbed, any other is the user's", (t) => {
  const fixture = new Fixture();
  fixture.receive(request('INVITE', OLD));
  fixture.answer(486, 'busy');
  fixture.receive(request('ACK', { ...OLD, to: '<sip:bob@home.example>;tag=another' }));
  t.deepEqual(fixture.heard, ['ACK 1 ACK']);
  fixture.receive(request('ACK', { ...OLD, to: '<sip:bob@home.example>;tag=busy' }));
  t.deepEqual(fixture.heard, ['ACK 1 ACK']);
  fixture.run(2_000);
  t.deepEqual(fixture.statuses(), [486]);
  fixture.run(40_000);
  t.true(fixture.isEmpty);
});

test('of a client of RFC 2543, CANCEL finds its INVITE', (t) => {
  const fixture = new Fixture();
  fixture.receive(request('INVITE', OLD));
  fixture.receive(request('CANCEL', OLD));
  t.deepEqual(fixture.heard, ['cancelled proceeding']);
});

test("the ACK of a refusal is absorbed, that of a 2xx and that of nothing are the user's", (t) => {
  const fixture = new Fixture();
  fixture.receive(request('INVITE'));
  fixture.answer(486);
  fixture.receive(request('ACK'));
  fixture.receive(request('ACK'));
  t.deepEqual(fixture.heard, []);
  fixture.receive(request('INVITE', { branch: 'z9hG4bKb', cseq: 2 }));
  fixture.answer(200);
  fixture.receive(request('ACK', { branch: 'z9hG4bKb', cseq: 2 }));
  fixture.receive(request('ACK', { branch: 'z9hG4bKc', cseq: 2 }));
  t.deepEqual(fixture.heard, ['ACK 2 ACK', 'ACK 2 ACK']);
});

test('CANCEL of an INVITE that is not answered: 200, and the user hears; of an answered one the user does not', (t) => {
  const fixture = new Fixture();
  fixture.receive(request('INVITE'));
  fixture.receive(request('CANCEL'));
  fixture.receive(request('CANCEL'));
  t.deepEqual(fixture.heard, ['cancelled proceeding']);
  t.deepEqual(fixture.statuses(), [200, 200]);
  t.regex(firstHeader(fixture.sent[0]?.message ?? request('ACK'), 'to') ?? '', /;tag=[0-9a-f]{16}$/);
  const answered = new Fixture();
  answered.receive(request('INVITE'));
  answered.answer(200);
  answered.receive(request('CANCEL'));
  t.deepEqual(answered.statuses(), [200, 200]);
  t.deepEqual(answered.heard, []);
});

test('CANCEL of nothing, or by somebody else who has read the branch: 481, and nothing is cancelled', (t) => {
  const fixture = new Fixture();
  fixture.receive(request('INVITE'));
  fixture.receive(request('CANCEL', { branch: 'z9hG4bKother' }));
  fixture.receive(request('CANCEL'), udpFlow({ local: OWN, remote: { address: '198.18.0.66', port: 5060 } }));
  t.deepEqual(fixture.statuses(), [481, 481]);
  t.deepEqual(fixture.heard, []);
});

const LIMITS = { count: 5, countPerSource: 3, bytes: 5_000, bytesPerSource: 2_000 };

test('a source with too many requests under way has 503 and is told when to come back; another one is served; in the end all are', (t) => {
  const fixture = new Fixture(LIMITS);
  for (let index = 0; index < 4; index += 1) fixture.receive(request('OPTIONS', { branch: `z9hG4bK${index}` }));
  t.is(fixture.requests.length, 3);
  const [refusal] = fixture.sent;
  t.like(refusal?.message, { status: 503 });
  t.is(firstHeader(refusal?.message ?? request('ACK'), 'retry-after'), '5');
  const other = udpFlow({ local: OWN, remote: { address: '198.18.0.2', port: 5060 } });
  for (let index = 0; index < 3; index += 1) fixture.receive(request('OPTIONS', { branch: `z9hG4bK${index}` }), other);
  t.is(fixture.requests.length, 5, 'five in all');
  fixture.receive(request('ACK', { branch: 'z9hG4bKack' }));
  t.deepEqual(fixture.heard, ['ACK 1 ACK']);
  fixture.run(32_000);
  t.true(fixture.isEmpty);
  fixture.receive(request('OPTIONS'));
  t.is(fixture.requests.length, 6);
});

test('a source whose requests are too large together has 503', (t) => {
  const fixture = new Fixture(LIMITS);
  const large = { headers: [`Subject: ${'x'.repeat(1_000)}`] };
  fixture.receive(request('MESSAGE', { ...large, branch: 'z9hG4bK1' }));
  fixture.receive(request('MESSAGE', { ...large, branch: 'z9hG4bK2' }));
  t.is(fixture.requests.length, 1);
  t.deepEqual(fixture.statuses(), [503]);
});

test('a flow that breaks: requests over it fail at the next time-out, others do not', (t) => {
  const fixture = new Fixture();
  fixture.ask('INVITE', STREAM);
  fixture.ask('OPTIONS', STREAM);
  fixture.ask('MESSAGE');
  fixture.layer.transportFailed(STREAM, 0);
  t.deepEqual(fixture.heard, []);
  t.is(fixture.layer.nextTimeout(), 0);
  fixture.run(0);
  t.deepEqual(fixture.heard.toSorted(), ['INVITE transport error', 'OPTIONS transport error']);
  fixture.receive(request('INVITE'), STREAM);
  fixture.layer.transportFailed(STREAM, 0);
  fixture.run(0);
  t.is(fixture.heard.at(-1), 'transport');
});

test('that sending fails may be said from within send: the request fails all the same', (t) => {
  const fixture = new Fixture();
  fixture.whileSending = (flow) => fixture.layer.transportFailed(flow, fixture.now);
  fixture.ask('INVITE');
  t.deepEqual(fixture.heard, []);
  fixture.run(0);
  t.deepEqual(fixture.heard, ['INVITE transport error']);
  fixture.run(0);
  t.true(fixture.isEmpty);
});

test('many time-outs at one moment: no turn takes more than its share, and none is forgotten', (t) => {
  const fixture = new Fixture();
  const count = 2 * MAX_TIMEOUTS_PER_TURN + 10;
  for (let index = 0; index < count; index += 1) fixture.ask('OPTIONS');
  fixture.sent.length = 0;
  fixture.layer.handleTimeout(500);
  t.is(fixture.sent.length, MAX_TIMEOUTS_PER_TURN);
  t.is(fixture.layer.nextTimeout(), 500);
  fixture.now = 500;
  fixture.run(0);
  t.is(fixture.sent.length, count);
  fixture.layer.transportFailed(FLOW, 500);
  fixture.layer.handleTimeout(500);
  t.is(fixture.heard.length, MAX_TIMEOUTS_PER_TURN);
  fixture.run(0);
  t.is(fixture.heard.length, count);
  t.true(fixture.isEmpty);
});

test('a request without a Via that can be read is dropped', (t) => {
  const fixture = new Fixture();
  fixture.receive(request('OPTIONS', { via: 'nonsense' }));
  t.is(fixture.requests.length, 0);
  t.true(fixture.isEmpty);
});

test('what is forwarded without a transaction has our Via, and nothing is kept of it', (t) => {
  const fixture = new Fixture();
  fixture.layer.forward(request('ACK'), FLOW, 'z9hG4bKstateless');
  const [sent] = fixture.sent;
  t.deepEqual(
    headerValues(sent?.message ?? request('ACK'), 'via').map((via) => parseVia(via)?.params.get('branch')),
    ['z9hG4bKstateless', 'z9hG4bKphone'],
  );
  t.true(fixture.isEmpty);
});
