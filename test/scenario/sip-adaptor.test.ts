import test from 'ava';
import { firstHeader, headerValues } from '../../src/sip/message/headers.ts';
import { SipNetwork } from '../sim/sip/sip-network.ts';
import { SipOverlay, type SipHome } from '../sim/sip/sip-household.ts';
import type { SimPhone } from '../sim/sip/sip-phone.ts';

interface Scene {
  readonly network: SipNetwork;
  readonly overlay: SipOverlay;
  readonly alice: SipHome;
  readonly bob: SipHome;
}

function scene(): Scene {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  return { network, overlay, alice: overlay.home('alice'), bob: overlay.home('bob') };
}

const methods = (phone: SimPhone): string[] => phone.received.map((line) => line.split(' ')[0] ?? '');

for (const [callers, calleds] of [
  ['ipv6', 'ipv6'],
  ['ipv4', 'ipv4'],
  ['ipv4', 'ipv6'],
  ['ipv6', 'ipv4'],
] as const)
  test(`a phone over ${callers} calls a member by name, whose phone is over ${calleds}: both speak in the dialog, and either hangs up`, (t) => {
    for (const hangsUp of ['caller', 'called'] as const) {
      const { network, alice, bob } = scene();
      const phone = alice.registered({ over: callers });
      const bobs = bob.registered({ over: calleds });
      const call = phone.call('one', 'sip:bob@home.example');
      network.loop.run(3_000);
      t.is(call.heard.at(0), '180');
      t.regex(call.heard.at(1) ?? '', /^200 /);
      phone.say('INFO', call.dialog);
      network.loop.run(500);
      if (hangsUp === 'caller') phone.say('BYE', call.dialog);
      else bobs.say('BYE', bobs.answered.get('one'));
      network.loop.run(40_000);
      t.deepEqual(methods(bobs), ['INVITE', 'ACK', 'INFO', ...(hangsUp === 'caller' ? ['BYE'] : [])]);
      t.deepEqual(methods(phone), hangsUp === 'called' ? ['BYE'] : []);
      t.is(phone.leftovers + bobs.leftovers, 0);
    }
  });

test('two phones of a member ring; the first that answers wins, and the other one is told to stop', (t) => {
  const { network, alice, bob } = scene();
  const desk = bob.registered();
  const mobile = bob.registered({ over: 'ipv4' });
  desk.manners = { ringsAfterMs: 100 };
  mobile.manners = { ringsAfterMs: 100, answersAfterMs: 2_000 };
  const call = alice.registered().call('one', 'sip:bob@home.example');
  network.loop.run(40_000);
  t.deepEqual(methods(mobile), ['INVITE', 'ACK']);
  t.deepEqual(methods(desk), ['INVITE', 'CANCEL']);
  t.is(call.heard.filter((line) => line.startsWith('200')).length, 1);
});

test('two hosts of a member ring, and one of them has nobody there', (t) => {
  const { network, overlay, alice, bob } = scene();
  const second = overlay.home('bob');
  const phone = bob.registered();
  const other = second.registered();
  phone.manners = { ringsAfterMs: 100 };
  other.manners = { ringsAfterMs: 100, answersAfterMs: 1_000 };
  const call = alice.registered().call('one', 'sip:bob@home.example');
  network.loop.run(40_000);
  t.deepEqual(methods(phone), ['INVITE', 'CANCEL']);
  t.deepEqual(methods(other), ['INVITE', 'ACK']);
  t.is(call.heard.filter((line) => line.startsWith('200')).length, 1);
});

test('a phone of a host without a registration is called at 5060, as DNS leads there', (t) => {
  const { network, alice, bob } = scene();
  const phone = bob.phone({ over: 'ipv4' });
  const call = alice.registered().call('one', 'sip:bob@home.example');
  network.loop.run(3_000);
  t.regex(call.heard.at(1) ?? '', /^200 /);
  t.deepEqual(methods(phone), ['INVITE', 'ACK']);
});

test('a phone that has never registered is called by its own adaptor, and told who calls', (t) => {
  const { network, alice, bob } = scene();
  const phone = bob.phone();
  alice.registered().call('one', 'sip:bob@home.example');
  network.loop.run(1_000);
  const [invite] = phone.requests;
  t.is(invite && firstHeader(invite, 'p-asserted-identity'), '<sip:alice@home.example>');
});

test('a host where no phone is says so at once', (t) => {
  const { network, alice } = scene();
  const call = alice.registered().call('one', 'sip:bob@home.example');
  network.loop.run(200);
  t.deepEqual(call.heard, ['480']);
});

test('a host that has no adaptor is called at 5060 after six seconds', (t) => {
  const { network, alice, bob } = scene();
  const phone = bob.phone({ over: 'ipv4' });
  network.loses = (_, { remote }) => remote.address === bob.ipv6;
  const call = alice.registered().call('one', 'sip:bob@home.example');
  network.loop.run(5_900);
  t.deepEqual(methods(phone), []);
  network.loop.run(3_000);
  t.regex(call.heard.at(-1) ?? '', /^200 /);
});

test('busy, unknown and cancelled calls end as they should', (t) => {
  const { network, alice, bob } = scene();
  const bobs = bob.registered();
  const phone = alice.registered();
  bobs.manners = { answersAfterMs: 10, status: 486 };
  const busy = phone.call('busy', 'sip:bob@home.example');
  const unknown = phone.call('unknown', 'sip:nobody@home.example');
  network.loop.run(1_000);
  t.deepEqual(busy.heard, ['486']);
  t.deepEqual(unknown.heard, ['404']);
  bobs.manners = { ringsAfterMs: 10 };
  const cancelled = phone.call('cancelled', 'sip:bob@home.example');
  network.loop.run(1_000);
  phone.cancel(cancelled);
  network.loop.run(40_000);
  t.deepEqual(cancelled.heard, ['180', '487']);
  t.deepEqual(methods(bobs), ['INVITE', 'INVITE', 'CANCEL']);
});

test('the called phone is told who calls, as it was proven, whatever the caller asserts', (t) => {
  const { network, alice, bob } = scene();
  const bobs = bob.registered();
  alice
    .registered()
    .call('one', 'sip:bob@home.example', [{ name: 'P-Asserted-Identity', value: '<sip:carol@home.example>' }]);
  network.loop.run(1_000);
  const [invite] = bobs.requests;
  t.deepEqual(invite === undefined ? [] : headerValues(invite, 'p-asserted-identity'), ['<sip:alice@home.example>']);
});

test('a phone that calls as another member is refused by its own adaptor, and an adaptor that lets it by the called one', (t) => {
  const { network, overlay, alice, bob } = scene();
  const bobs = bob.registered();
  const liar = alice.phone({ user: 'carol' }).call('one', 'sip:bob@home.example');
  network.loop.run(1_000);
  t.deepEqual(liar.heard, ['403']);
  const mallory = overlay.home('mallory').phone({ user: 'mallory' });
  // As a host would whose adaptor lets it pass.
  const direct = mallory.callBy({ address: bob.ipv6, port: 5_062 }, 'two', 'carol');
  network.loop.run(1_000);
  t.deepEqual(direct.heard, ['403']);
  // Nor does it help to invent a dialog.
  const inDialog = mallory.callBy(
    { address: bob.ipv6, port: 5_062 },
    'three',
    'carol',
    'sip:bob@home.example',
    ';tag=x',
  );
  network.loop.run(1_000);
  t.deepEqual(inDialog.heard, ['403']);
  t.deepEqual(bobs.received, []);
});

test('what a phone publishes of its user, and asks of his mailbox, is refused at once: it rings at no other phone of his', (t) => {
  const { network, alice } = scene();
  const [desk, mobile] = [alice.registered(), alice.registered({ over: 'ipv4' })];
  const event = (value: string): { name: string; value: string }[] => [{ name: 'Event', value }];
  desk.ask('PUBLISH', 'sip:alice@home.example', event('presence'));
  desk.ask('SUBSCRIBE', 'sip:alice@home.example', event('message-summary'));
  network.loop.run(1_000);
  t.deepEqual(desk.heard.slice(1), ['PUBLISH 405', 'SUBSCRIBE 489']);
  t.deepEqual(mobile.received, []);
});

test('the presence of a member is asked of his phones', (t) => {
  const { network, alice, bob } = scene();
  const bobs = bob.registered();
  const phone = alice.registered();
  phone.ask('SUBSCRIBE', 'sip:bob@home.example', [{ name: 'Event', value: 'presence' }]);
  network.loop.run(1_000);
  t.deepEqual(methods(bobs), ['SUBSCRIBE']);
});

test('a stranger is not answered', (t) => {
  const { network, alice, bob, overlay } = scene();
  const bobs = bob.registered();
  overlay.members.delete(alice.ipv6);
  const phone = alice.phone();
  const call = phone.callBy({ address: bob.ipv6, port: 5_062 }, 'one', 'alice');
  network.loop.run(40_000);
  t.deepEqual(call.heard, ['timeout']);
  t.deepEqual(bobs.received, []);
});

for (const { isLinked, withinMs } of [
  { isLinked: false, withinMs: 1_000 },
  { isLinked: true, withinMs: 5_000 },
])
  test(`the only host of a member is off, ${isLinked ? 'and its link does not know yet' : 'and no link leads there'}: the caller has 480 within ${withinMs} ms`, (t) => {
    const { network, alice, bob } = scene();
    bob.registered();
    bob.isOff = true;
    bob.isLinked = isLinked;
    const call = alice.registered().call('one', 'sip:bob@home.example');
    network.loop.run(withinMs);
    t.deepEqual(call.heard, ['480']);
    network.loop.run(60_000);
    t.deepEqual(alice.adaptor.sizes, { transactions: 0, requests: 0 });
  });

test('a host that is away for ten seconds while its phone rings: the call goes on when it is back', (t) => {
  const { network, alice, bob } = scene();
  bob.isLinked = true;
  bob.registered().manners = { ringsAfterMs: 100, answersAfterMs: 20_000 };
  const call = alice.registered().call('one', 'sip:bob@home.example');
  network.loop.run(5_000);
  bob.isOff = true;
  network.loop.run(10_000);
  bob.isOff = false;
  network.loop.run(10_000);
  t.is(call.heard[0], '180');
  t.regex(call.heard[1] ?? '', /^200/);
});

for (const status of [200, 486])
  test(`beside a host that was lost and is registered still, the answer of the living one (${status}) is the caller's`, (t) => {
    const { network, overlay, alice, bob } = scene();
    bob.registered();
    bob.isOff = true;
    const living = overlay.home('bob');
    living.registered().manners = { ringsAfterMs: 100, answersAfterMs: 600, status };
    const call = alice.registered().call('one', 'sip:bob@home.example');
    network.loop.run(1_500);
    t.is(call.heard.at(-1)?.slice(0, 3), String(status));
  });

for (const renamed of ['alice', 'bob'] as const)
  for (const hangsUp of ['caller', 'called'] as const)
    test(`${renamed} is given another name while a phone rings: the call is answered, held, and ended by the ${hangsUp}`, (t) => {
      const { network, alice, bob } = scene();
      const [phone, bobs] = [alice.registered(), bob.registered()];
      const call = phone.call('one', 'sip:bob@home.example');
      network.loop.run(500);
      t.deepEqual(call.heard, ['180']);
      (renamed === 'alice' ? alice : bob).user = 'another@home.example';
      network.loop.run(3_000);
      t.regex(call.heard[1] ?? '', /^200/);
      const held = phone.say('INVITE', call.dialog);
      network.loop.run(3_000);
      t.regex(held?.heard.at(-1) ?? '', /^200/);
      if (hangsUp === 'caller') phone.say('BYE', call.dialog);
      else bobs.say('BYE', bobs.answered.get('one'));
      network.loop.run(40_000);
      t.deepEqual(methods(bobs), ['INVITE', 'ACK', 'INVITE', 'ACK', ...(hangsUp === 'caller' ? ['BYE'] : [])]);
      t.deepEqual(methods(phone), hangsUp === 'called' ? ['BYE'] : []);
      t.is(phone.leftovers + bobs.leftovers, 0);
      // Who calls anew as whom it was is refused.
      if (renamed !== 'alice') return;
      const again = phone.callBy({ address: bob.ipv6, port: 5_062 }, 'two', 'alice');
      network.loop.run(1_000);
      t.deepEqual(again.heard, ['403']);
    });

test('a member is led to phones of this host, and to no other host', (t) => {
  const { network, overlay, alice, bob } = scene();
  const carol = overlay.home('carol');
  const carols = carol.registered();
  const phone = alice.phone();
  const byName = phone.callBy({ address: bob.ipv6, port: 5_062 }, 'one', 'alice', 'sip:carol@home.example');
  const byAddress = phone.callBy({ address: bob.ipv6, port: 5_062 }, 'two', 'alice', `sip:carol@[${carol.ipv6}]:5060`);
  network.loop.run(40_000);
  t.deepEqual([...byName.heard, ...byAddress.heard], ['404', '404']);
  t.deepEqual(carols.received, []);
});

test('after 300 calls nothing is left in the adaptors', (t) => {
  const { network, alice, bob } = scene();
  network.isLogging = false;
  const phone = alice.registered();
  const bobs = bob.registered();
  bobs.manners = { ringsAfterMs: 10, answersAfterMs: 20 };
  for (let i = 0; i < 300; i++) {
    const call = phone.call(`call-${i}`, 'sip:bob@home.example');
    network.loop.run(200);
    phone.say('BYE', call.dialog);
    network.loop.run(50);
  }
  network.loop.run(60_000);
  t.is(methods(bobs).filter((method) => method === 'BYE').length, 300);
  t.deepEqual(alice.adaptor.sizes, { transactions: 0, requests: 0 });
  t.deepEqual(bob.adaptor.sizes, { transactions: 0, requests: 0 });
});
