import test from 'ava';
import { headerValues } from '../../../../src/sip/message/headers.ts';
import { parseNameAddr } from '../../../../src/sip/message/name-addr.ts';
import { unquote } from '../../../../src/sip/message/params.ts';
import { parseUri, type SipUri } from '../../../../src/sip/message/uri.ts';
import { gruuPlace, publicGruu } from '../../../../src/sip/registrar/gruu.ts';
import { ALICE, Bench, HIT, OWN, from } from './bench.ts';

const DESK = `<sip:alice@${OWN}:5060>;+sip.instance="<urn:uuid:1>"`;
const CELL = `<sip:alice@${OWN}:5070>;+sip.instance="<urn:uuid:2>"`;
const GRUU = { Supported: 'gruu' };

function uri(text: string): SipUri {
  const parsed = parseUri(text);
  if (parsed === undefined) throw new Error(`no URI: ${text}`);
  return parsed;
}

/** What the answer says of the first phone. */
function gruus(bench: Bench, fields: Parameters<Bench['ask']>[0]): { pub: string; temp: string } {
  const params = parseNameAddr(headerValues(bench.ask({ ...GRUU, ...fields }), 'contact')[0] ?? '')?.params;
  return { pub: unquote(params?.get('pub-gruu') ?? ''), temp: unquote(params?.get('temp-gruu') ?? '') };
}

function found(bench: Bench, gruu: string): string[] {
  return bench.registrar.lookUpGruu(uri(gruu), bench.now).map((target) => target.uri);
}

test('a phone that asks gets a public and a temporary GRUU, which name this host, and lead to that phone alone', (t) => {
  const bench = new Bench();
  bench.ask({ Contact: CELL, 'Call-ID': 'b' });
  const cell = publicGruu(HIT, ALICE, '<urn:uuid:2>');
  const { pub, temp } = gruus(new Bench(), { Contact: DESK });
  t.is(pub, publicGruu(HIT, ALICE, '<urn:uuid:1>'));
  t.regex(pub, /^sip:alice@home\.example;gr=[A-Za-z0-9+/]+~{0,2}$/);
  t.regex(temp, /^sip:tgruu\.[0-9a-f]{32}@home\.example;gr=/);
  t.is(gruuPlace(uri(pub))?.hit, HIT);
  t.deepEqual(gruuPlace(uri(temp)), { hit: HIT, phone: undefined });
  t.deepEqual(found(bench, cell), [`sip:alice@${OWN}:5070`]);
  t.deepEqual(found(bench, pub), [], 'that phone is not registered here');
  t.deepEqual(found(bench, temp), []);
});

test('each refresh brings another temporary GRUU, all of which work until the phone begins anew', (t) => {
  const bench = new Bench();
  const first = gruus(bench, { Contact: DESK });
  const second = gruus(bench, { Contact: DESK, CSeq: '2 REGISTER' });
  t.is(second.pub, first.pub);
  t.not(second.temp, first.temp);
  for (const gruu of [first.pub, first.temp, second.temp]) t.is(found(bench, gruu).length, 1);
  const third = gruus(bench, { Contact: DESK, 'Call-ID': 'b' });
  for (const gruu of [first.temp, second.temp]) t.deepEqual(found(bench, gruu), []);
  for (const gruu of [first.pub, third.temp]) t.is(found(bench, gruu).length, 1);
});

test('a GRUU leads to the latest binding of its phone, and to none once that is gone', (t) => {
  const bench = new Bench();
  const { pub, temp } = gruus(bench, { Contact: DESK });
  bench.now = 1_000;
  bench.ask({ Contact: DESK.replace('5060', '5090'), CSeq: '2 REGISTER' }, from(5090));
  t.deepEqual(found(bench, pub), [`sip:alice@${OWN}:5090`]);
  bench.ask({ Contact: '*', Expires: '0', CSeq: '3 REGISTER' });
  t.deepEqual([...found(bench, pub), ...found(bench, temp)], []);
});

test('who does not ask gets none, nor does a phone that is no instance', (t) => {
  const bench = new Bench();
  t.false(headerValues(bench.ask({ Contact: DESK }), 'contact')[0]?.includes('gruu'));
  t.deepEqual(gruus(new Bench(), { Contact: `<sip:alice@${OWN}>` }), { pub: '', temp: '' });
});

test('a GRUU that was changed, of another host or of another user leads nowhere', (t) => {
  const bench = new Bench();
  const { pub, temp } = gruus(bench, { Contact: DESK });
  const other = publicGruu(HIT.replace('a', 'b'), ALICE, '<urn:uuid:1>');
  const wrong = [
    other,
    pub.replace('alice', 'bob'),
    pub.replace('alice', 'tgruu.00'),
    temp.replace(/[0-9a-f]@/, (last) => (last === '0@' ? '1@' : '0@')),
    temp.replace('tgruu.', ''),
    `sip:${ALICE};gr`,
    `sip:${ALICE};gr=urn:uuid:1`,
    `sip:${ALICE};gr=${'A'.repeat(200)}`,
    `sip:${ALICE};gr=AAAA`,
    pub.slice(0, -4),
  ];
  for (const gruu of wrong) t.deepEqual(found(bench, gruu), [], gruu);
  t.is(gruuPlace(uri(other))?.hit, HIT.replace('a', 'b'));
});
