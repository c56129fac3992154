import test from 'ava';
import { firstHeader } from '../../src/sip/message/headers.ts';
import { LAN, lanPhone, lanUser } from '../sim/sip/lan-phone.ts';
import { SimRtpengine } from '../sim/sip/sim-rtpengine.ts';
import { SimVoiceMail } from '../sim/sip/sim-voice-mail.ts';
import { SipNetwork } from '../sim/sip/sip-network.ts';
import { type SipHome, SipOverlay } from '../sim/sip/sip-household.ts';
import type { SimPhone } from '../sim/sip/sip-phone.ts';
import { SimProvider } from '../sim/sip/sip-provider.ts';
import { account, PROVIDER, serverAt, SimTrunk } from '../sim/sip/sip-trunk.ts';

const RING_MS = 8_000;
/** When all transactions are over. */
const OVER_MS = 70_000;

interface Scene {
  readonly network: SipNetwork;
  readonly alice: SipHome;
  readonly bob: SipHome;
  readonly mail: SimVoiceMail;
}

/** Alice's host has answering machines, and bob takes messages. */
function scene(): Scene {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const mail = new SimVoiceMail(network);
  const alice = overlay.home('alice', { voiceMail: mail });
  mail.of(alice);
  mail.offers.set('bob', RING_MS);
  return { network, alice, bob: overlay.home('bob'), mail };
}

const methods = (phone: SimPhone | undefined): string[] =>
  phone?.received.map((line) => line.split(' ')[0] ?? '') ?? [];
const finals = (heard: readonly string[]): string[] => heard.filter((line) => !line.startsWith('1'));
const OFFER = (payloads: string): string =>
  [
    'v=0',
    'o=- 1 1 IN IP4 198.18.0.1',
    's=-',
    'c=IN IP4 198.18.0.1',
    't=0 0',
    `m=audio 4000 RTP/AVP ${payloads}`,
    '',
  ].join('\r\n');

test('the host of who is called is off: a machine of the caller’s host answers for him, and hears the BYE', (t) => {
  const { network, alice, bob, mail } = scene();
  bob.registered();
  bob.isOff = true;
  const phone = alice.registered();
  const call = phone.call('one', 'sip:bob@home.example');
  network.loop.run(4_000);
  t.regex(finals(call.heard)[0] ?? '', /^200 /);
  t.like(mail.recorded[0], { user: 'bob@home.example', from: 'alice@home.example' });
  phone.say('BYE', call.dialog);
  network.loop.run(OVER_MS);
  t.deepEqual(methods(mail.machines[0]), ['INVITE', 'ACK', 'BYE']);
  t.deepEqual(alice.adaptor.sizes, { transactions: 0, requests: 0 });
});

test('the host of who is called has no phone: the machine answers at once', (t) => {
  const { network, alice, mail } = scene();
  const call = alice.registered().call('one', 'sip:bob@home.example');
  network.loop.run(1_000);
  t.regex(finals(call.heard)[0] ?? '', /^200 /);
  t.is(mail.machines.length, 1);
});

test('a member of whom no host is known any more has his mailbox still', (t) => {
  const { network, alice, mail } = scene();
  mail.offers.set('carol', RING_MS);
  const call = alice.registered().call('one', 'sip:carol@home.example');
  network.loop.run(2_000);
  t.regex(finals(call.heard)[0] ?? '', /^200 /);
  const nobody = alice.registered().call('two', 'sip:nobody@home.example');
  network.loop.run(2_000);
  t.deepEqual(nobody.heard, ['404']);
});

test('nobody answers as long as it may ring: the phones are told to stop, and the machine answers', (t) => {
  const { network, alice, bob, mail } = scene();
  const [desk, mobile] = [bob.registered(), bob.registered({ over: 'ipv4' })];
  for (const ringing of [desk, mobile]) ringing.manners = { ringsAfterMs: 100 };
  const call = alice.registered().call('one', 'sip:bob@home.example');
  network.loop.run(RING_MS - 500);
  t.deepEqual(methods(mail.machines[0]), []);
  network.loop.run(1_500);
  t.deepEqual(
    [methods(desk), methods(mobile)],
    [
      ['INVITE', 'CANCEL'],
      ['INVITE', 'CANCEL'],
    ],
  );
  t.regex(call.heard.at(-1) ?? '', /^200 /);
  t.deepEqual(methods(mail.machines[0]), ['INVITE', 'ACK']);
  network.loop.run(OVER_MS);
  t.deepEqual(alice.adaptor.sizes, { transactions: 0, requests: 0 });
});

test('the phone answers in time: no machine is started, and the call goes on when ringing would have had to end', (t) => {
  const { network, alice, bob, mail } = scene();
  const bobs = bob.registered();
  bobs.manners = { ringsAfterMs: 100, answersAfterMs: RING_MS - 1_000 };
  const call = alice.registered().call('one', 'sip:bob@home.example');
  network.loop.run(2 * RING_MS);
  t.is(finals(call.heard).length, 1);
  t.deepEqual(methods(bobs), ['INVITE', 'ACK']);
  t.deepEqual(mail.recorded, []);
});

for (const [status, answeredBy] of [
  [486, 'machine'],
  [480, 'machine'],
  [500, 'machine'],
  [603, 'phone'],
  [600, 'phone'],
  [488, 'phone'],
] as const)
  test(`the phone says ${status}: the answer is ${answeredBy === 'machine' ? 'the machine’s' : 'that'}`, (t) => {
    const { network, alice, bob, mail } = scene();
    bob.registered().manners = { ringsAfterMs: 10, answersAfterMs: 500, status };
    const call = alice.registered().call('one', 'sip:bob@home.example');
    network.loop.run(3_000);
    const [final = ''] = finals(call.heard);
    if (answeredBy === 'machine') t.regex(final, /^200 /);
    else t.is(final, String(status));
    t.is(mail.machines.length, answeredBy === 'machine' ? 1 : 0);
  });

for (const afterMs of [1_000, RING_MS + 100])
  test(`the caller gives up ${afterMs < RING_MS ? 'while it rings' : 'while the machine is being started'}: 487, and nobody is called any more`, (t) => {
    const { network, alice, bob, mail } = scene();
    bob.registered().manners = { ringsAfterMs: 100 };
    const phone = alice.registered();
    const call = phone.call('one', 'sip:bob@home.example');
    network.loop.run(afterMs);
    phone.cancel(call);
    network.loop.run(OVER_MS);
    t.deepEqual(finals(call.heard), ['487']);
    t.deepEqual(mail.machines.flatMap(methods), []);
    t.deepEqual(alice.adaptor.sizes, { transactions: 0, requests: 0 });
  });

test('without answering machines a phone rings on, busy is busy, and nobody asks what a mailbox offers', (t) => {
  const { network, alice, bob, mail } = scene();
  mail.isInstalled = false;
  const bobs = bob.registered();
  bobs.manners = { ringsAfterMs: 100 };
  const phone = alice.registered();
  const call = phone.call('one', 'sip:bob@home.example');
  network.loop.run(3 * RING_MS);
  t.deepEqual(call.heard, ['180']);
  bobs.manners = { answersAfterMs: 100, status: 486 };
  const busy = phone.call('two', 'sip:bob@home.example');
  network.loop.run(1_000);
  t.deepEqual(busy.heard, ['486']);
  t.deepEqual(mail.asked, []);
});

test('a machine that fails leaves the caller the answer of the phones: busy, or that nobody has answered', (t) => {
  const { network, alice, bob, mail } = scene();
  mail.fails = true;
  const bobs = bob.registered();
  bobs.manners = { ringsAfterMs: 100 };
  const phone = alice.registered();
  const call = phone.call('one', 'sip:bob@home.example');
  network.loop.run(2 * RING_MS);
  t.deepEqual(call.heard, ['180', '480']);
  bobs.manners = { answersAfterMs: 100, status: 486 };
  const busy = phone.call('two', 'sip:bob@home.example');
  network.loop.run(2_000);
  t.deepEqual(busy.heard, ['486']);
});

test('what a mailbox offers is known late, or never: the phone rings at once all the same', (t) => {
  const { network, alice, bob, mail } = scene();
  mail.knownAfterMs = 2 * RING_MS;
  const bobs = bob.registered();
  bobs.manners = { ringsAfterMs: 50 };
  const call = alice.registered().call('one', 'sip:bob@home.example');
  network.loop.run(200);
  t.deepEqual(call.heard, ['180']);
  network.loop.run(2 * RING_MS + 1_000);
  t.regex(call.heard.at(-1) ?? '', /^200 /);
});

test('who is called and takes no messages is busy as before; and a member’s call is answered by his own host alone', (t) => {
  const { network, alice, bob, mail } = scene();
  mail.offers.clear();
  bob.registered().manners = { answersAfterMs: 100, status: 486 };
  const call = alice.registered().call('one', 'sip:bob@home.example');
  network.loop.run(2_000);
  t.deepEqual(call.heard, ['486']);
  // Alice takes messages, and her host has machines: bob's has none.
  mail.offers.set('alice', RING_MS);
  const [alices] = [alice.registered()];
  alices.manners = { answersAfterMs: 100, status: 486 };
  const back = bob.registered().call('two', 'sip:alice@home.example');
  network.loop.run(4_000);
  t.deepEqual(finals(back.heard).length, 1);
  t.deepEqual(mail.recorded, []);
});

test('the machine is told of which family the caller’s media are, and Opus where there is no G.711', (t) => {
  const { network, alice, bob, mail } = scene();
  bob.registered();
  bob.isOff = true;
  for (const [payloads, over] of [
    ['96 0 101', 'ipv6'],
    ['96 101', 'ipv6'],
    ['8', 'ipv4'],
  ] as const) {
    const phone = alice.registered({ over });
    phone.offer = OFFER(payloads);
    phone.call(`call-${mail.recorded.length}`, 'sip:bob@home.example');
    network.loop.run(10_000);
  }
  t.deepEqual(
    mail.recorded.map(({ family, codec }) => `${family} ${codec}`),
    ['4 g711', '4 opus', '4 g711'],
  );
  alice.registered({ over: 'ipv6' }).call('none', 'sip:bob@home.example');
  network.loop.run(4_000);
  t.like(mail.recorded.at(-1), { family: 6, codec: 'g711' });
});

test('a phone calls voicemail@ and hears its messages; without any it is told so, and nobody else’s phone reaches them', (t) => {
  const { network, alice, bob, mail } = scene();
  const phone = alice.registered();
  const none = phone.call('one', 'sip:voicemail@home.example');
  network.loop.run(1_000);
  t.deepEqual(none.heard, ['480']);
  mail.messages = 2;
  const call = phone.call('two', 'sip:voicemail@home.example');
  network.loop.run(1_000);
  t.regex(call.heard[0] ?? '', /^200 /);
  t.is(mail.machines.length, 1);
  const [invite] = mail.machines[0]?.requests ?? [];
  t.regex(invite?.uri ?? '', /^sip:voicemail@/);
  const strange = bob
    .registered()
    .callBy({ address: alice.ipv6, port: 5_062 }, 'three', 'bob', 'sip:voicemail@home.example');
  network.loop.run(1_000);
  t.deepEqual(strange.heard, ['404']);
  t.is(mail.machines.length, 1);
});

test('a phone that hangs up before its messages are played: 487, and the machine that was being started is called off', (t) => {
  const { network, alice, mail } = scene();
  mail.messages = 1;
  const phone = alice.registered();
  const call = phone.call('one', 'sip:voicemail@home.example');
  network.loop.run(mail.readyAfterMs / 2);
  phone.cancel(call);
  network.loop.run(OVER_MS);
  t.deepEqual(finals(call.heard), ['487']);
  t.deepEqual([mail.machines.flatMap(methods), mail.calledOff], [[], 1]);
  t.deepEqual(alice.adaptor.sizes, { transactions: 0, requests: 0 });
});

test('who calls in by a gateway and finds nobody leaves a message on the gateway’s host, by the caller’s number', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const mail = new SimVoiceMail(network);
  const box = overlay.home('box', { voiceMail: mail });
  mail.of(box);
  mail.offers.set('alice', RING_MS);
  const alice = overlay.home('alice', { gateways: ['box'] });
  const trunk = new SimTrunk(network, box, '192.0.2.1', account());
  const provider = new SimProvider(network, '203.0.113.1');
  trunk.dns.set(PROVIDER, [serverAt('203.0.113.1')]);
  trunk.start();
  network.loop.run(1_000);
  alice.registered().manners = { answersAfterMs: 100, status: 486 };
  provider.call('192.0.2.1', 'sip:030111@192.0.2.1:5064', '<sip:+331234567@x.example>');
  network.loop.run(4_000);
  t.like(mail.recorded[0], { user: 'alice@home.example', from: '+331234567' });
  t.deepEqual(methods(mail.machines[0]), ['INVITE', 'ACK']);
});

test('who calls in by a gateway and is not answered hears the mailbox when it has rung long enough, and hangs up', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const mail = new SimVoiceMail(network);
  const box = overlay.home('box', { voiceMail: mail });
  mail.of(box);
  mail.offers.set('alice', RING_MS);
  const alice = overlay.home('alice', { gateways: ['box'] });
  const trunk = new SimTrunk(network, box, '192.0.2.1', account());
  const provider = new SimProvider(network, '203.0.113.1');
  trunk.dns.set(PROVIDER, [serverAt('203.0.113.1')]);
  trunk.start();
  network.loop.run(1_000);
  const phone = alice.registered();
  phone.manners = { ringsAfterMs: 100 };
  provider.call('192.0.2.1', 'sip:030111@192.0.2.1:5064', '<sip:+331234567@x.example>');
  network.loop.run(RING_MS + 2_000);
  t.deepEqual(methods(phone), ['INVITE', 'CANCEL']);
  t.deepEqual(methods(mail.machines[0]), ['INVITE', 'ACK']);
});

test('a member who is called by the number that is his second name has his mailbox, whoever else is called by one has none', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  overlay.numbers.set('office +4930777', 'bob');
  const mail = new SimVoiceMail(network);
  const alice = overlay.home('alice', { voiceMail: mail, gateways: ['office'] });
  mail.of(alice);
  mail.offers.set('bob', RING_MS);
  const bob = overlay.home('bob');
  bob.registered().manners = { answersAfterMs: 100, status: 486 };
  const phone = alice.registered();
  for (const [id, number] of Object.entries({ one: 'tel:+4930777', two: 'sip:+4930777@home.example' })) {
    const call = phone.call(id, number);
    network.loop.run(4_000);
    t.regex(finals(call.heard)[0] ?? '', /^200 /, number);
  }
  t.deepEqual(
    mail.recorded.map(({ user }) => user),
    ['bob@home.example', 'bob@home.example'],
  );
  for (const [id, number] of Object.entries({ three: 'sip:+4930778@home.example', four: 'sip:112@home.example' })) {
    const call = phone.call(id, number);
    network.loop.run(4_000);
    t.regex(finals(call.heard)[0] ?? '', /^[45]/, number);
  }
  t.is(mail.recorded.length, 2);
});

test('a phone on the LAN leaves a message, by its password and through rtpengine, hears its messages, and has the lamp', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const mail = new SimVoiceMail(network);
  const rtpengine = new SimRtpengine(network, () => alice);
  const lan = { ...LAN, users: [lanUser('kitchen', 'secret')] };
  const alice: SipHome = overlay.home('alice', { lan, media: rtpengine.port, voiceMail: mail });
  mail.of(alice);
  mail.offers.set('bob', RING_MS);
  const bob = overlay.home('bob');
  bob.registered().manners = { answersAfterMs: 100, status: 486 };
  const [kitchen, thief] = [lanPhone(network, 20), lanPhone(network, 21, { password: 'wrong' })];
  for (const phone of [kitchen, thief]) phone.offer = OFFER('0');
  const call = kitchen.call('one', 'sip:bob@home.example');
  network.loop.run(4_000);
  t.regex(finals(call.heard)[0] ?? '', /^200 /);
  t.like(mail.recorded[0], { from: 'alice@home.example', codec: 'g711' });
  const [invite] = mail.machines[0]?.requests ?? [];
  t.regex(Buffer.from(invite?.body ?? []).toString(), /^c=overlay IP/m);
  kitchen.say('BYE', call.dialog);
  network.loop.run(1_000);
  t.deepEqual(methods(mail.machines[0]), ['INVITE', 'ACK', 'BYE']);

  mail.messages = 1;
  const played = kitchen.call('two', 'sip:voicemail@home.example');
  const stolen = thief.call('three', 'sip:voicemail@home.example');
  network.loop.run(4_000);
  t.regex(finals(played.heard)[0] ?? '', /^200 /);
  t.is(finals(stolen.heard).at(-1), '407');
  t.is(mail.machines.length, 2);
  for (const phone of [kitchen, thief])
    phone.ask('SUBSCRIBE', 'sip:alice@home.example', [{ name: 'Event', value: 'message-summary' }]);
  network.loop.run(1_000);
  t.deepEqual(
    [kitchen, thief].map((phone) => methods(phone).includes('NOTIFY')),
    [true, false],
  );
});

test('a phone asks for the lamp: it is told how many messages wait, and of each change, until it asks no more', (t) => {
  const { network, alice } = scene();
  const phone = alice.registered();
  const summaries = (): string[] =>
    phone.requests
      .filter(({ method }) => method === 'NOTIFY')
      .map(
        (notify) =>
          `${firstHeader(notify, 'subscription-state')?.split(';')[0] ?? ''} ${/Voice-Message: (\S+)/.exec(Buffer.from(notify.body).toString())?.[1] ?? ''}`,
      );
  phone.ask('SUBSCRIBE', 'sip:alice@home.example', [
    { name: 'Event', value: 'message-summary' },
    { name: 'Expires', value: '600' },
  ]);
  network.loop.run(100);
  t.deepEqual(summaries(), ['active 0/0']);
  alice.adaptor.messagesChanged({ new: 1, old: 3 }, network.loop.now);
  network.schedule(alice);
  network.loop.run(100);
  t.deepEqual(summaries(), ['active 0/0', 'active 1/3']);
  network.loop.run(601_000);
  t.deepEqual(summaries(), ['active 0/0', 'active 1/3', 'terminated 1/3']);
  t.is(phone.heard.at(-1), 'SUBSCRIBE 200');
});
