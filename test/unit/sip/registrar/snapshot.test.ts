import test from 'ava';
import { ALICE, Bench, OWN, WALL, from, overTcp } from './bench.ts';
import { parseUri } from '../../../../src/sip/message/uri.ts';
import { headerValues } from '../../../../src/sip/message/headers.ts';
import { parseNameAddr } from '../../../../src/sip/message/name-addr.ts';

const UDP = { Contact: '<sip:alice@192.168.1.7:5060>;q=0.5;methods="INVITE,BYE";+sip.instance="<urn:uuid:1>"' };

/** What the file brings back. */
const stored = (bench: Bench): unknown => JSON.parse(JSON.stringify(bench.registrar.snapshot()));

test('after a restart phones are called as before, for what is left of their time, without their doing', (t) => {
  const before = new Bench();
  before.now = 5_000;
  const gruu = /temp-gruu="([^"]+)"/.exec(
    headerValues(before.ask({ ...UDP, Expires: '600', Supported: 'gruu' }, from(41_000)), 'contact')[0] ?? '',
  )?.[1];
  const after = new Bench();
  after.now = 50;
  t.true(after.registrar.restore(stored(before), 50, WALL + 105_000));
  t.deepEqual(after.targets, before.targets);
  t.is(after.registrar.preferencesOf(ALICE, 50), '(|(sip.methods=INVITE)(sip.methods=BYE))');
  t.is(parseNameAddr(after.listed[0] ?? '')?.params.get('expires'), '500');
  t.deepEqual(after.changes, [`${ALICE} 1`]);
  const uri = parseUri(gruu ?? '');
  t.is(uri && after.registrar.lookUpGruu(uri, 50).length, 1, 'temporary GRUUs work on');
  t.regex(after.status({ ...UDP, CSeq: '1 REGISTER' }), /^500 /, 'what was heard before is old still');
});

test('what has run out meanwhile is not restored, and a clock that was set back makes nothing live longer', (t) => {
  const before = new Bench();
  before.ask({ ...UDP, Expires: '600' });
  const late = new Bench();
  t.true(late.registrar.restore(stored(before), 0, WALL + 600_000));
  t.deepEqual(late.targets, []);
  t.deepEqual(late.changes, []);
  const early = new Bench();
  t.true(early.registrar.restore(stored(before), 0, WALL - 86_400_000));
  t.is(early.registrar.nextTimeout(), 3_600_000);
});

test('of a phone whose connection has ended the Contact is left, or nothing', (t) => {
  const before = new Bench();
  before.ask({ Contact: `<sip:alice@${OWN}:5070;transport=tcp>` }, overTcp(40_001));
  before.ask({ Contact: '<sip:alice@192.168.1.7;transport=tcp>', 'Call-ID': 'b' }, overTcp(40_002));
  const kept = { Supported: 'outbound', Contact: `<sip:alice@${OWN}:5071>;+sip.instance="<urn:uuid:3>";reg-id=1` };
  before.ask({ ...kept, 'Call-ID': 'c' }, overTcp(40_003));
  const after = new Bench();
  after.registrar.restore(stored(before), 0, WALL);
  t.deepEqual(after.remotes, [{ transport: 'tcp', address: OWN, port: 5070 }]);
});

test('a phone that registered before the snapshot was read is left as it is', (t) => {
  const before = new Bench();
  before.ask(UDP);
  const after = new Bench();
  after.ask({ Contact: `<sip:alice@${OWN}:5080>` });
  after.registrar.restore(stored(before), 0, WALL);
  t.deepEqual(after.uris, [`sip:alice@${OWN}:5080`]);
});

test('a file that holds anything else restores nothing', (t) => {
  const bench = new Bench();
  bench.ask(UDP);
  const good = bench.registrar.snapshot();
  const [binding] = good.bindings;
  const broken: unknown[] = [
    ...[null, 7, 'snapshot', [], {}, { version: 2, bindings: [] }, { version: 1, bindings: {} }],
    { ...good, more: 1 },
    { version: 1, bindings: Array.from({ length: 65 }, () => binding) },
    ...Object.entries({
      aor: 'alice',
      contact: 'x'.repeat(600),
      transport: 'tls',
      local: { address: 'localhost', port: 1 },
      remote: { address: '10.0.0.1', port: 65_536 },
      callId: 'a b',
      cseq: -1,
      q: 2,
      expiresAt: 'soon',
      instance: 'urn:uuid:1',
      regId: 0,
      methods: ['invite'],
      gruuKey: 'ab',
    }).map(([field, value]) => ({ version: 1, bindings: [{ ...binding, [field]: value }] })),
  ];
  for (const data of broken) {
    const after = new Bench();
    t.false(after.registrar.restore(data, 0, WALL), JSON.stringify(data).slice(0, 100));
    t.deepEqual(after.targets, []);
  }
  const noUri = { version: 1, bindings: [{ ...binding, contact: 'tel:1' }] };
  const after = new Bench();
  t.true(after.registrar.restore(noUri, 0, WALL));
  t.deepEqual(after.targets, []);
});

test('the name of another user in a snapshot makes nobody reachable by it', (t) => {
  const bench = new Bench();
  bench.ask(UDP);
  const [binding] = bench.registrar.snapshot().bindings;
  const after = new Bench();
  after.registrar.restore({ version: 1, bindings: [{ ...binding, aor: 'bob@home.example' }] }, 0, WALL);
  t.deepEqual(after.registrar.bindingsOf('bob@home.example', 0), []);
});
