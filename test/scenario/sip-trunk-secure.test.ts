import test from 'ava';
import { tlsFlow } from '../../src/sip/flow.ts';
import { firstHeader, headerValues } from '../../src/sip/message/headers.ts';
import type { Server } from '../../src/sip/trunk/server-location.ts';
import { SipNetwork } from '../sim/sip/sip-network.ts';
import { type SipHome, SipOverlay } from '../sim/sip/sip-household.ts';
import type { SimCall, SimPhone } from '../sim/sip/sip-phone.ts';
import { SimProvider } from '../sim/sip/sip-provider.ts';
import { account, PROVIDER, secureFlowFrom, SimTrunk } from '../sim/sip/sip-trunk.ts';

interface Scene {
  readonly network: SipNetwork;
  readonly overlay: SipOverlay;
  readonly provider: SimProvider;
  readonly spare: SimProvider;
  readonly alice: SipHome;
  readonly trunk: SimTrunk;
}

const GATEWAY = '192.0.2.1';
const OFFER = 'v=0\r\nc=IN IP4 198.18.0.7\r\nm=audio 4000 RTP/AVP 0\r\n';

/** Alice's host, a gateway with TLS, and a provider with two servers. */
function scene(): Scene {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const alice = overlay.home('alice', { gateways: ['box'] });
  const server = { host: PROVIDER, transport: 'tls' as const };
  const trunk = new SimTrunk(network, overlay.home('box'), GATEWAY, account({ server }));
  const provider = new SimProvider(network, '203.0.113.1');
  const spare = new SimProvider(network, '203.0.113.2');
  trunk.dns.set(PROVIDER, [secureAt('203.0.113.1'), secureAt('203.0.113.2')]);
  trunk.start();
  network.loop.run(1_000);
  return { network, overlay, provider, spare, alice, trunk };
}

function secureAt(address: string): Server {
  return { transport: 'tls', remote: { address, port: 5_060 } };
}

/** The connection to that server ends. */
function close({ network, trunk }: Scene, server = '203.0.113.1', why?: string): void {
  const flow = tlsFlow({ local: { address: GATEWAY, port: 5_064 }, remote: { address: server, port: 5_060 } });
  trunk.trunk.flowClosed(flow, network.loop.now, why);
  network.schedule(trunk);
}

const said = ({ received }: SimProvider): string[] =>
  received.map((line) => line.split(' ')[0] ?? '').filter((method) => method !== 'REGISTER');

function caller(alice: SipHome): SimPhone {
  const phone = alice.registered();
  phone.offer = OFFER;
  return phone;
}

test('over TLS the gateway names its connection as the way back, and hears nothing that comes without it', (t) => {
  const { network, provider, alice, trunk } = scene();
  t.true(trunk.isReady);
  const phone = caller(alice);
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  t.is(call.heard.at(-1), '200 callee');
  for (const request of provider.requests) {
    t.regex(firstHeader(request, 'contact') ?? '', /^<sip:line7@192\.0\.2\.1:5064;transport=tls>/);
    t.regex(firstHeader(request, 'via') ?? '', /^SIP\/2\.0\/TLS 192\.0\.2\.1:5064;branch=[^;]+;(?:.*;)?alias/);
  }
  const before = phone.received.length;
  provider.call(GATEWAY, 'sip:+4930111@192.0.2.1:5064', '<sip:030123@x.example>');
  network.loop.run(40_000);
  t.deepEqual(provider.heard, ['timeout']);
  t.is(phone.received.length, before);
  phone.say('BYE', call.dialog);
  network.loop.run(1_000);
  t.is(provider.received.at(-1)?.split(' ')[0], 'BYE');
});

test('a connection that ends is made anew at once, with the registration, and the call on it goes on', (t) => {
  const all = scene();
  const { network, provider, alice } = all;
  const phone = caller(alice);
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(60_000);
  const before = provider.registrations.length;
  close(all);
  network.loop.run(200);
  t.is(provider.registrations.length, before + 1);
  t.true(all.trunk.isReady);
  phone.say('INFO', call.dialog);
  network.loop.run(500);
  t.is(phone.heard.at(-1), 'INFO 200');
  phone.say('BYE', call.dialog);
  network.loop.run(500);
  t.deepEqual(said(provider), ['INVITE', 'ACK', 'INFO', 'BYE']);
});

for (const ends of ['member', 'world'] as const)
  test(`the gateway crashes in a call over TLS: it goes on by the new connection, and the ${ends} ends it by BYE`, (t) => {
    const { network, provider, alice, trunk } = scene();
    const phone = caller(alice);
    const call = phone.call('one', 'sip:+4930123456@home.example');
    network.loop.run(2_000);
    const before = provider.requests.length;
    trunk.crash();
    network.loop.run(1_000);
    t.true(trunk.isReady);
    t.is(trunk.trunk.size, 1);
    const again = phone.say('INVITE', call.dialog);
    network.loop.run(1_000);
    t.is(again?.heard.at(-1)?.slice(0, 3), '200');
    if (ends === 'member') phone.say('BYE', call.dialog);
    else provider.hangUp(secureFlowFrom('203.0.113.1', GATEWAY));
    network.loop.run(40_000);
    t.is(ends === 'member' ? phone.heard.at(-1) : provider.heard.at(-1), 'BYE 200');
    t.is(ends === 'member' ? said(provider).at(-1) : phone.received.at(-1)?.split(' ')[0], 'BYE');
    const later = provider.requests.slice(before);
    t.true(later.length > 0);
    for (const request of later) t.regex(firstHeader(request, 'via') ?? '', /^SIP\/2\.0\/TLS 192\.0\.2\.1:5064;/);
    t.is(trunk.trunk.size, 0);
  });

test('a server that ends every connection is asked again every 15 s at most', (t) => {
  const all = scene();
  const before = all.provider.registrations.length;
  for (let seconds = 0; seconds < 120; seconds += 1) {
    close(all);
    all.network.loop.run(1_000);
  }
  const asked = all.provider.registrations.length - before;
  t.true(asked >= 4 && asked <= 8, `${asked} in two minutes`);
});

test('the server where the gateway is registered has died: the other one is registered at, and has the next call', (t) => {
  const all = scene();
  const { network, provider, spare, alice } = all;
  network.loop.run(60_000);
  provider.isDead = true;
  close(all);
  network.loop.run(5_000);
  t.is(spare.registrations.length, 1);
  const call = caller(alice).call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  t.is(call.heard.at(-1), '200 callee');
  t.deepEqual(said(spare), ['INVITE', 'ACK']);
});

test('what is wrong with TLS is what the owner is told, until it is right', (t) => {
  const all = scene();
  const { network, provider, trunk } = all;
  const why = '203.0.113.1:5060: its certificate has expired';
  provider.isDead = true;
  trunk.dns.set(PROVIDER, [secureAt('203.0.113.1')]);
  network.loop.run(60_000);
  close(all, '203.0.113.1', why);
  network.loop.run(100);
  close(all, '203.0.113.1', why);
  network.loop.run(600_000);
  close(all, '203.0.113.1', why);
  network.loop.run(60_000);
  t.deepEqual(trunk.trunk.state, { domain: PROVIDER, state: 'failed', why });
  provider.isDead = false;
  network.loop.run(1_800_000);
  t.deepEqual(trunk.trunk.state, { domain: PROVIDER, state: 'registered', why: null });
});

const TYPE = { name: 'Content-Type', value: 'application/sdp' };
const WHY = 'Media Not Encrypted by Provider';

test('a provider that answers without encryption is hung up on at once, and the caller hears why', (t) => {
  const { network, provider, alice, trunk } = scene();
  trunk.media.objects = () => WHY;
  const call = caller(alice).call('one', 'sip:+4930123456@home.example');
  network.loop.run(5_000);
  t.deepEqual(call.heard, ['180', '488']);
  t.deepEqual(said(provider), ['INVITE', 'ACK', 'BYE']);
  network.loop.run(70_000);
  t.is(trunk.trunk.size, 0);
});

test('the second end of a forked call answers without encryption: it alone is hung up on', (t) => {
  const { network, provider, alice, trunk } = scene();
  let answers = 0;
  trunk.media.objects = () => ((answers += 1) > 1 ? WHY : undefined);
  provider.forksTo = 'fork';
  const phone = caller(alice);
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(5_000);
  t.deepEqual(call.heard, ['180', '200 callee']);
  t.deepEqual(said(provider).toSorted(), ['ACK', 'ACK', 'BYE', 'INVITE']);
  const bye = provider.requests.find(({ method }) => method === 'BYE');
  t.regex((bye && firstHeader(bye, 'to')) ?? '', /;tag=fork$/);
  t.is(trunk.trunk.size, 1);
  phone.say('BYE', call.dialog);
  network.loop.run(1_000);
  t.is(phone.heard.at(-1), 'BYE 200');
  t.is(trunk.trunk.size, 0);
});

test('a call of the world without encryption rings nobody', (t) => {
  const all = scene();
  const { network, provider, alice, trunk } = all;
  trunk.media.objects = () => WHY;
  const phone = caller(alice);
  const before = phone.received.length;
  provider.callBySecure(GATEWAY, 'sip:+4930111@192.0.2.1:5064', '<sip:030123@x.example>');
  network.loop.run(2_000);
  t.deepEqual(provider.heard, ['INVITE 488']);
  t.is(provider.reasons.at(-1), WHY);
  t.is(phone.received.length, before);
  t.is(trunk.trunk.size, 0);
});

test('a provider that offers media in clear in a call is refused, and the call goes on', (t) => {
  const { network, provider, alice, trunk } = scene();
  const phone = caller(alice);
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  trunk.media.objects = () => WHY;
  const before = phone.received.length;
  provider.reoffer(secureFlowFrom('203.0.113.1', GATEWAY));
  network.loop.run(1_000);
  t.is(provider.heard.at(-1), 'INVITE 488');
  t.is(phone.received.length, before);
  phone.say('BYE', call.dialog);
  network.loop.run(1_000);
  t.deepEqual(said(provider).slice(-1), ['BYE']);
});

test('a call for help goes through whatever the provider answers', (t) => {
  const { network, alice, trunk } = scene();
  const phone = caller(alice);
  const sessions: boolean[] = [];
  trunk.media.objects = () => WHY;
  trunk.media.saw = ({ isEmergency }) => void sessions.push(isEmergency);
  phone.call('one', 'sip:112@home.example');
  network.loop.run(2_000);
  t.true(sessions.length > 0 && sessions.every((isEmergency) => isEmergency));
});

test('a call for help goes on whatever the provider answers in it, also when the gateway has crashed', (t) => {
  const { network, provider, alice, trunk } = scene();
  const phone = caller(alice);
  trunk.media.objects = () => WHY;
  provider.describesInCall = true;
  const call = phone.call('one', 'sip:112@home.example');
  network.loop.run(2_000);
  for (const crashes of [false, true]) {
    if (crashes) trunk.crash();
    const again = phone.say('INVITE', call.dialog);
    network.loop.run(2_000);
    t.is(again?.heard.at(-1)?.slice(0, 3), '200');
    t.is(trunk.trunk.size, 1);
  }
  t.is(said(provider).at(-1), 'ACK');
});

test('the media relay fails while a call is answered: nothing of the overlay is told, and both ends are free', (t) => {
  const { network, provider, alice, trunk } = scene();
  const phone = caller(alice);
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(50);
  trunk.media.works = false;
  network.loop.run(5_000);
  t.is(call.heard.at(-1), '500');
  t.deepEqual(said(provider), ['INVITE', 'ACK', 'BYE']);
  t.is(trunk.trunk.size, 0);
});

const MIXED = 'multipart/mixed;boundary=b';
const mixed = (sdp: string): string =>
  `--b\r\nContent-Type: application/sdp\r\n\r\n${sdp}\r\n--b\r\nContent-Type: application/isup\r\n\r\nIAM\r\n--b--\r\n`;

test('a session description beside something else (multipart/mixed) is told by the media relay, at its place, both ways', (t) => {
  const { network, provider, alice, trunk } = scene();
  const phone = caller(alice);
  phone.offer = mixed(OFFER);
  phone.offerType = MIXED;
  provider.writes = (sdp) => ({ headers: [{ name: 'Content-Type', value: MIXED }], body: mixed(sdp) });
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  t.is(call.heard.at(-1), '200 callee');
  t.deepEqual(
    trunk.media.asked.map(({ what, sdp }) => [what, sdp.startsWith('v=0'), sdp.includes('--b')]),
    [
      ['offer alice', true, false],
      ['answer callee alice', true, false],
    ],
  );
  t.deepEqual([...new Set(provider.told)], [mixed(OFFER.replace('198.18.0.7', '192.0.2.77'))]);
  t.regex(
    phone.sessions[0] ?? '',
    /^--b\r\nContent-Type: application\/sdp\r\n\r\nv=0[^]*2001:20::77[^]*\r\n\r\nIAM\r\n--b--\r\n$/,
  );
  t.false(phone.sessions[0]?.includes('c=IN IP4 203.0.113.9'));
});

test('where the provider answers in clear within multipart/mixed it is hung up on, as elsewhere', (t) => {
  const { network, provider, alice, trunk } = scene();
  trunk.media.objects = (sdp) => (sdp.includes('RTP/AVP') ? WHY : undefined);
  provider.writes = (sdp) => ({ headers: [{ name: 'Content-Type', value: MIXED }], body: mixed(sdp) });
  const call = caller(alice).call('one', 'sip:+4930123456@home.example');
  network.loop.run(5_000);
  t.deepEqual(call.heard, ['180', '488']);
  t.deepEqual(said(provider), ['INVITE', 'ACK', 'BYE']);
});

for (const [what, headers] of [
  ['encoded', [{ name: 'Content-Encoding', value: 'gzip' }, TYPE]],
  ['signed', [{ name: 'Content-Type', value: 'multipart/signed;boundary=b' }]],
  ['of no type', []],
] as const) {
  test(`a session description of the provider that is ${what} goes past nobody: it is hung up on, and its calls hear 415`, (t) => {
    const { network, provider, alice, trunk } = scene();
    provider.writes = (sdp) => ({ headers, body: what === 'signed' ? mixed(sdp) : sdp });
    const phone = caller(alice);
    const call = phone.call('one', 'sip:+4930123456@home.example');
    network.loop.run(5_000);
    t.deepEqual(call.heard, ['180', '488']);
    t.deepEqual(said(provider), ['INVITE', 'ACK', 'BYE']);
    provider.callBySecure(GATEWAY, 'sip:+4930111@192.0.2.1:5064', '<sip:030123@x.example>');
    network.loop.run(2_000);
    t.is(provider.heard.at(-1), 'INVITE 415');
    t.false(phone.received.some((line) => line.startsWith('INVITE')));
    t.deepEqual(phone.sessions, []);
    network.loop.run(70_000);
    t.is(trunk.trunk.size, 0);
  });

  test(`a session description of a member that is ${what} goes nowhere: 415 says what would`, (t) => {
    const { network, provider, alice, trunk } = scene();
    const phone = caller(alice);
    const [last] = headers.slice(-1);
    phone.offer = what === 'signed' ? mixed(OFFER) : OFFER;
    phone.offerType = last?.value ?? '';
    const call = phone.call('one', 'sip:+4930123456@home.example', headers.slice(0, -1));
    network.loop.run(2_000);
    t.deepEqual(call.heard, ['415']);
    const { final: answer } = phone;
    t.regex((answer && firstHeader(answer, 'accept')) ?? '', /^application\/sdp/);
    t.deepEqual(answer && headerValues(answer, 'accept-encoding'), ['identity']);
    t.deepEqual(said(provider), []);
    t.is(trunk.trunk.size, 0);
  });
}

test('what the provider can do, in an answer to OPTIONS or a refusal, is no offer and no answer: the media relay and the member see nothing of it', (t) => {
  const { network, provider, alice, trunk } = scene();
  const phone = caller(alice);
  const call = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  t.is(trunk.media.asked.length, 2);
  provider.describesAlways = true;
  provider.inCall = 488;
  const again = phone.say('INVITE', call.dialog);
  network.loop.run(1_000);
  t.deepEqual(again?.heard, ['488']);
  t.is(
    trunk.media.asked.filter(({ what }) => what.startsWith('answer')).length,
    2,
    'of the first INVITE, and taken back',
  );
  t.is(phone.sessions.length, 1);
  provider.inCall = 200;
  phone.say('OPTIONS', call.dialog);
  network.loop.run(1_000);
  t.is(phone.heard.at(-1), 'OPTIONS 200');
  t.is(trunk.media.asked.length, 5);
});

interface HandedOn extends Scene {
  readonly phone: SimPhone;
  readonly his: SimCall;
}

/** Alice's call with a number is handed on to bob, whose phone calls with `Replaces` (RFC 3891), after something has happened. */
function handedOn(offer: string | undefined, happens: (all: Scene) => void): HandedOn {
  const all = scene();
  const { network, overlay, provider, alice } = all;
  const phone = caller(alice);
  const bob = overlay.home('bob', { gateways: ['box'] }).registered();
  bob.offer = offer;
  phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  provider.describesInCall = true;
  happens(all);
  const replaces = { name: 'Replaces', value: 'one;to-tag=callee;from-tag=alice' };
  const his = bob.call('two', 'sip:+4930123456@home.example', [replaces]);
  network.loop.run(5_000);
  return { ...all, phone, his };
}

test('bob takes the place of alice: the provider is told of his media by the relay alone, as of hers', (t) => {
  const { provider, his } = handedOn(OFFER, () => undefined);
  t.is(his.heard.at(-1), '200 callee');
  t.is(provider.told.length, 3);
  for (const sdp of provider.told) t.regex(sdp, /^c=IN IP4 192\.0\.2\.77$/m);
});

for (const [what, offer] of [
  ['an answer', OFFER],
  ['an offer', undefined],
] as const)
  test(`bob takes the place of alice, and the provider has ${what} in clear for him: he hears 488 and nothing of it, and the call ends`, (t) => {
    const all = handedOn(offer, ({ trunk }) => {
      trunk.media.objects = () => WHY;
    });
    const { network, provider, phone, his, trunk } = all;
    t.deepEqual(his.heard, ['488']);
    t.deepEqual(said(provider).slice(-3), ['INVITE', 'ACK', 'BYE']);
    t.is(phone.received.at(-1)?.split(' ')[0], 'BYE');
    for (const sdp of provider.told) t.regex(sdp, /^c=IN IP4 192\.0\.2\.77$/m);
    network.loop.run(70_000);
    t.is(trunk.trunk.size, 0);
  });

test('bob would take the place of alice while the media relay fails: the provider hears nothing, and she has her call still', (t) => {
  const { provider, phone, his, trunk } = handedOn(OFFER, (all) => {
    all.trunk.media.works = false;
  });
  t.deepEqual(his.heard, ['500']);
  t.deepEqual(said(provider), ['INVITE', 'ACK']);
  t.deepEqual(
    trunk.media.asked.slice(2).map(({ what }) => what),
    ['offer bob callee', 'offer alice callee'],
    'it may do as bob says all the same',
  );
  t.false(phone.received.some((line) => line.startsWith('BYE')));
  t.is(trunk.trunk.size, 1);
});

test('the media relay fails while bob takes the place of alice: he hears so, nothing of the provider, and the call ends', (t) => {
  const { provider, his, trunk } = handedOn(OFFER, ({ trunk: { media } }) => {
    media.saw = ({ from }) => {
      // After his offer, and before the answer to it.
      if (from === 'outside') media.works = false;
    };
  });
  t.deepEqual(his.heard, ['500']);
  t.deepEqual(said(provider).slice(-3), ['INVITE', 'ACK', 'BYE']);
  for (const sdp of provider.told) t.regex(sdp, /^c=IN IP4 192\.0\.2\.77$/m);
  t.is(trunk.trunk.size, 0);
});
