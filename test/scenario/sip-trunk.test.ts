import test from 'ava';
import { firstHeader, headerValues } from '../../src/sip/message/headers.ts';
import { SipNetwork } from '../sim/sip/sip-network.ts';
import { SipOverlay } from '../sim/sip/sip-household.ts';
import { SimProvider } from '../sim/sip/sip-provider.ts';
import { account, PROVIDER, serverAt, SimTrunk } from '../sim/sip/sip-trunk.ts';
import { GATEWAY, invites, methods, OTHER, trunkScene } from '../sim/sip/trunk-scene.ts';

for (const algorithm of ['MD5', 'SHA-256'] as const)
  test(`a member calls a national number: the provider, which wants ${algorithm}, is asked for E.164, and both hang up in turn`, (t) => {
    const { network, provider, alice, trunk } = trunkScene();
    provider.algorithm = algorithm;
    const phone = alice.registered();
    const call = phone.call('one', 'sip:030 123456@home.example'.replace(' ', ''));
    network.loop.run(2_000);
    t.is(call.heard[0], '180');
    t.is(call.heard[1], '200 callee');
    t.deepEqual(invites(provider), [`INVITE sip:+4930123456@${PROVIDER};user=phone`]);
    const [invite] = provider.requests.filter(({ method }) => method === 'INVITE');
    if (invite === undefined) return void t.fail();
    t.is(firstHeader(invite, 'from')?.split(';tag')[0], `<sip:+4930111@${PROVIDER}>`);
    t.regex(firstHeader(invite, 'contact') ?? '', /^<sip:line7@192\.0\.2\.1:5064>$/);
    t.false(JSON.stringify(invite.headers).includes('2001:20'), 'nothing of the overlay is told');
    phone.say('BYE', call.dialog);
    network.loop.run(500);
    t.deepEqual(phone.heard.at(-1), 'BYE 200');
    t.is(provider.received.at(-1)?.split(' ')[0], 'BYE');
    phone.call('two', 'tel:+49-30-123456');
    network.loop.run(2_000);
    provider.hangUp();
    network.loop.run(40_000);
    t.is(methods(phone).at(-1), 'BYE');
    t.is(provider.heard.at(-1), 'BYE 200');
    t.is(trunk.trunk.size, 0);
    t.deepEqual(
      trunk.media.log.filter((line) => line === 'delete'),
      ['delete', 'delete'],
    );
    t.is(phone.leftovers, 0);
  });

test('within a call re-INVITE and INFO pass in order, with CSeq numbers of their own on each side', (t) => {
  const { network, provider, alice } = trunkScene();
  const phone = alice.registered();
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  const again = phone.say('INVITE', call.dialog);
  network.loop.run(1_000);
  t.is(again?.heard.at(-1)?.slice(0, 3), '200');
  phone.say('INFO', call.dialog);
  network.loop.run(500);
  phone.say('REFER', call.dialog);
  network.loop.run(500);
  t.deepEqual(phone.heard.slice(-2), ['INFO 200', 'REFER 400']);
  phone.say('BYE', call.dialog);
  network.loop.run(500);
  const said = provider.received.map((line) => line.split(' ')[0]).filter((method) => method !== 'REGISTER');
  t.deepEqual(said, ['INVITE', 'ACK', 'INVITE', 'ACK', 'INFO', 'BYE']);
  const [first, second, info, bye] = provider.requests
    .filter(({ method }) => method !== 'REGISTER')
    .map((request) => Number.parseInt(firstHeader(request, 'cseq') ?? '', 10));
  t.true((first ?? 0) < (second ?? 0) && (second ?? 0) < (info ?? 0) && (info ?? 0) < (bye ?? 0));
  network.loop.run(70_000);
  t.is(phone.leftovers, 0);
});

test('the first gateway is dead: the call goes out by the second one within one set-up', (t) => {
  const { network, provider, alice, box, trunk } = trunkScene();
  trunk.isDead = true;
  network.loses = (_, { remote }) => remote.address === box.ipv6;
  const from = network.loop.now;
  const call = alice.registered().call('one', 'sip:+4930123456@home.example');
  network.loop.run(3_500);
  t.is(call.heard.at(-1), '200 callee');
  const sent = network.log.find((line) => line.includes(`${OTHER} > 203.0.113.1 INVITE`));
  t.true(Number(sent?.split(' ')[0]) - from < 3_200, sent);
  t.is(invites(provider).length, 1);
});

test('the first gateway is not registered: it says so at once, and the second one is asked', (t) => {
  const { network, provider, alice, trunk } = trunkScene();
  trunk.dns.clear();
  trunk.trunk.stop(network.loop.now);
  network.loop.run(500);
  const call = alice.registered().call('one', 'sip:+4930123456@home.example');
  network.loop.run(1_000);
  t.is(call.heard.at(-1), '200 callee');
  t.is(invites(provider).length, 1);
});

test('the called number is busy: that is the answer, and no other gateway calls it again', (t) => {
  const { network, provider, alice } = trunkScene();
  provider.answers = 486;
  const call = alice.registered().call('one', 'sip:+4930123456@home.example');
  network.loop.run(40_000);
  t.deepEqual(call.heard, ['180', '486']);
  t.is(invites(provider).length, 1);
});

for (const status of [403, 404, 484, 488])
  test(`the provider of the first gateway refuses a call for help with ${status}: the second gateway connects it; another number is tried by the first one alone`, (t) => {
    const { network, alice, trunk, provider, spare } = trunkScene();
    trunk.dns.set(PROVIDER, [serverAt('203.0.113.2')]);
    spare.answers = status;
    // It registers there.
    trunk.crash();
    network.loop.run(1_000);
    const phone = alice.registered();
    const other = phone.call('one', 'sip:+4930123456@home.example');
    network.loop.run(2_000);
    t.deepEqual(other.heard.at(-1), String(status));
    const help = phone.call('two', 'sip:112@home.example');
    network.loop.run(2_000);
    t.is(help.heard.at(-1), '200 callee');
    t.is(invites(spare).length, 2);
    t.deepEqual(invites(provider), [`INVITE sip:112@${PROVIDER};user=phone`]);
  });

test("the provider's first server is silent: its second one has the call after four seconds", (t) => {
  const { network, provider, spare, alice } = trunkScene({}, ['box']);
  provider.isDead = true;
  spare.wantsDigest = false;
  const call = alice.registered().call('one', 'sip:+4930123456@home.example');
  network.loop.run(4_500);
  t.is(call.heard.at(-1), '200 callee');
  t.is(invites(spare).length, 1);
});

test("the provider's first server answers when its second one has the call: that call goes on, and the late one is hung up", (t) => {
  const { network, provider, spare, alice, trunk } = trunkScene({}, ['box']);
  provider.wantsDigest = spare.wantsDigest = false;
  provider.answerMs = 6_000;
  network.loses = (_, { local }) => local.address === '203.0.113.1' && network.loop.now < 6_500;
  const phone = alice.registered();
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(10_000);
  const said = ({ received }: SimProvider): string[] =>
    received.map((line) => line.split(' ')[0] ?? '').filter((method) => method !== 'REGISTER');
  t.deepEqual(said(provider), ['INVITE', 'ACK', 'BYE']);
  t.deepEqual(said(spare), ['INVITE', 'ACK']);
  t.deepEqual(call.heard.slice(-1), ['200 callee']);
  phone.say('BYE', call.dialog);
  network.loop.run(40_000);
  t.is(said(spare).at(-1), 'BYE');
  t.is(trunk.trunk.size, 0);
});

test('the caller has given up and the provider connects all the same, too late to be heard: it is hung up', (t) => {
  const { network, provider, alice, trunk } = trunkScene({}, ['box']);
  provider.answerMs = 40_000;
  network.loses = (message, { remote }) =>
    message.type === 'request' && message.method === 'CANCEL' && remote.address === '203.0.113.1';
  const phone = alice.registered();
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(1_000);
  phone.cancel(call);
  network.loop.run(60_000);
  t.deepEqual(call.heard, ['180', 'timeout']);
  t.deepEqual(
    provider.received.slice(-3).map((line) => line.split(' ')[0]),
    ['INVITE', 'ACK', 'BYE'],
  );
  t.is(trunk.trunk.size, 0);
});

test('a gateway that stops while a call of it rings: the ringing ends, and the caller hears so', (t) => {
  const { network, provider, alice, trunk } = trunkScene({}, ['box']);
  provider.answerMs = 60_000;
  const phone = alice.registered();
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(1_000);
  trunk.trunk.stop(network.loop.now);
  network.schedule(trunk);
  network.loop.run(2_000);
  t.deepEqual(call.heard, ['180', '500']);
  t.true(provider.received.includes('CANCEL'));
  t.is(trunk.trunk.size, 0);
});

test('a call of the world reaches the member whose number it is: the phone sees a number, its domain, and no proof', (t) => {
  const { network, provider, alice, trunk } = trunkScene();
  const phone = alice.registered();
  provider.call(GATEWAY, 'sip:line7@192.0.2.1:5064', '"Zoe" <sip:0301234567@203.0.113.1>', `sip:030111@${PROVIDER}`);
  network.loop.run(2_000);
  const [invite] = phone.requests;
  if (invite === undefined) return void t.fail();
  t.is(firstHeader(invite, 'from')?.split(';tag')[0], `"Zoe" <sip:+49301234567@${PROVIDER};user=phone>`);
  t.deepEqual(headerValues(invite, 'p-asserted-identity'), []);
  t.true(new TextDecoder().decode(invite.body).includes('2001:20::77'), 'the media relay is between');
  t.deepEqual(provider.heard, ['180', 'INVITE 200']);
  phone.say('BYE', [...phone.answered.values()][0]);
  network.loop.run(40_000);
  t.deepEqual(phone.heard.at(-1), 'BYE 200');
  t.is(provider.received.at(-1)?.split(' ')[0], 'BYE');
  t.is(trunk.trunk.size, 0);
});

test('a call of the world to another number rings the default member; it gives up, and the phone stops', (t) => {
  const { network, provider, box } = trunkScene();
  const phone = box.registered();
  phone.manners = { ringsAfterMs: 50, answersAfterMs: 500, status: 603 };
  provider.call(GATEWAY, 'sip:line7@192.0.2.1:5064', '<sip:+331234@x.example>');
  network.loop.run(2_000);
  t.deepEqual(methods(phone), ['INVITE']);
  t.deepEqual(provider.heard, ['180', 'INVITE 603']);
});

test('a host that has not named the gateway hears no foreign caller', (t) => {
  const { network, provider, alice } = trunkScene({}, []);
  const phone = alice.registered();
  provider.call(GATEWAY, 'sip:030111@192.0.2.1:5064', '<sip:+331234567@x.example>');
  network.loop.run(2_000);
  t.deepEqual(methods(phone), []);
  t.deepEqual(provider.heard, ['INVITE 403']);
});

test('a caller of the world that says it is a member is shown with the domain of the trunk', (t) => {
  const { network, provider, alice } = trunkScene();
  const phone = alice.registered();
  provider.call(GATEWAY, 'sip:030111@192.0.2.1:5064', '"Bob" <sip:bob@home.example>');
  network.loop.run(2_000);
  const [invite] = phone.requests;
  t.is(invite && firstHeader(invite, 'from')?.split(';tag')[0], `"Bob" <sip:bob@${PROVIDER}>`);
});

test('a provider without a domain, by its address: its callers are heard, and called back', (t) => {
  const { network, provider, alice, trunk } = trunkScene({ domain: '203.0.113.1', server: { host: PROVIDER } });
  const phone = alice.registered();
  provider.call(GATEWAY, 'sip:030111@192.0.2.1:5064', '<sip:+49301234567@203.0.113.1>');
  network.loop.run(2_000);
  const [invite] = phone.requests;
  const from = invite && firstHeader(invite, 'from')?.split(';tag')[0];
  t.is(from, '<sip:+49301234567@203.0.113.1;user=phone>');
  const call = phone.call('back', 'sip:+49301234567@203.0.113.1;user=phone');
  network.loop.run(2_000);
  t.is(call.heard.at(-1), '200 callee');
  t.is(trunk.trunk.size, 2);
});

test('who is no server of the provider is not answered', (t) => {
  const { network, alice } = trunkScene();
  const phone = alice.registered();
  const scanner = new SimProvider(network, '198.51.100.66');
  scanner.call(GATEWAY, 'sip:030111@192.0.2.1:5064', '<sip:100@1.1.1.1>');
  network.loop.run(40_000);
  t.deepEqual(scanner.heard, ['timeout']);
  t.deepEqual(methods(phone), []);
});

test('a member that is not among the callers hears 403, and calls for help all the same', (t) => {
  const { network, provider, alice } = trunkScene({ callers: ['bob'] });
  const phone = alice.registered();
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  t.deepEqual(call.heard, ['403']);
  for (const uri of ['sip:112@home.example', 'tel:112', 'urn:service:sos.police']) {
    const help = phone.call(uri, uri);
    network.loop.run(2_000);
    t.is(help.heard.at(-1), '200 callee', uri);
  }
  t.deepEqual(invites(provider), Array(3).fill(`INVITE sip:112@${PROVIDER};user=phone`));
});

test("whom the gateway's own phones do not ring for calls out by it all the same, in a call too", (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const alice = overlay.home('alice', { gateways: ['box'] });
  const box = overlay.home('box', { callers: { callers: 'contacts' } });
  const gateway = new SimTrunk(network, box, GATEWAY, account());
  const provider = new SimProvider(network, '203.0.113.1');
  gateway.dns.set(PROVIDER, [serverAt('203.0.113.1')]);
  gateway.start();
  network.loop.run(1_000);
  const phone = alice.registered();
  box.registered();
  const heard = ['sip:box@home.example', 'sip:030123456@home.example', 'urn:service:sos'].map((uri) => {
    const call = phone.call(uri, uri);
    network.loop.run(2_000);
    if (call.dialog === undefined) return call.heard.at(-1);
    const held = phone.say('INVITE', call.dialog);
    network.loop.run(1_000);
    provider.say('INVITE');
    network.loop.run(2_000);
    return [...call.heard, held?.heard.at(-1), provider.heard.at(-1)].join(' ');
  });
  const inCall = '180 200 callee 200 callee INVITE 200';
  t.deepEqual(heard, ['480', inCall, inCall]);
  const begun = invites(provider).filter((line) => line.endsWith(';user=phone'));
  t.deepEqual(begun.toSorted(), [
    `INVITE sip:+4930123456@${PROVIDER};user=phone`,
    `INVITE sip:112@${PROVIDER};user=phone`,
  ]);
});

test("whom the gateway's own phones do not ring for may ring those of other members, and speak in such a call; at the gateway he hears 480", (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const alice = overlay.home('alice', { gateways: ['box'], callers: { callers: 'anyone' } });
  const box = overlay.home('box', { callers: { callers: 'anyone', block: ['+331234567'] } });
  const gateway = new SimTrunk(network, box, GATEWAY, account());
  const provider = new SimProvider(network, '203.0.113.1');
  gateway.dns.set(PROVIDER, [serverAt('203.0.113.1')]);
  gateway.start();
  network.loop.run(1_000);
  const [phone, own] = [alice.registered(), box.registered()];
  provider.call(GATEWAY, 'sip:030111@192.0.2.1:5064', '<sip:+331234567@x.example>');
  network.loop.run(2_000);
  t.deepEqual(provider.heard, ['180', 'INVITE 200']);
  provider.sayOwn('INFO');
  provider.sayOwn('INVITE');
  network.loop.run(2_000);
  t.deepEqual(provider.heard.slice(2), ['INFO 200', '180', 'INVITE 200']);
  t.deepEqual(methods(phone).slice(-4), ['ACK', 'INFO', 'INVITE', 'ACK']);
  provider.call(GATEWAY, 'sip:line7@192.0.2.1:5064', '<sip:+331234567@x.example>');
  network.loop.run(2_000);
  t.is(provider.heard.at(-1), 'INVITE 480');
  t.deepEqual(methods(own), []);
});

test('a call for help goes out when all lines are busy and the media relay has failed', (t) => {
  const { network, alice, trunk } = trunkScene({ maxCalls: 1 }, ['box']);
  const phone = alice.registered();
  phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  trunk.media.works = false;
  const second = phone.call('two', 'sip:+4930999999@home.example');
  const help = phone.call('three', 'sip:112@home.example');
  network.loop.run(2_000);
  t.deepEqual(second.heard, ['500']);
  t.is(help.heard.at(-1), '200 callee');
});

test('six calls at once: no more go out than there are lines, and a REFER at once with them finds none either', (t) => {
  const { network, provider, alice, trunk } = trunkScene({ maxCalls: 2 }, ['box']);
  const phone = alice.registered();
  const calls = [1, 2, 3, 4, 5, 6].map((id) => phone.call(`all-${id}`, `sip:+49301234${id}@home.example`));
  network.loop.run(2_000);
  t.deepEqual(
    calls.map(({ heard }) => heard.at(-1)),
    ['200 callee', '200 callee', ...Array<string>(4).fill('500')],
  );
  t.is(invites(provider).length, 2);
  trunk.account.maxCalls = 3;
  phone.call('more', 'sip:+4930123450@home.example');
  phone.say('REFER', calls[0]?.dialog, [{ name: 'Refer-To', value: '<tel:030-999999>' }]);
  network.loop.run(2_000);
  t.is(phone.heard.at(-1), 'REFER 500');
  t.is(invites(provider).length, 3);
});

test('while the media relay says nothing, 32 messages of a call wait for it: another offer is refused, and who hangs up is heard at once', (t) => {
  const { network, provider, alice, trunk } = trunkScene({}, ['box']);
  const phone = alice.registered();
  phone.offer = 'v=0\r\nc=IN IP4 198.18.0.1\r\nm=audio 4000 RTP/AVP 0\r\n';
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  phone.heard.length = 0;
  trunk.media.takesMs = 20_000;
  const hold = phone.say('INVITE', call.dialog);
  for (let count = 0; count < 32; count += 1) phone.say('INFO', call.dialog);
  network.loop.run(1_000);
  const more = phone.say('INVITE', call.dialog);
  network.loop.run(1_000);
  t.deepEqual([hold?.heard, more?.heard, phone.heard], [[], ['500'], []]);
  phone.say('BYE', call.dialog);
  network.loop.run(1_000);
  t.deepEqual(phone.heard, ['BYE 200']);
  t.is(provider.received.at(-1)?.split(' ')[0], 'BYE');
  t.is(trunk.trunk.size, 0);
  network.loop.run(70_000);
  t.is(provider.received.at(-1)?.split(' ')[0], 'BYE', 'what has waited is of no call');
  t.is(hold?.heard.at(-1), '481');
  t.is(phone.leftovers, 0);
});

test('five calls for help of one member at once: four go out, another member calls still, and the first one when a call has ended', (t) => {
  const { network, overlay, alice } = trunkScene({ maxCalls: 1 }, ['box']);
  const phone = alice.registered();
  const ask = (id: string): ReturnType<typeof phone.call> => phone.call(id, 'sip:112@home.example');
  const calls = ['1', '2', '3', '4', '5'].map(ask);
  network.loop.run(2_000);
  t.deepEqual(
    calls.map(({ heard }) => heard.at(-1)),
    [...Array<string>(4).fill('200 callee'), '500'],
  );
  const other = overlay
    .home('carol', { gateways: ['box'] })
    .registered()
    .call('6', 'sip:112@home.example');
  network.loop.run(2_000);
  t.is(other.heard.at(-1), '200 callee');
  phone.say('BYE', calls[0]?.dialog);
  network.loop.run(1_000);
  const again = ask('7');
  network.loop.run(2_000);
  t.is(again.heard.at(-1), '200 callee');
});

test('of 65 calls for help of 17 members 64 go out at a time', (t) => {
  const { network, overlay, provider } = trunkScene({}, ['box']);
  const calls = Array.from({ length: 17 }, (_, member) => {
    const phone = overlay.home(`m${member}`, { gateways: ['box'] }).registered();
    const count = member < 16 ? 4 : 1;
    return Array.from({ length: count }, (__, id) => phone.call(`${member}-${id}`, 'sip:112@home.example'));
  }).flat();
  network.loop.run(3_000);
  t.is(calls.filter(({ heard }) => heard.at(-1) === '200 callee').length, 64);
  t.is(calls.filter(({ heard }) => heard.at(-1) === '500').length, 1);
  t.is(invites(provider).length, 64);
});

test('a phone beside the gateway calls a number, and gives up while it rings', (t) => {
  const { network, provider, box, trunk } = trunkScene();
  provider.answerMs = 60_000;
  const phone = box.registered();
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(1_000);
  phone.cancel(call);
  network.loop.run(2_000);
  t.deepEqual(call.heard, ['180', '487']);
  t.is(provider.received.at(-1), 'CANCEL');
  network.loop.run(70_000);
  t.is(trunk.trunk.size, 0);
});

test('registered: refreshed in its time, with the Min-Expires that the provider wants, and taken away at the end', (t) => {
  const { network, provider, trunk } = trunkScene();
  t.is(provider.registrations.length, 2);
  network.loop.run(600_000);
  const refreshes = provider.registrations.length;
  t.true(refreshes >= 4 && refreshes <= 6, String(refreshes));
  provider.minExpires = 1_200;
  network.loop.run(600_000);
  t.is(provider.registrations.at(-1)?.split(' ')[1], '1200');
  trunk.trunk.stop(network.loop.now);
  network.schedule(trunk);
  network.loop.run(1_000);
  t.is(provider.registrations.at(-1)?.split(' ')[1], '0');
});

test('a wrong password: two requests, then pauses of 15 s and more, and the owner is told why', (t) => {
  const { network, provider, trunk } = trunkScene({ credentials: { user: 'line7', password: 'wrong' } });
  t.false(trunk.isReady);
  t.deepEqual(trunk.trunk.state, { domain: PROVIDER, state: 'failed', why: '401 R401' });
  network.loop.run(600_000);
  const asked = network.log.filter((line) => line.includes(`${GATEWAY} > 203.0.113.1 REGISTER`)).length;
  t.true(asked >= 8 && asked <= 16, `${asked} in ten minutes`);
  provider.password = 'wrong';
  network.loop.run(1_800_000);
  t.true(trunk.isReady);
  t.deepEqual(trunk.trunk.state, { domain: PROVIDER, state: 'registered', why: null });
});

test('the owner is told that no server of a provider, or of a peer, is known', (t) => {
  for (const more of [{}, { credentials: undefined, user: undefined }]) {
    const network = new SipNetwork();
    const trunk = new SimTrunk(network, new SipOverlay(network).home('box'), GATEWAY, account(more));
    trunk.start();
    network.loop.run(1_000);
    t.deepEqual(trunk.trunk.state, { domain: PROVIDER, state: 'failed', why: 'no server is known in DNS' });
  }
});

test('a peer without a registration is one as soon as its servers are known', (t) => {
  const { trunk } = trunkScene({ credentials: undefined, user: undefined });
  t.deepEqual(trunk.trunk.state, { domain: PROVIDER, state: 'peer', why: null });
});

test('the registrar falls silent: the second server is registered at', (t) => {
  const { network, provider, spare, trunk } = trunkScene();
  provider.isDead = true;
  network.loop.run(500_000);
  t.true(spare.registrations.length >= 1);
  t.true(trunk.isReady);
});

test('an open gateway calls another domain by its servers, with the name of the member', (t) => {
  const { network, alice, trunk } = trunkScene({
    isOpen: true,
    credentials: undefined,
    user: undefined,
    numbers: new Map(),
  });
  const world = new SimProvider(network, '203.0.113.50');
  world.wantsDigest = false;
  trunk.dns.set('elsewhere.example', [serverAt('203.0.113.50')]);
  const call = alice.registered().call('one', 'sip:zoe@elsewhere.example');
  network.loop.run(2_000);
  t.is(call.heard.at(-1), '200 callee');
  t.deepEqual(invites(world), ['INVITE sip:zoe@elsewhere.example']);
  const [invite] = world.requests;
  t.is(invite && firstHeader(invite, 'from')?.split(';tag')[0], '<sip:alice@home.example>');
});

test('a number that the gateway has given to a member rings his phone, and the provider hears nothing of it', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const alice = overlay.home('alice', { gateways: ['box'] });
  const bob = overlay.home('bob');
  const assigned = new Map([['+49301234567', 'bob']]);
  overlay.numbers.set('box +49301234567', 'bob');
  // Alice's host has not named who says this.
  overlay.numbers.set('mallory +49307654321', 'bob');
  const gateway = new SimTrunk(network, overlay.home('box'), GATEWAY, account({ assigned }));
  const provider = new SimProvider(network, '203.0.113.1');
  gateway.dns.set(PROVIDER, [serverAt('203.0.113.1')]);
  gateway.start();
  network.loop.run(1_000);
  const phone = alice.registered();
  const his = bob.registered();
  for (const uri of ['sip:+49301234567@home.example', 'tel:030-1234567', 'sip:0301234567@home.example;user=phone']) {
    const call = phone.call(uri, uri);
    network.loop.run(2_000);
    t.regex(call.heard.at(-1) ?? '', /^200/, uri);
    phone.say('BYE', call.dialog);
    network.loop.run(1_000);
    t.is(phone.heard.at(-1), 'BYE 200');
  }
  t.deepEqual(methods(his), Array(3).fill(['INVITE', 'ACK', 'BYE']).flat());
  const [first] = his.requests;
  t.is(first && firstHeader(first, 'p-asserted-identity'), '<sip:alice@home.example>');
  t.deepEqual(invites(provider), []);
  phone.call('stolen', 'tel:030-7654321');
  network.loop.run(2_000);
  t.deepEqual(invites(provider), [`INVITE sip:+49307654321@${PROVIDER};user=phone`]);
});

test('a number given to a member while the gateway runs: the world rings him by it, and sees it when he calls, until it is taken away', (t) => {
  const assigned = new Map<string, string>();
  const { network, provider, alice, box } = trunkScene({ assigned, numbers: new Map(), defaultUser: 'box' });
  const phone = alice.registered();
  const other = box.registered();
  const ring = (): void => {
    provider.call(GATEWAY, 'sip:030555666@192.0.2.1:5064', '<sip:+331234567@x.example>');
    network.loop.run(2_000);
  };
  const shown = (): string | undefined => {
    phone.call(String(network.loop.now), 'sip:+4930123456@home.example');
    network.loop.run(2_000);
    const invite = provider.requests.findLast(({ method }) => method === 'INVITE');
    return invite && firstHeader(invite, 'from')?.split(';tag')[0];
  };
  assigned.set('+4930555666', 'alice');
  ring();
  t.is(methods(phone)[0], 'INVITE');
  t.deepEqual(methods(other), []);
  t.is(shown(), `<sip:+4930555666@${PROVIDER}>`);
  assigned.clear();
  ring();
  t.is(methods(other)[0], 'INVITE');
  t.is(shown(), `<sip:line7@${PROVIDER}>`);
});

test('what rings reliably is acknowledged end to end (100rel), with the numbers that the INVITE has on each leg', (t) => {
  const { network, provider, alice } = trunkScene({}, ['box']);
  provider.rseq = 7_001;
  const phone = alice.registered();
  const call = phone.call('one', 'sip:+4930123456@home.example', [{ name: 'Supported', value: '100rel, replaces' }]);
  network.loop.run(90);
  t.deepEqual(call.heard, ['180 RSeq 7001']);
  const invite = provider.requests.findLast(({ method }) => method === 'INVITE');
  t.is(invite && firstHeader(invite, 'supported'), '100rel');
  phone.say('PRACK', call.early, [{ name: 'RAck', value: `7001 ${phone.lastCSeq} INVITE` }]);
  phone.say('PRACK', call.early, [{ name: 'RAck', value: '7001 4711 INVITE' }]);
  network.loop.run(1_000);
  t.deepEqual(phone.heard.filter((line) => line.startsWith('PRACK')).toSorted(), ['PRACK 200', 'PRACK 481']);
  const pracks = provider.requests.filter(({ method }) => method === 'PRACK');
  t.deepEqual(
    pracks.map((prack) => firstHeader(prack, 'rack')),
    [`7001 ${Number.parseInt((invite && firstHeader(invite, 'cseq')) ?? '', 10)} INVITE`],
  );
  t.is(call.heard.at(-1), '200 callee');
});
