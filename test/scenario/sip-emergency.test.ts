import test from 'ava';
import { firstHeader } from '../../src/sip/message/headers.ts';
import { LAN, lanPhone, lanUser } from '../sim/sip/lan-phone.ts';
import { type SipHome, SipOverlay } from '../sim/sip/sip-household.ts';
import { SipNetwork } from '../sim/sip/sip-network.ts';
import { SimProvider } from '../sim/sip/sip-provider.ts';
import { account, PROVIDER, serverAt, SimTrunk } from '../sim/sip/sip-trunk.ts';
import { SimRtpengine } from '../sim/sip/sim-rtpengine.ts';
import { trunkScene } from '../sim/sip/trunk-scene.ts';

// Calls for help go out whatever else is wrong with the phone, its host or its account.

interface Scene {
  readonly network: SipNetwork;
  readonly alice: SipHome;
  readonly bob: SipHome;
  readonly provider: SimProvider;
  readonly rtpengine: SimRtpengine;
}

/** @param where the gateway: on another host, or beside the phone */
function scene(where: 'elsewhere' | 'here' = 'elsewhere', user: string | null = 'alice'): Scene {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const rtpengine = new SimRtpengine(network, () => alice);
  const users = [lanUser('kitchen', 'secret')];
  const alice: SipHome = overlay.home(user, {
    ...{ lan: { ...LAN, users }, media: rtpengine.port },
    gateways: where === 'elsewhere' ? ['box'] : [],
  });
  const bob = overlay.home('bob');
  const trunk = new SimTrunk(network, where === 'here' ? alice : overlay.home('box'), '192.0.2.1', account());
  const provider = new SimProvider(network, '203.0.113.1');
  trunk.dns.set(PROVIDER, [serverAt('203.0.113.1')]);
  trunk.start();
  network.loop.run(1_000);
  return { network, alice, bob, provider, rtpengine };
}

const dialled = ({ received }: SimProvider): string[] => received.filter((line) => line.startsWith('INVITE'));
const calls = (number: string): string[] => [`INVITE sip:${number}@${PROVIDER};user=phone`];

for (const where of ['elsewhere', 'here'] as const)
  test(`a phone with the account of somebody else calls for help by a gateway ${where}: it goes out as its host’s user, is held, and ends; the phone sees its own From`, (t) => {
    const { network, alice, provider } = scene(where);
    const phone = alice.phone({ user: 'carol' });
    const call = phone.call('one', 'sip:112@home.example');
    network.loop.run(2_000);
    t.is(call.heard.at(-1), '200 callee');
    t.deepEqual(dialled(provider), calls('112'));
    t.is(call.dialog?.local, '<sip:carol@home.example>;tag=carol');
    const held = phone.say('INVITE', call.dialog);
    network.loop.run(1_000);
    t.is(held?.heard.at(-1)?.slice(0, 3), '200');
    provider.hangUp();
    network.loop.run(1_000);
    t.is(provider.heard.at(-1), 'BYE 200');
    const bye = phone.requests.find(({ method }) => method === 'BYE');
    t.is(bye && firstHeader(bye, 'to'), '<sip:carol@home.example>;tag=carol');
    const second = phone.call('two', 'urn:service:sos');
    network.loop.run(2_000);
    t.is(second.heard.at(-1), '200 callee');
    phone.say('BYE', second.dialog);
    network.loop.run(1_000);
    t.is(phone.heard.at(-1), 'BYE 200');
    t.is(provider.received.at(-1)?.split(' ')[0], 'BYE');
  });

test('that phone calls nobody else so: a number, a member, and a number for help in a message are refused', (t) => {
  const { network, alice, bob, provider } = scene();
  const bobs = bob.registered();
  const phone = alice.phone({ user: 'carol' });
  phone.call('help', 'sip:112@home.example');
  network.loop.run(2_000);
  const all = ['sip:+4930123456@home.example', 'sip:bob@home.example'].map((to) => phone.call(to, to));
  phone.ask('MESSAGE', 'sip:112@home.example');
  // Nor by the Call-ID of its call for help.
  const again = phone.call('help', 'sip:bob@home.example', []);
  network.loop.run(2_000);
  t.deepEqual(
    all.flatMap(({ heard }) => heard),
    ['403', '403'],
  );
  t.true(phone.heard.includes('MESSAGE 403'));
  t.deepEqual(again.heard, ['403']);
  t.deepEqual([dialled(provider), bobs.received], [calls('112'), []]);
});

test('a phone over IPv6 without a media relay is connected when it calls for help, though the answer is of IPv4; another number ends with 488', (t) => {
  const { network, alice } = trunkScene({}, ['box']);
  const phone = alice.registered({ over: 'ipv6' });
  phone.offer = `v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ${alice.ipv6}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n`;
  const other = phone.call('one', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  t.is(other.heard.at(-1), '488');
  for (const uri of ['sip:112@home.example', 'urn:service:sos']) {
    const help = phone.call(uri, uri);
    network.loop.run(2_000);
    t.is(help.heard.at(-1), '200 callee', uri);
  }
  t.regex(phone.sessions.at(-1) ?? '', /^c=IN IP4 /m);
});

test('a host without a name calls for help', (t) => {
  const { network, alice, provider } = scene('elsewhere', null);
  const call = alice.phone({ user: 'carol' }).call('one', 'sip:112@home.example');
  network.loop.run(2_000);
  t.is(call.heard.at(-1), '200 callee');
  t.deepEqual(dialled(provider), calls('112'));
});

test('a phone on the LAN calls for help while rtpengine is away: the offer goes out as it was; another number is refused with 488', (t) => {
  const { network, provider, rtpengine } = scene();
  rtpengine.isThere = false;
  const phone = lanPhone(network, 20, { as: 'carol' });
  phone.offer =
    'v=0\r\no=- 1 1 IN IP4 192.168.1.20\r\ns=-\r\nc=IN IP4 192.168.1.20\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n';
  const call = phone.call('one', 'sip:112@home.example');
  network.loop.run(5_000);
  t.is(call.heard.at(-1), '200 callee');
  t.deepEqual(dialled(provider), calls('112'));
  phone.say('BYE', call.dialog);
  network.loop.run(1_000);
  t.is(phone.heard.at(-1), 'BYE 200');
  const as = lanPhone(network, 21);
  as.offer = phone.offer;
  const other = as.call('two', 'sip:+4930123456@home.example');
  network.loop.run(5_000);
  t.deepEqual(other.heard, ['488']);
});

test('an address with five wrong passwords waits, but for a call for help with the right one; wrong ones wait there too', (t) => {
  const { network, provider } = scene();
  const { credentials } = lanPhone(network, 20);
  const phone = lanPhone(network, 20, { password: 'wrong' });
  const wrong = phone.credentials;
  for (let count = 0; count < 6; count += 1) {
    phone.ask('REGISTER', 'sip:alice@home.example');
    network.loop.run(100);
  }
  t.is(phone.heard.at(-1), 'REGISTER 503');
  const heard = (name: string, to: string): string | undefined => {
    const call = phone.call(name, to);
    network.loop.run(1_000);
    return call.heard.at(-1);
  };
  t.is(heard('wrong', 'sip:112@home.example'), '407');
  phone.credentials = credentials;
  t.is(heard('other', 'sip:+4930123456@home.example'), '503');
  t.is(heard('help', 'sip:112@home.example'), '200 callee');
  t.deepEqual(dialled(provider), calls('112'));
  phone.credentials = wrong;
  const guesses = Array.from({ length: 8 }, (_, count) => heard(`guess-${count}`, 'sip:112@home.example'));
  t.deepEqual(guesses, ['407', '407', '407', '407', '503', '503', '503', '503']);
});
