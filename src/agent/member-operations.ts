import { IdlocError } from '../base/errors.ts';
import { addressToHit, hitToAddress, isHit, type Hit } from '../base/node-id.ts';
import type { ControlHandlers } from '../control/schemas.ts';
import { parseCertificate, type NodeCertificate } from '../identity/certificate.ts';
import { ABANDONED_AFTER_MS, type EnrollmentRegister } from '../identity/enrollment-register.ts';
import { isUserOf } from '../identity/names.ts';
import { memberList, type Member, type Sighting } from '../membership/member-list.ts';
import type { Inviting } from '../membership/ports.ts';
import type { RosterAnswer, RosterEntry } from '../membership/roster.ts';
import type { ReservationOutcome } from '../overlay/reservations.ts';
import type { Driver } from './driver.ts';
import type { Engine } from './engine.ts';

export interface MemberOperationsComponents {
  readonly engine: Engine;
  readonly driver: Pick<Driver, 'run'>;
  /** Where this host may invite: whom it has let in, and its tickets. */
  readonly register: Pick<EnrollmentRegister, 'hostsOf' | 'member' | 'memberList' | 'openTickets'>;
}

type Handlers = Pick<ControlHandlers, 'members' | 'grant' | 'revoke' | 'rename'>;

/** What local clients may ask about the members of the overlay, and of those that may change something: to change it. */
export function memberHandlers(agent: MemberOperationsComponents): Handlers {
  return {
    members: async () => {
      const { members, missing } = await survey(agent);
      return { members: members.map((member) => ({ ...member, hit: hitToAddress(member.hit) })), missing };
    },
    grant: async ({ target }) => {
      const right = rightToInvite(agent.engine);
      if (!right.isAuthority)
        throw new IdlocError(
          'no_authority',
          "only with the authority's key can the right to invite be given: run this where it is, or `idloc authority import` it",
        );
      const hosts = await hostsOf(agent, target);
      for (const { hit } of hosts) {
        const { spki } = certificateOf(hosts.survey, agent.engine, hit, target);
        agent.driver.run((now) => agent.engine.membership.office.grant(spki, now));
      }
      return { granted: shown(hosts) };
    },
    revoke: async ({ target }) => {
      const { engine, driver, register } = agent;
      rightToInvite(engine);
      const hosts = await hostsOf(agent, target);
      if (hosts.some(({ hit }) => hit === engine.hit))
        throw new IdlocError('own_host', `${target} is this host: \`idloc leave\` takes it out of the overlay`);
      const userOf = new Map(hosts.map(({ hit, user }) => [hit, user]));
      const openTickets = (): number => register.openTickets(engine.clock.wall()).length;
      const before = openTickets();
      driver.run((now) => {
        engine.membership.office.revoke([...userOf.keys()], now, (hit) => userOf.get(hit) ?? null);
        engine.ticketsChanged(now);
      });
      const left = hosts.filter(({ hit }) => !engine.membership.revoked.has(hit));
      if (left.length > 0)
        throw new IdlocError(
          'no_authority',
          `${left.map(({ hit }) => hitToAddress(hit)).join(', ')} may invite: only the authority revokes it: run this where its key is`,
        );
      return { revoked: shown(hosts), tickets: before - openTickets() };
    },
    rename: async ({ target, name }) => {
      const { engine } = agent;
      rightToInvite(engine);
      const user = userOf(engine, name);
      checkName(engine, name, user);
      const hosts = await hostsOf(agent, target);
      await checkFree(agent, user, hosts);
      const renamed = [];
      for (const { hit } of hosts) {
        const { spki } = certificateOf(hosts.survey, engine, hit, target);
        if (await rename(agent, { hit, spki }, user)) renamed.push({ hit: hitToAddress(hit), user });
      }
      if (renamed.length === 0)
        throw new IdlocError('unreachable', `${target} does not answer: it can be renamed while it runs`);
      return { renamed };
    },
  };
}

interface Survey {
  readonly members: readonly Member[];
  readonly entries: readonly RosterEntry[];
  readonly missing: number;
}

async function survey({ engine, driver, register }: MemberOperationsComponents): Promise<Survey> {
  const { membership } = engine;
  const wallNow = engine.clock.wall();
  const { entries, missing } = await rosterOf(engine, driver);
  const role = engine.overlay?.role;
  const members = memberList({
    self: {
      hit: engine.hit,
      user: membership.user,
      lastSeen: wallNow,
      expires: membership.expires,
      ...(role !== undefined && { role }),
    },
    linked: [...engine.linkedMembers].map(([hit, { user, certificate }]) => ({
      hit,
      user,
      lastSeen: wallNow,
      expires: certificate.notAfter,
    })),
    roster: entries.map((entry) => ({ ...entry, expires: readCertificate(entry.certificate)?.notAfter ?? null })),
    known: [
      ...register.memberList().map(({ hit, user }): Sighting => ({ hit, user, lastSeen: null })),
      ...engine.contacts.map(({ hit, user, lastSeen }): Sighting => ({ hit, user, lastSeen })),
    ],
    revoked: membership.revokedHosts,
    inviters: membership.office.inviters,
  });
  return { members, entries, missing };
}

function rosterOf({ roster }: Engine, driver: Pick<Driver, 'run'>): Promise<RosterAnswer> {
  if (roster === undefined) throw new IdlocError('not_joined', 'not in the overlay yet: try again in a moment');
  return new Promise((resolve) => {
    driver.run((now) => roster.list(now, resolve));
  });
}

/** A user's hosts, or the one host of a HIT; none of them revoked. */
async function hostsOf(
  agent: MemberOperationsComponents,
  target: string,
): Promise<readonly Member[] & { readonly survey: Survey }> {
  const found = await survey(agent);
  const hit = target.includes(':') ? readHit(target) : undefined;
  const user = userOf(agent.engine, target.toLowerCase());
  const hosts = found.members.filter(
    (member) => member.state !== 'revoked' && (hit === undefined ? member.user === user : member.hit === hit),
  );
  if (hosts.length === 0)
    throw new IdlocError('no_such_member', `${target}: no member of that name: \`idloc members\` shows all`);
  return Object.assign(hosts, { survey: found });
}

function readHit(target: string): Hit {
  try {
    const hit = addressToHit(target);
    if (isHit(hit)) return hit;
  } catch {
    // Told below.
  }
  throw new IdlocError('bad_target', `${target}: neither a name nor a HIT`);
}

/** `alice`, `alice.home.example` and `alice@home.example` are one. */
function userOf({ membership }: Engine, name: string): string {
  const { overlay } = membership.configuration;
  if (name.includes('@')) return name;
  const suffix = `.${overlay}`;
  return `${name.endsWith(suffix) ? name.slice(0, -suffix.length) : name}@${overlay}`;
}

export function rightToInvite(engine: Engine): Inviting {
  const { inviting } = engine.membership;
  if (inviting === undefined) throw noRight(engine);
  return inviting;
}

export function noRight({ membership }: Engine): IdlocError {
  const { inviters } = membership.office;
  const where = inviters.length === 0 ? 'none is known' : inviters.map(hitToAddress).join(', ');
  return new IdlocError(
    'no_right',
    `this host may not invite or change who is a member: run this on a host that may (${where})`,
  );
}

function certificateOf({ entries }: Survey, engine: Engine, hit: Hit, target: string): NodeCertificate {
  const known =
    engine.linkedMembers.get(hit)?.certificate ??
    readCertificate(
      hit === engine.hit ? engine.membership.own.chain[0] : entries.find((entry) => entry.hit === hit)?.certificate,
    );
  if (known !== undefined) return known;
  throw new IdlocError('no_certificate', `${target} has told the overlay nothing about itself yet: try when it runs`);
}

function readCertificate(der: Uint8Array | undefined): NodeCertificate | undefined {
  try {
    return der === undefined ? undefined : parseCertificate(der);
  } catch {
    return undefined;
  }
}

/** @throws {IdlocError} unless it is one of this overlay. */
function checkName({ membership }: Engine, name: string, user: string): void {
  const { overlay } = membership.configuration;
  if (!isUserOf(user, overlay))
    throw new IdlocError(
      'bad_name',
      `${name} is no user of ${overlay}: use a-z, 0-9 and -, at most 63, such as alice or alice@${overlay}`,
    );
}

/** Who was let in under the name and has not come yet. */
function awaitedHost({ engine, register }: MemberOperationsComponents, user: string): Hit | undefined {
  const wallNow = engine.clock.wall();
  return register.hostsOf(user).find((hit) => {
    const host = register.member(hit);
    return host?.seen === false && host.expiresAt > wallNow && !engine.membership.revoked.has(hit);
  });
}

/** @throws {IdlocError} unless nobody else has the name, or may have it still. */
async function checkFree(agent: MemberOperationsComponents, user: string, hosts: readonly Member[]): Promise<void> {
  const holders = await new Promise<readonly Hit[] | undefined>((resolve) => {
    agent.driver.run((now) => agent.engine.holdersOf(user, now, resolve));
  });
  if (holders?.some((holder) => hosts.every(({ hit }) => hit !== holder)) === true)
    throw new IdlocError(
      'name_taken',
      `${user} is another host's: choose another name; \`idloc members\` shows whose, and \`idloc revoke\` ends a host that is gone`,
    );
  const awaited = awaitedHost(agent, user);
  if (awaited !== undefined && hosts.every(({ hit }) => hit !== awaited))
    throw new IdlocError(
      'name_taken',
      `${user} is a host that was let in and has not come yet: choose another name, or end that host by ` +
        `\`idloc revoke ${hitToAddress(awaited)}\``,
    );
  const outcome = await new Promise<ReservationOutcome>((resolve) => {
    const hits = hosts.map(({ hit }) => hit);
    agent.driver.run((now) => agent.engine.membership.office.reserve(user, hits, now, resolve));
  });
  if (outcome === 'others')
    throw new IdlocError(
      'name_taken',
      `another inviter keeps ${user} for a ticket, or for a host that it has just let in: choose another name, or try again in ${ABANDONED_AFTER_MS / 60_000} minutes`,
    );
  if (outcome === 'unknown')
    throw new IdlocError('not_joined', `nobody can say whether ${user} is free: try again in a moment`);
}

function rename(
  { engine, driver }: MemberOperationsComponents,
  host: { readonly hit: Hit; readonly spki: Uint8Array },
  user: string,
): Promise<boolean> {
  return new Promise((resolve) => {
    driver.run((now) => engine.membership.office.rename(host, user, now, resolve));
  });
}

function shown(hosts: readonly Member[]): { hit: string; user: string | null }[] {
  return hosts.map(({ hit, user }) => ({ hit: hitToAddress(hit), user }));
}
