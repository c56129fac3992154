import test from 'ava';
import { firstHeader } from '../../src/sip/message/headers.ts';
import type { SipRequest } from '../../src/sip/message/message.ts';
import type { SimPhone } from '../sim/sip/sip-phone.ts';
import type { SimProvider } from '../sim/sip/sip-provider.ts';
import { PROVIDER } from '../sim/sip/sip-trunk.ts';
import { GATEWAY, methods, sceneWithBob, trunkScene } from '../sim/sip/trunk-scene.ts';

for (const ends of ['member', 'world'] as const)
  test(`the gateway crashes in a call: it goes on, with a re-INVITE, and the ${ends} ends it by BYE`, (t) => {
    const { network, provider, alice, trunk } = trunkScene({}, ['box']);
    const phone = alice.registered();
    const call = phone.call('one', 'sip:+4930123456@home.example');
    network.loop.run(2_000);
    phone.say('INFO', call.dialog);
    network.loop.run(500);
    trunk.crash();
    network.loop.run(100);
    t.is(trunk.trunk.size, 1);
    const again = phone.say('INVITE', call.dialog);
    network.loop.run(1_000);
    t.is(again?.heard.at(-1)?.slice(0, 3), '200');
    t.is(provider.received.at(-1)?.split(' ')[0], 'ACK');
    if (ends === 'member') phone.say('BYE', call.dialog);
    else provider.hangUp();
    network.loop.run(40_000);
    t.is(ends === 'member' ? phone.heard.at(-1) : provider.heard.at(-1), 'BYE 200');
    t.is(ends === 'member' ? provider.received.at(-1)?.split(' ')[0] : methods(phone).at(-1), 'BYE');
    const cseqs = provider.requests
      .filter(({ method }) => ['INVITE', 'INFO', 'BYE'].includes(method))
      .map((request) => Number.parseInt(firstHeader(request, 'cseq') ?? '', 10));
    t.deepEqual(
      cseqs,
      cseqs.toSorted((a, b) => a - b),
    );
    t.is(trunk.trunk.size, 0);
    t.is(phone.leftovers, 0);
    t.is(trunk.kept().length, 1);
  });

for (const ends of ['member', 'world'] as const)
  test(`the gateway crashes in a call of the world: the ${ends} ends it by BYE`, (t) => {
    const { network, provider, alice, trunk } = trunkScene();
    const phone = alice.registered();
    provider.call(GATEWAY, 'sip:line7@192.0.2.1:5064', '<sip:0301234567@203.0.113.1>', `sip:030111@${PROVIDER}`);
    network.loop.run(2_000);
    trunk.crash();
    trunk.crash();
    network.loop.run(100);
    if (ends === 'member') phone.say('BYE', [...phone.answered.values()][0]);
    else provider.sayOwn('BYE');
    network.loop.run(40_000);
    t.is(ends === 'member' ? phone.heard.at(-1) : provider.heard.at(-1), 'BYE 200');
    t.is(ends === 'member' ? provider.received.at(-1)?.split(' ')[0] : methods(phone).at(-1), 'BYE');
    t.is(trunk.trunk.size, 0);
  });

test('a gateway that was away for an hour tells both ends that their call is over; one that was ringing is not kept', (t) => {
  const { network, provider, alice, trunk } = trunkScene({}, ['box']);
  const phone = alice.registered();
  phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  provider.answerMs = 60_000;
  phone.call('two', 'sip:+4930123457@home.example');
  network.loop.run(1_000);
  t.is(trunk.trunk.size, 2);
  t.is(trunk.kept().length, 2);
  trunk.crash(3_600_000);
  network.loop.run(1_000);
  t.is(methods(phone).at(-1), 'BYE');
  t.is(provider.received.findLast((line) => !line.startsWith('REGISTER'))?.split(' ')[0], 'BYE');
  t.is(trunk.trunk.size, 0);
});

test('what is no snapshot of calls, or one of another provider, restores none', (t) => {
  const { network, alice, trunk } = trunkScene({}, ['box']);
  alice.registered().call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  const [head = '', line = ''] = trunk.kept();
  t.is(trunk.kept().length, 2);
  trunk.trunk.stop(network.loop.now);
  for (const lines of [
    [],
    ['', line],
    ['null', line],
    [head.replace('"version":2', '"version":1'), line],
    [head.replace(PROVIDER, 'other.example'), line],
    [head, '{}', '[', '', line.slice(0, -1)],
  ]) {
    trunk.restore(lines);
    t.is(trunk.trunk.size, 0);
  }
  trunk.restore([head, '{}', line]);
  t.is(trunk.trunk.size, 1);
});

test('what changes nothing that is kept is not written down: a call that rings, digits in one that runs, a refused one', (t) => {
  const { network, provider, alice, trunk } = trunkScene({}, ['box']);
  const phone = alice.registered();
  provider.answerMs = 5_000;
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(3_000);
  t.is(trunk.changes, 0);
  network.loop.run(5_000);
  t.is(trunk.changes, 1);
  for (let digit = 0; digit < 20; digit += 1) {
    phone.say('INFO', call.dialog);
    network.loop.run(500);
  }
  t.is(phone.heard.filter((line) => line === 'INFO 200').length, 20);
  provider.answers = 486;
  phone.call('two', 'sip:+4930123457@home.example');
  network.loop.run(10_000);
  t.is(trunk.changes, 1);
  phone.say('INVITE', call.dialog);
  network.loop.run(1_000);
  t.is(trunk.changes, 2, 'a number of an INVITE is to be known for its ACK');
  phone.say('BYE', call.dialog);
  network.loop.run(1_000);
  t.is(trunk.changes, 3);
});

test('a thousand calls are written and read a few at a time', (t) => {
  const { network, alice, trunk } = trunkScene({ maxCalls: 1_000 }, ['box']);
  alice.registered().call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  const [head = '', line = ''] = trunk.kept();
  const id = /"id":"([0-9a-f]+)"/.exec(line)?.[1] ?? '';
  const many = Array.from({ length: 1_000 }, (_, index) =>
    line
      .replace(id, index.toString(16))
      .replace(/("callIds":\{"caller":")[^"]*(","callee":")[^"]*/, `$1a${index}$2b${index}`),
  );
  trunk.trunk.stop(network.loop.now);
  network.loop.run(40_000);
  trunk.restore([head, ...many]);
  t.is(trunk.trunk.size, 1_000);
  const pieces = [...trunk.trunk.snapshot(0, 0)];
  t.true(pieces.every((piece) => piece.split('\n').length <= 33));
  t.deepEqual(trunk.kept().length, 1_001);
});

test('while a call runs, that the gateway is alive is written down each minute', (t) => {
  const { network, alice, trunk } = trunkScene({}, ['box']);
  const phone = alice.registered();
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  const before = trunk.changes;
  network.loop.run(300_000);
  t.is(trunk.changes - before, 5);
  phone.say('BYE', call.dialog);
  network.loop.run(1_000);
  const after = trunk.changes;
  network.loop.run(300_000);
  t.is(trunk.changes, after);
});

/** A call in which the gateway has crashed, and what an end of it does then. */
function crashed(happens: (all: ReturnType<typeof trunkScene> & { phone: SimPhone }) => void): {
  readonly asked: number;
  readonly all: ReturnType<typeof trunkScene> & { phone: SimPhone };
} {
  const scene = trunkScene({}, ['box']);
  const all = { ...scene, phone: scene.alice.registered() };
  const { network, provider, phone, trunk } = all;
  phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  trunk.crash();
  happens(all);
  network.loop.run(60_000);
  const asked = [...provider.requests, ...phone.requests].filter(({ method }) => method === 'OPTIONS').length;
  return { asked, all };
}

const ofCall = (requests: readonly SipRequest[]): string[] =>
  requests.map(({ method }) => method).filter((method) => method !== 'REGISTER');

test('the gateway has crashed in a call that both ends are in still: each is asked once, and it goes on', (t) => {
  const { asked, all } = crashed(() => undefined);
  t.is(asked, 2);
  t.deepEqual(ofCall(all.provider.requests), ['INVITE', 'OPTIONS']);
  t.deepEqual(ofCall(all.phone.requests), ['OPTIONS']);
  const [options] = all.phone.requests;
  t.is(options && firstHeader(options, 'call-id'), 'one');
  t.is(all.trunk.trunk.size, 1);
  all.network.loop.run(600_000);
  t.is(ofCall(all.phone.requests).length, 1);
});

for (const [what, status] of [
  ['does not do that (501)', 501],
  ['may not say (403)', 403],
] as const)
  test(`an end that ${what} is in the call still, as far as anybody knows`, (t) => {
    const { all } = crashed(({ provider }) => void (provider.inCall = status));
    t.is(all.trunk.trunk.size, 1);
    t.false(all.phone.received.some((line) => line.startsWith('BYE')));
  });

test('the member has hung up while the gateway was away: the provider hears BYE, and the line is free', (t) => {
  const { all } = crashed(({ phone }) => void (phone.forgets = true));
  t.deepEqual(ofCall(all.provider.requests).slice(-1), ['BYE']);
  t.false(all.phone.received.some((line) => line.startsWith('BYE')));
  t.is(all.trunk.trunk.size, 0);
});

for (const [how, happens] of [
  ['says so (481)', (provider: SimProvider) => void (provider.inCall = 481)],
  ['says nothing', (provider: SimProvider) => void (provider.isDead = true)],
] as const)
  test(`the number has hung up while the gateway was away, and ${how}: the member hears BYE, and the line is free`, (t) => {
    const { all } = crashed(({ provider }) => happens(provider));
    t.is(methods(all.phone).at(-1), 'BYE');
    t.is(all.trunk.trunk.size, 0);
    t.deepEqual(
      all.trunk.media.log.filter((line) => line === 'delete'),
      ['delete'],
    );
  });

test('both ends have gone while the gateway was away: the line is free', (t) => {
  const { all } = crashed(({ provider, phone }) => {
    provider.inCall = 481;
    phone.forgets = true;
  });
  t.is(all.trunk.trunk.size, 0);
  t.is(all.phone.leftovers, 0);
});

test('an end that was put in the place of another one meanwhile is not hung up on for what that one says', (t) => {
  const { network, alice, bob, trunk } = sceneWithBob();
  const phone = alice.registered();
  phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  trunk.crash();
  phone.forgets = true;
  network.loses = (message) =>
    message.type === 'response' && firstHeader(message, 'cseq')?.endsWith('OPTIONS') === true;
  network.loop.run(6_000);
  const his = bob.call('two', 'sip:+4930123456@home.example', [
    { name: 'Replaces', value: 'one;to-tag=callee;from-tag=alice' },
  ]);
  network.loop.run(2_000);
  t.is(his.heard.at(-1), '200 callee');
  network.loses = () => false;
  network.loop.run(60_000);
  t.false(methods(bob).includes('BYE'));
  t.is(trunk.trunk.size, 1);
});
