import test from 'ava';
import { firstHeader } from '../../src/sip/message/headers.ts';
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
