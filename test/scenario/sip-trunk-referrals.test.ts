import test, { type ExecutionContext } from 'ava';
import { firstHeader, headerValues } from '../../src/sip/message/headers.ts';
import type { SipHeader, SipRequest } from '../../src/sip/message/message.ts';
import { TIMER_C_MS } from '../../src/sip/proxy/constants.ts';
import type { MediaSession } from '../../src/sip/trunk/trunk-media.ts';
import type { SimPhone } from '../sim/sip/sip-phone.ts';
import { PROVIDER } from '../sim/sip/sip-trunk.ts';
import { GATEWAY, methods, sceneWithBob, type TrunkScene } from '../sim/sip/trunk-scene.ts';

const sdp = (address: string): string => `v=0\r\nc=IN IP4 ${address}\r\nm=audio 4000 RTP/AVP 0\r\n`;
const HERS = sdp('198.18.0.1');
const HIS = sdp('198.18.0.4');
const TO_BOB = [{ name: 'Refer-To', value: '<sip:bob@home.example>' }];

interface Talk extends TrunkScene {
  readonly phone: SimPhone;
  readonly bob: SimPhone;
  /** Alice's phone says something in her call. */
  say(method: string, headers?: readonly SipHeader[]): void;
}

/** Alice talks with a number; bob's phone rings for half a second. */
function talk(calls: 'alice' | 'world' = 'alice'): Talk {
  const all = sceneWithBob();
  const { network, provider, alice, bob } = all;
  const phone = alice.registered();
  phone.offer = HERS;
  phone.manners = { answersAfterMs: 100, sdp: HERS };
  bob.manners = { ringsAfterMs: 50, answersAfterMs: 500, sdp: HIS };
  const call = calls === 'alice' ? phone.call('one', 'sip:+4930123456@home.example') : undefined;
  if (calls === 'world') provider.call(GATEWAY, 'sip:030111@192.0.2.1:5064', '<sip:0301234567@203.0.113.1>');
  network.loop.run(2_000);
  provider.describesInCall = true;
  provider.told.length = 0;
  const dialog = (): typeof call extends undefined ? never : Parameters<SimPhone['say']>[1] =>
    call?.dialog ?? [...phone.answered.values()][0];
  return { ...all, phone, say: (method, headers = []) => void phone.say(method, dialog(), headers) };
}

const bodyOf = ({ body }: SipRequest): string => Buffer.from(body).toString();
const notified = ({ requests }: SimPhone): string[] =>
  requests
    .filter(({ method }) => method === 'NOTIFY')
    .map((notify) => `${firstHeader(notify, 'subscription-state') ?? ''} ${bodyOf(notify)}`);
const said = (requests: readonly SipRequest[]): string[] =>
  requests.map(({ method }) => method).filter((method) => method !== 'REGISTER');
const TRYING = 'active;expires=180 SIP/2.0 100 Trying\r\n';
const ended = (what: string): string => `terminated;reason=noresource SIP/2.0 ${what}\r\n`;

/** Bob and the number are in the call, through the media relay, and the gateway may crash. */
function connected(t: ExecutionContext, all: Talk, calls: 'alice' | 'world'): void {
  const { network, provider, phone, bob, trunk } = all;
  const before = provider.requests.length;
  const [invite] = bob.requests;
  const ack = bob.requests.find(({ method }) => method === 'ACK');
  if (invite === undefined || ack === undefined) return void t.fail();
  t.is(invite.body.length, 0);
  t.deepEqual(headerValues(invite, 'content-type'), []);
  t.regex(
    firstHeader(invite, 'from') ?? '',
    calls === 'alice' ? /^<sip:\+4930123456@provider/ : /^<sip:\+49301234567@/,
  );
  t.regex(bodyOf(ack), /^c=IN IP4 2001:20::77$/m, "the relay's");
  t.deepEqual([...new Set(provider.told)], [HIS.replace('198.18.0.4', '192.0.2.77')]);
  t.is(trunk.trunk.size, 1);
  trunk.crash();
  network.loop.run(100);
  const dialog = [...bob.answered.values()][0];
  bob.say('INFO', dialog);
  network.loop.run(500);
  t.is(bob.heard.at(-1), 'INFO 200');
  t.is(said(provider.requests.slice(before))[0], 'INFO');
  if (calls === 'alice') provider.say('INFO');
  else provider.sayOwn('INFO');
  network.loop.run(500);
  t.is(provider.heard.at(-1), 'INFO 200');
  t.is(methods(bob).at(-1), 'INFO');
  bob.say('BYE', dialog);
  network.loop.run(40_000);
  t.is(bob.heard.at(-1), 'BYE 200');
  t.is(said(provider.requests).at(-1), 'BYE');
  t.is(trunk.trunk.size, 0);
  t.deepEqual(
    trunk.media.log.filter((line) => line === 'delete'),
    ['delete'],
  );
  t.is(phone.leftovers + bob.leftovers, 0);
}

for (const calls of ['alice', 'world'] as const) {
  test(`alice hands a call on unasked (${calls} has called): bob is called, and has it; she hears what comes of it, and BYE`, (t) => {
    const all = talk(calls);
    const { network, phone } = all;
    all.say('REFER', TO_BOB);
    network.loop.run(2_000);
    t.is(phone.heard.at(-1), 'REFER 202');
    t.deepEqual(notified(phone), [TRYING, ended('200 OK')]);
    t.deepEqual(
      headerValues(phone.requests.find(({ method }) => method === 'NOTIFY') ?? (phone.requests[0] as never), 'event'),
      ['refer'],
    );
    t.is(methods(phone).at(-1), 'BYE');
    connected(t, all, calls);
  });

  test(`alice hangs up as soon as her REFER is taken (${calls} has called): the number hears nothing of it, and bob has the call`, (t) => {
    const all = talk(calls);
    const { network, provider, phone } = all;
    all.say('REFER', TO_BOB);
    network.loop.run(100);
    all.say('BYE');
    network.loop.run(2_000);
    t.deepEqual(phone.heard.slice(-2), ['REFER 202', 'BYE 200']);
    t.false(methods(phone).includes('BYE'));
    t.false(said(provider.requests).includes('BYE'));
    connected(t, all, calls);
  });
}

test('bob is busy: alice hears so, and has her call still, as it was', (t) => {
  const all = talk();
  const { network, provider, phone, bob, trunk } = all;
  bob.manners = { answersAfterMs: 100, status: 486 };
  const asked = trunk.media.asked.length;
  all.say('REFER', TO_BOB);
  network.loop.run(2_000);
  t.deepEqual(notified(phone), [TRYING, ended('486 Reason 486')]);
  t.is(trunk.media.asked.length, asked);
  t.deepEqual(said(provider.requests), ['INVITE']);
  all.say('INFO');
  network.loop.run(500);
  t.is(phone.heard.at(-1), 'INFO 200');
  all.say('REFER', [{ name: 'Refer-To', value: 'sip:bob@home.example' }]);
  bob.manners = { answersAfterMs: 100, sdp: HIS };
  network.loop.run(2_000);
  t.is(notified(phone).at(-1), ended('200 OK'), 'another time');
  const events = phone.requests.flatMap((request) => headerValues(request, 'event'));
  t.deepEqual(events, ['refer', 'refer', ...Array<string>(2).fill(`refer;id=${phone.lastCSeq}`)]);
});

test('bob is busy, and alice has hung up: the number hears BYE', (t) => {
  const all = talk();
  const { network, provider, bob, trunk } = all;
  bob.manners = { answersAfterMs: 500, status: 486 };
  all.say('REFER', TO_BOB);
  network.loop.run(100);
  all.say('BYE');
  network.loop.run(2_000);
  t.is(said(provider.requests).at(-1), 'BYE');
  t.is(trunk.trunk.size, 0);
});

for (const isLeft of [false, true])
  test(`the number hangs up while bob rings, and alice ${isLeft ? 'has' : 'has not'}: bob is rung off, and the line is free`, (t) => {
    const all = talk();
    const { network, provider, phone, bob, trunk } = all;
    bob.manners = { ringsAfterMs: 50 };
    all.say('REFER', TO_BOB);
    network.loop.run(200);
    if (isLeft) all.say('BYE');
    network.loop.run(200);
    provider.hangUp();
    network.loop.run(2_000);
    t.is(provider.heard.at(-1), 'BYE 200');
    t.is(methods(bob).at(-1), 'CANCEL');
    t.is(methods(phone).at(-1), isLeft ? 'NOTIFY' : 'BYE');
    t.is(trunk.trunk.size, 0);
    network.loop.run(70_000);
    t.is(phone.leftovers + bob.leftovers, 0);
  });

test('bob has answered, and the number does not take him (488): he hears BYE, alice why, and the media relay is told of her again', (t) => {
  const all = talk();
  const { network, provider, phone, bob, trunk } = all;
  provider.inCall = 488;
  provider.describesInCall = false;
  all.say('REFER', TO_BOB);
  network.loop.run(3_000);
  t.deepEqual(methods(bob), ['INVITE', 'ACK', 'BYE']);
  t.is(bob.requests.find(({ method }) => method === 'ACK')?.body.length, 0);
  t.deepEqual(notified(phone), [TRYING, ended('488 R488')]);
  t.deepEqual(
    trunk.media.asked.slice(-2).map(({ what, sdp: of }) => [what, of === HERS]),
    [
      ['offer alice callee', true],
      ['answer callee alice', false],
    ],
  );
  t.is(trunk.trunk.size, 1);
  all.say('BYE');
  network.loop.run(40_000);
  t.is(phone.heard.at(-1), 'BYE 200');
  t.is(trunk.trunk.size, 0);
  t.is(bob.leftovers, 0);
});

test('the number answers bob in clear where that may not be: all three hear BYE, and bob nothing of it', (t) => {
  const all = talk();
  const { network, provider, phone, bob, trunk } = all;
  trunk.media.objects = () => 'Media Not Encrypted by Provider';
  all.say('REFER', TO_BOB);
  network.loop.run(3_000);
  t.deepEqual(methods(bob), ['INVITE', 'ACK', 'BYE']);
  t.is(methods(phone).at(-1), 'BYE');
  t.is(said(provider.requests).at(-1), 'BYE');
  t.is(trunk.trunk.size, 0);
});

test('the gateway stops while bob rings: all hear so', (t) => {
  const all = talk();
  const { network, provider, phone, bob, trunk } = all;
  bob.manners = { ringsAfterMs: 50 };
  all.say('REFER', TO_BOB);
  network.loop.run(500);
  trunk.trunk.stop(network.loop.now);
  network.schedule(trunk);
  network.loop.run(2_000);
  t.is(methods(bob).at(-1), 'CANCEL');
  t.is(methods(phone).at(-1), 'BYE');
  t.true(said(provider.requests).includes('BYE'));
  t.is(trunk.trunk.size, 0);
});

test('alice hands her call on to another number: the provider calls it in her name, and both talk by two lines, also after a crash', (t) => {
  const all = talk();
  const { network, provider, phone, bob, trunk } = all;
  all.say('REFER', [{ name: 'Refer-To', value: '<tel:030-999999>' }]);
  network.loop.run(2_000);
  t.deepEqual(notified(phone), [TRYING, ended('200 OK')]);
  t.is(methods(phone).at(-1), 'BYE');
  const [first, second, again] = provider.requests.filter(({ method }) => method === 'INVITE');
  if (first === undefined || second === undefined || again === undefined) return void t.fail();
  t.is(second.uri, `sip:+4930999999@${PROVIDER};user=phone`);
  t.is(firstHeader(second, 'from')?.split(';tag')[0], `<sip:+4930111@${PROVIDER}>`);
  t.is(second.body.length, 0);
  t.is(firstHeader(again, 'call-id'), firstHeader(first, 'call-id'));
  t.is(provider.told.length, 2);
  for (const told of provider.told) t.regex(told, /^c=IN IP4 192\.0\.2\.77$/m, "the relay's address outside");
  t.is(trunk.trunk.size, 1);
  trunk.crash();
  network.loop.run(6_000);
  t.is(trunk.trunk.size, 1, 'each was asked');
  bob.call('two', 'sip:+4930123457@home.example');
  bob.call('three', 'sip:+4930123458@home.example');
  network.loop.run(2_000);
  t.is(trunk.trunk.size, 3);
  const more = bob.call('four', 'sip:+4930123459@home.example');
  network.loop.run(2_000);
  t.deepEqual(more.heard, ['500'], 'four lines are taken');
  const bye = provider.requests.filter(({ method }) => method === 'BYE').length;
  provider.hangUpIn(second);
  network.loop.run(2_000);
  const byes = provider.requests.filter(({ method }) => method === 'BYE').slice(bye);
  t.deepEqual(
    byes.map((request) => firstHeader(request, 'call-id')),
    [firstHeader(first, 'call-id')],
  );
  t.is(trunk.trunk.size, 2);
});

test('the other number offers in clear where that may not be: it hears BYE, the first one nothing, and alice has her call still', (t) => {
  const all = talk();
  const { network, provider, phone, trunk } = all;
  const sessions: MediaSession[] = [];
  trunk.media.saw = (session) => void sessions.push(session);
  trunk.media.objects = () => 'Media Not Encrypted by Provider';
  all.say('REFER', [{ name: 'Refer-To', value: '<tel:030-999999>' }]);
  network.loop.run(2_000);
  t.deepEqual(
    sessions.map(({ from, to }) => ({ from, to })),
    [{ from: 'outside', to: 'outside' }],
  );
  t.deepEqual(notified(phone), [TRYING, ended('488 Media Not Encrypted by Provider')]);
  t.deepEqual(said(provider.requests), ['INVITE', 'INVITE', 'BYE']);
  t.deepEqual(provider.told, []);
  all.say('INFO');
  network.loop.run(500);
  t.is(phone.heard.at(-1), 'INFO 200');
  t.is(trunk.trunk.size, 1);
});

test('the other number rings for three minutes, and alice has hung up: it is rung off, the first one hears BYE, and both lines are free', (t) => {
  const all = talk();
  const { network, provider, phone, trunk } = all;
  provider.answerMs = 3_600_000;
  all.say('REFER', [{ name: 'Refer-To', value: '<tel:030-999999>' }]);
  network.loop.run(500);
  all.say('BYE');
  network.loop.run(TIMER_C_MS - 2_000);
  t.deepEqual(said(provider.requests), ['INVITE', 'INVITE']);
  t.is(trunk.trunk.size, 1);
  network.loop.run(5_000);
  t.true(provider.received.includes('CANCEL'));
  t.deepEqual(said(provider.requests), ['INVITE', 'INVITE', 'BYE']);
  t.is(trunk.trunk.size, 0);
  network.loop.run(40_000);
  t.is(phone.leftovers, 0);
});

test('the number says nothing but 183 of what bob offers: after three minutes that is cancelled, bob hears BYE, and alice has her call still', (t) => {
  const all = talk();
  const { network, provider, phone, bob, trunk } = all;
  provider.inCall = 183;
  provider.describesInCall = false;
  all.say('REFER', TO_BOB);
  network.loop.run(TIMER_C_MS - 2_000);
  t.false(provider.received.includes('CANCEL'));
  network.loop.run(5_000);
  t.true(provider.received.includes('CANCEL'));
  network.loop.run(40_000);
  t.is(methods(bob).at(-1), 'BYE');
  t.deepEqual(notified(phone), [TRYING, ended('503 Gateway Has No Way Out')]);
  t.is(trunk.trunk.size, 1);
  provider.inCall = 200;
  all.say('INFO');
  network.loop.run(500);
  t.is(phone.heard.at(-1), 'INFO 200');
});

test('who may not call a number hands no call on to one (403), and none when all lines are taken; to a member he does', (t) => {
  const all = talk('world');
  const { network, phone, bob, trunk } = all;
  trunk.account.callers = ['bob'];
  all.say('REFER', [{ name: 'Refer-To', value: '<sip:030999999@home.example>' }]);
  network.loop.run(1_000);
  t.is(phone.heard.at(-1), 'REFER 403');
  trunk.account.callers = ['alice', 'bob'];
  for (const id of ['2', '3', '4']) bob.call(id, `sip:+493012345${id}@home.example`);
  network.loop.run(2_000);
  t.is(trunk.trunk.size, 4);
  all.say('REFER', [{ name: 'Refer-To', value: '<sip:030999999@home.example>' }]);
  network.loop.run(1_000);
  t.is(phone.heard.at(-1), 'REFER 500');
  trunk.account.callers = ['bob'];
  all.say('REFER', TO_BOB);
  network.loop.run(2_000);
  t.is(notified(phone).at(-1), ended('200 OK'));
});

test('bob is called by a number of his, by his name, and by the address of his phone', (t) => {
  const { address } = talk().bob.address;
  for (const to of [
    'tel:+4930222',
    'sip:+4930222@home.example',
    'sips:bob@home.example',
    `sip:bob@[${address}]:5060`,
  ]) {
    const all = talk();
    all.trunk.account.numbers = new Map([['+4930222', 'bob']]);
    all.say('REFER', [{ name: 'Refer-To', value: `<${to}>` }]);
    all.network.loop.run(2_000);
    t.is(notified(all.phone).at(-1), ended('200 OK'), to);
    t.deepEqual(methods(all.bob).slice(0, 2), ['INVITE', 'ACK'], to);
  }
});

test('alice has asked bob first: his phone is told which call of his the number takes the place of', (t) => {
  const all = talk();
  const to = '<sip:bob@home.example?Replaces=two%3Bto-tag%3Dx%3Bfrom-tag%3Dalice&Priority=urgent>';
  all.say('REFER', [{ name: 'Refer-To', value: to }]);
  all.network.loop.run(2_000);
  const [invite] = all.bob.requests;
  t.is(invite && firstHeader(invite, 'replaces'), 'two;to-tag=x;from-tag=alice');
  t.is(invite && firstHeader(invite, 'priority'), undefined);
  t.is(notified(all.phone).at(-1), ended('200 OK'));
});

for (const [what, headers, status] of [
  ['without a Refer-To', [], 400],
  ['with two', [...TO_BOB, ...TO_BOB], 400],
  ['to nothing that can be called', [{ name: 'Refer-To', value: '<mailto:bob@home.example>' }], 400],
  ['with another method', [{ name: 'Refer-To', value: '<sip:bob@home.example;method=SUBSCRIBE>' }], 403],
  ['to a call for help', [{ name: 'Refer-To', value: '<tel:112>' }], 403],
  ['to another domain', [{ name: 'Refer-To', value: '<sip:zoe@elsewhere.example>' }], 404],
  ['with a Replaces that is none', [{ name: 'Refer-To', value: '<sip:bob@home.example?Replaces=a%0d%0ab>' }], 400],
] as const)
  test(`a REFER ${what}: ${status}, nobody is called, and the call goes on`, (t) => {
    const all = talk();
    all.say('REFER', headers);
    all.network.loop.run(2_000);
    t.is(all.phone.heard.at(-1), `REFER ${status}`);
    t.deepEqual(notified(all.phone), []);
    t.deepEqual(methods(all.bob), []);
    t.deepEqual(said(all.provider.requests), ['INVITE']);
    t.is(all.trunk.trunk.size, 1);
  });

test('while one is called nobody else takes the place of alice, by a second REFER or by Replaces: 491', (t) => {
  const all = talk();
  const { network, phone, bob } = all;
  all.say('REFER', TO_BOB);
  network.loop.run(300);
  all.say('REFER', TO_BOB);
  network.loop.run(20);
  all.say('INFO');
  network.loop.run(2_000);
  t.true(phone.heard.includes('REFER 491'));
  t.is(methods(bob).filter((method) => method === 'INVITE').length, 1);
});

test('a call for help is not handed on (403)', (t) => {
  const all = sceneWithBob();
  const { network, alice, bob } = all;
  const phone = alice.registered();
  const call = phone.call('one', 'sip:112@home.example');
  network.loop.run(2_000);
  phone.say('REFER', call.dialog, TO_BOB);
  network.loop.run(2_000);
  t.is(phone.heard.at(-1), 'REFER 403');
  t.deepEqual(methods(bob), []);
});
