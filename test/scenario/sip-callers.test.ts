import test from 'ava';
import { SipOverlay } from '../sim/sip/sip-household.ts';
import { SipNetwork } from '../sim/sip/sip-network.ts';
import type { SimPhone } from '../sim/sip/sip-phone.ts';

// Who may ring: what the called host's adaptor lets through to its phones, and what the caller hears.

const MINUTE_MS = 60_000;
const rung = (phone: SimPhone): number => phone.received.filter((line) => line.startsWith('INVITE')).length;

test('a member that floods has twenty calls ring and thirty a minute then, another one is heard amid them, and nothing is left', (t) => {
  const network = new SipNetwork();
  network.isLogging = false;
  const overlay = new SipOverlay(network);
  const [alice, bob, mallory] = [overlay.home('alice'), overlay.home('bob', { callers: {} }), overlay.home('mallory')];
  const bobs = bob.registered();
  bobs.manners = { ringsAfterMs: 10, answersAfterMs: 50, status: 486 };
  const [phone, flooding] = [alice.registered(), mallory.registered()];
  const heard = new Map<string, number>();
  const calls = [];
  for (let ms = 0; ms < MINUTE_MS; ms += 20) {
    calls.push(flooding.call(`flood-${ms}`, 'sip:bob@home.example'));
    network.loop.run(20);
  }
  const call = phone.call('one', 'sip:bob@home.example');
  network.loop.run(1_000);
  for (const {
    heard: [first = 'nothing'],
  } of calls)
    heard.set(first, (heard.get(first) ?? 0) + 1);
  t.log(`of ${calls.length} calls in a minute: ${[...heard].map(([what, count]) => `${count} ${what}`).join(', ')}`);
  t.deepEqual(call.heard, ['180', '486']);
  t.is(rung(bobs), 20 + 29 + 1);
  t.is(heard.get('480'), calls.length - 49);
  network.loop.run(2 * MINUTE_MS);
  t.deepEqual(bob.adaptor.sizes, { transactions: 0, requests: 0 });
});

test('at night contacts alone ring; a call that was made before goes on, and so does one that was made from here', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const alice = overlay.home('alice');
  const bob = overlay.home('bob', { callers: { night: { from: 1, to: 2 }, contacts: ['carol'] } });
  const carol = overlay.home('carol');
  const [alices, bobs, carols] = [alice.registered(), bob.registered(), carol.registered()];
  const before = alices.call('before', 'sip:bob@home.example');
  network.loop.run(MINUTE_MS);
  const toBob = alices.call('at-night', 'sip:bob@home.example');
  const ofContact = carols.call('contact', 'sip:bob@home.example');
  const fromBob = bobs.call('from-here', 'sip:alice@home.example');
  network.loop.run(5_000);
  t.deepEqual(toBob.heard, ['480']);
  t.regex(ofContact.heard[1] ?? '', /^200/);
  t.regex(fromBob.heard[1] ?? '', /^200/);
  const held = [alices.say('INVITE', before.dialog), alices.say('INVITE', alices.answered.get('from-here'))];
  network.loop.run(5_000);
  for (const call of held) t.regex(call?.heard[1] ?? '', /^200/);
  network.loop.run(MINUTE_MS);
  const inTheMorning = alices.call('morning', 'sip:bob@home.example');
  network.loop.run(5_000);
  t.regex(inTheMorning.heard[1] ?? '', /^200/);
});

test('who is blocked rings no phone, whatever it invents, and has the answer of a phone that is off; it is called all the same', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const bob = overlay.home('bob', { callers: { block: ['mallory'] } });
  const mallory = overlay.home('mallory');
  const [bobs, mallorys] = [bob.registered(), mallory.registered()];
  const call = mallorys.call('one', 'sip:bob@home.example');
  const invented = mallorys.callBy(
    { address: bob.ipv6, port: 5_062 },
    'two',
    'mallory',
    'sip:bob@home.example',
    ';tag=x',
  );
  const anonymous = mallorys.callBy({ address: bob.ipv6, port: 5_062 }, 'three', 'mallory');
  mallorys.ask('MESSAGE', 'sip:bob@home.example');
  network.loop.run(5_000);
  t.deepEqual(
    [call, invented, anonymous].flatMap(({ heard }) => heard),
    ['480', '480', '480'],
  );
  t.true(mallorys.heard.includes('MESSAGE 480'));
  t.deepEqual(bobs.received, []);
  const back = bobs.call('back', 'sip:mallory@home.example');
  network.loop.run(5_000);
  t.regex(back.heard[1] ?? '', /^200/);
});

test('who is blocked rings no phone by the Call-ID of a call to a number, nor by what would lead to a gateway', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const bob = overlay.home('bob', { callers: { block: ['mallory'] } });
  const [bobs, mallorys] = [bob.registered(), overlay.home('mallory').registered()];
  const adaptor = { address: bob.ipv6, port: 5_062 };
  const number = 'sip:+4930123456@home.example';
  const call = (callId: string, to: string, tag = '', route?: string): readonly string[] => {
    const headers = route === undefined ? [] : [{ name: 'Route', value: `<${route};lr>` }];
    const { heard } = mallorys.callBy(adaptor, callId, 'mallory', to, tag, headers);
    network.loop.run(2_000);
    return heard;
  };
  t.deepEqual(call('one', number), ['404']);
  for (const tag of ['', ';tag=x']) t.deepEqual(call('one', 'sip:bob@home.example', tag), ['480']);
  const [phone, host] = [`sip:bob@[${bob.ipv6}]:5060`, `sip:bob@[${bob.ipv6}]:5062`];
  t.deepEqual(call('two', number, '', phone), ['480']);
  t.deepEqual(call('three', `sip:gateway@[${bob.ipv6}]:5062`, ';tag=x'), ['480']);
  t.deepEqual(call('four', `sip:gateway@[${bob.ipv6}]:5062;lr`, ';tag=x', host), ['480']);
  t.deepEqual(bobs.received, []);
});

test('a call that was let in is held at night though a thousand calls to numbers have come meanwhile, and no call begins by its Call-ID', (t) => {
  const network = new SipNetwork();
  network.isLogging = false;
  const overlay = new SipOverlay(network);
  const bob = overlay.home('bob', { callers: { night: { from: 1, to: 2 } } });
  const [phone, flooding] = [overlay.home('alice').registered(), overlay.home('mallory').registered()];
  bob.registered();
  const call = phone.call('one', 'sip:bob@home.example');
  network.loop.run(5_000);
  const adaptor = { address: bob.ipv6, port: 5_062 };
  for (let count = 0; count < 1_100; count += 1) {
    flooding.callBy(adaptor, `flood-${count}`, 'mallory', 'sip:+4930123456@home.example');
    network.loop.run(20);
  }
  network.loop.run(MINUTE_MS - 5_000 - 22_000);
  const held = phone.say('INVITE', call.dialog);
  const anew = phone.call('one', 'sip:bob@home.example');
  network.loop.run(5_000);
  t.regex(held?.heard.at(-1) ?? '', /^200/);
  t.deepEqual(anew.heard, ['480']);
});

test('who is blocked, and who is no contact, learns nothing of presence and makes phones do nothing: 480, and no phone hears of it', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const bob = overlay.home('bob', {
    callers: { block: ['mallory'], callers: 'contacts', contacts: ['alice', 'mallory'] },
  });
  const bobs = bob.registered();
  const [alice, carol, mallory] = ['alice', 'carol', 'mallory'].map((name) => overlay.home(name).registered());
  const asked = ['SUBSCRIBE', 'REFER', 'OPTIONS', 'NOTIFY', 'INFO', 'PUBLISH', 'UPDATE', 'MESSAGE'];
  const event = [{ name: 'Event', value: 'presence' }];
  for (const phone of [carol, mallory]) {
    for (const method of asked) phone?.ask(method, 'sip:bob@home.example', event);
    network.loop.run(1_000);
    t.deepEqual(phone?.heard.slice(1).sort(), asked.map((method) => `${method} 480`).sort());
  }
  t.deepEqual(bobs.received, []);
  alice?.ask('SUBSCRIBE', 'sip:bob@home.example', event);
  network.loop.run(1_000);
  t.deepEqual(alice?.heard.slice(1), ['SUBSCRIBE 200']);
  bobs.ask('SUBSCRIBE', 'sip:mallory@home.example', event);
  network.loop.run(1_000);
  t.is(bobs.heard.at(-1), 'SUBSCRIBE 200', 'what phones here ask is not held up');
});

test('a member that asks for presence without end gets twenty answers at once and thirty a minute, and its call rings all the same', (t) => {
  const network = new SipNetwork();
  network.isLogging = false;
  const overlay = new SipOverlay(network);
  const bob = overlay.home('bob', { callers: {} });
  const [bobs, flooding] = [bob.registered(), overlay.home('mallory').registered()];
  bobs.manners = { answersAfterMs: 10, status: 486 };
  for (let ms = 0; ms < MINUTE_MS; ms += 100) {
    flooding.ask('SUBSCRIBE', 'sip:bob@home.example', [{ name: 'Event', value: 'presence' }]);
    network.loop.run(100);
  }
  const call = flooding.call('one', 'sip:bob@home.example');
  network.loop.run(1_000);
  t.is(bobs.received.filter((line) => line.startsWith('SUBSCRIBE')).length, 20 + 29);
  t.is(flooding.heard.filter((line) => line === 'SUBSCRIBE 480').length, 600 - 49);
  t.deepEqual(call.heard, ['486']);
});
