import test from 'ava';
import { firstHeader, headerValues } from '../../src/sip/message/headers.ts';
import type { SipMessage } from '../../src/sip/message/message.ts';
import { publicGruu } from '../../src/sip/registrar/gruu.ts';
import { ADAPTOR_PORT, type SipHome, SipOverlay } from '../sim/sip/sip-household.ts';
import { SipNetwork } from '../sim/sip/sip-network.ts';
import { SimPhone } from '../sim/sip/sip-phone.ts';

// Who a caller talks to, and who a called phone is told that it talks to.

const BOB = 'bob@home.example';

function scene(): { network: SipNetwork; overlay: SipOverlay; alice: SipHome; bob: SipHome; mallory: SipHome } {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  return {
    ...{ network, overlay },
    ...{ alice: overlay.home('alice'), bob: overlay.home('bob'), mallory: overlay.home('mallory') },
  };
}

/** In the place of the host's adaptor: it answers whatever comes. */
function impostor(network: SipNetwork, { ipv6 }: SipHome): SimPhone {
  const ends = { address: { address: ipv6, port: ADAPTOR_PORT }, proxy: { address: ipv6, port: 5_099 } };
  return new SimPhone(network, 'bob', ends, 77);
}

function asBob({ hit }: SipHome): string {
  return publicGruu(hit, BOB, '<urn:uuid:1>');
}

const methods = (phone: SimPhone): string[] => phone.received.map((line) => line.split(' ')[0] ?? '');

test('a URI of bob with the host of another member in it rings nobody: 404, and the other host hears nothing of it', (t) => {
  const { network, alice, bob, mallory } = scene();
  bob.registered();
  const phone = alice.registered();
  const lying = impostor(network, mallory);
  const call = phone.call('one', asBob(mallory));
  phone.ask('MESSAGE', asBob(mallory));
  network.loop.run(2_000);
  t.deepEqual(call.heard, ['404']);
  t.true(phone.heard.includes('MESSAGE 404'));
  t.deepEqual(lying.received, []);
});

for (const isRegistered of [true, false])
  for (const status of [200, 486, 603])
    test(`a host that still has a ${isRegistered ? 'registration' : 'name'} of bob and is another’s by now answers ${status}: it is not heard, neither its ringing nor that; bob is`, (t) => {
      const { network, overlay, alice, bob, mallory } = scene();
      const bobs = bob.registered();
      if (!isRegistered) bob.user = null;
      bobs.manners = { ringsAfterMs: 300, answersAfterMs: 1_000 };
      overlay.ghosts.set(BOB, [{ hit: mallory.hit, isRegistered }]);
      const lying = impostor(network, mallory);
      lying.manners = { ringsAfterMs: 10, answersAfterMs: 20, status };
      const call = alice.registered().call('one', `sip:${BOB}`);
      network.loop.run(5_000);
      if (isRegistered) {
        t.is(call.heard[0], '180');
        t.regex(call.heard[1] ?? '', /^200/);
        t.is(call.heard.length, 2);
        t.deepEqual(methods(bobs), ['INVITE', 'ACK']);
      } else t.deepEqual(call.heard, ['404']);
      t.false(methods(lying).includes('ACK') && !methods(lying).includes('BYE'), 'whoever has answered is hung up on');
      network.loop.run(60_000);
      t.deepEqual(alice.adaptor.sizes, { transactions: 0, requests: 0 });
      t.is(lying.leftovers, 0);
    });

test('what another host answers to a message for bob is none of his: the sender hears that he is not there', (t) => {
  const { network, overlay, alice, bob, mallory } = scene();
  bob.user = null;
  overlay.ghosts.set(BOB, [{ hit: mallory.hit, isRegistered: true }]);
  impostor(network, mallory);
  const phone = alice.registered();
  phone.ask('MESSAGE', `sip:${BOB}`);
  network.loop.run(5_000);
  t.is(phone.heard.at(-1), 'MESSAGE 404');
});

test('who calls by another name and a GRUU of the own host is refused by the called adaptor', (t) => {
  const { network, overlay, bob, mallory } = scene();
  const bobs = bob.registered();
  overlay.home('carol');
  const lying = mallory.phone({ user: 'carol' });
  const uri = publicGruu(mallory.hit, 'carol@home.example', '<urn:uuid:1>');
  lying.from = `<${uri}>`;
  const call = lying.callBy({ address: bob.ipv6, port: ADAPTOR_PORT }, 'one', 'carol');
  network.loop.run(1_000);
  t.deepEqual(call.heard, ['403']);
  t.deepEqual(
    bobs.requests.map((request) => firstHeader(request, 'from')),
    [],
  );
});

const TRUST = 'X-Idloc-Trust';
const LIES = [
  { name: TRUST, value: 'proven; hit=2001:20::1' },
  { name: 'P-Asserted-Identity', value: '<sip:carol@home.example>' },
];

test('both phones are told in a header of their own choice what was proven of the other one, in each request and answer of a call, and nothing that the other one wrote there', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const [alice, bob] = ['alice', 'bob'].map((name) => overlay.home(name, { trustHeader: TRUST })) as [SipHome, SipHome];
  const [phone, bobs] = [alice.registered(), bob.registered()];
  bobs.manners = { ringsAfterMs: 50, answersAfterMs: 200, headers: LIES };
  const call = phone.call('one', `sip:${BOB}`, LIES);
  network.loop.run(1_000);
  phone.say('INFO', call.dialog, LIES);
  network.loop.run(500);
  bobs.say('BYE', bobs.answered.get('one'), LIES);
  network.loop.run(1_000);
  const ofAlice = [`proven; hit=${alice.ipv6}`, '<sip:alice@home.example>'];
  const ofBob = [`proven; hit=${bob.ipv6}`, '<sip:bob@home.example>'];
  const told = (message: SipMessage): string[] =>
    [TRUST, 'p-asserted-identity'].flatMap((name) => headerValues(message, name));
  t.deepEqual(methods(bobs), ['INVITE', 'ACK', 'INFO']);
  for (const request of bobs.requests) t.deepEqual(told(request), ofAlice, request.method);
  t.deepEqual(
    call.responses.map(({ status }) => status),
    [180, 200],
  );
  for (const response of call.responses) t.deepEqual(told(response), ofBob, String(response.status));
  t.deepEqual(methods(phone), ['BYE']);
  for (const request of phone.requests) t.deepEqual(told(request), ofBob);
});

test('phones of a host that has chosen no header are told none', (t) => {
  const { network, alice, bob } = scene();
  const bobs = bob.registered();
  const call = alice.registered().call('one', `sip:${BOB}`);
  network.loop.run(2_000);
  for (const message of [...bobs.requests, ...call.responses]) t.is(firstHeader(message, TRUST), undefined);
});

test('a caller that calls itself somebody else’s name is shown by its own, and the call goes on: held, and hung up', (t) => {
  const { network, bob, mallory } = scene();
  const bobs = bob.registered();
  const phone = mallory.registered();
  phone.from = '"Alice" <sip:mallory@home.example>';
  const call = phone.call('one', `sip:${BOB}`);
  network.loop.run(2_000);
  t.regex(call.heard[1] ?? '', /^200/);
  const [invite] = bobs.requests;
  t.is(invite && firstHeader(invite, 'from'), '"mallory" <sip:mallory@home.example>;tag=mallory');
  const held = bobs.say('INVITE', bobs.answered.get('one'));
  network.loop.run(2_000);
  t.regex(held?.heard.at(-1) ?? '', /^200/);
  phone.say('BYE', call.dialog);
  network.loop.run(40_000);
  t.is(phone.heard.at(-1), 'BYE 200');
  t.is(phone.leftovers + bobs.leftovers, 0);
});
