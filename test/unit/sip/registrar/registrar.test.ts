import test from 'ava';
import { firstHeader, headerValues } from '../../../../src/sip/message/headers.ts';
import { ALICE, Bench, OWN, from, overTcp } from './bench.ts';

const DESK = `sip:alice@${OWN}:5060`;
const CELL = `sip:alice@${OWN}:5070`;

test('a phone that registers is listed in the answer with its time, a date and a tag, and calls go to it', (t) => {
  const bench = new Bench();
  const response = bench.ask({ Contact: `<${DESK}>;expires=300` });
  t.is(response.status, 200);
  t.deepEqual(headerValues(response, 'contact'), [`<${DESK}>;expires=300`]);
  t.is(firstHeader(response, 'date'), 'Tue, 14 Nov 2023 22:13:20 GMT');
  t.regex(firstHeader(response, 'to') ?? '', /;tag=[0-9a-f]+$/);
  t.is(firstHeader(response, 'call-id'), 'a');
  t.is(firstHeader(response, 'cseq'), '1 REGISTER');
  t.deepEqual(bench.targets, [
    { uri: DESK, flow: from(5060), q: 1, received: { address: OWN, port: 5060 }, instance: undefined },
  ]);
  t.deepEqual(bench.changes, [`${ALICE} 1`]);
});

test('several phones are bound side by side, and calls go to the most wanted, then the latest first', (t) => {
  const bench = new Bench();
  bench.ask({ Contact: `<${DESK}>;q=0.5` });
  bench.now = 1_000;
  bench.ask({ Contact: `<${CELL}>;q=0.5`, 'Call-ID': 'b' }, from(5070));
  bench.now = 2_000;
  bench.ask({ Contact: `<sip:alice@${OWN}:5080>;q=0.1`, 'Call-ID': 'c' }, from(5080));
  t.deepEqual(bench.uris, [CELL, DESK, `sip:alice@${OWN}:5080`]);
  t.deepEqual(bench.listed, [
    `<${DESK}>;expires=3598;q=0.5`,
    `<${CELL}>;expires=3599;q=0.5`,
    `<sip:alice@${OWN}:5080>;expires=3600;q=0.1`,
  ]);
});

test('time is granted as Contact, then Expires, then nothing says: from one minute to an hour; less than 30 s is refused', (t) => {
  const granted = (fields: Parameters<Bench['ask']>[0]): string | undefined =>
    /expires=(\d+)/.exec(headerValues(new Bench().ask(fields), 'contact')[0] ?? '')?.[1];
  t.is(granted({ Contact: `<${DESK}>;expires=100`, Expires: '200' }), '100');
  t.is(granted({ Contact: `<${DESK}>`, Expires: '200' }), '200');
  t.is(granted({ Contact: `<${DESK}>` }), '3600');
  t.is(granted({ Contact: `<${DESK}>;expires=86400` }), '3600');
  t.is(granted({ Contact: `<${DESK}>;expires=99999999999999999999` }), '3600');
  t.is(granted({ Contact: `<${DESK}>;expires=soon` }), '3600');
  t.is(granted({ Contact: `<${DESK}>;expires=30` }), '60');
  const bench = new Bench();
  const brief = bench.ask({ Contact: [`<${CELL}>`, `<${DESK}>;expires=29`] });
  t.is(brief.status, 423);
  t.is(firstHeader(brief, 'min-expires'), '60');
  t.deepEqual(bench.uris, [], 'none of it was done');
});

test('a phone whose time is up is called no more, and said to be gone by the timer', (t) => {
  const bench = new Bench();
  bench.ask({ Contact: `<${DESK}>;expires=60` });
  bench.ask({ Contact: `<${CELL}>;expires=600`, 'Call-ID': 'b' }, from(5070));
  t.is(bench.registrar.nextTimeout(), 60_000);
  bench.now = 60_000;
  t.deepEqual(bench.uris, [CELL]);
  bench.registrar.handleTimeout(bench.now);
  t.is(bench.registrar.nextTimeout(), 600_000);
  bench.now = 600_000;
  bench.registrar.handleTimeout(bench.now);
  t.is(bench.registrar.nextTimeout(), undefined);
  t.deepEqual(bench.changes, [`${ALICE} 1`, `${ALICE} 2`, `${ALICE} 1`, `${ALICE} 0`]);
});

test('expires 0 takes one phone away, and Contact * all of them', (t) => {
  const bench = new Bench();
  bench.ask({ Contact: [`<${DESK}>`, `<${CELL}>`] });
  t.deepEqual(headerValues(bench.ask({ Contact: `<${DESK}>;expires=0`, CSeq: '2 REGISTER' }), 'contact'), [
    `<${CELL}>;expires=3600`,
  ]);
  bench.ask({ Contact: `<${DESK}>`, CSeq: '3 REGISTER' });
  t.deepEqual(headerValues(bench.ask({ Contact: '*', Expires: '0', CSeq: '4 REGISTER' }), 'contact'), []);
  t.deepEqual(bench.uris, []);
  t.is(bench.status({ Contact: `<${DESK}>;expires=0`, CSeq: '5 REGISTER' }), '200 OK', 'what is not there');
  t.is(bench.changes.at(-1), `${ALICE} 0`);
});

test('Contact * with anything beside it, or with time, is refused and takes nothing away', (t) => {
  const bench = new Bench();
  bench.ask({ Contact: `<${DESK}>` });
  for (const fields of [
    { Contact: '*', CSeq: '2 REGISTER' },
    { Contact: '*', Expires: '1', CSeq: '3 REGISTER' },
    { Contact: ['*', `<${CELL}>`], Expires: '0', CSeq: '4 REGISTER' },
  ])
    t.regex(bench.status(fields), /^400 /);
  t.deepEqual(bench.uris, [DESK]);
});

test('what is older than what was heard of the same call changes nothing, whole requests at a time', (t) => {
  const bench = new Bench();
  bench.ask({ Contact: `<${DESK}>;expires=100`, CSeq: '7 REGISTER' });
  t.regex(bench.status({ Contact: `<${DESK}>;expires=0`, CSeq: '7 REGISTER' }), /^500 /);
  t.regex(bench.status({ Contact: [`<${CELL}>`, `<${DESK}>`], CSeq: '6 REGISTER' }), /^500 /);
  t.regex(bench.status({ Contact: '*', Expires: '0', CSeq: '6 REGISTER' }), /^500 /);
  t.deepEqual(bench.listed, [`<${DESK}>;expires=100`]);
  t.is(bench.status({ Contact: `<${DESK}>;expires=200`, CSeq: '8 REGISTER' }), '200 OK');
  t.is(bench.status({ Contact: `<${DESK}>;expires=300`, CSeq: '1 REGISTER', 'Call-ID': 'another' }), '200 OK');
  t.deepEqual(bench.listed, [`<${DESK}>;expires=300`]);
});

test('only the user of this host is registered, by any way its name may be written; the refusal says the name', (t) => {
  const bench = new Bench();
  for (const to of [
    `<sip:${ALICE}>`,
    'sip:Alice@HOME.example.',
    `<sip:alice@alice.home.example;user=phone>`,
    `sip:%61lice@${OWN}`,
    'sip:alice@127.0.0.1',
  ])
    t.is(bench.status({ To: to, Contact: `<${DESK}>`, 'Call-ID': to.length.toString() }), '200 OK', to);
  t.is(bench.targets.length, 1);
  t.is(bench.status({ To: '<sip:bob@home.example>' }), '403 To Must Be alice@home.example');
  t.is(bench.status({ To: '<sip:alice@bob.home.example>' }), '403 To Must Be alice@home.example');
  t.is(bench.status({ To: '<sip:home.example>' }), '403 To Must Be alice@home.example');
  bench.user = null;
  t.is(bench.status(), '403 This Host Has No Name');
  t.deepEqual(bench.targets, [], 'nor is it called by a name that is not its own any more');
});

test('a registrar of another domain is not here', (t) => {
  const bench = new Bench();
  for (const fields of [
    { uri: 'sip:elsewhere.example' },
    { uri: 'sip:198.18.0.9' },
    { To: '<sip:alice@elsewhere.example>' },
    { To: '<sip:alice@198.18.0.9>' },
  ])
    t.is(bench.status(fields), '404 Not of This Overlay');
  for (const uri of [
    'sip:home.example',
    'sip:alice.home.example',
    `sip:${OWN}:5062;transport=udp`,
    'sip:[2001:21::1]',
    'sip:localhost:5062',
  ])
    t.is(bench.status({ uri }), '200 OK', uri);
});

test('a request that is not understood is refused as a whole', (t) => {
  const bench = new Bench();
  const long = `sip:${'a'.repeat(600)}@${OWN}`;
  for (const fields of [
    { 'Call-ID': undefined },
    { 'Call-ID': 'a'.repeat(257) },
    { CSeq: '1 INVITE' },
    { To: undefined },
    { uri: 'tel:+4930123' },
    { Contact: [`<${DESK}>`, '<tel:+4930123>'] },
    { Contact: [`<${DESK}>`, '<sips:alice@198.18.0.1>'] },
    { Contact: [`<${DESK}>`, `<${long}>`] },
    { Contact: Array.from({ length: 17 }, (_, i) => `<sip:alice@${OWN}:${6000 + i}>`) },
  ])
    t.regex(bench.status(fields), /^400 /);
  const unknown = bench.ask({ Contact: `<${DESK}>`, Require: 'gruu, pref, path' });
  t.is(unknown.status, 420);
  t.deepEqual(headerValues(unknown, 'unsupported'), ['pref', 'path']);
  t.deepEqual(bench.uris, []);
});

test('a user has sixteen phones at most, and one more pushes none away', (t) => {
  const bench = new Bench();
  for (let i = 0; i < 16; i++) bench.ask({ Contact: `<sip:alice@${OWN}:${6000 + i}>`, 'Call-ID': `${i}` });
  t.is(bench.status({ Contact: `<${DESK}>`, 'Call-ID': 'more' }), '503 Too Many Phones');
  t.is(bench.targets.length, 16);
  t.is(bench.status({ Contact: `<sip:alice@${OWN}:6003>`, 'Call-ID': 'refresh' }), '200 OK');
});

test('a Contact with an address that is not of this host is reached where its REGISTER came from; both are kept', (t) => {
  for (const wrong of [
    '192.168.1.7:5060',
    '127.0.0.1',
    '[::1]:5060',
    'phone.lan',
    '10.0.0.1:5060;transport=tcp',
    '198.18.0.9',
  ]) {
    const bench = new Bench();
    bench.ask({ Contact: `<sip:alice@${wrong}>` }, from(41_000));
    t.like(bench.targets[0], { uri: `sip:alice@${wrong}`, flow: from(41_000), received: from(41_000).remote }, wrong);
  }
});

test('a Contact with an overlay address of this host is believed, its port and its transport too', (t) => {
  const where = (contact: string, flow = from(41_000)): unknown => {
    const bench = new Bench();
    bench.ask({ Contact: `<${contact}>` }, flow);
    return bench.remotes;
  };
  t.deepEqual(where(`sip:alice@${OWN}`), [{ transport: 'udp', address: OWN, port: 5060 }]);
  t.deepEqual(where(`sip:alice@${OWN}:5080;transport=TCP`), [{ transport: 'tcp', address: OWN, port: 5080 }]);
  t.deepEqual(where('sip:alice@[2001:21:0::1]:5070'), [{ transport: 'udp', address: '2001:21::1', port: 5070 }]);
  // The adaptor's own port, and what it does not speak.
  t.deepEqual(where(`sip:alice@${OWN}:5062`), [{ transport: 'udp', address: OWN, port: 41_000 }]);
  t.deepEqual(where(`sip:alice@${OWN};transport=tls`), [{ transport: 'udp', address: OWN, port: 41_000 }]);
  t.deepEqual(where(`sip:alice@${OWN}`, from(41_000, '127.0.0.1')), [{ transport: 'udp', address: OWN, port: 5060 }]);
});

test('a phone that registers over TCP is reached by its connection, and when that has ended by its Contact or not at all', (t) => {
  const bench = new Bench();
  bench.ask({ Contact: `<sip:alice@${OWN}:5070;transport=tcp>` }, overTcp(40_001));
  bench.ask({ Contact: '<sip:alice@192.168.1.7:5060;transport=tcp>', 'Call-ID': 'b' }, overTcp(40_002));
  t.deepEqual(bench.remotes.map(({ port }) => port).sort(), [40_001, 40_002]);
  bench.registrar.flowClosed(overTcp(40_002), 0);
  bench.registrar.flowClosed(overTcp(40_001), 0);
  bench.registrar.flowClosed(overTcp(40_001), 0);
  t.deepEqual(bench.remotes, [{ transport: 'tcp', address: OWN, port: 5070 }]);
  t.is(bench.changes.at(-1), `${ALICE} 1`);
});
