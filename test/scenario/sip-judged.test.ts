import test from 'ava';
import { readsTheSame } from '../sim/sip/judge.ts';
import { LAN, lanPhone, lanUser } from '../sim/sip/lan-phone.ts';
import { SimRtpengine } from '../sim/sip/sim-rtpengine.ts';
import { ADAPTOR_PORT, type SipHome, SipOverlay } from '../sim/sip/sip-household.ts';
import { SipNetwork } from '../sim/sip/sip-network.ts';
import { SimProvider } from '../sim/sip/sip-provider.ts';
import { account, PROVIDER, serverAt, SimTrunk } from '../sim/sip/sip-trunk.ts';

const GATEWAY = { address: '192.0.2.1', port: 5_064 };
const SERVER = '203.0.113.1';

const sdp = (address: string): string =>
  `v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP${address.includes(':') ? 6 : 4} ${address}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n`;

/** What adaptors and gateways have written, each kind once: sip.js takes two milliseconds for one. */
class Written {
  readonly kinds = new Map<string, Uint8Array>();

  constructor(network: SipNetwork) {
    network.onSent = (bytes, { local, transport }) => {
      const isOurs = local.port === ADAPTOR_PORT || local.port === GATEWAY.port || local.address === LAN.address;
      if (!isOurs) return;
      const lines = Buffer.from(bytes).toString('latin1').split('\r\n\r\n')[0]?.split('\r\n') ?? [];
      const [start = '', ...fields] = lines;
      const names = fields.map((line) => line.split(':')[0]).join(',');
      const what = start.startsWith('SIP/2.0') ? start : start.replace(/\S+ SIP/, 'SIP');
      this.kinds.set(`${transport} ${local.address.includes(':')} ${what} ${names}`, bytes);
    };
  }

  starts(pattern: RegExp): boolean {
    return [...this.kinds.values()].some((bytes) => pattern.test(Buffer.from(bytes).toString('latin1')));
  }
}

test('sip.js reads what adaptors write as they meant it: calls, renewed and refused, of members over each family and transport, and what is no call', (t) => {
  const network = new SipNetwork();
  const written = new Written(network);
  const overlay = new SipOverlay(network);
  const [alice, bob] = [overlay.home('alice'), overlay.home('bob')];
  for (const [caller, called, transport] of [
    ['ipv6', 'ipv6', 'udp'],
    ['ipv4', 'ipv6', 'tcp'],
    ['ipv4', 'ipv4', 'udp'],
  ] as const) {
    const phone = alice.registered({ over: caller, transport });
    const bobs = bob.registered({ over: called, transport });
    phone.offer = sdp(caller === 'ipv4' ? alice.ipv4 : alice.ipv6);
    bobs.manners = { ringsAfterMs: 50, answersAfterMs: 200, sdp: sdp(called === 'ipv4' ? bob.ipv4 : bob.ipv6) };
    const call = phone.call(`call-${caller}-${transport}`, 'sip:bob@home.example');
    network.loop.run(2_000);
    for (const method of ['INVITE', 'UPDATE', 'INFO', 'REFER', 'BYE']) {
      phone.say(method, call.dialog);
      network.loop.run(1_000);
    }
    bobs.manners = { ringsAfterMs: 50, answersAfterMs: 200, status: 486 };
    phone.call(`busy-${caller}-${transport}`, 'sip:bob@home.example');
    network.loop.run(2_000);
    bobs.manners = { ringsAfterMs: 50 };
    const cancelled = phone.call(`cancelled-${caller}-${transport}`, 'sip:bob@home.example');
    network.loop.run(1_000);
    phone.cancel(cancelled);
    phone.call(`unknown-${caller}-${transport}`, 'sip:nobody@home.example');
    alice.phone({ user: 'carol' }).call(`liar-${caller}-${transport}`, 'sip:bob@home.example');
    for (const method of ['MESSAGE', 'OPTIONS', 'SUBSCRIBE', 'PUBLISH'])
      phone.ask(method, `sip:${method === 'PUBLISH' ? 'alice' : 'bob'}@home.example`, [
        { name: 'Event', value: 'presence' },
      ]);
    network.loop.run(2_000);
    for (const dialog of bobs.subscriptions.values()) bobs.say('NOTIFY', dialog);
    network.loop.run(40_000);
  }
  const requests = [
    'INVITE',
    'ACK',
    'CANCEL',
    'BYE',
    'UPDATE',
    'INFO',
    'REFER',
    'MESSAGE',
    'OPTIONS',
    'SUBSCRIBE',
    'NOTIFY',
  ];
  const responses = [100, 180, 200, 403, 404, 405, 486, 487].map((status) => `SIP/2.0 ${status}`);
  for (const start of [...requests, ...responses]) t.true(written.starts(new RegExp(`^${start} `)), start);
  t.log(`${written.kinds.size} kinds of messages`);
  for (const bytes of written.kinds.values()) readsTheSame(t, bytes);
});

test('sip.js reads what an adaptor writes to phones on the LAN, and a gateway to its provider', (t) => {
  const network = new SipNetwork();
  const written = new Written(network);
  const overlay = new SipOverlay(network);
  const rtpengine = new SimRtpengine(network, () => alice);
  const lan = { ...LAN, users: [lanUser('kitchen', 'secret')] };
  const alice: SipHome = overlay.home('alice', { lan, media: rtpengine.port, gateways: ['box'] });
  const trunk = new SimTrunk(network, overlay.home('box'), GATEWAY.address, account());
  const provider = new SimProvider(network, SERVER);
  trunk.dns.set(PROVIDER, [serverAt(SERVER)]);
  trunk.start();
  const kitchen = lanPhone(network, 20);
  kitchen.offer = sdp('192.168.1.20');
  kitchen.manners = { ringsAfterMs: 50, answersAfterMs: 200, sdp: sdp('192.168.1.20') };
  kitchen.ask('REGISTER', 'sip:alice@home.example', [{ name: 'Expires', value: '600' }]);
  network.loop.run(1_000);
  const call = kitchen.call('out', 'sip:+4930123456@home.example');
  network.loop.run(2_000);
  t.regex(call.heard.at(-1) ?? '', /^200/);
  kitchen.say('BYE', call.dialog);
  network.loop.run(1_000);
  provider.call(
    GATEWAY.address,
    'sip:line7@192.0.2.1:5064',
    '"Zoe" <sip:0301234567@203.0.113.1>',
    `sip:030111@${PROVIDER}`,
  );
  network.loop.run(2_000);
  kitchen.say('BYE', [...kitchen.answered.values()][0]);
  network.loop.run(2_000);
  for (const start of [/^REGISTER sip:provider/, /^INVITE sip:\+4930123456@provider/, /^SIP\/2.0 401 /, /^BYE /])
    t.true(written.starts(start), String(start));
  t.log(`${written.kinds.size} kinds of messages`);
  for (const bytes of written.kinds.values()) readsTheSame(t, bytes);
});
