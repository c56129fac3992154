import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { keptSettings } from '../../../src/agent/kept-settings.ts';
import { Lives, type AnyLife } from '../../../src/agent/lives.ts';
import { createMembership, type Membership } from '../../../src/agent/membership.ts';
import { readWish } from '../../../src/agent/wish.ts';
import { IdlocError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { signOverlayConfiguration } from '../../../src/config/overlay-configuration-writer.ts';
import { exportAuthority } from '../../../src/identity/authority-export.ts';
import { agentConfig, type AgentConfigInput } from '../../../src/config/agent-config.ts';
import { hitToAddress } from '../../../src/base/node-id.ts';
import { parseCertificate } from '../../../src/identity/certificate.ts';
import { acceptEnrollmentAnswer, enrollmentRequest } from '../../../src/identity/enrollment.ts';
import { CODE_BYTES } from '../../../src/identity/code-secret.ts';
import { HostIdentity } from '../../../src/identity/host-identity.ts';
import { KeyStore } from '../../../src/identity/key-store.ts';
import { StateDirectory } from '../../../src/identity/state-directory.ts';
import { encodeTicket, type Ticket } from '../../../src/identity/ticket.ts';
import type { Lifecycle } from '../../../src/membership/lifecycle.ts';
import { founderEnrollment } from '../../sim/agent/founder-enrollment.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const TOOLS = { random: systemRandom, clock: { monotonic: () => 0, wall: () => NOW } };
const NOTHING = readWish({ join: null, overlay: null });

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'idloc-lives-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

/** An overlay somewhere else. */
class Elsewhere {
  readonly membership: Membership;

  constructor(t: ExecutionContext, overlay: string) {
    const state = StateDirectory.open(folder(t));
    t.teardown(() => state.close());
    const options = { overlay, user: null, ipv4Prefix: null };
    this.membership = createMembership(new KeyStore(state), HostIdentity.generate(), options, TOOLS);
  }

  ticket(): string {
    const { configuration, authority, founder } = this.membership;
    const code = systemRandom.bytes(CODE_BYTES);
    const expiresAt = NOW + 60_000;
    founder?.register.addCode(code, { expiresAt, user: null, wallNow: NOW });
    const inviter = HostIdentity.generate().hit;
    const { overlay, mode } = configuration;
    const meeting = { secret: this.membership.secret, mainline: false };
    return encodeTicket({ overlay, mode, authority, inviter, addresses: [], code, ...meeting, expiresAt, user: null });
  }

  enroll(identity: HostIdentity, { overlay, code, authority, inviter }: Ticket, user: string | null = null) {
    const bytes = enrollmentRequest(identity, { overlay, code, user });
    const { spki } = identity;
    const answer = founderEnrollment(this.membership, systemRandom).handle({ bytes, spki }, NOW);
    return acceptEnrollmentAnswer(answer, identity, { overlay, authority, inviter, request: bytes });
  }
}

/** A host whose lives have neither sockets nor links; each step is noted. */
class TestHost {
  readonly path: string;
  readonly steps: string[] = [];
  readonly warnings: string[] = [];
  /** Of the lifecycle, as those were told that move it on. */
  readonly states: string[] = [];
  /** Settings that it did not follow. */
  readonly whys: unknown[] = [];
  /** The names that it asked for. */
  readonly asked: (string | null)[] = [];
  isOnlyInviter = false;
  /** What this host may not do. */
  refusal: IdlocError | undefined;
  lives!: Lives<{ close(): void }>;
  store!: KeyStore;
  private readonly t: ExecutionContext;
  private readonly elsewhere: Elsewhere | undefined;
  private state: StateDirectory | undefined;

  constructor(t: ExecutionContext, elsewhere?: Elsewhere) {
    this.t = t;
    this.elsewhere = elsewhere;
    this.path = folder(t);
    this.start();
  }

  /** The agent of a process that is started now. */
  start(name: string | null = 'x', aheadMs = 0, settings: AgentConfigInput = {}): void {
    this.state?.close();
    const state = StateDirectory.open(this.path);
    this.state = state;
    this.t.teardown(() => state.close());
    const store = new KeyStore(state);
    this.store = store;
    const identity = store.loadIdentity() ?? HostIdentity.generate();
    if (store.loadIdentity() === undefined) store.saveIdentity(identity);
    const { steps, elsewhere, isOnlyInviter } = this;
    const maker = {
      open: () => {
        steps.push('open');
        if (this.refusal !== undefined) throw this.refusal;
        return { close: () => void steps.push('close') };
      },
      enroll: (_ground: unknown, ticket: Ticket, user: string | null, lifecycle: Lifecycle) => {
        this.asked.push(user);
        this.states.push(lifecycle.state);
        lifecycle.move('enrolling');
        steps.push('enroll');
        return elsewhere === undefined
          ? Promise.reject(new IdlocError('enrollment_timeout', 'nobody answers'))
          : Promise.resolve().then(() => elsewhere.enroll(identity, ticket, user));
      },
      live: (_ground: unknown, membership: Membership, { lifecycle }: { lifecycle: Lifecycle }): AnyLife => {
        this.states.push(lifecycle.state);
        const { overlay } = membership.configuration;
        steps.push(`live ${overlay}`);
        const stop = (): Promise<void> => Promise.resolve(void steps.push(`stop ${overlay}`));
        const leave = (): Promise<boolean> => {
          steps.push(`leave ${overlay}`);
          return Promise.resolve(true);
        };
        return {
          ...{ membership, isOnlyInviter, stop, leave },
          handlers: {} as AnyLife['handlers'],
          addressed: Promise.resolve(),
          ipv4: undefined,
        };
      },
    };
    this.lives = new Lives({
      config: agentConfig(undefined, { ...settings, name: name ?? undefined }),
      state,
      store,
      identity,
      maker,
      logger: {
        ...silentLogger,
        warn: (event, fields = {}) => {
          this.warnings.push(event);
          if (event === 'setting not followed') this.whys.push(fields['why']);
        },
        error: (event) => this.warnings.push(event),
      },
      random: TOOLS.random,
      clock: { monotonic: () => 0, wall: () => NOW + aheadMs },
    });
  }

  get overlay(): string | undefined {
    return this.lives.current?.membership.configuration.overlay;
  }

  get files(): string[] {
    return readdirSync(this.path)
      .filter((name) => name !== 'lock')
      .sort();
  }
}

test('a host without settings makes an overlay of its own, and gives it up for the first ticket', async (t) => {
  const home = new Elsewhere(t, 'home.example');
  const host = new TestHost(t, home);
  await host.lives.begin(NOTHING);
  const own = host.overlay ?? '';
  t.regex(own, /\.internal$/);
  t.like(await host.lives.join(home.ticket()), { overlay: 'home.example', changed: true });
  t.is(host.overlay, 'home.example');
  t.deepEqual(host.steps, ['open', `live ${own}`, `stop ${own}`, 'open', 'enroll', 'live home.example']);
  t.deepEqual(host.states, ['member', 'invited', 'member']);
  // The authority's key of its own overlay is not deleted.
  t.true(existsSync(join(host.path, `left-${own}`, 'authority.pem')));
  t.false(existsSync(join(host.path, 'authority.pem')));
  host.start();
  await host.lives.begin(NOTHING);
  t.is(host.overlay, 'home.example');
});

const FAST_MS = 48 * 3_600_000;

test('a host whose clock is two days fast is let in by a ticket that has expired by it, and says so', async (t) => {
  const home = new Elsewhere(t, 'home.example');
  const host = new TestHost(t, home);
  host.start('x', FAST_MS);
  await host.lives.begin(readWish({ join: home.ticket(), overlay: null }));
  t.is(host.overlay, 'home.example');
  t.deepEqual(host.warnings, ['old ticket']);
  const told = new TestHost(t, home);
  told.start('y', FAST_MS);
  await told.lives.begin(NOTHING);
  t.like(await told.lives.join(home.ticket()), { overlay: 'home.example', changed: true });
});

test('a member whose settings want another rendezvous than its overlay has is told that they are not followed', async (t) => {
  const host = new TestHost(t);
  await host.lives.begin(readWish({ join: null, overlay: 'home.example' }));
  t.deepEqual(host.warnings, []);
  const { membership } = host.lives.current ?? {};
  if (membership === undefined) throw new Error('no life');
  const user = membership.user?.split('@')[0];
  const kept = (rendezvous?: 'none' | 'mainline'): string[] =>
    keptSettings(agentConfig(undefined, { name: user, rendezvous }), membership);
  t.deepEqual([kept(), kept('none')], [[], []]);
  t.deepEqual(kept('mainline'), [
    "rendezvous: home.example has none, not mainline: `idloc overlay` changes that, where the authority's key is",
  ]);
});

test('a member whose settings name it otherwise, or give its overlay another prefix, says at its start that nothing comes of it and what to do', async (t) => {
  const home = new Elsewhere(t, 'home.example');
  const host = new TestHost(t, home);
  await host.lives.begin(readWish({ join: home.ticket(), overlay: null }));
  t.is(host.lives.current?.membership.user, 'x@home.example');
  t.deepEqual(host.whys, []);
  host.start('y', 0, { ipv4_prefix: '10.44.0.0/16' });
  await host.lives.begin(NOTHING);
  const { membership } = host.lives.current ?? {};
  if (membership === undefined) throw new Error('no life');
  t.is(membership.user, 'x@home.example');
  t.deepEqual(host.whys, [
    'name: this host is x in home.example, not y: `idloc rename x y` on a host that may invite changes that',
    'ipv4_prefix: home.example has 198.18.0.0/15, not 10.44.0.0/16: only who creates an overlay chooses',
  ]);
  for (const [input, says] of [
    [{ user: 'z@home.example' }, '`idloc rename x z` on a host that may invite changes that'],
    [{ user: 'z@other.example' }, 'only NAME@home.example could be: correct the setting'],
    [
      { certificate_lifetime: 604_800 },
      'certificate_lifetime: home.example has 31536000, not 604800: `idloc overlay` changes that',
    ],
  ] as const) {
    const [why = '', ...others] = keptSettings(agentConfig(undefined, input), membership);
    t.true(why.includes(says), why);
    t.deepEqual(others, []);
  }
  const nameless = { ...membership, user: null };
  const hit = hitToAddress(parseCertificate(membership.certificates[0] ?? new Uint8Array()).nodeId);
  t.deepEqual(keptSettings(agentConfig(undefined, { name: 'y' }), nameless), [
    `name: this host is nameless in home.example, not y: \`idloc rename ${hit} y\` on a host that may invite changes that`,
  ]);
});

test('an old ticket in the settings of a host that has an overlay of its own leaves it there when nobody takes it', async (t) => {
  const host = new TestHost(t);
  await host.lives.begin(NOTHING);
  const { overlay } = host;
  host.start('x', FAST_MS);
  await host.lives.begin(readWish({ join: new Elsewhere(t, 'home.example').ticket(), overlay: null }));
  t.is(host.overlay, overlay);
  t.deepEqual(host.warnings, ['old ticket', 'settings not followed']);
});

test('the second of two machines with one host name is told how to choose another, and does', async (t) => {
  const home = new Elsewhere(t, 'home.example');
  const first = new TestHost(t, home);
  await first.lives.begin(NOTHING);
  t.like(await first.lives.join(home.ticket()), { name: 'x.home.example' });
  const second = new TestHost(t, home);
  await second.lives.begin(NOTHING);
  await t.throwsAsync(second.lives.join(home.ticket()), {
    code: 'enrollment_refused',
    message: /x@home\.example is taken.*`idloc join TICKET --name NAME`.*`name = "NAME"`/,
  });
  await t.throwsAsync(second.lives.join(home.ticket(), 'no.label'), { code: 'bad_user' });
  t.like(await second.lives.join(home.ticket(), 'z'), { name: 'z.home.example', changed: true });
  t.deepEqual(second.asked, ['x@home.example', 'z@home.example']);
});

test('a ticket in the settings of a host that has an overlay of its own is followed at the next start', async (t) => {
  const home = new Elsewhere(t, 'home.example');
  const host = new TestHost(t, home);
  await host.lives.begin(NOTHING);
  host.start();
  await host.lives.begin(readWish({ join: home.ticket(), overlay: null }));
  t.is(host.overlay, 'home.example');
});

test('a host that lacks a privilege spends no ticket, by its settings or by a word', async (t) => {
  const home = new Elsewhere(t, 'home.example');
  const host = new TestHost(t, home);
  const ticket = home.ticket();
  host.refusal = new IdlocError('no_privilege', 'no interface can be made: run as root');
  await t.throwsAsync(host.lives.begin(readWish({ join: ticket, overlay: null })), { code: 'no_privilege' });
  t.deepEqual(host.steps, ['open']);
  host.refusal = undefined;
  await host.lives.begin(NOTHING);
  host.refusal = new IdlocError('no_privilege', 'no interface can be made: run as root');
  await t.throwsAsync(host.lives.join(ticket), { code: 'no_privilege' });
  t.false(host.steps.includes('enroll'));
});

test('when nobody lets it in, the host goes on where it was, with nothing changed on the disk', async (t) => {
  const host = new TestHost(t);
  await host.lives.begin(NOTHING);
  const { overlay, files } = host;
  const ticket = new Elsewhere(t, 'home.example').ticket();
  await t.throwsAsync(host.lives.join(ticket), { code: 'enrollment_timeout' });
  t.is(host.overlay, overlay);
  t.deepEqual(host.files, files);
  const life = overlay ?? '';
  t.deepEqual(host.steps.slice(2), [`stop ${life}`, 'open', 'enroll', 'close', 'open', `live ${life}`]);
});

test('a member is not taken into another overlay, and the same ticket again is nothing to do', async (t) => {
  const home = new Elsewhere(t, 'home.example');
  const host = new TestHost(t, home);
  const ticket = home.ticket();
  await host.lives.begin(readWish({ join: ticket, overlay: null }));
  const steps = host.steps.length;
  t.like(await host.lives.join(ticket), { overlay: 'home.example', changed: false });
  const other = new Elsewhere(t, 'other.example').ticket();
  await t.throwsAsync(host.lives.join(other), { code: 'other_overlay', message: /belongs to home\.example/ });
  await t.throwsAsync(host.lives.create('other.example'), { code: 'other_overlay' });
  await t.throwsAsync(host.lives.join('garbage'), { code: 'bad_ticket' });
  t.is(host.steps.length, steps);
  t.is(host.overlay, 'home.example');
});

test('a host that leaves keeps its identity and nothing else, and a restart does not take it back', async (t) => {
  const home = new Elsewhere(t, 'home.example');
  const host = new TestHost(t, home);
  const wish = readWish({ join: home.ticket(), overlay: null });
  await host.lives.begin(wish);
  const { overlay, files, givenBack } = await host.lives.leave({ force: false });
  t.is(overlay, 'home.example');
  t.true(givenBack);
  t.is(host.steps.at(-1), 'leave home.example');
  t.is(host.lives.state, 'left');
  t.is(files, join(host.path, 'left-home.example'));
  t.deepEqual(host.files, ['identity.pem', 'left', 'left-home.example']);
  t.deepEqual(readdirSync(files).sort(), ['certificate.pem', 'overlay.xml', 'rendezvous']);
  t.is(host.lives.state, 'left');
  await t.throwsAsync(host.lives.leave({ force: false }), { code: 'no_overlay' });
  for (const settings of [wish, NOTHING]) {
    host.start();
    await host.lives.begin(settings);
    t.is(host.lives.state, 'left');
  }
  t.like(await host.lives.join(home.ticket()), { overlay: 'home.example', changed: true });
  t.false(existsSync(join(host.path, 'left')));
  await host.lives.leave({ force: false });
  t.true(existsSync(join(host.path, 'left-home.example.2', 'certificate.pem')));
  t.like(await host.lives.create('new.example'), { overlay: 'new.example', name: 'x.new.example', changed: true });
});

test('an agent that was killed while it left has left', async (t) => {
  const home = new Elsewhere(t, 'home.example');
  const host = new TestHost(t, home);
  await host.lives.begin(readWish({ join: home.ticket(), overlay: null }));
  const mark = JSON.stringify({ version: 1, overlay: 'home.example', settings: null });
  host.start();
  StateDirectory.prototype.write.call(Reflect.get(host, 'state'), 'left', mark, { secret: true });
  await host.lives.begin(NOTHING);
  t.is(host.lives.state, 'left');
  t.deepEqual(host.files, ['identity.pem', 'left', 'left-home.example']);
});

test('the host without which nobody lets others in leaves only by force', async (t) => {
  const host = new TestHost(t);
  host.isOnlyInviter = true;
  host.start();
  await host.lives.begin(readWish({ join: null, overlay: 'home.example' }));
  await t.throwsAsync(host.lives.leave({ force: false }), { code: 'only_inviter', message: /--force/ });
  t.is(host.overlay, 'home.example');
  const { files } = await host.lives.leave({ force: true });
  t.true(existsSync(join(files, 'authority.pem')));
});

test('two changes at once: the second is told to wait', async (t) => {
  const home = new Elsewhere(t, 'home.example');
  const host = new TestHost(t, home);
  await host.lives.begin(NOTHING);
  const [first, second] = await Promise.allSettled([host.lives.join(home.ticket()), host.lives.create('new.example')]);
  t.is(first.status, 'fulfilled');
  t.like(second, { status: 'rejected', reason: { code: 'busy' } });
});

test('a name that is none makes no overlay', async (t) => {
  const host = new TestHost(t);
  await host.lives.begin(NOTHING);
  for (const name of ['not a name', 'co.uk']) await t.throwsAsync(host.lives.create(name), { code: 'bad_overlay' });
});

test('the authority goes to another member: it stays who it is, and is the founder beside the old one', async (t) => {
  const founder = new TestHost(t);
  await founder.lives.begin(readWish({ join: null, overlay: 'home.example' }));
  const { text, overlay } = await founder.lives.exportAuthority('a long passphrase');
  t.is(overlay, 'home.example');
  const { membership } = founder.lives.current ?? {};
  const elsewhere = Object.assign(Object.create(Elsewhere.prototype) as Elsewhere, { membership });
  const member = new TestHost(t, elsewhere);
  member.start('y');
  await member.lives.begin(readWish({ join: elsewhere.ticket(), overlay: null }));
  const certificates = member.lives.current?.membership.certificates;
  await t.throwsAsync(member.lives.exportAuthority('a long passphrase'), { code: 'no_authority' });
  await t.throwsAsync(member.lives.importAuthority(text, 'another passphrase'), { message: /passphrase is wrong/ });
  t.is(member.lives.current?.membership.founder, undefined);
  t.like(await member.lives.importAuthority(text, 'a long passphrase'), { overlay: 'home.example', changed: true });
  const restored = member.lives.current?.membership;
  t.deepEqual(restored?.certificates, certificates);
  t.deepEqual(restored?.founder?.authority.fingerprint, membership?.founder?.authority.fingerprint);
  t.like(await member.lives.importAuthority(text, 'a long passphrase'), { changed: false });
});

test('the founder is lost: its authority makes a new host of another name the founder, and every member stays known', async (t) => {
  const founder = new TestHost(t);
  await founder.lives.begin(readWish({ join: null, overlay: 'home.example' }));
  const { text } = await founder.lives.exportAuthority('a long passphrase');
  const fresh = new TestHost(t);
  await fresh.lives.begin(NOTHING);
  await t.throwsAsync(fresh.lives.importAuthority(text, 'a long passphrase'), { code: 'name_taken' });
  t.regex(fresh.overlay ?? '', /\.internal$/);
  fresh.start('y');
  await fresh.lives.begin(NOTHING);
  const entered = await fresh.lives.importAuthority(text, 'a long passphrase');
  t.like(entered, { overlay: 'home.example', name: 'y.home.example', changed: true });
  const users = fresh.lives.current?.membership.founder?.register.memberList().map(({ user }) => user);
  t.deepEqual(users, ['x@home.example', 'y@home.example']);
});

test('an authority is not brought into another overlay', async (t) => {
  const founder = new TestHost(t);
  await founder.lives.begin(readWish({ join: null, overlay: 'home.example' }));
  const { text } = await founder.lives.exportAuthority('a long passphrase');
  const other = new TestHost(t);
  await other.lives.begin(readWish({ join: null, overlay: 'other.example' }));
  await t.throwsAsync(other.lives.importAuthority(text, 'a long passphrase'), { code: 'other_overlay' });
  t.is(other.overlay, 'other.example');
});

test('the authority goes to a member: of the document that it brings and that of the member, the newer one is kept', async (t) => {
  const founder = new TestHost(t);
  await founder.lives.begin(readWish({ join: null, overlay: 'home.example' }));
  const { membership } = founder.lives.current ?? {};
  if (membership?.founder === undefined) throw new Error('no founder');
  const { configuration, founder: founded, secret, document } = membership;
  const { authority, register } = founded;
  const newer = signOverlayConfiguration({ ...configuration, sequence: 2, certificateLifetimeS: 3600 }, authority);
  const elsewhere = Object.assign(Object.create(Elsewhere.prototype) as Elsewhere, { membership });
  const exported = (bytes: Uint8Array): Promise<string> =>
    exportAuthority({ authority, register, configuration: bytes, secret }, 'a long passphrase', systemRandom);
  const imported = async (text: string, has: Uint8Array): Promise<(number | undefined)[]> => {
    const member = new TestHost(t, elsewhere);
    member.start(`y${randomUUID()}`);
    await member.lives.begin(readWish({ join: elsewhere.ticket(), overlay: null }));
    member.store.saveOverlayDocument(has);
    member.start();
    await member.lives.begin(NOTHING);
    await member.lives.importAuthority(text, 'a long passphrase');
    const sequence = member.lives.current?.membership.configuration.sequence;
    member.start();
    await member.lives.begin(NOTHING);
    return [sequence, member.lives.current?.membership.configuration.sequence];
  };
  t.deepEqual(await imported(await exported(newer), document), [2, 2]);
  t.deepEqual(await imported(await exported(document), newer), [2, 2]);
});
