import test from 'ava';
import { firstHeader, headerValues } from '../../src/sip/message/headers.ts';
import { TIMER_C_MS } from '../../src/sip/proxy/constants.ts';
import { twoHomes } from '../sim/sip/two-homes.ts';

/** What a transaction keeps when all is over: 32 s, and what was sent meanwhile. */
const OVER_MS = 70_000;

for (const transport of ['udp', 'tcp'] as const)
  test(`a call over ${transport}: rings, is answered, a re-INVITE passes, BYE ends it, and nothing is left`, (t) => {
    const { network, alice, bob, leftovers } = twoHomes({ transport });
    const call = alice.call('one');
    network.loop.run(2_000);
    t.is(call.heard.length, 2);
    t.is(call.heard[0], '180');
    t.deepEqual(bob.received, ['INVITE one', 'ACK one']);
    const again = alice.say('INVITE', call.dialog);
    network.loop.run(2_000);
    t.is(again?.heard.at(-1)?.slice(0, 3), '200');
    bob.say('BYE', bob.answered.get('one'));
    network.loop.run(1_000);
    t.deepEqual(bob.heard, ['BYE 200']);
    t.deepEqual(bob.received, ['INVITE one', 'ACK one', 'INVITE one', 'ACK one']);
    t.deepEqual(alice.received, ['BYE one']);
    t.false(
      network.log.some((line) => line.includes('198.18.0.10 > 198.18.1')),
      'all goes through the proxies',
    );
    network.loop.run(OVER_MS);
    t.is(leftovers(), 0);
  });

test('each proxy is recorded with both its sides, and the caller follows them with no host name to resolve', (t) => {
  const { network, alice, bob } = twoHomes();
  const call = alice.call('one');
  network.loop.run(2_000);
  const [invite] = bob.requests;
  if (invite === undefined) return void t.fail();
  const recorded = [
    '<sip:198.18.1.1:5062;lr>',
    '<sip:[2001:20::b]:5062;lr>',
    '<sip:[2001:20::a]:5062;lr>',
    '<sip:198.18.0.1:5062;lr>',
  ];
  t.deepEqual(headerValues(invite, 'record-route'), recorded);
  t.is(invite.uri, 'sip:bob@198.18.1.10:5060');
  t.deepEqual(headerValues(invite, 'route'), []);
  t.is(firstHeader(invite, 'max-forwards'), '68');
  t.deepEqual(call.dialog?.routes, recorded.toReversed());
});

test('busy: the caller hears 486 once, and every hop acknowledges', (t) => {
  const { network, alice, bob, leftovers } = twoHomes();
  bob.manners = { ringsAfterMs: 10, answersAfterMs: 20, status: 486 };
  const call = alice.call('one');
  network.loop.run(1_000);
  t.deepEqual(call.heard, ['180', '486']);
  t.is(network.log.filter((line) => line.endsWith(' ACK')).length, 3);
  network.loop.run(OVER_MS);
  t.deepEqual(call.heard, ['180', '486']);
  t.is(leftovers(), 0);
});

test('nobody of that name, and a name that is nowhere registered: 404 and 480', (t) => {
  const { network, alice, leftovers } = twoHomes({ bobs: () => [] });
  const call = alice.call('one');
  network.loop.run(1_000);
  t.deepEqual(call.heard, ['480']);
  const other = twoHomes({ bobs: () => ({ status: 404, reason: 'Not Found' }) });
  const wrong = other.alice.call('one');
  other.network.loop.run(1_000);
  t.deepEqual(wrong.heard, ['404']);
  network.loop.run(OVER_MS);
  t.is(leftovers(), 0);
});

test('cancelled while it rings: the phone stops and learns why, the caller hears 487', (t) => {
  const { network, alice, bob, leftovers } = twoHomes();
  bob.manners = { ringsAfterMs: 10 };
  const call = alice.call('one');
  network.loop.run(3_000);
  alice.cancel(call, [{ name: 'Reason', value: 'SIP;cause=600' }]);
  network.loop.run(1_000);
  t.deepEqual(call.heard, ['180', '487']);
  t.deepEqual(bob.received, ['INVITE one', 'CANCEL one']);
  t.deepEqual(
    bob.requests.map((request) => firstHeader(request, 'reason')),
    [undefined, 'SIP;cause=600'],
  );
  network.loop.run(OVER_MS);
  t.is(leftovers(), 0);
});

test('cancelled before the phone says anything: the CANCEL waits for it at the last proxy', (t) => {
  const { network, alice, bob, leftovers } = twoHomes();
  bob.manners = { ringsAfterMs: 150 };
  const call = alice.call('one');
  network.loop.run(50);
  alice.cancel(call);
  network.loop.run(40);
  t.deepEqual(bob.received, ['INVITE one']);
  network.loop.run(1_000);
  t.deepEqual(bob.received, ['INVITE one', 'CANCEL one']);
  t.deepEqual(call.heard, ['180', '487']);
  network.loop.run(OVER_MS);
  t.is(leftovers(), 0);
});

test('cancelled while the callee is looked for: 487 at once, and no phone rings', (t) => {
  const { network, alice, bob, bobProxy, leftovers } = twoHomes();
  bobProxy.locatingMs = 500;
  const call = alice.call('one');
  network.loop.run(100);
  alice.cancel(call);
  network.loop.run(100);
  t.deepEqual(call.heard, ['487']);
  network.loop.run(OVER_MS);
  t.deepEqual(bob.received, []);
  t.is(leftovers(), 0);
});

test('the CANCEL crosses the answer: the call stands, and is ended by a BYE', (t) => {
  const { network, alice, bob, leftovers } = twoHomes();
  bob.manners = { ringsAfterMs: 10, answersAfterMs: 1_000 };
  const call = alice.call('one');
  // Three hops of 5 ms: the INVITE is there at 15, 200 goes out at 1015.
  network.loop.run(1_012);
  alice.cancel(call);
  network.loop.run(1_000);
  t.is(call.heard.at(-1)?.slice(0, 3), '200');
  t.deepEqual(bob.received, ['INVITE one', 'ACK one']);
  alice.say('BYE', call.dialog);
  network.loop.run(1_000);
  t.deepEqual(alice.heard, ['BYE 200']);
  network.loop.run(OVER_MS);
  t.is(leftovers(), 0);
});

test('three phones: the first that answers has the call, the others ring off and are told that it was answered elsewhere', (t) => {
  const { network, alice, phones, leftovers } = twoHomes({ phones: 3 });
  for (const [index, phone] of phones.entries())
    phone.manners = { ringsAfterMs: 10, ...(index === 1 ? { answersAfterMs: 500 } : {}) };
  const call = alice.call('one');
  network.loop.run(2_000);
  t.deepEqual(call.heard.slice(0, 3), ['180', '180', '180']);
  t.is(call.heard.length, 4);
  t.deepEqual(
    phones.map(({ received }) => received.join()),
    ['INVITE one,CANCEL one', 'INVITE one,ACK one', 'INVITE one,CANCEL one'],
  );
  const cancels = phones.flatMap(({ requests }) => requests.filter(({ method }) => method === 'CANCEL'));
  t.deepEqual(
    cancels.map((cancel) => firstHeader(cancel, 'reason')),
    Array(2).fill('SIP;cause=200;text="Call completed elsewhere"'),
  );
  const invites = phones.flatMap(({ requests }) => requests.filter(({ method }) => method === 'INVITE'));
  t.deepEqual(
    invites.map((invite) => firstHeader(invite, 'max-breadth')),
    ['20', '20', '20'],
  );
  network.loop.run(OVER_MS);
  t.is(call.heard.length, 4);
  t.is(leftovers(), 0);
});

test('two phones answer at the same moment: the caller has both calls, and may end one', (t) => {
  const { network, alice, phones, leftovers } = twoHomes({ phones: 2 });
  for (const phone of phones) phone.manners = { ringsAfterMs: 10, answersAfterMs: 500 };
  const call = alice.call('one');
  network.loop.run(2_000);
  t.is(call.dialogs.size, 2);
  for (const dialog of call.dialogs.values()) alice.say('BYE', dialog);
  network.loop.run(1_000);
  t.deepEqual(
    phones.map(({ received }) => received.join()),
    ['INVITE one,ACK one,BYE one', 'INVITE one,ACK one,BYE one'],
  );
  network.loop.run(OVER_MS);
  t.is(leftovers(), 0);
});

test('all phones refuse: the caller hears the answer that says most, with all challenges', (t) => {
  const { network, alice, phones } = twoHomes({ phones: 3 });
  const challenge = (name: string, realm: string) => [{ name, value: `Digest realm="${realm}"` }];
  const manners = [
    { answersAfterMs: 10, status: 401, headers: challenge('WWW-Authenticate', 'a') },
    { answersAfterMs: 30, status: 407, headers: challenge('Proxy-Authenticate', 'b') },
    { answersAfterMs: 20, status: 486 },
  ];
  for (const [index, phone] of phones.entries()) phone.manners = manners[index] ?? {};
  const call = alice.call('one');
  network.loop.run(1_000);
  t.deepEqual(call.heard, ['401']);
});

test('all phones are busy, one of them long after: the caller hears busy when the last has said it', (t) => {
  const { network, alice, phones, leftovers } = twoHomes({ phones: 3 });
  for (const [index, phone] of phones.entries())
    phone.manners = { answersAfterMs: 1_000 * (index + 1), status: index === 0 ? 480 : 486 };
  const call = alice.call('one');
  network.loop.run(2_900);
  t.deepEqual(call.heard, []);
  network.loop.run(1_000);
  t.deepEqual(call.heard, ['486']);
  network.loop.run(OVER_MS);
  t.is(leftovers(), 0);
});

test('a phone declines for all (603): the others ring off, and the caller hears 603', (t) => {
  const { network, alice, phones, leftovers } = twoHomes({ phones: 3, qs: [1, 1, 0.5] });
  const [first, second] = phones;
  if (first === undefined || second === undefined) return void t.fail();
  first.manners = { ringsAfterMs: 10 };
  second.manners = { ringsAfterMs: 10, answersAfterMs: 300, status: 603 };
  const call = alice.call('one');
  network.loop.run(2_000);
  t.deepEqual(call.heard, ['180', '180', '603']);
  t.deepEqual(first.received, ['INVITE one', 'CANCEL one']);
  t.deepEqual(phones[2]?.received, []);
  network.loop.run(OVER_MS);
  t.is(leftovers(), 0);
});

test('phones of lower q ring when those of higher q have refused', (t) => {
  const { network, alice, phones } = twoHomes({ phones: 3, qs: [0.2, 1, 0.5] });
  for (const [index, phone] of phones.entries())
    phone.manners = { ringsAfterMs: 10, answersAfterMs: 100, status: index === 0 ? 200 : 486 };
  const call = alice.call('one');
  network.loop.run(2_000);
  t.is(call.heard.at(-1)?.slice(0, 3), '200');
  const order = network.log.filter((line) => line.includes('198.18.1.1 > 198.18.1.1') && line.endsWith('INVITE'));
  t.deepEqual(
    order.map((line) => line.split(' ')[3]),
    ['198.18.1.11', '198.18.1.12', '198.18.1.10'],
  );
});

test('a phone that may ring for 5 s only: it rings off, and the next one rings', (t) => {
  const { network, alice, phones, leftovers } = twoHomes({
    phones: 2,
    qs: [1, 0.5],
    bobs: (targets) => targets.map((target) => ({ ...target, answerWithinMs: 5_000 })),
  });
  const [first, second] = phones;
  if (first === undefined || second === undefined) return void t.fail();
  first.manners = { ringsAfterMs: 10 };
  const call = alice.call('one');
  network.loop.run(4_900);
  t.deepEqual(second.received, []);
  network.loop.run(3_000);
  t.deepEqual(first.received, ['INVITE one', 'CANCEL one']);
  t.deepEqual(second.received, ['INVITE one', 'ACK one']);
  t.is(call.heard.at(-1)?.slice(0, 3), '200');
  network.loop.run(OVER_MS);
  t.is(leftovers(), 0);
});

test('a phone that rings for ever: timer C cancels it after three minutes, and the caller hears 480', (t) => {
  const { network, alice, bob, leftovers } = twoHomes();
  bob.manners = { ringsAfterMs: 1_000 };
  const call = alice.call('one');
  network.loop.run(TIMER_C_MS);
  t.deepEqual(call.heard, ['180']);
  network.loop.run(2_000);
  t.deepEqual(bob.received, ['INVITE one', 'CANCEL one']);
  t.deepEqual(call.heard, ['180', '480']);
  network.loop.run(OVER_MS);
  t.is(leftovers(), 0);
});

test('the caller gives up when timer C has cancelled the phone, which has not said so yet: 487', (t) => {
  const { network, alice, bob, leftovers } = twoHomes();
  bob.manners = { ringsAfterMs: 1_000 };
  const call = alice.call('one');
  network.loop.run(TIMER_C_MS);
  network.loses = (message, flow) => flow.remote.address === bob.address.address && message.type === 'request';
  network.loop.run(1_200);
  alice.cancel(call);
  network.loses = () => false;
  network.loop.run(5_000);
  t.deepEqual(call.heard, ['180', '487']);
  network.loop.run(OVER_MS);
  t.is(leftovers(), 0);
});

test('a phone that is not there: the caller hears 408 after 32 s; of a MESSAGE it hears nothing, and gives up itself', (t) => {
  const { network, alice, bob, leftovers } = twoHomes();
  network.loses = (_message, flow) => flow.remote.address === bob.address.address;
  const call = alice.call('one');
  alice.ask('MESSAGE', 'sip:bob@home.example');
  network.loop.run(33_000);
  t.deepEqual(call.heard, ['408']);
  t.deepEqual(alice.heard, ['MESSAGE timeout']);
  t.false(network.log.some((line) => line.endsWith('2001:20::a 408') && !line.includes('2001:20::b')));
  network.loop.run(OVER_MS);
  t.is(leftovers(), 0);
});

test('where a request goes is never said: an INVITE has 408 after 32 s, and nothing is left', (t) => {
  const { network, alice, bobProxy, leftovers } = twoHomes();
  bobProxy.locatingMs = Infinity;
  const call = alice.call('one');
  alice.ask('MESSAGE', 'sip:bob@home.example');
  network.loop.run(33_000);
  t.deepEqual(call.heard, ['408']);
  network.loop.run(OVER_MS);
  t.is(leftovers(), 0);
});

test('the 200 is lost once: it comes again, and is acknowledged', (t) => {
  const { network, alice, bob } = twoHomes();
  let lost = 0;
  network.loses = (message) => message.type === 'response' && message.status === 200 && (lost += 1) === 2;
  const call = alice.call('one');
  network.loop.run(3_000);
  t.is(call.heard.at(-1)?.slice(0, 3), '200');
  t.is(bob.unacknowledged.size, 0);
});

test('the ACK is lost twice: 200 comes again each time, and the third ACK is enough', (t) => {
  const { network, alice, bob } = twoHomes();
  let lost = 0;
  network.loses = (message, { remote }) =>
    message.type === 'request' && message.method === 'ACK' && remote.address === '198.18.1.10' && (lost += 1) <= 2;
  const call = alice.call('one');
  network.loop.run(5_000);
  t.is(call.heard.length, 2);
  t.deepEqual(bob.received, ['INVITE one', 'ACK one']);
  t.is(lost, 3);
});

test('glare: both ends send a re-INVITE at once, and both pass', (t) => {
  const { network, alice, bob, leftovers } = twoHomes();
  const call = alice.call('one');
  network.loop.run(2_000);
  for (const phone of [alice, bob]) phone.manners = { answersAfterMs: 10, status: 491 };
  const ours = alice.say('INVITE', call.dialog);
  const theirs = bob.say('INVITE', bob.answered.get('one'));
  network.loop.run(1_000);
  t.deepEqual([ours?.heard, theirs?.heard], [['491'], ['491']]);
  network.loop.run(OVER_MS);
  t.is(leftovers(), 0);
});

test('nothing of a called phone gets through for 33 s, and it has answered meanwhile: the caller hears 408, and the phone is hung up', (t) => {
  const { network, alice, bob, leftovers } = twoHomes();
  bob.manners = { answersAfterMs: 20_000 };
  network.loses = (_, { local }) => local.address === bob.address.address && network.loop.now < 33_000;
  const call = alice.call('one');
  network.loop.run(40_000);
  t.deepEqual(call.heard, ['408']);
  t.deepEqual(bob.received, ['INVITE one', 'ACK one', 'BYE one']);
  network.loop.run(2 * OVER_MS);
  t.is(leftovers(), 0);
});
