import test from 'ava';
import { firstHeader } from '../../src/sip/message/headers.ts';
import { tagOf } from '../../src/sip/transaction/responses.ts';
import { SipOverlay } from '../sim/sip/sip-household.ts';
import { SipNetwork } from '../sim/sip/sip-network.ts';
import type { SimPhone } from '../sim/sip/sip-phone.ts';

const EVENT = { name: 'Event', value: 'presence' };

const state = (value: string): { name: string; value: string }[] => [EVENT, { name: 'Subscription-State', value }];
const methods = (phone: SimPhone): string[] => phone.received.map((line) => line.split(' ')[0] ?? '');

/** What it was told: by which end, and what. */
function told(phone: SimPhone): string[] {
  return phone.requests
    .filter(({ method }) => method === 'NOTIFY')
    .map((notify) => `${tagOf(notify, 'from')} ${firstHeader(notify, 'subscription-state') ?? ''}`);
}

test('presence is told by each phone of a member, changes pass after a restart of either host, and a renewal reaches the phone that it is for', (t) => {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const [alice, bob] = [overlay.home('alice'), overlay.home('bob')];
  const phone = alice.registered();
  const [desk, mobile] = [bob.registered(), bob.registered({ over: 'ipv4' })];
  phone.ask('SUBSCRIBE', 'sip:bob@home.example', [EVENT, { name: 'Expires', value: '3600' }]);
  network.loop.run(1_000);
  t.deepEqual([methods(desk), methods(mobile)], [['SUBSCRIBE'], ['SUBSCRIBE']]);
  t.deepEqual(phone.heard, ['REGISTER 200', 'SUBSCRIBE 200']);

  const notify = (from: SimPhone, what: string): void => {
    from.say('NOTIFY', [...from.subscriptions.values()][0], state(what));
    network.loop.run(1_000);
  };
  notify(desk, 'active;online');
  notify(mobile, 'active;online');
  const [first = '', second = ''] = told(phone).map((line) => line.split(' ')[0]);
  t.not(first, second, 'two dialogs of one subscription (RFC 6665 s4.4.1)');

  // Whoever has been told before is told, whichever host has forgotten all but its phones.
  const bobAgain = overlay.restarted(bob);
  notify(desk, 'active;busy');
  const aliceAgain = overlay.restarted(alice);
  notify(mobile, 'active;busy');
  phone.say('SUBSCRIBE', phone.subscriptions.get(first), [EVENT, { name: 'Expires', value: '3600' }]);
  network.loop.run(1_000);
  t.deepEqual([methods(desk), methods(mobile)], [['SUBSCRIBE', 'SUBSCRIBE'], ['SUBSCRIBE']]);
  notify(desk, 'terminated;reason=noresource');
  notify(mobile, 'active;gone');
  t.deepEqual(told(phone), [
    `${first} active;online`,
    `${second} active;online`,
    `${first} active;busy`,
    `${second} active;busy`,
    `${first} terminated;reason=noresource`,
    `${second} active;gone`,
  ]);
  for (const { heard } of [desk, mobile])
    t.deepEqual(heard.slice(1), ['NOTIFY 200', 'NOTIFY 200', 'NOTIFY 200'], 'each was answered');

  network.loop.run(60_000);
  for (const { adaptor } of [aliceAgain, bobAgain]) t.deepEqual(adaptor.sizes, { transactions: 0, requests: 0 });
  t.is(phone.leftovers + desk.leftovers + mobile.leftovers, 0);
});
