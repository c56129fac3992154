import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { Enroller, type EnrollmentResult } from '../../../src/agent/enroller.ts';
import { type Invitation, type InvitationOptions, makeInvitation } from '../../../src/agent/invitation.ts';
import { adoptMembership, createMembership, type Membership } from '../../../src/agent/membership.ts';
import { decide, readWish } from '../../../src/agent/wish.ts';
import type { Clock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { toStreamAddress } from '../../../src/base/stream-address.ts';
import { selfSignedCertificate } from '../../../src/identity/certificate-issuer.ts';
import { acceptEnrollmentAnswer, enrollmentRequest } from '../../../src/identity/enrollment.ts';
import { CODE_BYTES } from '../../../src/identity/code-secret.ts';
import { HostIdentity } from '../../../src/identity/host-identity.ts';
import { KeyStore } from '../../../src/identity/key-store.ts';
import { StateDirectory } from '../../../src/identity/state-directory.ts';
import { decodeTicket, encodeTicket, type Ticket } from '../../../src/identity/ticket.ts';
import { Lifecycle } from '../../../src/membership/lifecycle.ts';
import type { SimHost } from '../network/host.ts';
import type { NatBehaviour } from '../network/nat.ts';
import { HOME_NAT } from '../network/nat.ts';
import { SimNetwork } from '../network/network.ts';
import type { Segment, SegmentQuality } from '../network/segment.ts';
import { SimBoard, SimBoardPlace } from '../network/sim-board.ts';
import { SimDataPlane } from '../network/sim-data-plane.ts';
import { founderEnrollment } from './founder-enrollment.ts';
import { SimAgent, type SimAgentOptions } from './sim-agent.ts';
import { SimDriver } from './sim-driver.ts';

const OVERLAY = 'home.example';
const WALL_START = Date.UTC(2026, 0, 1);
const PORT = 6084;
const FOUNDER_ADDRESS = '203.0.113.1';
const HOME_ADDRESS = '10.0.0.2';
const TICKET_MS = 3_600_000;

/** Of the test that a world is for. */
export type WorldTest = Pick<ExecutionContext, 'log' | 'teardown' | 'passed'>;

/**
 * An overlay whose founder has a public address, and places for others.
 *
 * ```
 *   10.0.0.2 --- NAT 198.51.100.1 ---+
 *   10.0.0.2 --- NAT 198.51.100.2 ---+--- internet --- founder 203.0.113.1, others 203.0.113.N
 *   ...                           ---+
 * ```
 */
export class AgentWorld {
  readonly network: SimNetwork;
  readonly clock: Clock;
  readonly founder: SimAgent;
  readonly board: SimBoard;
  /** Where the founder is found, as a ticket says. */
  readonly entrance: readonly SocketAddress[];
  private readonly folder: string;
  private readonly folders = new Map<KeyStore, string>();
  private readonly t: WorldTest;
  private homes = 0;
  private publicHosts = 1;
  private members = 0;

  constructor(
    t: WorldTest,
    seed: number,
    options: {
      readonly internet?: SegmentQuality;
      /** The founder is behind this NAT instead of at its public address. */
      readonly founderNat?: NatBehaviour;
      /** Of the overlay's IPv4 addresses; absent: the default. */
      readonly ipv4Prefix?: string;
    } & SimAgentOptions = {},
  ) {
    t.log(`seed ${seed}`);
    this.t = t;
    this.entrance = [this.founderLocator, ...(options.streams ?? []).map(toStreamAddress)];
    this.network = new SimNetwork(seed, options.internet);
    const { loop, random } = this.network;
    this.clock = { monotonic: () => loop.now, wall: () => WALL_START + Math.floor(loop.now) };
    this.folder = mkdtempSync(join(tmpdir(), 'idloc-agents-'));
    t.teardown(() => {
      rmSync(this.folder, { recursive: true, force: true });
      if (!t.passed) t.log(this.network.flow.join('\n'));
    });
    const identity = this.newIdentity();
    const store = this.newStore();
    const wrongMs = options.clockOffsetMs ?? 0;
    const founderClock = { monotonic: () => loop.now, wall: () => this.clock.wall() + wrongMs };
    const membership = createMembership(
      store,
      identity,
      { overlay: OVERLAY, user: `founder@${OVERLAY}`, ipv4Prefix: options.ipv4Prefix ?? null },
      { random, clock: founderClock },
    );
    const { founderNat } = options;
    const host =
      founderNat === undefined
        ? this.network.host(this.network.internet, FOUNDER_ADDRESS)
        : this.network.host(this.home(founderNat), HOME_ADDRESS);
    this.board = new SimBoard(this.network);
    this.founder = new SimAgent(
      { network: this.network, clock: this.clock, host, identity, membership, store },
      options,
    );
    this.founder.start();
  }

  get now(): number {
    return this.network.loop.now;
  }

  get founderLocator(): SocketAddress {
    return { address: FOUNDER_ADDRESS, port: PORT };
  }

  run(ms: number): void {
    this.network.loop.run(ms);
  }

  until(done: () => boolean, limitMs: number): boolean {
    return this.network.loop.runUntil(done, limitMs);
  }

  /** What comes of it while virtual time goes by. */
  async settle<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    const state = { open: true };
    const done = (): void => void (state.open = false);
    promise.then(done, done);
    for (let ms = 0; ms < limitMs && state.open; ms += 100) {
      this.run(100);
      await turn();
    }
    return promise;
  }

  // Places

  /** A network behind a NAT of its own. */
  home(behaviour: NatBehaviour = HOME_NAT): Segment {
    this.homes += 1;
    return this.network.home(`home-${this.homes}`, `198.51.100.${this.homes}`, behaviour).lan;
  }

  hostAtHome(behaviour: NatBehaviour = HOME_NAT): SimHost {
    return this.network.host(this.home(behaviour), HOME_ADDRESS);
  }

  publicHost(): SimHost {
    this.publicHosts += 1;
    return this.network.host(this.network.internet, `203.0.113.${this.publicHosts}`);
  }

  // Members

  newIdentity(): HostIdentity {
    return HostIdentity.fromScalar(this.network.random.bytes(32));
  }

  newStore(like?: KeyStore): KeyStore {
    const path = mkdtempSync(join(this.folder, 'state-'));
    const source = like === undefined ? undefined : this.folders.get(like);
    if (source !== undefined) cpSync(source, path, { recursive: true, filter: (file) => basename(file) !== 'lock' });
    const state = StateDirectory.open(path);
    // In virtual time a write takes none.
    state.writeSoon = (name, content, options) => {
      state.write(name, typeof content === 'string' ? content : [...content].join(''), options);
      return Promise.resolve();
    };
    this.t.teardown(() => state.close());
    const store = new KeyStore(state);
    this.folders.set(store, path);
    return store;
  }

  /** Somebody copies the disk of a running host, and starts the copy elsewhere. */
  copyOf(agent: SimAgent, host: SimHost): SimAgent {
    return agent.copy(host, this.clock, this.newStore(agent.store));
  }

  /** A member that is not started yet; its certificate was asked for without the network. */
  member(
    host: SimHost,
    options: SimAgentOptions & { readonly user?: string; readonly identity?: HostIdentity } = {},
  ): SimAgent {
    this.members += 1;
    const { network, clock } = this;
    const user = options.user ?? `member${this.members}@${OVERLAY}`;
    const { identity = this.newIdentity() } = options;
    const wallNow = this.founder.running ? this.founder.engine.clock.wall() : clock.wall();
    const code = this.newCode(user, wallNow);
    const bytes = enrollmentRequest(identity, { overlay: OVERLAY, code, user });
    const request = { bytes, spki: identity.spki };
    const answer = this.founder.running
      ? this.founder.act(({ membership: { inviting } }) => inviting?.enroll(request, wallNow))
      : founderEnrollment(this.founder.membership, network.random).handle(request, wallNow);
    if (answer === undefined) throw new Error('the founder may not invite');
    const { hit: inviter, membership: founded } = this.founder;
    const { authority } = founded;
    const enrolled = acceptEnrollmentAnswer(answer, identity, { overlay: OVERLAY, authority, inviter, request: bytes });
    const store = this.newStore();
    const membership = adoptMembership(store, enrolled, { random: network.random, clock });
    return new SimAgent({ network, clock, host, identity, membership, store }, options);
  }

  /** Members that run, each told the founder's addresses as a ticket would. */
  started(...members: readonly SimAgent[]): void {
    for (const member of members) member.start({ start: this.entrance });
  }

  /** @returns whether all are in the overlay with an IPv4 address within `limitMs`, and things have settled. */
  allReady(agents: readonly SimAgent[], limitMs = 30_000): boolean {
    const ready = this.until(() => agents.every((agent) => agent.ready), limitMs);
    this.run(5_000);
    return ready;
  }

  // Tickets

  /**
   * As `idloc invite`.
   * @param addresses undefined: those that the inviter knows.
   * @param inviter the founder, or a member that was granted the right to invite.
   */
  ticket(
    user: string | null,
    addresses?: readonly SocketAddress[],
    inviter: SimAgent = this.founder,
    uses = 1,
  ): Ticket {
    return decodeTicket(this.invite(inviter, { user, addresses, uses }).ticket, 0);
  }

  /** What `idloc invite` says on a host. */
  invite(inviter: SimAgent, options: Pick<InvitationOptions, 'user' | 'addresses' | 'uses' | 'replaces'>): Invitation {
    const { membership, register } = inviter;
    const { random } = this.network;
    return inviter.act((engine, now) => {
      const given = { ...options, lifetimeMs: TICKET_MS };
      const invitation = makeInvitation({ engine, membership, register, random }, given, now);
      engine.ticketsChanged(now);
      return invitation;
    });
  }

  /** The founder gives a running member the right to invite; everyone knows soon. */
  grant(member: SimAgent): void {
    this.founder.act((engine, now) => engine.membership.office.grant(member.identity.spki, now));
    this.run(2_000);
  }

  /** What main.ts does with `--join`: enrolls, and starts on the same data plane. */
  join(
    host: SimHost,
    given: Ticket,
    user: string | null,
    options: SimAgentOptions & { readonly identity?: HostIdentity } = {},
  ): Joining {
    const decision = decide(readWish({ join: encodeTicket(given), overlay: null }), undefined, undefined);
    if (decision.do !== 'join') throw new Error(`told to ${decision.do}`);
    const { ticket } = decision;
    const { network } = this;
    const { loop, random } = network;
    // That of the host: SimAgent adds the same to the world's.
    const wrongMs = options.clockOffsetMs ?? 0;
    const clock = { monotonic: () => loop.now, wall: () => this.clock.wall() + wrongMs };
    const { identity = this.newIdentity() } = options;
    const dataPlane = new SimDataPlane({ loop, random, host });
    const certificate = selfSignedCertificate(identity, {
      overlay: OVERLAY,
      user: null,
      wallNow: clock.wall(),
      random,
    });
    dataPlane.setCredentials([certificate]);
    const board = (options.board ?? false) === false ? undefined : new SimBoardPlace(dataPlane);
    if (board !== undefined && options.board === 'configured') board.isOpen = ticket.mainline;
    const lifecycle = new Lifecycle();
    const enroller = new Enroller(
      {
        ...{ dataPlane, identity, lifecycle, random, clock, logger: options.logger ?? silentLogger },
        places: board === undefined ? [] : [board],
        onForeign: (data) => board?.receive(data),
      },
      { ticket, user },
    );
    const driver = new SimDriver(enroller, loop);
    const joining: Joining = { result: undefined, agent: undefined, lifecycle };
    const done = (result: EnrollmentResult): void => {
      driver.stop();
      joining.result = result;
      if (!result.ok) return;
      const store = this.newStore();
      const membership: Membership = adoptMembership(store, result.membership, { random, clock });
      joining.agent = new SimAgent({ network, clock: this.clock, host, identity, membership, store }, options);
      joining.agent.start({ start: ticket.addresses, dataPlane });
    };
    driver.pump(dataPlane);
    driver.run((now) => {
      enroller.links.setHostAddresses(host.addresses, now);
      enroller.start(now, (result) => loop.after(0, () => done(result)));
    });
    return joining;
  }

  private get authority(): NonNullable<Membership['founder']> {
    const { founder } = this.founder.membership;
    if (founder === undefined) throw new Error('the founder has no authority');
    return founder;
  }

  private newCode(user: string | null, wallNow: number): Uint8Array {
    const code = this.network.random.bytes(CODE_BYTES);
    this.authority.register.addCode(code, { expiresAt: wallNow + TICKET_MS, user, wallNow });
    return code;
  }
}

/** A newcomer with a ticket on its way in. */
export interface Joining {
  result: EnrollmentResult | undefined;
  agent: SimAgent | undefined;
  readonly lifecycle: Lifecycle;
}
