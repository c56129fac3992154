import { fc, testProp } from '@fast-check/ava';
import { encodeSip, parseSip } from '../../../src/sip/message/codec.ts';
import { firstHeader, withHeader, withoutHeader } from '../../../src/sip/message/headers.ts';
import type { SipRequest } from '../../../src/sip/message/message.ts';
import type { LastResort } from '../../../src/sip/proxy/ports.ts';
import { request, response } from '../../sim/sip/messages.ts';
import { MEMBER, phone, PHONE, ProxyFixture } from '../../unit/sip/proxy/proxy-fixture.ts';

const FLOWS = [PHONE, MEMBER, phone(2).flow, phone(3).flow];
/** Within it, a request that comes again belongs to its transaction; an INVITE whose ACK came, only within timer I. */
const REPEATED_MS = 25_000;
const ACKNOWLEDGED_MS = 4_000;
/** Timer C begins anew with each 1xx; then a CANCEL has its time, and its answers. */
const OVER_MS = 400_000;

const incoming = fc.record({
  method: fc.constantFrom('INVITE', 'INVITE', 'INVITE', 'MESSAGE', 'BYE', 'REGISTER', 'ACK', 'CANCEL', 'NEWMETHOD'),
  from: fc.nat(1),
  uri: fc.constantFrom(
    'sip:bob@home.example',
    'sip:198.18.0.9:5062;lr',
    'sip:bob@198.18.0.7',
    'tel:+4930',
    'sips:x@y;maddr=z',
  ),
  to: fc.constantFrom(
    '<sip:bob@home.example>',
    '<sip:bob@home.example>',
    '<sip:bob@home.example>',
    '<sip:bob@home.example>;tag=x',
    'sip:bob@home.example',
    'nonsense',
  ),
  headers: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    fc.subarray(
      [
        'Route: <sip:198.18.0.9:5062;lr>',
        'Route: <sip:[2001:20::1]:5062;lr>, <sip:strict@198.18.0.4>',
        'Route: nonsense',
        'Max-Breadth: 1',
        'Max-Breadth: -1',
        'Proxy-Require: x',
        'Via: SIP/2.0/UDP 192.0.2.1;branch=1',
        'Record-Route: <sip:192.0.2.1;lr>',
        'CSeq: 7 FOO',
      ],
      { maxLength: 3 },
    ),
  ),
  targets: fc.nat(3),
});
const answer = fc.record({
  answers: fc.nat(30),
  status: fc.constantFrom(100, 180, 183, 200, 202, 302, 401, 407, 408, 486, 487, 500, 503, 603),
  mangled: fc.constantFrom('', '', '', '', 'via', 'cseq', 'to'),
});
const step = fc.oneof(
  fc.record({ incoming }),
  fc.record({ incoming }),
  fc.record({ again: fc.nat(30), as: fc.constantFrom('same', 'same', 'ACK', 'CANCEL') }),
  answer,
  answer,
  fc.record({ advanceMs: fc.constantFrom(1, 1, 500, 500, 4_000, 32_000, 181_000) }),
  fc.record({ fails: fc.nat(3) }),
  fc.record({ resort: fc.nat(5), as: fc.constantFrom('known', 'there', 'none') }),
);

function finals(fixture: ProxyFixture): Map<string, Set<number>> {
  const byTransaction = new Map<string, Set<number>>();
  for (const answer of fixture.answers) {
    if (answer.status < 200) continue;
    const key = `${firstHeader(answer, 'via') ?? ''} ${firstHeader(answer, 'cseq') ?? ''}`;
    byTransaction.set(key, (byTransaction.get(key) ?? new Set()).add(answer.status));
  }
  return byTransaction;
}

testProp(
  'whatever comes, each request has one final answer or only 2xx, what goes out can be read, and nothing is left in the end',
  [fc.array(step, { minLength: 20, maxLength: 100, size: 'max' })],
  (t, steps) => {
    // Of a last resort: what waits to be told.
    const limits: Parameters<LastResort['onKnown']>[1][] = [];
    const sought: Parameters<LastResort['open']>[1][] = [];
    const lastResort: LastResort = {
      onKnown: (_now, known) => void limits.push(known),
      open: (_now, done) => void sought.push(done),
    };
    const fixture = new ProxyFixture({ lastResort: ({ method }) => (method === 'INVITE' ? lastResort : undefined) });
    const came: { readonly message: SipRequest; readonly flow: (typeof FLOWS)[number]; until: number }[] = [];
    for (const [index, one] of steps.entries()) {
      if ('incoming' in one) {
        const { method, from, uri, to, headers, targets } = one.incoming;
        const flow = FLOWS[from] ?? PHONE;
        const via = `SIP/2.0/UDP ${flow.remote.address.includes(':') ? `[${flow.remote.address}]` : flow.remote.address}`;
        const parts = { via: `${via}:5060;rport;branch=z9hG4bK${index}`, callId: `call-${index}` };
        const message = request(method, { ...parts, uri, to, headers });
        fixture.found = Array.from({ length: targets }, (_, target) => ({ ...phone(2 + target), q: target / 2 }));
        came.push({ message, flow, until: fixture.now + REPEATED_MS });
        fixture.receive(message, flow);
      } else if ('again' in one) {
        const known = came[one.again % Math.max(1, came.length)];
        if (known === undefined || fixture.now > known.until) continue;
        const { message, flow } = known;
        if (one.as === 'ACK') known.until = Math.min(known.until, fixture.now + ACKNOWLEDGED_MS);
        const number = firstHeader(message, 'cseq')?.split(' ')[0] ?? '1';
        const other = { ...withHeader(message, 'CSeq', `${number} ${one.as}`), method: one.as };
        fixture.receive(one.as === 'same' ? message : other, flow);
      } else if ('answers' in one) {
        const sent = fixture.sent.filter(({ message }) => message.type === 'request' && message.method !== 'ACK');
        // The last ones are those that wait.
        const entry = sent.at(-1 - (one.answers % Math.max(1, Math.min(8, sent.length))));
        if (entry?.message.type !== 'request') continue;
        const answer = response(entry.message, one.status);
        fixture.receive(one.mangled === '' ? answer : withoutHeader(answer, one.mangled), entry.flow);
      } else if ('advanceMs' in one) {
        fixture.run(one.advanceMs);
      } else if ('resort' in one) {
        const { resort: at, as } = one;
        if (as === 'known')
          for (const known of limits.splice(at % Math.max(1, limits.length), 1)) known(1_000 * at, fixture.now);
        else
          for (const done of sought.splice(at % Math.max(1, sought.length), 1))
            done(as === 'there' ? phone(9) : undefined, fixture.now);
      } else {
        // Of callers, what they repeat would be new requests then.
        fixture.layer.transportFailed(FLOWS[2 + (one.fails % 2)] ?? PHONE, fixture.now);
      }
    }
    fixture.run(OVER_MS);
    for (const statuses of finals(fixture).values())
      t.true(statuses.size === 1 || [...statuses].every((status) => status < 300), [...statuses].join());
    for (const { message } of fixture.sent) t.is(parseSip(encodeSip(message)).type, message.type);
    t.true(fixture.isEmpty);
  },
  { numRuns: 200 },
);
