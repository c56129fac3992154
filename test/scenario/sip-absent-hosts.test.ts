import test from 'ava';
import { type SipHome, SipOverlay } from '../sim/sip/sip-household.ts';
import { SipNetwork } from '../sim/sip/sip-network.ts';
import { account, PROVIDER, serverAt, SimTrunk } from '../sim/sip/sip-trunk.ts';
import { SimProvider } from '../sim/sip/sip-provider.ts';
import { publicGruu } from '../../src/sip/registrar/gruu.ts';
import type { SimPhone } from '../sim/sip/sip-phone.ts';

// A host that is gone is found out once: whoever calls it then hears it at once, until it is back.

const BOB = 'sip:bob@home.example';
/** Of a SIP answer from the own adaptor. */
const AT_ONCE_MS = 30;

interface Scene {
  readonly network: SipNetwork;
  readonly overlay: SipOverlay;
  readonly alice: SipHome;
  readonly bob: SipHome;
  readonly phone: SimPhone;
  readonly bobs: SimPhone;
}

/** Bob's host is off, and alice has called it. */
function scene(isLinked = true): Scene {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const [alice, bob] = [overlay.home('alice'), overlay.home('bob')];
  const bobs = bob.registered();
  bob.storedAt = 1;
  bob.isOff = true;
  bob.isLinked = isLinked;
  const phone = alice.registered();
  const first = phone.call('first', BOB);
  network.loop.run(6_000);
  if (first.heard.join(' ') !== '480') throw new Error(`the first call: ${first.heard.join(' ')}`);
  return { network, overlay, alice, bob, phone, bobs };
}

for (const isLinked of [true, false])
  test(`a host that was found gone ${isLinked ? 'by its silent link' : 'without a link'}: the next calls, messages and calls of its GRUU have 480 at once, and nothing is sent`, (t) => {
    const { network, alice, bob, phone } = scene(isLinked);
    const sent = (): number => network.log.filter((line) => line.includes(`> ${bob.ipv6}`)).length;
    const before = sent();
    for (let count = 0; count < 3; count += 1) {
      const call = phone.call(`again-${count}`, BOB);
      network.loop.run(AT_ONCE_MS);
      t.deepEqual(call.heard, ['480']);
      network.loop.run(60_000);
    }
    const gruu = phone.call('gruu', publicGruu(bob.hit, 'bob@home.example', '<urn:uuid:1>'));
    phone.ask('MESSAGE', BOB);
    network.loop.run(AT_ONCE_MS);
    t.deepEqual(gruu.heard, ['480']);
    t.is(phone.heard.at(-1), 'MESSAGE 480');
    t.is(sent(), before);
    t.true(alice.reached < 20, `${alice.reached} questions to the overlay`);
    network.loop.run(700_000);
    t.is(alice.nextTimeout(), undefined, 'nobody is looked for for ever');
  });

const WAYS_BACK: readonly [string, (at: Scene) => void][] = [
  [
    'its link is back',
    ({ bob, network }) => {
      bob.isLinked = false;
      network.loop.run(3_000);
      bob.isLinked = true;
    },
  ],
  [
    'its silent link answers',
    ({ network }) => {
      network.loop.run(3_000);
    },
  ],
  [
    'it has registered anew',
    ({ bob }) => {
      bob.storedAt = 2;
    },
  ],
  [
    'it is heard',
    ({ bobs, network }) => {
      bobs.ask('OPTIONS', 'sip:alice@home.example');
      network.loop.run(500);
    },
  ],
  [
    'the overlay has a way to it, which the call before has asked for',
    ({ bob, phone, network }) => {
      bob.isLinked = false;
      phone.call('before', BOB);
      network.loop.run(3_000);
    },
  ],
];
for (const [way, comesBack] of WAYS_BACK)
  test(`a host that was found gone is called again when ${way}`, (t) => {
    const at = scene();
    const { network, bob, phone } = at;
    network.loop.run(20_000);
    bob.isOff = false;
    comesBack(at);
    const call = phone.call('again', BOB);
    network.loop.run(3_000);
    t.regex(call.heard[1] ?? '', /^200/);
  });

test('of two hosts the one that was found gone is left out: the answer of the other one is there at once', (t) => {
  const { network, overlay, phone } = scene();
  const living = overlay.home('bob');
  living.registered().manners = { answersAfterMs: 50, status: 486 };
  const call = phone.call('again', BOB);
  network.loop.run(200);
  t.deepEqual(call.heard, ['486']);
});

test('a host that is off is found out anew when this host was absent for ten minutes', (t) => {
  const { network, bob, phone } = scene();
  network.loop.run(601_000);
  bob.isOff = false;
  const call = phone.call('again', BOB);
  network.loop.run(3_000);
  t.regex(call.heard[1] ?? '', /^200/);
});

test('a host that was not found while this one was out of the overlay is called at once when it is in it again', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const [alice, bob] = [overlay.home('alice'), overlay.home('bob')];
  bob.registered().manners = { answersAfterMs: 50, status: 486 };
  const phone = alice.registered();
  network.loses = (_, { remote }) => !alice.isJoined && remote.address === bob.ipv6;
  const call = (name: string): readonly string[] => {
    const { heard } = phone.call(name, BOB);
    network.loop.run(3_000);
    return heard;
  };
  alice.isJoined = false;
  t.deepEqual(call('away'), ['480']);
  alice.isJoined = true;
  t.deepEqual(call('again'), ['486']);
});

test('a gateway that was found gone is tried last, and not left out', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const alice = overlay.home('alice', { gateways: ['box', 'other'] });
  const [box, second] = [overlay.home('box'), overlay.home('other')];
  const [first, other] = [
    new SimTrunk(network, box, '192.0.2.1', account()),
    new SimTrunk(network, second, '192.0.2.2', account()),
  ];
  const provider = new SimProvider(network, '203.0.113.1');
  for (const trunk of [first, other]) {
    trunk.dns.set(PROVIDER, [serverAt('203.0.113.1')]);
    trunk.start();
  }
  network.loop.run(1_000);
  const phone = alice.registered();
  const talk = (name: string): number => {
    const from = network.loop.now;
    const call = phone.call(name, 'sip:+4930123456@home.example');
    while (call.heard.every((line) => !line.startsWith('200')) && network.loop.now < from + 30_000)
      network.loop.run(50);
    phone.say('BYE', call.dialog);
    network.loop.run(500);
    return network.loop.now - 500 - from;
  };
  box.isOff = true;
  t.true(talk('found-out') > 500);
  t.true(talk('known') < 500);
  second.isOff = true;
  box.isOff = false;
  t.true(talk('the-other-way-round') < 30_000);
  t.is(provider.received.filter((line) => line.startsWith('INVITE')).length, 3);
});

/** Bob's name leads to his host, and to one that was lost when it was installed anew. */
function haunted(isOverdue: boolean): Omit<Scene, 'bobs'> & { readonly ghost: SipHome } {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const [alice, bob, ghost] = [overlay.home('alice'), overlay.home('bob'), overlay.home(null)];
  ghost.isOff = true;
  overlay.ghosts.set('bob@home.example', [{ hit: ghost.hit, isRegistered: false, storedAt: 1, isOverdue }]);
  return { network, overlay, alice, bob, ghost, phone: alice.registered() };
}

test('beside the overdue name of a lost host the living one says at once that nobody is there, and the lost one is not asked', (t) => {
  const { network, phone, ghost } = haunted(true);
  const call = phone.call('one', BOB);
  network.loop.run(AT_ONCE_MS);
  t.deepEqual(call.heard, ['480']);
  network.loop.run(10_000);
  t.false(network.log.some((line) => line.includes(`> ${ghost.ipv6}`)));
});

test('a name that is not overdue yet is waited for once, and the living host alone answers the next call', (t) => {
  const { network, phone } = haunted(false);
  const first = phone.call('one', BOB);
  network.loop.run(AT_ONCE_MS);
  t.deepEqual(first.heard, []);
  network.loop.run(6_000);
  t.deepEqual(first.heard, ['480']);
  const second = phone.call('two', BOB);
  network.loop.run(AT_ONCE_MS);
  t.deepEqual(second.heard, ['480']);
});

for (const isOverdue of [true, false])
  test(`a phone at 5060 of a host without an adaptor is called though the name has a lost host, too, which is ${isOverdue ? 'overdue' : 'known to be gone'}`, (t) => {
    const { network, bob, phone } = haunted(isOverdue);
    if (!isOverdue) {
      phone.call('found-out', BOB);
      network.loop.run(10_000);
    }
    const old = bob.phone({ over: 'ipv4' });
    network.loses = (_, { remote }) => remote.address === bob.ipv6;
    const call = phone.call('one', BOB);
    network.loop.run(10_000);
    t.regex(call.heard.at(-1) ?? '', /^200/);
    t.deepEqual(
      old.received.map((line) => line.split(' ')[0]),
      ['INVITE', 'ACK'],
    );
  });

test('an overdue name is all that there is: its host is called as any other', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const [alice, bob] = [overlay.home('alice'), overlay.home('bob')];
  const bobs = bob.phone();
  bob.user = null;
  overlay.ghosts.set('bob@home.example', [{ hit: bob.hit, isRegistered: false, isOverdue: true }]);
  bob.user = 'bob@home.example';
  const call = alice.registered().call('one', BOB);
  network.loop.run(3_000);
  t.regex(call.heard.at(-1) ?? '', /^200/);
  t.true(bobs.received.length > 0);
});
