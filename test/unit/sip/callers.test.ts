import test from 'ava';
import { type Caller, callerName, CallerPolicy, type CallerSettings } from '../../../src/sip/callers.ts';

const MEMBERS: CallerSettings = { callers: 'members', contacts: [], block: [], callsPerMinute: 30 };
const NIGHT = { from: 22 * 60, to: 7 * 60 };
const NOON = 12 * 60;

function member(label: string): Caller {
  const user = `${label}@home.example`;
  return { member: user, isMember: true, names: [user, label, '2001:20::1'] };
}

const GATEWAY: Caller = {
  ...{ member: 'gate@home.example', isMember: false },
  names: ['+49301234567', '+49301234567@provider.example'],
};

let calls = 0;

/** Why it does not ring. */
function verdict(
  settings: Partial<CallerSettings>,
  caller: Caller,
  options: { at?: number; method?: string; isInDialog?: boolean } = {},
) {
  const { at = NOON, method = 'INVITE', isInDialog = false } = options;
  const policy = new CallerPolicy({ ports: { minuteOfDay: () => at } }, { ...MEMBERS, ...settings });
  return policy.refusalOf({ method, callId: `call-${(calls += 1)}`, isInDialog }, caller, 0)?.why ?? 'rings';
}

test('members ring unless contacts alone shall; whom a gateway brings rings where anyone may', (t) => {
  t.is(verdict({}, member('alice')), 'rings');
  t.is(verdict({}, GATEWAY), 'no member');
  t.is(verdict({ callers: 'anyone' }, GATEWAY), 'rings');
  t.is(verdict({ callers: 'contacts', contacts: ['bob'] }, member('alice')), 'no contact');
  for (const contact of ['alice', 'Alice@home.example', '2001:20::1'])
    t.is(verdict({ callers: 'contacts', contacts: [contact] }, member('alice')), 'rings', contact);
  t.is(verdict({ callers: 'contacts', contacts: ['+49 (30) 123 45-67'] }, GATEWAY), 'rings');
});

for (const [text, name] of [
  ['Bob', 'bob'],
  ['sip:Bob@Home.Example;user=phone', 'bob@home.example'],
  ['tel:+49-30-1234567;phone-context=x', '+49301234567'],
  ['+49 (30) 1234/567', '+49301234567'],
  ['2001:20::1', '2001:20::1'],
  ['', ''],
] as const)
  test(`a contact "${text}" is "${name}"`, (t) => {
    t.is(callerName(text), name);
  });

test('who is blocked never rings, a contact neither, and writes no message', (t) => {
  for (const callers of ['members', 'contacts', 'anyone'] as const)
    t.is(verdict({ callers, contacts: ['alice'], block: ['alice'] }, member('alice')), 'blocked');
  t.is(verdict({ block: ['alice'] }, member('alice'), { method: 'MESSAGE' }), 'blocked');
  t.is(verdict({ callers: 'anyone', block: ['+49301234567'] }, GATEWAY), 'blocked');
});

test('at night contacts alone ring; messages come at any time', (t) => {
  const night = { night: NIGHT, contacts: ['bob'] };
  for (const [at, expected] of [
    [21 * 60 + 59, 'rings'],
    [22 * 60, 'night'],
    [0, 'night'],
    [6 * 60 + 59, 'night'],
    [7 * 60, 'rings'],
  ] as const)
    t.is(verdict(night, member('alice'), { at }), expected, `at minute ${at}`);
  t.is(verdict(night, member('bob'), { at: 0 }), 'rings');
  t.is(verdict(night, member('alice'), { at: 0, method: 'MESSAGE' }), 'rings');
  t.is(verdict({ night: { from: 60, to: 120 } }, member('alice'), { at: 90 }), 'night');
  t.is(verdict({ night: { from: 60, to: 120 } }, member('alice'), { at: 0 }), 'rings');
});

const QUIET = ['SUBSCRIBE', 'REFER', 'OPTIONS', 'NOTIFY', 'INFO', 'PUBLISH', 'UPDATE', 'FUTURE'];

test('who may not ring asks for nobody’s presence either, and nothing else of phones comes to him; at night all else does', (t) => {
  for (const method of QUIET) {
    t.is(verdict({ block: ['alice'] }, member('alice'), { method }), 'blocked', method);
    t.is(verdict({ callers: 'contacts' }, member('alice'), { method }), 'no contact', method);
    t.is(verdict({}, GATEWAY, { method }), 'no member', method);
    t.is(verdict({}, member('alice'), { method }), 'rings', method);
    t.is(verdict({ night: NIGHT }, member('alice'), { method, at: 0 }), 'rings', method);
  }
});

test('in a dialog that nobody knows, what a phone may act on is judged, and what ends or goes on with a call is not', (t) => {
  const judged = (method: string) => verdict({ block: ['alice'] }, member('alice'), { method, isInDialog: true });
  for (const method of ['INVITE', 'MESSAGE', 'SUBSCRIBE', 'REFER']) t.is(judged(method), 'blocked', method);
  for (const method of ['BYE', 'ACK', 'PRACK', 'UPDATE', 'INFO', 'NOTIFY']) t.is(judged(method), 'rings', method);
});

test('a subscription that is let in at night is renewed, and no call rings by its Call-ID; a call that is let in may hold a subscription', (t) => {
  let minute = 0;
  const policy = new CallerPolicy({ ports: { minuteOfDay: () => minute } }, { ...MEMBERS, night: NIGHT });
  const ask = (method: string, callId: string, isInDialog: boolean) =>
    policy.refusalOf({ method, callId, isInDialog }, member('alice'), 0)?.why;
  t.is(ask('SUBSCRIBE', 'a', false), undefined);
  t.is(ask('MESSAGE', 'b', false), undefined);
  for (let count = 0; count < 100; count += 1) t.is(ask('SUBSCRIBE', 'a', true), undefined);
  for (const callId of ['a', 'b'])
    for (const isInDialog of [true, false]) t.is(ask('INVITE', callId, isInDialog), 'night');
  minute = NOON;
  t.is(ask('INVITE', 'c', false), undefined);
  for (let count = 0; count < 100; count += 1) t.is(ask('REFER', 'c', true), undefined);
});

test('messages in a call that was let in are counted, whatever To tags they have: twenty at once, and the call itself is held', (t) => {
  let minute = NOON;
  const policy = new CallerPolicy({ ports: { minuteOfDay: () => minute } }, { ...MEMBERS, night: NIGHT });
  const ask = (method: string, isInDialog = true) =>
    policy.refusalOf({ method, callId: 'a', isInDialog }, member('alice'), 0);
  t.is(ask('INVITE', false), undefined);
  minute = 0;
  const passed = Array.from({ length: 100 }, () => ask('MESSAGE')).filter((refusal) => refusal === undefined);
  t.is(passed.length, 19);
  t.is(ask('MESSAGE')?.reason, 'Too Many Calls');
  for (let count = 0; count < 100; count += 1) t.is(ask('INVITE'), undefined);
});

for (const method of ['INVITE', 'MESSAGE', 'OPTIONS', 'SUBSCRIBE', 'REFER'])
  test(`${method} outside of a dialog is counted under one Call-ID, too, and what is no call takes nothing of the calls`, (t) => {
    const policy = new CallerPolicy({ ports: { minuteOfDay: () => NOON } }, MEMBERS);
    const ask = (what: string) => policy.refusalOf({ method: what, callId: 'a', isInDialog: false }, member('m'), 0);
    const passed = Array.from({ length: 100 }, () => ask(method)).filter((refusal) => refusal === undefined);
    t.is(passed.length, 20);
    const isLoud = method === 'INVITE' || method === 'MESSAGE';
    t.is(ask('INVITE')?.reason, isLoud ? 'Too Many Calls' : undefined);
    t.is(ask('OPTIONS')?.reason, isLoud ? undefined : 'Too Many Requests');
  });

test('the address book counts as contacts', (t) => {
  const isContact = (names: readonly string[]): boolean => names.includes('alice@home.example');
  const settings: CallerSettings = { ...MEMBERS, callers: 'contacts' };
  const policy = new CallerPolicy({ ports: { minuteOfDay: () => NOON, isContact } }, settings);
  const asked = (label: string) =>
    policy.refusalOf({ method: 'INVITE', callId: label, isInDialog: false }, member(label), 0)?.why;
  t.is(asked('alice'), undefined);
  t.is(asked('bob'), 'no contact');
});

test('in a call that rings, or that a phone of this host has made, all is let in, until much later', (t) => {
  let minute = NOON;
  const policy = new CallerPolicy({ ports: { minuteOfDay: () => minute } }, { ...MEMBERS, night: NIGHT });
  const ask = (callId: string, isInDialog = true) =>
    policy.refusalOf({ method: 'INVITE', callId, isInDialog }, member('alice'), 0)?.why;
  t.is(ask('in', false), undefined);
  policy.called('out');
  minute = 0;
  t.is(ask('in'), undefined);
  t.is(ask('out'), undefined);
  t.is(ask('another'), 'night');
  for (const callId of ['in', 'out']) t.is(ask(callId, false), 'night', 'what begins anew is no part of it');
  for (let i = 0; i < 5_000; i++) policy.called(`more-${i}`);
  t.is(ask('in'), 'night');
  t.true(policy.size <= 1_025);
});

test('of a member that calls without end twenty calls ring at once and thirty a minute, and it is told when to come back; another one is not held up', (t) => {
  const policy = new CallerPolicy({ ports: { minuteOfDay: () => NOON } }, MEMBERS);
  let rung = 0;
  let retryAfter: string | undefined;
  for (let now = 0; now < 120_000; now += 100) {
    const refusal = policy.refusalOf(
      { method: 'INVITE', callId: `flood-${now}`, isInDialog: false },
      member('mallory'),
      now,
    );
    if (refusal === undefined) rung += 1;
    else retryAfter = refusal.headers?.[0]?.value;
  }
  t.is(rung, 20 + 59);
  t.is(retryAfter, '1');
  t.is(policy.refusalOf({ method: 'INVITE', callId: 'a', isInDialog: false }, member('alice'), 60_000), undefined);
});

test('whatever number of members call, and however long their Call-IDs are, memory is bounded', (t) => {
  const policy = new CallerPolicy({ ports: { minuteOfDay: () => NOON } }, MEMBERS);
  for (let i = 0; i < 10_000; i++)
    policy.refusalOf(
      { method: 'INVITE', callId: `${i}${'x'.repeat(i % 2 === 0 ? 0 : 1_000)}`, isInDialog: false },
      member(`m${i}`),
      i,
    );
  t.true(policy.size <= 2_048);
});
