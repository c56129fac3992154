import test from 'ava';
import { MAX_SEQUENCE } from '../../../src/config/overlay-configuration.ts';
import { encodeEnrollmentExchange } from '../../../src/membership/enrollment-exchange.ts';
import { encodeSpreading } from '../../../src/membership/spreading-message.ts';
import { Company, documentOf, type Host } from './company.ts';

const DAY_MS = 86_400_000;

/** The authority, a second inviter by its grant, and others; everything has settled. */
function company(seed: number, lifeMs: number, others = 4): { company: Company; hosts: Host[] } {
  const all = new Company(seed, lifeMs);
  const authority = all.host('founder@overlay.example.net', 'authority');
  const second = all.host('second@overlay.example.net');
  for (let i = 0; i < others; i++) all.host(`user${i}@overlay.example.net`);
  all.run(20_000);
  all.act(authority, (membership, now) => membership.office.grant(second.node.enrolled.identity.spki, now));
  all.run(2_000);
  return { company: all, hosts: all.hosts };
}

const ofType = (host: Host, type: string): number => host.events.filter((event) => event.type === type).length;

test('a grant reaches everyone: all know who may invite, and who was granted it may', (t) => {
  const { hosts } = company(1, DAY_MS);
  const [authority, second] = hosts;
  if (authority === undefined || second === undefined) return t.fail();
  for (const { membership } of hosts)
    t.deepEqual([...membership.office.inviters].sort(), [authority.node.id, second.node.id].sort());
  t.is(ofType(second, 'inviter'), 1);
  t.false(second.membership.inviting?.isAuthority);
  t.is(hosts[3]?.membership.inviting, undefined);
});

test('certificates of two minutes are renewed for a quarter of an hour, also when the authority is gone for good', (t) => {
  const { company: all, hosts } = company(2, 120_000);
  const [authority] = hosts;
  if (authority === undefined) return t.fail();
  all.run(120_000);
  all.world.crash(authority.node);
  let worst = Infinity;
  for (let i = 0; i < 150; i++) {
    all.run(6_000);
    for (const { membership, node } of hosts) if (node.alive) worst = Math.min(worst, membership.expires - all.wall);
  }
  t.log(`never less than ${(worst / 1000).toFixed(1)} s left`);
  t.true(worst > 0);
  for (const host of hosts.slice(1)) t.true(ofType(host, 'certificates') >= 6);
});

test('a revocation ends the links of the revoked everywhere within a second, and tells it', (t) => {
  const { company: all, hosts } = company(3, DAY_MS, 8);
  const [, second, , victim] = hosts;
  if (second === undefined || victim === undefined) return t.fail();
  all.act(second, (membership, now) => membership.office.revoke([victim.node.id], now));
  all.run(1_000);
  for (const host of hosts) {
    if (host === victim) continue;
    t.false(host.node.links.up.has(victim.node.id));
    t.true(host.membership.revoked.has(victim.node.id));
    t.is(ofType(host, 'revoked'), 1);
  }
  t.is(victim.membership.state, 'revoked');
  t.is(ofType(victim, 'ended'), 1);
});

test('a revoked host asks for no turn that has passed, twenty minutes later', (t) => {
  const { company: all, hosts } = company(3, DAY_MS, 8);
  const [authority, , , victim] = hosts;
  if (authority === undefined || victim === undefined) return t.fail();
  all.act(authority, (membership, now) => membership.office.revoke([victim.node.id], now));
  all.run(1_200_000);
  t.true((victim.membership.nextTimeout() ?? Infinity) >= all.world.now);
});

test('every inviter ends the tickets of a revoked host, and knows its user by the revocation', (t) => {
  const { company: all, hosts } = company(3, DAY_MS, 8);
  const [authority, second, , victim] = hosts;
  if (authority === undefined || second === undefined || victim === undefined) return t.fail();
  const { id: hit } = victim.node;
  const revokedAt = all.wall;
  all.act(second, (membership, now) => membership.office.revoke([hit], now, () => 'victim@overlay.example.net'));
  all.run(1_000);
  // Two of the company may invite.
  t.deepEqual(all.endedTicketsOf, [
    { hit, user: 'victim@overlay.example.net', at: revokedAt },
    { hit, user: 'victim@overlay.example.net', at: revokedAt },
  ]);
});

test('whoever was away learns of a revocation at its first link, and again from its disk', (t) => {
  const { company: all, hosts } = company(4, DAY_MS);
  const [authority, , away, victim] = hosts;
  if (authority === undefined || away === undefined || victim === undefined) return t.fail();
  for (const id of [...away.node.links.up]) {
    const other = all.world.nodes.get(id);
    if (other !== undefined) all.world.disconnect(away.node, other);
  }
  all.act(authority, (membership, now) => membership.office.revoke([victim.node.id], now));
  all.run(200);
  t.false(away.membership.revoked.has(victim.node.id));
  all.world.connect(away.node, authority.node);
  all.run(1_000);
  t.true(away.membership.revoked.has(victim.node.id));
  const again = all.start(away.node, away.disk);
  t.true(again.membership.revoked.has(victim.node.id));
  t.deepEqual([...again.membership.office.inviters].sort(), [...authority.membership.office.inviters].sort());
});

test('a revoked host that was away itself is told by whoever knows; what is not proven, or for another, tells it nothing', (t) => {
  const { company: all, hosts } = company(12, DAY_MS);
  const [authority, , member, victim] = hosts;
  if (authority === undefined || member === undefined || victim === undefined) return t.fail();
  for (const id of [...victim.node.links.up]) {
    const other = all.world.nodes.get(id);
    if (other !== undefined) all.world.disconnect(victim.node, other);
  }
  const exchange = { overlay: 'overlay.example.net', random: all.world.random };
  t.is(member.membership.noticeFor(victim.node.id, exchange), undefined);
  all.act(authority, (membership, now) => membership.office.revoke([victim.node.id], now));
  all.run(1_000);
  const notice = member.membership.noticeFor(victim.node.id, exchange) ?? new Uint8Array();
  const hears = (host: Host, message: Uint8Array): boolean =>
    all.act(host, (membership, now) => membership.noticed(message, now));
  t.false(hears(authority, notice));
  t.false(hears(victim, notice.subarray(1)));
  const to = { overlay: exchange.overlay, transactionId: 1n, to: victim.node.id };
  for (const records of [[{ kind: 'revocation' as const, bytes: Buffer.from('no proof') }], []])
    t.true(hears(victim, encodeEnrollmentExchange('exp_b_req', encodeSpreading({ type: 'records', records }), to)));
  t.true(hears(victim, encodeEnrollmentExchange('exp_b_req', Buffer.from('no records'), to)));
  t.is(victim.membership.state, 'member');
  t.true(hears(victim, notice));
  t.is(victim.membership.state, 'revoked');
  t.is(ofType(victim, 'ended'), 1);
});

test('a full disk: a revocation holds all the same, and is written when there is room', (t) => {
  const { company: all, hosts } = company(5, DAY_MS);
  const [authority, , member, victim] = hosts;
  if (authority === undefined || member === undefined || victim === undefined) return t.fail();
  member.disk.full = true;
  const before = member.disk.records?.length ?? 0;
  all.act(authority, (membership, now) => membership.office.revoke([victim.node.id], now));
  all.run(1_000);
  t.true(member.membership.revoked.has(victim.node.id));
  t.deepEqual(member.membership.unwritten, ['records']);
  member.disk.full = false;
  all.run(61_000);
  t.true((member.disk.records?.length ?? 0) > before);
  t.deepEqual(member.membership.unwritten, []);
});

test('an inviter gives a member another name, which tells what hangs on the old one to go first', (t) => {
  const { company: all, hosts } = company(6, DAY_MS);
  const [, second, member] = hosts;
  if (second === undefined || member === undefined) return t.fail();
  let renamed: boolean | undefined;
  const host = { hit: member.node.id, spki: member.node.enrolled.identity.spki };
  all.act(second, (membership, now) =>
    membership.office.rename(host, 'new@overlay.example.net', now, (result) => (renamed = result)),
  );
  all.run(5_000);
  t.true(renamed);
  t.is(member.membership.user, 'new@overlay.example.net');
  t.is(member.node.overlay.user, 'new@overlay.example.net');
  t.deepEqual(
    member.events.map(({ type }) => type),
    ['renaming', 'certificates'],
  );
});

test('a host that leaves tells all that may invite, of itself alone, and knows whether they have heard it', (t) => {
  const { company: all, hosts } = company(9, DAY_MS);
  const [authority, second, member, other] = hosts;
  if (authority === undefined || second === undefined || member === undefined || other === undefined) return t.fail();
  const heard: boolean[] = [];
  const resign = (host: Host): void => {
    all.act(host, (membership, now) => membership.resign(now, (complete) => heard.push(complete)));
    all.run(30_000);
  };
  resign(member);
  t.deepEqual(heard, [true]);
  t.deepEqual(all.left, [member.node.id, member.node.id]);
  for (const host of [authority, second])
    t.true(host.events.some((event) => event.type === 'leaving' && event.hit === member.node.id));
  all.world.crash(authority.node);
  resign(other);
  t.deepEqual(heard, [true, false]);
  t.deepEqual(all.left.slice(2), [other.node.id]);
});

test('a certificate that is older than the one in force is not taken back', (t) => {
  const { company: all, hosts } = company(7, DAY_MS);
  const [, second, member] = hosts;
  if (second?.membership.inviting === undefined || member === undefined) return t.fail();
  const { spki } = member.node.enrolled.identity;
  const old = second.membership.inviting.issueFor(spki, 'old@overlay.example.net', all.wall);
  all.run(1_000);
  const young = second.membership.inviting.issueFor(spki, 'new@overlay.example.net', all.wall);
  t.true(all.act(member, (membership, now) => membership.own.take(young, now)));
  t.false(all.act(member, (membership, now) => membership.own.take(old, now)));
  t.is(member.membership.user, 'new@overlay.example.net');
});

test('a guest is served by whoever it is linked with: an inviter answers, others ask one', (t) => {
  const { company: all, hosts } = company(8, DAY_MS);
  const [authority, second, member] = hosts;
  if (authority === undefined || second === undefined || member === undefined) return t.fail();
  const spki = all.world.enrollment.enroll(null).identity.spki;
  const request = { type: 'enroll' as const, spki, request: Buffer.from('guest') };
  const answers: (Uint8Array | undefined)[] = [];
  all.world.crash(authority.node);
  for (const host of [second, member])
    for (const inviter of [undefined, second.node.id])
      all.act(host, (membership, now) =>
        membership.answerGuest(request, inviter, now, (answer) => answers.push(answer)),
      );
  all.run(40_000);
  t.is(answers.length, 4);
  for (const answer of answers) t.is(Buffer.from(answer ?? []).toString(), 'enrolled guest');
});

test('a new configuration document reaches everyone, is written, and an older one changes nothing', (t) => {
  const { company: all, hosts } = company(9, DAY_MS);
  const [authority] = hosts;
  if (authority === undefined) return t.fail();
  t.true(all.act(authority, (membership, now) => membership.acceptConfiguration(documentOf(2), now)));
  all.run(20_000);
  for (const { membership, disk, node } of hosts) {
    t.is(membership.configuration.sequence, 2);
    t.is(node.overlay.snapshot(all.world.now).configurationSequence, 2);
    t.deepEqual(Buffer.from(disk.document), Buffer.from(documentOf(2)));
  }
  t.false(all.act(authority, (membership, now) => membership.acceptConfiguration(documentOf(1), now)));
  t.false(all.act(authority, (membership, now) => membership.acceptConfiguration(Buffer.from('{'), now)));
});

test('the authority changes what the overlay agrees on: everyone has it, also over the end of the sequence numbers', (t) => {
  const { company: all, hosts } = company(11, DAY_MS);
  const [authority] = hosts;
  if (authority === undefined) return t.fail();
  const expected = { sequence: 2, rendezvous: 'mainline', certificateLifetimeS: 3600 } as const;
  all.act(authority, (membership, now) =>
    membership.change({ rendezvous: 'mainline', certificateLifetimeS: 3600 }, now),
  );
  all.run(20_000);
  for (const { membership } of hosts) t.like(membership.configuration, expected);
  // As after 65,532 more of them.
  for (const sequence of [30_000, 60_000, MAX_SEQUENCE])
    for (const host of hosts)
      t.true(all.act(host, (membership, now) => membership.acceptConfiguration(documentOf(sequence), now)));
  all.act(authority, (membership, now) => membership.change({ certificateLifetimeS: 7200 }, now));
  all.run(80_000);
  for (const { membership, node, disk } of hosts) {
    t.like(membership.configuration, { sequence: 0, certificateLifetimeS: 7200 });
    t.is(node.overlay.snapshot(all.world.now).configurationSequence, 0);
    t.deepEqual(Buffer.from(disk.document), Buffer.from(membership.document));
  }
});

test("what cannot be written, or is not the authority's to sign, changes nothing", (t) => {
  const { company: all, hosts } = company(12, DAY_MS);
  const [authority, , member] = hosts;
  if (authority === undefined || member === undefined) return t.fail();
  const change = (host: typeof authority): void =>
    all.act(host, (membership, now) => membership.change({ rendezvous: 'mainline' }, now));
  t.throws(() => change(member), { instanceOf: TypeError });
  authority.disk.full = true;
  t.throws(() => change(authority), { message: /ENOSPC/ });
  t.like(authority.membership.configuration, { sequence: 1, rendezvous: 'none' });
  t.deepEqual(authority.membership.unwritten, []);
  authority.disk.full = false;
  change(authority);
  t.like(authority.membership.configuration, { sequence: 2, rendezvous: 'mainline' });
});

test('no inviter answers until the certificate has ended: this host is lapsed, not lost', (t) => {
  const all = new Company(10, 120_000);
  const host = all.host('alone@overlay.example.net');
  all.run(100_000);
  t.is(host.membership.state, 'renewing');
  t.false(host.membership.lapsed);
  all.run(30_000);
  t.true(host.membership.lapsed);
  t.is(host.membership.state, 'renewing');
  t.is(ofType(host, 'lapsed'), 1);
});

test('whether the own certificate has ended is judged once a second, however many messages ask', (t) => {
  const { company: all, hosts } = company(7, DAY_MS);
  const [, , member] = hosts;
  if (member === undefined) return t.fail();
  const before = all.judgements;
  for (let i = 0; i < 1_000; i++) t.false(member.membership.lapsed);
  t.true(all.judgements <= before + 1);
});
