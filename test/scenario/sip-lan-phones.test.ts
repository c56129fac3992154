import test from 'ava';
import { firstHeader, headerValues } from '../../src/sip/message/headers.ts';
import { LAN, lanPhone, lanUser } from '../sim/sip/lan-phone.ts';
import { SipNetwork } from '../sim/sip/sip-network.ts';
import { SipOverlay, type SipHome } from '../sim/sip/sip-household.ts';
import { SimRtpengine } from '../sim/sip/sim-rtpengine.ts';
import type { SimPhone } from '../sim/sip/sip-phone.ts';

interface Scene {
  readonly network: SipNetwork;
  readonly overlay: SipOverlay;
  readonly alice: SipHome;
  readonly bob: SipHome;
  readonly rtpengine: SimRtpengine;
  /** Of bob's host. */
  readonly bobs: SimRtpengine;
  /** A phone on the LAN of alice's host, registered. */
  readonly kitchen: SimPhone;
}

const sdp = (address: string): string =>
  `v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP${address.includes(':') ? 6 : 4} ${address}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n`;

const placeIn = (session: string | undefined): string | undefined => /^c=(.*)\r$/m.exec(session ?? '')?.[1];

function register(network: SipNetwork, phone: SimPhone): void {
  phone.ask('REGISTER', 'sip:alice@home.example', [{ name: 'Expires', value: '600' }]);
  network.loop.run(100);
}

function scene(): Scene {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const rtpengine = new SimRtpengine(network, () => alice);
  const bobs = new SimRtpengine(network, () => bob);
  const users = [lanUser('kitchen', 'secret'), lanUser('hall', 'other secret')];
  const alice: SipHome = overlay.home('alice', { lan: { ...LAN, users }, media: rtpengine.port });
  const bob: SipHome = overlay.home('bob', { media: bobs.port });
  const kitchen = lanPhone(network, 20);
  kitchen.offer = sdp('192.168.1.20');
  kitchen.manners = { ringsAfterMs: 100, answersAfterMs: 500, sdp: sdp('192.168.1.20') };
  register(network, kitchen);
  return { network, overlay, alice, bob, rtpengine, bobs, kitchen };
}

function bobsPhone({ bob }: Pick<Scene, 'bob'>, over: 'ipv4' | 'ipv6' = 'ipv4'): SimPhone {
  const phone = bob.registered({ over });
  const own = sdp(over === 'ipv4' ? bob.ipv4 : bob.ipv6);
  phone.offer = own;
  phone.manners = { ringsAfterMs: 100, answersAfterMs: 500, sdp: own };
  return phone;
}

const commands = ({ commands: all }: SimRtpengine): string[] => all.map(({ command }) => String(command));
const bodyOf = (phone: SimPhone, method: string): string | undefined => {
  const found = phone.requests.find((request) => request.method === method);
  return found === undefined ? undefined : Buffer.from(found.body).toString();
};

test('a phone on the LAN registers by its password, calls a member and is called: each end is told of rtpengine on its own side', (t) => {
  const at = scene();
  const { network, alice, bob, rtpengine, kitchen } = at;
  t.deepEqual(kitchen.heard, ['REGISTER 200']);
  t.is(alice.registrar.bindingsOf('alice@home.example', network.loop.now).length, 1);
  const phone = bobsPhone(at);
  const call = kitchen.call('one', 'sip:bob@home.example');
  network.loop.run(3_000);
  t.regex(call.heard.at(-1) ?? '', /^200 /);
  t.is(placeIn(bodyOf(phone, 'INVITE')), 'overlay IP4');
  t.is(placeIn(kitchen.sessions[0]), 'lan IP4');
  const [invite] = phone.requests;
  if (invite === undefined) throw new Error('no INVITE');
  t.is(firstHeader(invite, 'p-asserted-identity'), '<sip:alice@home.example>');
  t.deepEqual(headerValues(invite, 'proxy-authorization'), [], 'nobody else is told of the digest');
  kitchen.say('BYE', call.dialog);
  network.loop.run(1_000);
  t.is(kitchen.heard.at(-1), 'BYE 200');
  t.deepEqual(commands(rtpengine), ['offer', 'answer', 'delete']);

  const back = phone.call('two', 'sip:alice@home.example');
  network.loop.run(3_000);
  t.regex(back.heard.at(-1) ?? '', /^200 /);
  t.is(placeIn(bodyOf(kitchen, 'INVITE')), 'lan IP4');
  t.is(placeIn(phone.sessions.at(-1)), 'overlay IP4');
  phone.say('BYE', back.dialog);
  network.loop.run(40_000);
  t.deepEqual(commands(rtpengine).slice(3), ['offer', 'answer', 'delete']);
  t.deepEqual(rtpengine.commands[3]?.['direction'], ['overlay', 'lan']);
  t.deepEqual(
    rtpengine.commands.filter(({ 'call-id': id }) => !String(id).startsWith(bob.ipv6)),
    [],
  );
  t.is(kitchen.leftovers + phone.leftovers, 0);
});

test('a phone on the LAN that says nothing for two seconds is waited for, and the overlay is not asked for its address', (t) => {
  const at = scene();
  const { network, alice, kitchen } = at;
  const phone = bobsPhone(at);
  const until = network.loop.now + 2_000;
  network.loses = (_, { remote }) => remote.address === kitchen.address.address && network.loop.now < until;
  const call = phone.call('one', 'sip:alice@home.example');
  network.loop.run(8_000);
  t.is(alice.reached, 0);
  t.regex(call.heard.at(-1) ?? '', /^200 /);
});

test('the phone on the LAN that was called hangs up, and speaks in the dialog, with its password', (t) => {
  const at = scene();
  const { network, rtpengine, kitchen } = at;
  const phone = bobsPhone(at);
  phone.call('one', 'sip:alice@home.example');
  network.loop.run(3_000);
  kitchen.say('INFO', kitchen.answered.get('one'));
  network.loop.run(500);
  // On hold: another offer, in the dialog, which keeps the family that it has.
  const again = kitchen.say('INVITE', kitchen.answered.get('one'));
  network.loop.run(3_000);
  t.regex(again?.heard.at(-1) ?? '', /^200 /);
  const reoffer = rtpengine.commands.at(-2);
  t.deepEqual(
    [reoffer?.['command'], reoffer?.['direction'], reoffer?.['address-family']],
    ['offer', ['lan', 'overlay'], undefined],
  );
  kitchen.say('BYE', kitchen.answered.get('one'));
  network.loop.run(1_000);
  t.deepEqual(kitchen.heard.slice(1), ['INFO 200', 'BYE 200']);
  t.is(commands(rtpengine).at(-1), 'delete');
});

test('two phones on the LAN and one beside the agent: those on the LAN talk to each other directly, and to the other through rtpengine', (t) => {
  const at = scene();
  const { network, alice, rtpengine, kitchen } = at;
  const hall = lanPhone(network, 21, { user: 'hall', password: 'other secret' });
  hall.manners = { answersAfterMs: 100, sdp: sdp('192.168.1.21') };
  register(network, hall);
  const call = kitchen.call('one', 'sip:alice@home.example');
  network.loop.run(3_000);
  t.regex(call.heard.at(-1) ?? '', /^200 /);
  t.is(placeIn(bodyOf(hall, 'INVITE')), 'IN IP4 192.168.1.20');
  t.deepEqual(commands(rtpengine), []);
  hall.manners = { ringsAfterMs: 10 };
  const beside = alice.registered({ over: 'ipv4' });
  beside.manners = { answersAfterMs: 50, sdp: sdp('127.0.0.1') };
  kitchen.call('two', 'sip:alice@home.example');
  network.loop.run(3_000);
  t.is(placeIn(bodyOf(beside, 'INVITE')), 'overlay IP4');
  t.is(placeIn(kitchen.sessions.at(-1)), 'lan IP4');
});

test('without rtpengine a call between the LAN and the overlay is refused with the reason, and calls on the LAN go on', (t) => {
  const at = scene();
  const { network, rtpengine, kitchen } = at;
  rtpengine.isThere = false;
  const phone = bobsPhone(at);
  const call = kitchen.call('one', 'sip:bob@home.example');
  network.loop.run(3_000);
  t.deepEqual(call.heard, ['488']);
  t.deepEqual(phone.received, []);
  const back = phone.call('two', 'sip:alice@home.example');
  network.loop.run(3_000);
  t.deepEqual(back.heard, ['488']);
  t.deepEqual(kitchen.received, []);
  t.deepEqual(rtpengine.told, ['it does not answer', 'it does not answer']);
  const hall = lanPhone(network, 21, { user: 'hall', password: 'other secret' });
  hall.manners = { answersAfterMs: 100 };
  register(network, hall);
  t.regex(kitchen.call('three', 'sip:alice@home.example').heard.at(-1) ?? '', /^$/);
  network.loop.run(1_000);
  t.deepEqual(hall.received, ['INVITE three', 'ACK three']);
});

test('a session description that rtpengine could not be shown goes out of the LAN no more than into it: 415; on the LAN it is between phones', (t) => {
  const at = scene();
  const { network, rtpengine, kitchen } = at;
  const phone = bobsPhone(at);
  const hall = lanPhone(network, 21, { user: 'hall', password: 'other secret' });
  hall.manners = { answersAfterMs: 100, sdp: sdp('192.168.1.21') };
  register(network, hall);
  const coded = [{ name: 'Content-Encoding', value: 'gzip' }];
  const out = kitchen.call('one', 'sip:bob@home.example', coded);
  network.loop.run(3_000);
  t.deepEqual(out.heard, ['415']);
  const into = phone.call('two', 'sip:alice@home.example', coded);
  network.loop.run(3_000);
  t.deepEqual(into.heard, ['415']);
  t.deepEqual([...phone.received, ...kitchen.received], []);
  t.deepEqual(rtpengine.told, [], 'nothing is wrong with it');
  const here = kitchen.call('three', 'sip:alice@home.example', coded);
  network.loop.run(3_000);
  t.regex(here.heard.at(-1) ?? '', /^200 /);
});

test('a wrong password, another account, and another From are refused, and nobody rings', (t) => {
  const at = scene();
  const { network, alice, kitchen } = at;
  const phone = bobsPhone(at);
  const thief = lanPhone(network, 66, { password: 'guess' });
  register(network, thief);
  t.deepEqual(thief.heard, ['REGISTER 401']);
  t.deepEqual(thief.call('one', 'sip:bob@home.example').heard, []);
  const nobody = lanPhone(network, 67, { user: 'cellar' });
  register(network, nobody);
  t.deepEqual(nobody.heard, ['REGISTER 401']);
  const liar = lanPhone(network, 68, { as: 'bob' });
  liar.call('two', 'sip:alice@home.example');
  const calling = liar.call('three', 'sip:bob@home.example');
  network.loop.run(3_000);
  t.deepEqual(calling.heard, ['403']);
  t.deepEqual(phone.received, []);
  t.deepEqual(kitchen.received, []);
  t.is(alice.registrar.bindingsOf('alice@home.example', network.loop.now).length, 1);
});

test('who has no password does not take over the calls of a phone by writing its Contact, nor speaks in its dialogs', (t) => {
  const at = scene();
  const { network, kitchen } = at;
  const phone = bobsPhone(at);
  const call = phone.call('one', 'sip:alice@home.example');
  network.loop.run(3_000);
  const thief = lanPhone(network, 66, { password: 'guess' });
  thief.ask('OPTIONS', 'sip:bob@home.example', [{ name: 'Contact', value: '<sip:alice@192.168.1.20:5060>' }]);
  thief.say('BYE', kitchen.answered.get('one'));
  network.loop.run(500);
  phone.say('INFO', call.dialog);
  network.loop.run(500);
  t.deepEqual(phone.received, []);
  t.true(kitchen.received.includes('INFO one'));
  t.deepEqual(thief.received, []);
});

test('two hosts of a member ring for a phone on the LAN: each has a call of its own in rtpengine', (t) => {
  const at = scene();
  const { network, overlay, rtpengine, kitchen, bob } = at;
  const phone = bobsPhone(at);
  const office = overlay.home('bob');
  const desk = office.registered({ over: 'ipv4' });
  desk.manners = { ringsAfterMs: 100 };
  const call = kitchen.call('one', 'sip:bob@home.example');
  network.loop.run(3_000);
  t.regex(call.heard.at(-1) ?? '', /^200 /);
  t.deepEqual(
    new Set(rtpengine.commands.map(({ 'call-id': id }) => id)),
    new Set([`${bob.ipv6}/one`, `${office.ipv6}/one`]),
  );
  t.true(phone.received.includes('INVITE one'));
  t.true(desk.received.includes('CANCEL one'));
});

for (const [caller, called] of [
  ['ipv4', 'ipv6'],
  ['ipv6', 'ipv4'],
] as const)
  test(`a phone over ${caller} calls one over ${called}: the called host's rtpengine has both families`, (t) => {
    const at = scene();
    const { network, alice, bobs } = at;
    const phone = bobsPhone(at, called);
    const calling = alice.registered({ over: caller });
    calling.offer = sdp(caller === 'ipv4' ? alice.ipv4 : alice.ipv6);
    calling.manners = { answersAfterMs: 100, sdp: calling.offer };
    const call = calling.call('one', 'sip:bob@home.example');
    network.loop.run(3_000);
    t.regex(call.heard.at(-1) ?? '', /^200 /);
    t.is(placeIn(bodyOf(phone, 'INVITE')), `overlay ${called === 'ipv4' ? 'IP4' : 'IP6'}`);
    t.is(placeIn(calling.sessions[0]), `overlay ${caller === 'ipv4' ? 'IP4' : 'IP6'}`);
    const again = phone.say('INVITE', phone.answered.get('one'));
    network.loop.run(3_000);
    t.regex(again?.heard.at(-1) ?? '', /^200 /);
    phone.say('BYE', phone.answered.get('one'));
    network.loop.run(1_000);
    t.deepEqual(commands(bobs), ['offer', 'answer', 'offer', 'answer', 'delete']);
  });

test('a phone that refuses the other family, where there is no rtpengine: the caller is told why, and by another reason nothing', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const [alice, bob] = [overlay.home('alice'), overlay.home('bob')];
  const phone = bob.registered({ over: 'ipv6' });
  phone.manners = { answersAfterMs: 100, status: 488 };
  const calling = alice.registered({ over: 'ipv4' });
  const warned = (offer: string, callId: string): string | undefined => {
    calling.offer = offer;
    const call = calling.call(callId);
    network.loop.run(3_000);
    t.deepEqual(call.heard, ['488']);
    return call.warning;
  };
  t.regex(
    warned(sdp(alice.ipv4), 'one') ?? '',
    /^300 idloc "Incompatible network protocol: the phone is at IPv6, .*rtpengine/,
  );
  t.is(warned(sdp(alice.ipv6), 'two'), undefined);
});

for (const media of [[], ['alice']])
  test(`a phone over IPv6 calls one over IPv4 whose host has no rtpengine, ${media.length > 0 ? 'with one of its own' : 'nor its own'}: 488 with the reason, and that one does not ring`, (t) => {
    const network = new SipNetwork();
    const overlay = new SipOverlay(network);
    const rtpengine = new SimRtpengine(network, () => alice);
    const alice: SipHome = overlay.home('alice', media.length > 0 ? { media: rtpengine.port } : {});
    const bob = overlay.home('bob');
    const phone = bob.registered({ over: 'ipv4' });
    const calling = alice.registered({ over: 'ipv6' });
    calling.offer = sdp(alice.ipv6);
    const call = calling.call('one');
    network.loop.run(3_000);
    t.deepEqual(call.heard, ['488']);
    t.regex(call.warning ?? '', /^300 idloc "Incompatible network protocol: the called phone is at IPv4, .*rtpengine/);
    t.deepEqual(phone.received, []);
    t.deepEqual(commands(rtpengine), []);
  });

for (const [title, answersAs] of [
  ['it answers', { ringsAfterMs: 100, answersAfterMs: 200 }],
  ['it has early media', { ringsAfterMs: 100, answersAfterMs: 200, status: 183 }],
] as const)
  test(`a phone over IPv6 calls one that never registered, and is led to IPv4 as ${title}: 488 with the reason, and the call has ended there`, (t) => {
    const network = new SipNetwork();
    const overlay = new SipOverlay(network);
    const [alice, bob] = [overlay.home('alice'), overlay.home('bob')];
    const phone = bob.phone({ over: 'ipv4' });
    phone.manners = { ...answersAs, sdp: sdp(bob.ipv4) };
    const calling = alice.registered({ over: 'ipv6' });
    calling.offer = sdp(alice.ipv6);
    const call = calling.call('one');
    network.loop.run(3_000);
    t.deepEqual(call.heard, ['180', '488']);
    t.regex(call.warning ?? '', /^300 idloc "Incompatible network protocol: the called phone is at IPv4, .*rtpengine/);
    if ('status' in answersAs) t.true(network.log.some((line) => line.endsWith(`> ${bob.ipv4} CANCEL`)));
    else t.deepEqual(phone.received, ['INVITE one', 'ACK one', 'BYE one']);
    network.loop.run(60_000);
    t.is(alice.adaptor.sizes.requests + bob.adaptor.sizes.requests, 0);
  });

const UNDECIDED: readonly [string, (at: SipHome) => string][] = [
  ['with 0.0.0.0', () => sdp('0.0.0.0')],
  ['by ICE', ({ ipv4, ipv6 }) => `${sdp(ipv4)}a=candidate:1 1 udp 2130706431 ${ipv6} 4000 typ host\r\n`],
];
for (const [title, answer] of UNDECIDED)
  test(`a phone over IPv6 is answered ${title}, which does not say yet where media go: the call stands`, (t) => {
    const network = new SipNetwork();
    const overlay = new SipOverlay(network);
    const [alice, bob] = [overlay.home('alice'), overlay.home('bob')];
    const phone = bob.phone({ over: 'ipv4' });
    phone.manners = { answersAfterMs: 200, sdp: answer(bob) };
    const calling = alice.registered({ over: 'ipv6' });
    calling.offer = sdp(alice.ipv6);
    const call = calling.call('one');
    network.loop.run(3_000);
    t.regex(call.heard.at(-1) ?? '', /^200 /);
    t.is(placeIn(calling.sessions.at(-1)), placeIn(answer(bob)));
    t.deepEqual(phone.received, ['INVITE one', 'ACK one']);
  });

test('a phone over IPv6 calls two of one user, one of them over IPv4 alone: the other one rings, and has the call', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const [alice, bob] = [overlay.home('alice'), overlay.home('bob')];
  const [old, fresh] = [bob.registered({ over: 'ipv4' }), bob.registered({ over: 'ipv6' })];
  old.manners = { ringsAfterMs: 100, answersAfterMs: 200, sdp: sdp(bob.ipv4) };
  fresh.manners = { ringsAfterMs: 100, answersAfterMs: 2_000, sdp: sdp(bob.ipv6) };
  const calling = alice.registered({ over: 'ipv6' });
  calling.offer = sdp(alice.ipv6);
  const call = calling.call('one');
  network.loop.run(5_000);
  t.regex(call.heard.at(-1) ?? '', /^200 /);
  t.is(placeIn(calling.sessions.at(-1)), `IN IP6 ${bob.ipv6}`);
  t.deepEqual(fresh.received, ['INVITE one', 'ACK one']);
  t.deepEqual(old.received, []);
});

test('a phone over IPv4 that writes IPv6 may know both: it is let have an answer of either', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const [alice, bob] = [overlay.home('alice'), overlay.home('bob')];
  const phone = bob.registered({ over: 'ipv4' });
  phone.manners = { answersAfterMs: 100, sdp: sdp(bob.ipv4) };
  const calling = alice.registered({ over: 'ipv4' });
  calling.offer = sdp(alice.ipv6);
  const call = calling.call('one');
  network.loop.run(3_000);
  t.regex(call.heard.at(-1) ?? '', /^200 /);
  t.is(placeIn(bodyOf(phone, 'INVITE')), `IN IP4 ${alice.ipv4}`);
});

test('phones of one family need no rtpengine', (t) => {
  const at = scene();
  const { network, alice, bobs } = at;
  bobsPhone(at, 'ipv6');
  const calling = alice.registered({ over: 'ipv6' });
  calling.offer = sdp(alice.ipv6);
  calling.call('one', 'sip:bob@home.example');
  network.loop.run(3_000);
  t.deepEqual(commands(bobs), []);
});
