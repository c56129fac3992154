import test from 'ava';
import type { SipFlow } from '../../../../src/sip/flow.ts';
import { firstHeader, headerValues, prependHeader, withHeader } from '../../../../src/sip/message/headers.ts';
import { MAX_LOCATING_MS, MAX_SEEKING_MS, MAX_TARGETS, TIMER_C_MS } from '../../../../src/sip/proxy/constants.ts';
import { request, response } from '../../../sim/sip/messages.ts';
import { phone, ProxyFixture } from './proxy-fixture.ts';

const INVITE = request('INVITE');
/** When all transactions are over. */
const OVER_MS = 70_000;

function breadths(fixture: ProxyFixture): (string | undefined)[] {
  return fixture.forwarded.filter(({ method }) => method === 'INVITE').map((sent) => firstHeader(sent, 'max-breadth'));
}

test('1xx but 100 go to the caller, 2xx at once and each of them', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [phone(2), phone(3)];
  fixture.receive(INVITE);
  fixture.answer(0, 100);
  fixture.answer(0, 180, 'a');
  fixture.answer(1, 183, 'b');
  fixture.answer(0, 200, 'a');
  fixture.answer(1, 200, 'b');
  fixture.answer(0, 200, 'a');
  t.deepEqual(fixture.statuses, [180, 183, 200, 200, 200]);
  t.deepEqual(
    fixture.answers.map((answer) => firstHeader(answer, 'to')?.slice(-1)),
    ['a', 'b', 'a', 'b', 'a'],
  );
  fixture.run(OVER_MS);
  t.true(fixture.isEmpty);
});

test('after a 2xx a refusal or ringing of another branch is not passed on', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [phone(2), phone(3)];
  fixture.receive(INVITE);
  fixture.answer(1, 180);
  fixture.answer(0, 200);
  fixture.answer(1, 180);
  fixture.answer(1, 603);
  t.deepEqual(fixture.statuses, [180, 200]);
});

test('a branch that has said nothing yet is cancelled when it does', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [phone(2), phone(3)];
  fixture.receive(INVITE);
  fixture.answer(0, 200);
  t.deepEqual(
    fixture.forwarded.map(({ method }) => method),
    ['INVITE', 'INVITE'],
  );
  fixture.answer(1, 100);
  t.deepEqual(
    fixture.forwarded.map(({ method }) => method),
    ['INVITE', 'INVITE', 'CANCEL'],
  );
});

test('a 6xx on one branch, then a 2xx on another before it is cancelled: the 2xx goes out, alone', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [phone(2), phone(3), { ...phone(4), q: 0.1 }];
  fixture.receive(INVITE);
  fixture.answer(1, 180);
  fixture.answer(0, 603);
  t.deepEqual(fixture.statuses, [180]);
  fixture.answer(1, 200);
  t.deepEqual(fixture.statuses, [180, 200]);
  t.deepEqual(
    fixture.forwarded.map(({ method }) => method),
    ['INVITE', 'INVITE', 'ACK', 'CANCEL'],
  );
  fixture.run(OVER_MS);
  t.true(fixture.isEmpty);
});

test('breadth is shared among branches, and 1 each is as wide as it goes: the others wait (RFC 5393)', (t) => {
  const wide = new ProxyFixture();
  wide.found = [phone(2), phone(3), phone(4)];
  wide.receive(withHeader(INVITE, 'Max-Breadth', '7'));
  t.deepEqual(breadths(wide), ['3', '2', '2']);
  const narrow = new ProxyFixture();
  narrow.found = wide.found;
  narrow.receive(withHeader(INVITE, 'Max-Breadth', '2'));
  t.deepEqual(breadths(narrow), ['1', '1']);
  narrow.answer(0, 486);
  t.deepEqual(breadths(narrow), ['1', '1']);
  narrow.answer(1, 486);
  t.deepEqual(breadths(narrow), ['1', '1', '2']);
});

test('no breadth left: 440; a breadth that is no number: 400; more than 60 is 60', (t) => {
  const fixture = new ProxyFixture();
  fixture.receive(withHeader(request('INVITE', { branch: 'z9hG4bK1' }), 'Max-Breadth', '0'));
  fixture.receive(withHeader(request('INVITE', { branch: 'z9hG4bK2' }), 'Max-Breadth', 'wide'));
  fixture.receive(withHeader(request('INVITE', { branch: 'z9hG4bK3' }), 'Max-Breadth', '99999999'));
  t.deepEqual(fixture.statuses, [440, 400]);
  t.deepEqual(breadths(fixture), ['60']);
});

test('more targets than are tried: those of the highest q are', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = Array.from({ length: MAX_TARGETS + 1 }, (_, index) => ({
    ...phone(2 + index),
    q: index === 0 ? 0 : 1,
  }));
  fixture.receive(INVITE);
  t.is(fixture.forwarded.length, MAX_TARGETS);
  t.false(fixture.forwarded.some(({ uri }) => uri === phone(2).uri));
});

test('a MESSAGE to two phones: the first 2xx goes out, and no more', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [phone(2), phone(3)];
  fixture.receive(request('MESSAGE'));
  fixture.answer(0, 200);
  fixture.answer(1, 200);
  t.deepEqual(fixture.statuses, [200]);
  fixture.run(OVER_MS);
  t.true(fixture.isEmpty);
  t.is(fixture.forwarded.length, 2);
});

test('a 408 to what is no INVITE, a 1xx, and an answer after 32 s are not passed on (RFC 4320)', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [phone(2), { ...phone(3), q: 0.1 }];
  fixture.receive(request('MESSAGE'));
  fixture.answer(0, 180);
  fixture.answer(0, 408);
  t.is(fixture.forwarded.length, 2);
  fixture.run(32_001);
  t.deepEqual(fixture.statuses, []);
  t.is(fixture.forwarded.length, 2);
  fixture.run(OVER_MS);
  t.true(fixture.isEmpty);
});

test('of a 408 and a 500 to a MESSAGE, the caller has the 500', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [phone(2), phone(3)];
  fixture.receive(request('MESSAGE'));
  fixture.answer(0, 408);
  fixture.answer(1, 500);
  t.deepEqual(fixture.statuses, [500]);
});

test('a MESSAGE whose first phone says nothing for 32 s is not sent to a second one: nobody waits for it', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [phone(2), { ...phone(3), q: 0.1 }];
  fixture.receive(request('MESSAGE'));
  fixture.run(OVER_MS);
  t.is(fixture.forwarded.length, 1);
  t.true(fixture.isEmpty);
});

test('an INVITE whose first phone says nothing for 32 s rings at the second one', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [phone(2), { ...phone(3), q: 0.1 }];
  fixture.receive(INVITE);
  fixture.run(32_000);
  t.is(fixture.forwarded.length, 2);
  fixture.answer(7, 200);
  t.deepEqual(fixture.statuses, [200]);
});

test('all branches have 503: the caller has 500, for another one is in no better way', (t) => {
  const fixture = new ProxyFixture();
  fixture.receive(INVITE);
  fixture.answer(0, 503);
  t.deepEqual(fixture.statuses, [500]);
});

test('a flow that breaks is as a 503: the other branch may answer; alone, the caller has 500', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [phone(2), phone(3)];
  fixture.receive(INVITE);
  fixture.layer.transportFailed(phone(2).flow, 0);
  fixture.run(0);
  fixture.answer(1, 486);
  t.deepEqual(fixture.statuses, [486]);
  const alone = new ProxyFixture();
  alone.receive(INVITE);
  alone.layer.transportFailed(phone(2).flow, 0);
  alone.run(0);
  t.deepEqual(alone.statuses, [500]);
});

for (const status of [200, 486])
  test(`a ${status} without the Via of the caller is a 502, and the context ends`, (t) => {
    const fixture = new ProxyFixture();
    fixture.receive(INVITE);
    const [sent] = fixture.forwarded;
    if (sent === undefined) return void t.fail();
    fixture.receive(withHeader(response(sent, status), 'Via', firstHeader(sent, 'via') ?? ''), phone(2).flow);
    t.deepEqual(fixture.statuses, [502]);
    fixture.run(OVER_MS);
    t.true(fixture.isEmpty);
  });

test('timer C begins anew with each 1xx but 100', (t) => {
  const fixture = new ProxyFixture();
  fixture.receive(INVITE);
  fixture.answer(0, 100);
  fixture.run(100_000);
  fixture.answer(0, 180);
  fixture.run(TIMER_C_MS - 1);
  t.is(fixture.forwarded.length, 1);
  fixture.run(1);
  t.deepEqual(
    fixture.forwarded.map(({ method }) => method),
    ['INVITE', 'CANCEL'],
  );
  fixture.run(32_000);
  t.deepEqual(fixture.statuses, [180, 408]);
  fixture.run(OVER_MS);
  t.true(fixture.isEmpty);
});

test('a cancelled call whose phone says no more: the caller has 487 after 32 s', (t) => {
  const fixture = new ProxyFixture();
  fixture.receive(INVITE);
  fixture.answer(0, 180);
  fixture.receive(request('CANCEL'));
  fixture.run(32_000);
  t.deepEqual(fixture.statuses.slice(0, 3), [180, 200, 487]);
});

test('a target that may ring for 2 s and says nothing at all: the next one is tried after 2 s, and a late 200 is not passed on', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [
    { ...phone(2), answerWithinMs: 2_000 },
    { ...phone(3), q: 0.1 },
  ];
  fixture.receive(INVITE);
  fixture.run(2_000);
  t.is(fixture.forwarded.length, 2);
  fixture.answer(3, 486);
  t.deepEqual(fixture.statuses, [486]);
  fixture.answer(0, 200);
  t.deepEqual(fixture.statuses, [486]);
  fixture.run(OVER_MS);
  t.true(fixture.isEmpty);
});

test('targets that are never named, or twice: 408 after 32 s, and what comes later is ignored', (t) => {
  const dones: (() => void)[] = [];
  const fixture = new ProxyFixture({
    targets: (_request, _from, _now, done) => void dones.push(() => done([phone(2)], fixture.now)),
  });
  fixture.receive(INVITE);
  fixture.run(MAX_LOCATING_MS);
  t.deepEqual(fixture.statuses, [408]);
  dones[0]?.();
  t.is(fixture.forwarded.length, 0);
  fixture.receive(request('INVITE', { branch: 'z9hG4bK2', callId: 'two' }));
  dones[1]?.();
  dones[1]?.();
  t.is(fixture.forwarded.length, 1);
});

test('a target that says nothing for three seconds is left for the next, and one that says 100 is waited for', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [
    { ...phone(2), q: 1, respondsWithinMs: 3_000 },
    { ...phone(3), q: 0.5, respondsWithinMs: 3_000 },
  ];
  fixture.receive(INVITE);
  fixture.run(2_900);
  t.false(fixture.forwarded.some(({ uri }) => uri === phone(3).uri));
  fixture.run(200);
  t.true(fixture.forwarded.some(({ uri }) => uri === phone(3).uri));
  const requests = fixture.sent.flatMap(({ message }) => (message.type === 'request' ? [message] : []));
  const at = requests.findIndex(({ uri }) => uri === phone(3).uri);
  fixture.answer(at, 100);
  fixture.run(20_000);
  fixture.answer(at, 180);
  t.deepEqual(fixture.statuses, [180]);
});

for (const [status, asked] of [
  [486, 1],
  [404, 1],
  [503, 2],
  [500, 2],
] as const)
  test(`of targets that would do the same, ${asked === 1 ? 'no other is asked' : 'the next is asked'} after ${status}`, (t) => {
    const fixture = new ProxyFixture();
    fixture.found = [
      { ...phone(2), q: 1, hasAlternatives: true },
      { ...phone(3), q: 0.5, hasAlternatives: true },
    ];
    fixture.receive(INVITE);
    fixture.answer(0, status);
    t.is(new Set(fixture.forwarded.map(({ uri }) => uri)).size, asked);
  });

const contactAt = ({ remote }: SipFlow) => ({ name: 'Contact', value: `<sip:bob@${remote.address}:5060>` });

/** A 200 of the target of the `index`-th request that was sent, with a Contact. */
function accept(fixture: ProxyFixture, index: number, tag = 'callee'): void {
  const entry = fixture.sent.filter(({ message: { type } }) => type === 'request')[index];
  if (entry?.message.type !== 'request') throw new Error(`request ${index} was not sent`);
  fixture.receive(response(entry.message, 200, { tag, headers: [contactAt(entry.flow)] }), entry.flow);
}

/** Of requests to that phone, without repetitions. */
function toldTo(fixture: ProxyFixture, host: number): string[] {
  const { key } = phone(host).flow;
  const sent = new Set(fixture.sent.flatMap(({ flow, message }) => (flow.key === key ? [message] : [])));
  return [...sent].flatMap((message) => (message.type === 'request' ? [message.method] : []));
}

test('a phone that was given up answers after the caller has heard 486: it is acknowledged each time, and hung up, once', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [
    { ...phone(2), answerWithinMs: 2_000 },
    { ...phone(3), q: 0.1 },
  ];
  fixture.receive(INVITE);
  fixture.run(2_000);
  fixture.answer(3, 486);
  accept(fixture, 0);
  accept(fixture, 0);
  t.deepEqual(fixture.statuses, [486]);
  t.deepEqual(toldTo(fixture, 2), ['INVITE', 'ACK', 'BYE', 'ACK']);
  const [ack, bye] = fixture.forwarded.filter(({ uri, method }) => uri === phone(2).uri && method !== 'INVITE');
  if (ack === undefined || bye === undefined) return void t.fail();
  t.deepEqual([firstHeader(ack, 'cseq'), firstHeader(bye, 'cseq')], ['1 ACK', '2 BYE']);
  for (const sent of [ack, bye]) {
    t.is(firstHeader(sent, 'to'), '<sip:bob@home.example>;tag=callee');
    t.is(firstHeader(sent, 'from'), firstHeader(INVITE, 'from'));
    t.deepEqual(headerValues(sent, 'route'), []);
    t.is(headerValues(sent, 'via').length, 1);
  }
  fixture.run(OVER_MS);
  t.true(fixture.isEmpty);
});

test('a phone that minds neither CANCEL nor time answers when the caller has 487: it is hung up', (t) => {
  const fixture = new ProxyFixture();
  fixture.receive(INVITE);
  fixture.answer(0, 180);
  fixture.receive(request('CANCEL'));
  fixture.run(32_000);
  t.is(fixture.statuses.filter((status) => status === 487).length, 1);
  accept(fixture, 0);
  t.deepEqual(toldTo(fixture, 2), ['INVITE', 'CANCEL', 'ACK', 'BYE']);
  t.false(fixture.statuses.slice(2).includes(200));
  fixture.run(2 * OVER_MS);
  t.true(fixture.isEmpty);
});

for (const breaks of [false, true])
  test(`a phone ${breaks ? 'whose flow broke' : 'that was silent for 32 s'} answers yet: it is hung up, and a minute later nothing is known of it`, (t) => {
    const fixture = new ProxyFixture();
    fixture.receive(INVITE);
    if (breaks) fixture.layer.transportFailed(phone(2).flow, 0);
    fixture.run(breaks ? 1_000 : 32_000);
    t.is(fixture.statuses[0], breaks ? 500 : 408);
    accept(fixture, 0);
    t.deepEqual(toldTo(fixture, 2), ['INVITE', 'ACK', 'BYE']);
    fixture.run(2 * OVER_MS);
    t.true(fixture.isEmpty);
    const before = fixture.sent.length;
    accept(fixture, 0);
    t.is(fixture.sent.length, before);
  });

test('what was answered too late behind another proxy is ended by way of that', (t) => {
  const fixture = new ProxyFixture();
  fixture.receive(INVITE);
  fixture.run(32_000);
  const [sent] = fixture.forwarded;
  if (sent === undefined) return void t.fail();
  const answer = response(sent, 200, { headers: [contactAt(phone(2).flow)] });
  fixture.receive(prependHeader(answer, 'Record-Route', '<sip:198.18.0.8;lr>'), phone(2).flow);
  t.deepEqual(
    fixture.sent.slice(-2).map(({ flow, message }) => ({
      method: message.type === 'request' ? message.method : undefined,
      to: flow.remote.address,
      routes: headerValues(message, 'route'),
    })),
    ['ACK', 'BYE'].map((method) => ({ method, to: '198.18.0.8', routes: ['<sip:198.18.0.8;lr>'] })),
  );
});

test('a re-INVITE that is answered too late ends no call: its dialog is held', (t) => {
  const fixture = new ProxyFixture();
  fixture.receive(request('INVITE', { to: '<sip:bob@home.example>;tag=callee' }));
  fixture.run(32_000);
  accept(fixture, 0);
  t.false(fixture.forwarded.some(({ method }) => method !== 'INVITE'));
});

test('a phone that answers when another has had the call for 40 s is hung up, and the call goes on', (t) => {
  const fixture = new ProxyFixture();
  fixture.found = [phone(2), phone(3)];
  fixture.receive(INVITE);
  fixture.answer(0, 200, 'first');
  fixture.run(20_000);
  fixture.answer(1, 180);
  fixture.run(20_000);
  accept(fixture, 1, 'second');
  t.deepEqual(toldTo(fixture, 3), ['INVITE', 'CANCEL', 'ACK', 'BYE']);
  t.deepEqual(toldTo(fixture, 2), ['INVITE']);
  t.deepEqual(fixture.statuses, [200]);
});

/** A last resort that is `phone(9)`, as soon as `open` says so. */
function withLastResort(ringMs: number, opensAt: 'once' | 'later' | 'never') {
  const waiting: (() => boolean)[] = [];
  const fixture: ProxyFixture = new ProxyFixture({
    lastResort: ({ method }) =>
      method !== 'INVITE'
        ? undefined
        : {
            onKnown: (now, known) => known(ringMs, now),
            open: (now, done) => {
              if (opensAt === 'later') waiting.push(() => done(phone(9), fixture.now));
              else done(opensAt === 'once' ? phone(9) : undefined, now);
            },
          },
  });
  return { fixture, waiting };
}

test('all branches refuse: the last resort is tried once, and where it refuses too the best refusal is the answer', (t) => {
  const { fixture } = withLastResort(20_000, 'once');
  fixture.found = [phone(2), phone(3)];
  fixture.receive(INVITE);
  fixture.answer(0, 486);
  t.is(fixture.forwarded.filter(({ method }) => method === 'INVITE').length, 2);
  fixture.answer(1, 480);
  t.is(fixture.forwarded.at(-1)?.uri, phone(9).uri);
  fixture.receive(response(fixture.forwarded.at(-1) ?? INVITE, 500), phone(9).flow);
  t.deepEqual(fixture.statuses, [486]);
  fixture.run(OVER_MS);
  t.true(fixture.isEmpty);
});

test('a target that has alternatives refuses: they are not tried, and the last resort is', (t) => {
  const { fixture } = withLastResort(20_000, 'once');
  fixture.found = [
    { ...phone(2), hasAlternatives: true, respondsWithinMs: 6_000 },
    { ...phone(3), q: 0.5 },
  ];
  fixture.receive(INVITE);
  fixture.answer(0, 480);
  t.deepEqual(
    fixture.forwarded.filter(({ method }) => method === 'INVITE').map(({ uri }) => uri),
    [phone(2).uri, phone(9).uri],
  );
  fixture.run(OVER_MS);
  t.true(fixture.isEmpty);
});

test('branches that ring too long are given up for the last resort, those that have said nothing at once', (t) => {
  const { fixture } = withLastResort(20_000, 'once');
  fixture.found = [phone(2), phone(3), { ...phone(4), q: 0.1 }];
  fixture.receive(INVITE);
  fixture.answer(0, 180);
  fixture.run(20_000);
  t.deepEqual(
    fixture.forwarded.map(({ method }) => method),
    ['INVITE', 'INVITE', 'CANCEL'],
  );
  fixture.answer(0, 487);
  const last = fixture.forwarded.at(-1);
  t.is(last?.uri, phone(9).uri, 'and no lower q is tried');
  fixture.receive(response(last ?? INVITE, 200), phone(9).flow);
  t.deepEqual(fixture.statuses, [180, 200]);
  fixture.run(OVER_MS);
  t.true(fixture.isEmpty);
});

test('one phone cannot take the call (488), the other rings too long: there is the last resort', (t) => {
  const { fixture } = withLastResort(20_000, 'once');
  fixture.found = [phone(2), phone(3)];
  fixture.receive(INVITE);
  fixture.answer(0, 488);
  fixture.answer(1, 180);
  fixture.run(20_000);
  fixture.answer(1, 487);
  t.is(fixture.forwarded.at(-1)?.uri, phone(9).uri);
});

test('no last resort after all: what rang too long is not answered (480), and what is refused has the refusal', (t) => {
  const { fixture } = withLastResort(20_000, 'never');
  fixture.receive(INVITE);
  fixture.answer(0, 180);
  fixture.run(20_000);
  fixture.answer(0, 487);
  t.deepEqual(fixture.statuses, [180, 480]);
  const refused = withLastResort(20_000, 'never').fixture;
  refused.found = { status: 404, reason: 'Not Found' };
  refused.receive(INVITE);
  t.deepEqual(refused.statuses, [404]);
  refused.run(OVER_MS);
  t.true(refused.isEmpty);
});

test('the caller gives up while the last resort is sought: 487, and what is found later is not called', (t) => {
  const { fixture, waiting } = withLastResort(20_000, 'later');
  fixture.found = [];
  fixture.receive(INVITE);
  t.deepEqual(fixture.statuses, []);
  fixture.receive(request('CANCEL'));
  t.true(fixture.statuses.includes(487));
  t.deepEqual(
    waiting.map((open) => open()),
    [false],
  );
  t.is(fixture.forwarded.length, 0);
  fixture.run(OVER_MS);
  t.true(fixture.isEmpty);
});

test('a last resort that is not there in time: the refusal goes out, and later it is not called', (t) => {
  const { fixture, waiting } = withLastResort(20_000, 'later');
  fixture.found = [];
  fixture.receive(INVITE);
  fixture.run(MAX_SEEKING_MS);
  t.deepEqual(fixture.statuses, [480]);
  t.deepEqual(
    waiting.map((open) => open()),
    [false],
  );
  t.is(fixture.forwarded.length, 0);
});

test('a decline, a challenge and an incomplete number have no last resort, nor has a request that is no INVITE', (t) => {
  for (const status of [603, 407, 484, 403]) {
    const { fixture } = withLastResort(20_000, 'once');
    fixture.receive(INVITE);
    fixture.answer(0, status);
    t.deepEqual(fixture.statuses, [status]);
  }
  const { fixture } = withLastResort(20_000, 'once');
  fixture.found = [];
  fixture.receive(request('MESSAGE'));
  t.deepEqual(fixture.statuses, [480]);
});
