import test from 'ava';
import { memberList, type MemberSources } from '../../../src/membership/member-list.ts';

const [ME, A, B, C, D] = ['1', 'a', 'b', 'c', 'd'].map((digit) => digit.repeat(32)) as [
  string,
  string,
  string,
  string,
  string,
];
const NOTHING: MemberSources = {
  self: { hit: ME, user: 'me@x.example', lastSeen: 100, expires: 900, role: 'peer' },
  linked: [],
  roster: [],
  known: [],
  revoked: [],
  inviters: [],
};
const entry = { user: 'a@x.example', role: 'client' as const, startedAt: 1, software: '1', certificate: undefined };

test('each host is listed once, with the latest that anyone knows of it', (t) => {
  const list = memberList({
    ...NOTHING,
    linked: [{ hit: A, user: 'a@x.example', lastSeen: 100, expires: 800 }],
    roster: [{ ...entry, hit: A, seenAt: 50, expires: 700 }],
    known: [
      { hit: A, user: 'old@x.example', lastSeen: 10 },
      { hit: B, user: 'b@x.example', lastSeen: null },
    ],
    inviters: [A],
  });
  t.deepEqual(
    list.find(({ hit }) => hit === A),
    { hit: A, user: 'a@x.example', role: 'client', state: 'linked', inviter: true, lastSeen: 100, expires: 800 },
  );
  t.deepEqual(
    list.find(({ hit }) => hit === B),
    { hit: B, user: 'b@x.example', role: null, state: 'seen', inviter: false, lastSeen: null, expires: null },
  );
  t.is(list.find(({ hit }) => hit === ME)?.state, 'self');
  t.is(list.length, 3);
});

test('a revoked host is shown as revoked under the name of its revocation or of the list, and invites nobody', (t) => {
  const list = memberList({
    ...NOTHING,
    roster: [{ ...entry, hit: C, seenAt: 50, expires: 700 }],
    revoked: [
      { hit: C, user: null },
      { hit: D, user: null },
      { hit: B, user: 'b@x.example' },
    ],
    inviters: [C],
  });
  t.deepEqual(
    list.filter(({ state }) => state === 'revoked').map(({ hit, user, inviter }) => ({ hit, user, inviter })),
    [
      { hit: C, user: 'a@x.example', inviter: false },
      { hit: D, user: null, inviter: false },
      { hit: B, user: 'b@x.example', inviter: false },
    ],
  );
});

test('a host that was renamed has its new name, though the link to it shows the old certificate', (t) => {
  const hit = '20010022'.padEnd(32, '7');
  const self = { hit: '20010022'.padEnd(32, '1'), user: null, lastSeen: 5, expires: 100 };
  const roster = [
    {
      hit,
      user: 'new@home.example',
      role: 'peer' as const,
      seenAt: 2,
      startedAt: 1,
      software: '1',
      certificate: new Uint8Array(),
      expires: 300,
    },
  ];
  const linked = [{ hit, user: 'old@home.example', lastSeen: 5, expires: 200 }];
  const members = memberList({ self, linked, roster, known: [], revoked: [], inviters: [] });
  t.like(
    members.find((member) => member.hit === hit),
    { user: 'new@home.example', state: 'linked', expires: 300 },
  );
});
