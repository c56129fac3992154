import { fc, testProp } from '@fast-check/ava';
import type { SipFlow } from '../../../src/sip/flow.ts';
import { encodeSip, parseSip } from '../../../src/sip/message/codec.ts';
import type { SipRequest } from '../../../src/sip/message/message.ts';
import { parseUri } from '../../../src/sip/message/uri.ts';
import { ALICE, Bench, OWN, WALL, from, overTcp } from '../../unit/sip/registrar/bench.ts';

/** What phones write, what they should not, and anything. */
const anything = fc.string({ unit: 'binary', maxLength: 40 }).map((text) => text.replaceAll(/[\r\n]/g, ' '));
const port = fc.integer({ min: 5060, max: 5064 });
const instance = fc.constantFrom(
  '',
  ';+sip.instance="<urn:uuid:1>"',
  ';+sip.instance="<urn:uuid:2>"',
  ';+sip.instance=3',
);
const regId = fc.constantFrom('', ';reg-id=1', ';reg-id=2', ';reg-id=0', ';reg-id=x');
const expires = fc.constantFrom('', ';expires=0', ';expires=30', ';expires=600', ';expires=-1', ';expires=1e9');
const q = fc.constantFrom('', ';q=0.5', ';q=2', ';methods="INVITE,bye, ,\\""');
const goodContact = fc
  .tuple(
    fc.constantFrom(OWN, '[2001:21::1]', '127.0.0.1', 'phone.lan', '192.168.1.7'),
    port,
    instance,
    regId,
    expires,
    q,
  )
  .map(([host, at, ...params]) => `<sip:alice@${host}:${at}>${params.join('')}`);
const contact = fc.oneof(
  { weight: 12, arbitrary: goodContact },
  fc.constantFrom('*', '', ',', '<sips:a@b>', '<tel:1>', '<>'),
  anything,
);
/** Mostly the first. */
const mostly = (good: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof({ weight: 12, arbitrary: good }, anything);
const cseq = mostly(fc.nat(99).map((number) => `${number} REGISTER`));
const request: fc.Arbitrary<SipRequest> = fc
  .record({
    uri: mostly(fc.constantFrom('sip:home.example', `sip:${OWN}`)),
    contacts: fc.array(contact, { maxLength: 3 }),
    callId: mostly(fc.constantFrom('a', 'b', 'c', 'd')),
    cseq,
    to: mostly(fc.constant(`<sip:${ALICE}>`)),
    supported: fc.constantFrom('', 'outbound', 'gruu', 'gruu, outbound', 'path'),
    required: mostly(fc.constantFrom('', 'outbound')),
    expiry: fc.constantFrom(undefined, '0', '60', 'x', '99999999999999'),
  })
  .map(({ uri, contacts, callId, cseq: order, to, supported, required, expiry }) => ({
    type: 'request',
    method: 'REGISTER',
    uri,
    headers: [
      { name: 'Via', value: `SIP/2.0/UDP ${OWN};branch=z9hG4bK1` },
      { name: 'To', value: to },
      { name: 'From', value: `<sip:${ALICE}>;tag=1` },
      { name: 'Call-ID', value: callId },
      { name: 'CSeq', value: order },
      ...contacts.map((value) => ({ name: 'Contact', value })),
      { name: 'Supported', value: supported },
      { name: 'Require', value: required },
      ...(expiry === undefined ? [] : [{ name: 'Expires', value: expiry }]),
    ],
    body: new Uint8Array(),
  }));
const flow: fc.Arbitrary<SipFlow> = fc.tuple(port, fc.boolean()).map(([at, tcp]) => (tcp ? overTcp(at) : from(at)));
const step = fc.record({ request, flow, waitMs: fc.nat(60_000), closes: fc.boolean() });

testProp(
  'whatever phones send, each is answered by a message that can be read, bindings stay few, and a restart loses none of UDP',
  [fc.array(step, { minLength: 1, maxLength: 30 })],
  (t, steps) => {
    const bench = new Bench();
    for (const { request: sent, flow: by, waitMs, closes } of steps) {
      bench.now += waitMs;
      bench.registrar.handleTimeout(bench.now);
      const response = bench.registrar.register(sent, by, bench.now);
      t.deepEqual(parseSip(encodeSip(response)).type, 'response');
      if (closes && by.transport === 'tcp') bench.registrar.flowClosed(by, bench.now);
    }
    const { targets } = bench;
    t.true(targets.length <= 16);
    t.true((bench.registrar.nextTimeout() ?? Infinity) > bench.now);
    const named = targets.flatMap(({ instance: one }) => one ?? []);
    t.is(new Set(named).size, named.length, 'a phone is rung once');
    t.true(targets.every(({ uri }) => parseUri(uri)?.scheme === 'sip'));
    const after = new Bench();
    after.now = bench.now;
    const kept: unknown = JSON.parse(JSON.stringify(bench.registrar.snapshot()));
    t.true(after.registrar.restore(kept, bench.now, WALL + bench.now));
    const ofUdp = (those: typeof targets): string[] =>
      those.filter(({ instance: one, flow: by }) => one === undefined && by.transport === 'udp').map(({ uri }) => uri);
    // One that came over TCP is reached by its Contact then.
    const restored = new Set(after.targets.map(({ uri }) => uri));
    t.true(ofUdp(targets).every((uri) => restored.has(uri)));
  },
  { numRuns: 300 },
);

testProp(
  'a snapshot that was changed anywhere is restored or refused, and nothing else',
  [fc.jsonValue(), fc.nat()],
  (t, value, at) => {
    const bench = new Bench();
    bench.ask({ Contact: `<sip:alice@${OWN}>;+sip.instance="<urn:uuid:1>"` });
    const kept = JSON.parse(JSON.stringify(bench.registrar.snapshot())) as { bindings: Record<string, unknown>[] };
    const [binding] = kept.bindings;
    const names = Object.keys(binding ?? {});
    if (binding !== undefined) binding[names[at % names.length] ?? ''] = value;
    const after = new Bench();
    after.registrar.restore(kept, 0, WALL);
    t.true(after.targets.length <= 1);
  },
);
