import test from 'ava';
import { firstHeader, headerValues } from '../../../../src/sip/message/headers.ts';
import { ALICE, Bench, OWN, from, overTcp } from './bench.ts';

const INSTANCE = '"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"';
const contact = (port: number, regId = 1, rest = ''): string =>
  `<sip:alice@192.168.1.7:${port}>;+sip.instance=${INSTANCE};reg-id=${regId}${rest}`;
const SUPPORTED = { Supported: 'path, outbound' };

test('a flow replaces the one of the same phone and reg-id, whatever its Contact and Call-ID, and requests go over it', (t) => {
  const bench = new Bench();
  const response = bench.ask({ ...SUPPORTED, Contact: contact(5060) }, overTcp(40_001));
  t.is(firstHeader(response, 'require'), 'outbound');
  t.is(firstHeader(response, 'flow-timer'), '120');
  t.deepEqual(headerValues(response, 'supported'), ['gruu', 'outbound']);
  t.deepEqual(headerValues(response, 'contact'), [
    `<sip:alice@192.168.1.7:5060>;expires=3600;+sip.instance=${INSTANCE};reg-id=1`,
  ]);
  bench.ask(
    { ...SUPPORTED, Contact: contact(5070), 'Call-ID': 'after a restart'.replaceAll(' ', '-') },
    overTcp(40_002),
  );
  t.deepEqual(
    bench.targets.map(({ uri, flow }) => [uri, flow.key]),
    [['sip:alice@192.168.1.7:5070', overTcp(40_002).key]],
  );
  bench.registrar.flowClosed(overTcp(40_001), 0);
  t.is(bench.targets.length, 1, 'the former flow is not the phone’s any more');
  bench.registrar.flowClosed(overTcp(40_002), 0);
  t.deepEqual(bench.targets, []);
  t.is(bench.changes.at(-1), `${ALICE} 0`);
});

test('a kept flow is used though the Contact has an overlay address of this host', (t) => {
  const bench = new Bench();
  bench.ask({ ...SUPPORTED, Contact: contact(5060).replace('192.168.1.7', OWN) }, from(41_000));
  t.deepEqual(bench.remotes, [{ transport: 'udp', address: OWN, port: 41_000 }]);
});

test('two flows of one phone are two bindings, and a call takes the latest alone', (t) => {
  const bench = new Bench();
  bench.ask({ ...SUPPORTED, Contact: contact(5060, 1) }, overTcp(40_001));
  bench.ask({ ...SUPPORTED, Contact: contact(5060, 2), 'Call-ID': 'b' }, overTcp(40_002));
  t.is(bench.listed.length, 2);
  t.deepEqual(
    bench.remotes.map(({ port }) => port),
    [40_002],
  );
  bench.ask(
    { ...SUPPORTED, Contact: contact(5060, 2, ';expires=0'), 'Call-ID': 'b', CSeq: '2 REGISTER' },
    overTcp(40_002),
  );
  t.deepEqual(
    bench.remotes.map(({ port }) => port),
    [40_001],
  );
});

test('a phone that came back at another port is called there alone, as it says that it is the same phone', (t) => {
  const bench = new Bench();
  const plain = (port: number): string => `<sip:alice@${OWN}:${port}>;+sip.instance=${INSTANCE}`;
  bench.ask({ Contact: plain(5070) }, from(5070));
  bench.ask({ Contact: plain(5080), 'Call-ID': 'b' }, from(5080));
  t.deepEqual(
    bench.remotes.map(({ port }) => port),
    [5080],
  );
});

test('reg-id means nothing without outbound in Supported, without an instance, or where flows are not kept', (t) => {
  for (const [fields, kept] of [
    [{ Contact: contact(5060) }, ['udp', 'tcp']],
    [{ ...SUPPORTED, Contact: '<sip:alice@192.168.1.7:5060>;reg-id=1' }, ['udp', 'tcp']],
    [{ ...SUPPORTED, Contact: contact(5060) }, ['tcp']],
  ] as const) {
    const bench = new Bench(kept);
    const response = bench.ask(fields);
    t.is(response.status, 200);
    t.is(firstHeader(response, 'require'), undefined);
    t.is(firstHeader(response, 'flow-timer'), undefined);
    t.false(headerValues(response, 'contact')[0]?.includes('reg-id'));
  }
  const response = new Bench(['tcp']).ask({ Require: 'outbound', Contact: contact(5060) });
  t.is(`${response.status} ${firstHeader(response, 'unsupported') ?? ''}`, '420 outbound');
});

test('flows through a proxy, and two phones with reg-id in one request, are refused', (t) => {
  const bench = new Bench();
  const hops = { Via: ['SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK2', `SIP/2.0/UDP ${OWN};branch=z9hG4bK1`] };
  t.is(bench.status({ ...SUPPORTED, ...hops, Contact: contact(5060) }), '439 First Hop Lacks Outbound Support');
  t.is(bench.status({ ...hops, Contact: contact(5060) }), '200 OK');
  const two = [contact(5070, 2), contact(5071, 3)];
  t.regex(bench.status({ ...SUPPORTED, Contact: two, 'Call-ID': 'b' }), /^400 /);
  const andOneGone = [contact(5070, 2), contact(5071, 3, ';expires=0')];
  t.is(bench.status({ ...SUPPORTED, Contact: andOneGone, 'Call-ID': 'b' }), '200 OK');
});
