import test from 'ava';
import { firstHeader, headerValues } from '../../src/sip/message/headers.ts';
import type { SipMessage } from '../../src/sip/message/message.ts';
import type { SimProvider } from '../sim/sip/sip-provider.ts';
import { PROVIDER } from '../sim/sip/sip-trunk.ts';
import { GATEWAY, invites, methods, sceneWithBob, trunkScene } from '../sim/sip/trunk-scene.ts';

test('alice hands a call with a number to bob (Replaces): he talks with it, she hears BYE, and no line more is taken', (t) => {
  const { network, provider, alice, bob, trunk } = sceneWithBob();
  const phone = alice.registered();
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  const replaces = [
    { name: 'Replaces', value: 'one;to-tag=callee;from-tag=alice' },
    { name: 'Require', value: 'replaces' },
  ];
  const his = bob.call('two', 'sip:+4930123456@home.example', replaces);
  network.loop.run(2_000);
  t.deepEqual(his.heard, ['200 callee']);
  t.is(call.heard.at(-1), '200 callee');
  t.is(methods(phone).at(-1), 'BYE');
  const said = (): string[] => provider.requests.map(({ method }) => method).filter((method) => method !== 'REGISTER');
  t.deepEqual(said(), ['INVITE', 'INVITE']);
  const [first, second] = provider.requests.filter(({ method }) => method === 'INVITE');
  t.is(second && firstHeader(second, 'call-id'), first && firstHeader(first, 'call-id'));
  t.is(second && headerValues(second, 'require').length, 0);
  t.is(trunk.trunk.size, 1);
  trunk.crash();
  bob.say('INFO', his.dialog);
  network.loop.run(500);
  t.is(bob.heard.at(-1), 'INFO 200');
  provider.hangUp();
  network.loop.run(40_000);
  t.is(methods(bob).at(-1), 'BYE');
  t.is(provider.heard.at(-1), 'BYE 200');
  t.is(trunk.trunk.size, 0);
  t.is(phone.leftovers + bob.leftovers, 0);
});

test('alice hands on a call that the world has made: bob talks, holds and hangs up', (t) => {
  const { network, provider, alice, bob, trunk } = sceneWithBob();
  const phone = alice.registered();
  provider.call(GATEWAY, 'sip:line7@192.0.2.1:5064', '<sip:0301234567@203.0.113.1>', `sip:030111@${PROVIDER}`);
  network.loop.run(2_000);
  const [dialog] = phone.answered.values();
  const [invite] = phone.requests;
  if (dialog === undefined || invite === undefined) return void t.fail();
  const tag = (value: string): string => value.split(';tag=')[1] ?? '';
  const value = `${dialog.callId};to-tag=${tag(dialog.remote)};from-tag=${tag(dialog.local)}`;
  const his = bob.call('two', 'sip:+49301234567@home.example', [{ name: 'Replaces', value }]);
  network.loop.run(2_000);
  t.regex(his.heard.at(-1) ?? '', /^200/);
  t.is(methods(phone).at(-1), 'BYE');
  trunk.crash();
  const again = bob.say('INVITE', his.dialog);
  network.loop.run(1_000);
  t.regex(again?.heard.at(-1) ?? '', /^200/);
  provider.sayOwn('INFO');
  network.loop.run(500);
  t.is(methods(bob).at(-1), 'INFO');
  t.is(provider.heard.at(-1), 'INFO 200');
  bob.say('BYE', his.dialog);
  network.loop.run(40_000);
  t.is(bob.heard.at(-1), 'BYE 200');
  t.is(provider.received.at(-1)?.split(' ')[0], 'BYE');
  t.is(trunk.trunk.size, 0);
  t.is(bob.leftovers, 0);
});

test('a member is told that Replaces works here, in calls of both ways and when it asks (OPTIONS); the provider is not', (t) => {
  const { network, provider, alice } = trunkScene({}, ['box']);
  const phone = alice.registered();
  const supports = (message: SipMessage | undefined): readonly string[] =>
    message === undefined ? [] : headerValues(message, 'supported');
  phone.ask('OPTIONS', 'sip:+4930123456@home.example');
  network.loop.run(1_000);
  t.is(phone.heard.at(-1), 'OPTIONS 200');
  t.true(supports(phone.final).includes('replaces'));
  phone.call('one', 'sip:+4930123456@home.example', [{ name: 'Supported', value: 'timer' }]);
  network.loop.run(2_000);
  t.is(phone.final?.status, 200);
  t.true(supports(phone.final).includes('replaces'));
  provider.call(GATEWAY, 'sip:030111@192.0.2.1:5064', '<sip:0301234567@203.0.113.1>');
  network.loop.run(2_000);
  t.deepEqual(supports(phone.requests.find(({ method }) => method === 'INVITE')), ['replaces']);
  const told = provider.requests.filter(({ method }) => method === 'INVITE');
  t.deepEqual(told.map(supports), [['timer']]);
});

for (const [why, value, status] of [
  ['of a call that is not here', 'other;to-tag=callee;from-tag=alice', '481'],
  ['with a tag that is another', 'one;to-tag=callee;from-tag=mallory', '481'],
  ['that is none', 'one', '400'],
  ['of a call that has only to ring', 'one;to-tag=callee;from-tag=alice;early-only', '486'],
] as const)
  test(`a Replaces ${why}: ${status}, and the call goes on`, (t) => {
    const { network, provider, alice, bob, trunk } = sceneWithBob();
    const phone = alice.registered();
    phone.call('one', 'sip:+4930123456@home.example');
    network.loop.run(2_000);
    const his = bob.call('two', 'sip:+4930123456@home.example', [{ name: 'Replaces', value }]);
    network.loop.run(2_000);
    t.deepEqual(his.heard, [status]);
    t.is(invites(provider).length, 1);
    t.is(trunk.trunk.size, 1);
    t.false(methods(phone).includes('BYE'));
  });

test('two phones would take the place of alice at once: one does, the other hears 491, and no line is held when all is over', (t) => {
  const { network, provider, alice, bob, trunk } = sceneWithBob();
  const phone = alice.registered();
  phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  const replaces = [{ name: 'Replaces', value: 'one;to-tag=callee;from-tag=alice' }];
  const calls = ['two', 'three'].map((id) => bob.call(id, 'sip:+4930123456@home.example', replaces));
  network.loop.run(2_000);
  t.deepEqual(calls.map(({ heard }) => heard.at(-1)).sort(), ['200 callee', '491']);
  t.is(methods(phone).at(-1), 'BYE');
  t.is(trunk.trunk.size, 1);
  provider.hangUp();
  network.loop.run(40_000);
  t.is(trunk.trunk.size, 0);
});

test('the number refuses to talk with another (488): bob hears so, and alice has her call still', (t) => {
  const { network, provider, alice, bob, trunk } = sceneWithBob();
  const phone = alice.registered();
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  provider.inCall = 488;
  const his = bob.call('two', 'sip:+4930123456@home.example', [
    { name: 'Replaces', value: 'one;to-tag=callee;from-tag=alice' },
  ]);
  network.loop.run(2_000);
  t.deepEqual(his.heard, ['488']);
  t.is(trunk.trunk.size, 1);
  phone.say('INFO', call.dialog);
  network.loop.run(500);
  t.is(phone.heard.at(-1), 'INFO 488');
});

const HERS = 'v=0\r\nc=IN IP4 198.18.0.1\r\nm=audio 4000 RTP/AVP 0\r\n';
const HIS = 'v=0\r\nc=IN IP4 198.18.0.3\r\nm=audio 6000 RTP/AVP 0\r\n';

for (const [what, refuse] of [
  ['refuses bob (488)', (provider: SimProvider) => void (provider.inCall = 488)],
  ['says nothing to that', (provider: SimProvider) => void (provider.isDead = true)],
] as const)
  test(`bob would take the place of alice, and the number ${what}: the media relay is told again of her, as they had agreed`, (t) => {
    const { network, provider, alice, bob, trunk } = sceneWithBob();
    const phone = alice.registered();
    phone.offer = HERS;
    bob.offer = HIS;
    phone.call('one', 'sip:+4930123456@home.example');
    network.loop.run(2_000);
    t.deepEqual(
      trunk.media.asked.map(({ what: said }) => said),
      ['offer alice', 'answer callee alice'],
    );
    refuse(provider);
    bob.call('two', 'sip:+4930123456@home.example', [{ name: 'Replaces', value: 'one;to-tag=callee;from-tag=alice' }]);
    network.loop.run(40_000);
    const [, answer, his, again, answeredAgain, ...more] = trunk.media.asked;
    t.is(his?.what, 'offer bob callee');
    t.deepEqual(again, { what: 'offer alice callee', sdp: HERS });
    t.deepEqual(answeredAgain, answer);
    t.deepEqual(more, []);
    t.is(trunk.trunk.size, 1);
  });

test('a re-INVITE with another offer is refused: the media relay is told again of what was agreed, and the next one is passed as it is', (t) => {
  const { network, provider, alice, trunk } = trunkScene({}, ['box']);
  const phone = alice.registered();
  phone.offer = HERS;
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  provider.inCall = 488;
  phone.offer = HIS;
  const again = phone.say('INVITE', call.dialog);
  network.loop.run(2_000);
  t.deepEqual(again?.heard, ['488']);
  const asked = (): string[] => trunk.media.asked.slice(2).map(({ what, sdp }) => `${what} ${sdp.slice(7, 24)}`);
  t.deepEqual(asked(), [
    'offer alice callee IN IP4 198.18.0.3',
    'offer alice callee IN IP4 198.18.0.1',
    `answer callee alice ${trunk.media.asked[1]?.sdp.slice(7, 24)}`,
  ]);
  provider.inCall = 200;
  provider.describesInCall = true;
  phone.say('INVITE', call.dialog);
  network.loop.run(2_000);
  t.is(asked().length, 5);
  phone.say('INFO', call.dialog);
  network.loop.run(2_000);
  t.is(asked().length, 5);
});

test('the world asks for nobody to be called, nor does a member outside of a call (REFER): 405, with what is allowed', (t) => {
  const { network, provider, alice } = trunkScene({}, ['box']);
  const phone = alice.registered();
  phone.ask('REFER', 'sip:+4930123456@home.example', [{ name: 'Refer-To', value: '<sip:bob@home.example>' }]);
  network.loop.run(500);
  t.is(phone.heard.at(-1), 'REFER 405');
  const { final: answer } = phone;
  t.false(((answer && firstHeader(answer, 'allow')) ?? 'REFER').includes('REFER'));
  phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  provider.say('REFER');
  network.loop.run(500);
  t.is(provider.heard.at(-1), 'REFER 405');
  t.false(provider.received.some((line) => line.startsWith('REFER')));
});
