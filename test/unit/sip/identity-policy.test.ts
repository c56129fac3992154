import test from 'ava';
import { IdentityPolicy } from '../../../src/sip/identity-policy.ts';
import { firstHeader, headerValues } from '../../../src/sip/message/headers.ts';
import type { SipResponse } from '../../../src/sip/message/message.ts';
import type { Party } from '../../../src/sip/parties.ts';
import { GRUU_KEY_BYTES, GRUU_NONCE_BYTES, publicGruu, temporaryGruu } from '../../../src/sip/registrar/gruu.ts';
import { ALICES, ALICES_HIT, BOBS, BOBS_HIT, CAROLS, CAROLS_HIT, from, names, parties, request } from './scene.ts';

function policy(options: { trustHeader?: string; gateways?: readonly string[] } = {}): IdentityPolicy {
  const own = { hit: BOBS_HIT, user: 'bob@home.example' };
  return new IdentityPolicy({ names, own, parties: parties() }, options);
}

function verdict(address: string, fromHeader: string, ...more: string[]): number | undefined {
  const flow = from(address);
  const message = request('sip:bob@home.example', [`From: ${fromHeader};tag=1`, ...more]);
  return policy().refusalOf(message, parties().of(flow))?.status;
}

test('a member calls under its own name, that of its host, its address, or none', (t) => {
  t.is(verdict(ALICES, '"Alice" <sip:alice@home.example>'), undefined);
  t.is(verdict(ALICES, '<sip:Alice@Home.Example>'), undefined);
  t.is(verdict(ALICES, '<sip:%61lice@home.example>'), undefined);
  t.is(verdict(ALICES, '<sip:alice@alice.home.example>'), undefined);
  t.is(verdict(ALICES, `<sip:alice@[${ALICES}]:5060>`), undefined);
  t.is(verdict('198.18.0.1', '<sip:sipp@198.18.0.1:5060>'), undefined);
  t.is(verdict(ALICES, '<sip:alice@198.18.0.1>'), undefined);
  t.is(verdict(ALICES, `<${publicGruu(ALICES_HIT, 'alice@home.example', '<urn:uuid:1>')}>`), undefined);
  t.is(verdict(ALICES, '"Anonymous" <sip:anonymous@anonymous.invalid>'), undefined);
});

test('a From with the name of another member and a GRUU of the host that sends it is refused; a temporary GRUU of the host has no name', (t) => {
  t.is(verdict(ALICES, `<${publicGruu(ALICES_HIT, 'carol@home.example', '<urn:uuid:1>')}>`), 403);
  const temporary = (hit: string): string =>
    temporaryGruu(hit, 'home.example', new Uint8Array(GRUU_KEY_BYTES), new Uint8Array(GRUU_NONCE_BYTES));
  t.is(verdict(ALICES, `<${temporary(ALICES_HIT)}>`), undefined);
  t.is(verdict(ALICES, `<${temporary(BOBS_HIT)}>`), 403);
});

test('a From that claims another member, its address, another domain or nothing is refused', (t) => {
  t.is(verdict(ALICES, '<sip:carol@home.example>'), 403);
  t.is(verdict(ALICES, '<sip:bob@home.example>'), 403);
  t.is(verdict(ALICES, '<sip:alice@carol.home.example>'), 403);
  t.is(verdict(ALICES, `<sip:alice@[${CAROLS}]>`), 403);
  t.is(verdict(ALICES, '<sip:alice@elsewhere.example>'), 403);
  t.is(verdict(ALICES, `<${publicGruu(BOBS_HIT, 'bob@home.example', '<urn:uuid:1>')}>`), 403);
  t.is(verdict(ALICES, '<tel:+4930123>'), 403);
  t.is(verdict(ALICES, '<sip:alice@home.example>', 'P-Preferred-Identity: <sip:carol@home.example>'), 403);
});

test('whether who answers is whom the To says, its certificate says', (t) => {
  const answer = (to: string): SipResponse => ({
    ...{ type: 'response', status: 180, reason: 'Ringing', body: new Uint8Array() },
    headers: [{ name: 'To', value: `${to};tag=1` }],
  });
  const alice = { hit: ALICES_HIT, user: 'alice@home.example' };
  t.true(policy().isAddressee(answer('<sip:alice@home.example>'), alice));
  t.false(policy().isAddressee(answer('<sip:carol@home.example>'), alice));
});

test('a member without a name calls by its address alone', (t) => {
  t.is(verdict(CAROLS, `<sip:x@[${CAROLS}]>`), undefined);
  t.is(verdict(CAROLS, '<sip:carol@home.example>'), 403);
});

test('a phone of this host calls as its user, and nobody from elsewhere calls', (t) => {
  t.is(verdict(BOBS, '<sip:bob@home.example>'), undefined);
  t.is(verdict('127.0.0.1', '<sip:bob@home.example>'), undefined);
  t.is(verdict('198.18.0.2', '<sip:bob@198.18.0.2>'), undefined);
  t.is(verdict('127.0.0.1', '<sip:alice@home.example>'), 403);
  t.is(verdict('192.168.1.7', '<sip:bob@home.example>'), 403);
  t.is(verdict('198.18.7.7', '<sip:bob@home.example>'), 403);
});

test('the called phone is told what was proven, and nothing that the caller says of itself', (t) => {
  const said = [
    'P-Asserted-Identity: <sip:carol@home.example>',
    'Remote-Party-ID: <sip:carol@home.example>',
    'X-Trust: proven; hit=::',
  ];
  const told = policy({ trustHeader: 'X-Trust' }).toPhone(request('sip:bob@home.example', said), {
    kind: 'member',
    hit: ALICES_HIT,
    user: 'alice@home.example',
  });
  t.deepEqual(headerValues(told, 'p-asserted-identity'), ['<sip:alice@home.example>']);
  t.deepEqual(headerValues(told, 'x-trust'), [`proven; hit=${ALICES}`]);
  t.deepEqual(headerValues(told, 'remote-party-id'), []);
});

test('a gateway that this host has named brings callers of other domains, and no one else does', (t) => {
  const alice = { kind: 'member' as const, hit: ALICES_HIT, user: 'alice@home.example' };
  const said = (value: string, gateways: readonly string[]): number | undefined =>
    policy({ gateways }).refusalOf(request('sip:bob@home.example', [`From: ${value};tag=1`]), alice)?.status;
  const [named, others] = [['alice@home.example'], ['carol@home.example']];
  for (const caller of ['<sip:+4930123@provider.example>', '<sip:+4930123@203.0.113.1;user=phone>']) {
    t.is(said(caller, named), undefined, caller);
    t.is(said(caller, others), 403, caller);
  }
  for (const caller of [
    ...['<sip:carol@home.example>', '<sip:x@carol.home.example>', '<sip:home.example>', `<sip:x@[${CAROLS}]>`],
    ...['<sip:x@198.18.0.7>', '<sip:x@127.0.0.1>', '<tel:+4930123>', '<sip:+4930123@home.example>'],
  ])
    t.is(said(caller, named), 403, caller);
});

test('whom a gateway brings, or has called, is not asserted: neither by its name nor by that of the gateway', (t) => {
  const alice = { kind: 'member' as const, hit: ALICES_HIT, user: 'alice@home.example' };
  const options = { gateways: ['alice@home.example'], trustHeader: 'X-Trust' };
  const told = (value: string): string[] =>
    ['p-asserted-identity', 'x-trust'].flatMap((name) =>
      headerValues(policy(options).toPhone(request('sip:bob@home.example', [`From: ${value};tag=1`]), alice), name),
    );
  t.deepEqual(told('<sip:+4930123@provider.example>'), [`unproven; gateway=${ALICES}`]);
  t.deepEqual(told('<sip:alice@home.example>'), ['<sip:alice@home.example>', `proven; hit=${ALICES}`]);
});

test('what a phone asserts goes no further', (t) => {
  const message = request('sip:alice@home.example', [
    'P-Asserted-Identity: <sip:carol@home.example>, <tel:+4930123>',
    'P-Preferred-Identity: <sip:bob@home.example>',
    'Subject: kept',
  ]);
  const sent = policy().fromPhone(message);
  t.deepEqual(headerValues(sent, 'p-asserted-identity'), []);
  t.deepEqual(headerValues(sent, 'p-preferred-identity'), []);
  t.deepEqual(headerValues(sent, 'subject'), ['kept']);
});

test('whom a gateway brings without a name is nobody: no member in the eyes of who may ring, and not asserted', (t) => {
  const alice = { hit: ALICES_HIT, user: 'alice@home.example' };
  const gateway = policy({ gateways: ['alice@home.example'], trustHeader: 'X-Trust' });
  const anonymous = request('sip:bob@home.example', ['From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=1']);
  t.deepEqual(gateway.callerOf(anonymous, { kind: 'member', ...alice }), {
    ...{ member: 'alice@home.example', isMember: false, names: ['anonymous@anonymous.invalid'] },
  });
  const told = gateway.toPhone(anonymous, { kind: 'member', ...alice });
  t.deepEqual(headerValues(told, 'p-asserted-identity'), []);
  t.deepEqual(headerValues(told, 'x-trust'), [`unproven; gateway=${ALICES}`]);
  t.true(policy().callerOf(anonymous, { kind: 'member', ...alice }).isMember);
});

test('whom the gateway beside the phone brings is no member either, and is called by number and address', (t) => {
  const caller = policy().callerOf(request('sip:bob@home.example', ['From: <sip:+4930123@provider.example>;tag=1']), {
    kind: 'trunk',
  });
  t.deepEqual(caller, {
    ...{ member: 'bob@home.example', isMember: false, names: ['+4930123', '+4930123@provider.example'] },
  });
});

test('what phones show of a caller is its own name, whatever it calls itself: of one without a name its address, of one that does not say nothing', (t) => {
  const alice = { kind: 'member' as const, hit: ALICES_HIT, user: 'alice@home.example' };
  const carol = { kind: 'member' as const, hit: CAROLS_HIT, user: null };
  const shown = (value: string, party: Party = alice): string | undefined =>
    firstHeader(policy().toPhone(request('sip:bob@home.example', [`From: ${value};tag=1;x=y`]), party), 'from');
  for (const own of ['<sip:alice@home.example>', '"Alice" <sip:alice@home.example>', 'ALICE <sip:alice@home.example>'])
    t.is(shown(own), `${own};tag=1;x=y`);
  for (const [value, uri] of [
    ['"Carol" <sip:alice@home.example>', 'sip:alice@home.example'],
    ['"carol@home.example" <sip:alice@home.example>', 'sip:alice@home.example'],
    ['Carol <sip:alice@home.example>', 'sip:alice@home.example'],
    [`<sip:carol@[${ALICES}]>`, `sip:carol@[${ALICES}]`],
    ['<sip:carol@alice.home.example>', 'sip:carol@alice.home.example'],
  ] as const)
    t.is(shown(value), `"alice" <${uri}>;tag=1;x=y`, value);
  t.is(shown(`"Alice" <sip:alice@[${CAROLS}]>`, carol), `"${CAROLS}" <sip:alice@[${CAROLS}]>;tag=1;x=y`);
  const anonymous = '<sip:anonymous@anonymous.invalid>';
  t.is(shown(`"Carol" ${anonymous}`), `"Anonymous" ${anonymous};tag=1;x=y`);
  t.is(shown(`"Anonymous" ${anonymous}`), `"Anonymous" ${anonymous};tag=1;x=y`);
});

test('a member without a name is asserted by its address, and told to be proven; one that is anonymous or asks for privacy by its name', (t) => {
  const trusting = policy({ trustHeader: 'X-Trust' });
  const told = (party: Party, ...said: string[]): string[] =>
    ['p-asserted-identity', 'x-trust'].flatMap((name) =>
      headerValues(trusting.toPhone(request('sip:bob@home.example', said), party), name),
    );
  t.deepEqual(told({ kind: 'member', hit: CAROLS_HIT, user: null }, `From: <sip:x@[${CAROLS}]>;tag=1`), [
    ...[`<sip:[${CAROLS}]>`, `proven; hit=${CAROLS}`],
  ]);
  const alice = { kind: 'member' as const, hit: ALICES_HIT, user: 'alice@home.example' };
  const anonymous = ['From: <sip:anonymous@anonymous.invalid>;tag=1', 'Privacy: id;header'];
  t.deepEqual(told(alice, ...anonymous), ['<sip:alice@home.example>', `proven; hit=${ALICES}`]);
});
