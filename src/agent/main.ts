import { hostname } from 'node:os';
import { systemClock } from '../base/clock.ts';
import { IdlocError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { hitToAddress } from '../base/node-id.ts';
import { systemRandom } from '../base/random.ts';
import { DEFAULT_IPV4_PREFIX } from '../base/ipv4-prefix.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { ControlServer } from '../control/control-server.ts';
import { DnsServer } from '../dns/dns-server.ts';
import { selfSignedCertificate } from '../identity/certificate-issuer.ts';
import type { Contact } from '../identity/contacts.ts';
import type { Membership as Enrolled } from '../identity/enrollment.ts';
import { HostIdentity } from '../identity/host-identity.ts';
import { KeyStore } from '../identity/key-store.ts';
import { isUserName } from '../identity/names.ts';
import { StateDirectory } from '../identity/state-directory.ts';
import type { Ticket } from '../identity/ticket.ts';
import type { DataPlane } from '../native/data-plane.ts';
import { aeadName, createDataPlane } from '../native/native.ts';
import { createNetlink } from '../native/netlink.ts';
import { notifySystemd } from '../native/systemd.ts';
import { Directory } from './directory.ts';
import { Driver } from './driver.ts';
import { Engine } from './engine.ts';
import { Enroller } from './enroller.ts';
import { lookUpEndpoints } from './endpoint-lookup.ts';
import { HostNetwork } from './host-network.ts';
import { chooseStyle, createLogger } from './logger.ts';
import {
  adoptMembership,
  createMembership,
  loadMembership,
  readTicket,
  settingsOf,
  type Membership,
} from './membership.ts';
import { Memory } from './memory.ts';
import { INITIAL_TUN_MTU, tunMtuFor } from '../tunnel/tun-mtu.ts';
import { controlHandlers } from './operations.ts';
import { SystemdNotifier, takeListenFds } from './systemd.ts';

const TOOLS = { random: systemRandom, clock: systemClock };

/** For the overlay that an agent without any other makes for itself: `.internal` is never delegated in the DNS. */
const PRIVATE_SUFFIX = 'internal';

/** How long the neighbours are given to take over what we store. */
const LEAVE_MS = 1_000;

export interface RunOptions {
  /** Ticket of a member of an overlay. */
  readonly join: string | null;
  /** Name of the overlay to make. */
  readonly create: string | null;
  /** Aborted to stop the agent. */
  readonly stop: AbortSignal;
}

/** Below systemd's 90 s for a start. */
const READY_WITHOUT_IPV4_MS = 30_000;

type Cleanup = (() => void | Promise<void>)[];

/**
 * Runs the agent until `stop` or `idloc down`.
 * @returns the exit status.
 * @throws {IdlocError} when it cannot start, and `tun_lost` when it cannot go on; nothing stays open or half-written then.
 */
export async function runAgent(config: AgentConfig, options: RunOptions): Promise<number> {
  const cleanup: Cleanup = [];
  try {
    await run(config, options, cleanup);
    return 0;
  } finally {
    for (const step of cleanup.reverse()) await step();
  }
}

async function run(config: AgentConfig, { join, create, stop }: RunOptions, cleanup: Cleanup): Promise<void> {
  const logger = createLogger({ level: config.log, style: chooseStyle(process.env, process.stderr.isTTY) });
  const notifier = new SystemdNotifier({ logger, notify: notifySystemd }, { env: process.env, pid: process.pid });
  const inherited = takeListenFds(process.env, process.pid);
  // Read before the directory is made: a broken ticket leaves nothing behind.
  const before = new KeyStore(StateDirectory.readOnly(config.state));
  const ticket = join === null ? undefined : readTicket(join, before, systemClock.wall());
  const state = StateDirectory.open(config.state);
  cleanup.push(() => state.close());
  const store = new KeyStore(state);
  const kept = store.loadIdentity();
  const identity = kept ?? HostIdentity.generate();
  const known = loadMembership(store, identity, TOOLS);
  checkSameOverlay(known, ticket?.overlay ?? create ?? config.overlay, config.state);

  // What can be refused for lack of privilege is asked for before anything is written.
  let tunMtu = config.tun.mtu ?? INITIAL_TUN_MTU;
  const tun = config.tun.enable ? { name: config.tun.name, mtu: tunMtu } : null;
  const dataPlane = createDataPlane({ port: config.listen, tun, limits: config.limits, copyDscp: config.copyDscp });
  cleanup.push(() => dataPlane.close());
  const netlink = createNetlink();
  const networkOf = (ipv4Prefix: string): HostNetwork =>
    new HostNetwork(netlink, { tunName: config.tun.name, ipv4Prefix });
  const anyNetwork = networkOf(config.ipv4Prefix ?? DEFAULT_IPV4_PREFIX);
  if (kept === undefined) store.saveIdentity(identity);
  const newcomer = { config, ticket, create, store, identity, dataPlane, network: anyNetwork, logger, stop };
  const membership = known ?? (await becomeMember(newcomer));
  const { overlay, ipv4Prefix, dnsName } = membership.configuration;
  dataPlane.setCredentials(membership.certificates, identity.pkcs8);

  const network = networkOf(ipv4Prefix);
  const memory = new Memory({ store, state, logger });
  cleanup.push(() => memory.flush());
  if (ticket !== undefined && known === undefined) memory.remember(inviterOf(ticket));
  const engine = new Engine(
    {
      dataPlane,
      identity,
      certificates: membership.certificates,
      trust: membership.trust,
      overlay: settingsOf(membership),
      enrollment: membership.founder?.enrollment,
      random: systemRandom,
      clock: systemClock,
      logger,
    },
    {
      role: config.role,
      user: membership.user,
      founder: membership.founder !== undefined,
      start: [...(ticket?.addresses ?? []), ...membership.configuration.bootstrapNodes],
      contacts: memory.contacts,
      ipv4Prefix,
      ipv4: memory.ownIpv4,
    },
  );
  const driver = new Driver(engine, systemClock);
  cleanup.push(() => driver.stop());

  const configureTun = (ipv4: string | undefined): void => {
    if (config.tun.enable) network.configureTun(identity.hit, ipv4, tunMtu);
  };
  if (config.tun.enable) {
    for (const clash of network.clashes()) logger.warn('address clash', { clash, prefix: ipv4Prefix });
    network.guard();
  }
  configureTun(memory.ownIpv4);
  // Again with each network: without one, names lead nowhere.
  const findStunServers = async (): Promise<void> => {
    if (config.stun.length === 0) return;
    const servers = await lookUpEndpoints(config.stun, logger);
    driver.run((now) => engine.links.setStunServers(servers, now));
  };
  const tunLost = new AbortController();
  const addressed = new Promise<void>((resolve) => {
    if (memory.ownIpv4 !== undefined) resolve();
    // Booted without a network and never joined: the service runs all the same, and gets the address later.
    setTimeout(resolve, READY_WITHOUT_IPV4_MS).unref();
    engine.onEvent((event) => {
      switch (event.type) {
        case 'joined':
          logger.info('joined', { overlay, role: event.role });
          return;
        case 'ipv4':
          logger.info('address', { ipv4: event.address });
          configureTun(event.address);
          memory.rememberOwnIpv4(event.address);
          resolve();
          return;
        case 'pathMtu':
          if (config.tun.mtu !== undefined || tunMtuFor(event.bytes) <= tunMtu) return;
          tunMtu = tunMtuFor(event.bytes);
          logger.info('tun mtu', { mtu: tunMtu });
          configureTun(engine.ipv4);
          return;
        case 'contact':
          memory.remember(event.contact);
          return;
        case 'network':
          driver.run((now) => engine.setHostAddresses(network.locators(), now));
          void findStunServers();
          return;
        case 'tunLost':
          logger.error('tun lost', { tun: config.tun.name });
          tunLost.abort();
      }
    });
  });
  dataPlane.onWake(() => {
    driver.run((now) => engine.drainEvents(now));
  });
  driver.run((now) => {
    engine.setHostAddresses(network.locators(), now);
    engine.start(now);
  });
  void findStunServers();

  const directory = new Directory({ engine, driver, overlay });
  const dns = new DnsServer(
    { lookup: directory, clock: systemClock, random: systemRandom, logger },
    { overlay: dnsName, ipv4Prefix, listen: config.dns.listen, inherited },
  );
  let dnsListen: SocketAddress | undefined;
  if (config.dns.enable) {
    cleanup.push(() => dns.stop());
    try {
      dnsListen = await dns.start();
    } catch (error) {
      // Addresses work without names: another resolver on that port is no reason to take the network away.
      logger.warn('no DNS stub', { err: messageOf(error) });
    }
  }

  const downAsked = new AbortController();
  const handlers = controlHandlers({
    engine,
    driver,
    directory,
    dataPlane,
    membership,
    config,
    logger,
    dnsListen,
    locators: () => network.locators(),
    tunMtu: () => tunMtu,
    stop: () => downAsked.abort(),
  });
  const control = new ControlServer({ handlers, logger }, { path: config.socket });
  await control.start();
  cleanup.push(() => control.stop());
  logger.info('ready', { hit: hitToAddress(identity.hit), overlay, port: dataPlane.port, aead: aeadName() });
  // Only with both addresses on the interface: a phone that starts after us must find them.
  void addressed.then(() => notifier.ready(`${overlay}: ${hitToAddress(identity.hit)} ${memory.ownIpv4 ?? ''}`));
  await aborted(AbortSignal.any([stop, downAsked.signal, tunLost.signal]));

  logger.info('stopping');
  await notifier.stopping();
  await new Promise<void>((resolve) => {
    const limit = setTimeout(resolve, LEAVE_MS);
    driver.run((now) => {
      engine.stop(now, () => {
        clearTimeout(limit);
        resolve();
      });
    });
  });
  if (tunLost.signal.aborted)
    throw new IdlocError(
      'tun_lost',
      `the interface ${config.tun.name} was deleted by someone else: start the agent again`,
    );
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function checkSameOverlay(known: Membership | undefined, wanted: string | null, state: string): void {
  if (known === undefined || wanted === null || known.configuration.overlay === wanted) return;
  const is = known.configuration.overlay;
  throw new IdlocError('other_overlay', `${state} belongs to the overlay ${is}, not to ${wanted}: use another --state`);
}

/** Where we came in is a way in the next time too. */
function inviterOf({ inviter, addresses }: Ticket): Contact {
  const unknown = { name: null, user: null, ipv4: null };
  return { hit: inviter, ...unknown, peer: true, locators: addresses, lastSeen: systemClock.wall() };
}

interface Newcomer {
  readonly config: AgentConfig;
  readonly ticket: Ticket | undefined;
  readonly create: string | null;
  readonly store: KeyStore;
  readonly identity: HostIdentity;
  readonly dataPlane: DataPlane;
  readonly network: HostNetwork;
  readonly logger: Logger;
  readonly stop: AbortSignal;
}

async function becomeMember(newcomer: Newcomer): Promise<Membership> {
  const { config, ticket, create, store, identity, logger } = newcomer;
  if (ticket !== undefined) {
    logger.info('enrolling', { overlay: ticket.overlay });
    return adoptMembership(store, await enroll(newcomer, ticket), TOOLS);
  }
  const overlay = create ?? config.overlay ?? `${Buffer.from(systemRandom.bytes(5)).toString('hex')}.${PRIVATE_SUFFIX}`;
  logger.info('creating overlay', { overlay });
  const options = { overlay, user: userName(config, overlay), ipv4Prefix: config.ipv4Prefix };
  return createMembership(store, identity, options, TOOLS);
}

/** `alice` in the overlay `home.example` is the user `alice@home.example`, and so has the host name `alice.home.example`. */
function userName(config: AgentConfig, overlay: string): string | null {
  if (config.user !== null) return config.user;
  const name = config.name ?? hostname().split('.')[0]?.toLowerCase() ?? '';
  const user = `${name}@${overlay}`;
  return isUserName(user) ? user : null;
}

function enroll({ config, identity, dataPlane, network, logger, stop }: Newcomer, ticket: Ticket): Promise<Enrolled> {
  const { overlay } = ticket;
  const certificate = selfSignedCertificate(identity, {
    overlay,
    user: null,
    wallNow: systemClock.wall(),
    random: systemRandom,
  });
  dataPlane.setCredentials([certificate], identity.pkcs8);
  const enroller = new Enroller(
    { dataPlane, identity, random: systemRandom, clock: systemClock, logger },
    { ticket, user: ticket.user ?? userName(config, overlay) },
  );
  const driver = new Driver(enroller, systemClock);
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      driver.stop();
      reject(new IdlocError('stopped', 'stopped before the overlay let us in'));
    };
    stop.addEventListener('abort', giveUp, { once: true });
    dataPlane.onWake(() => {
      driver.run((now) => enroller.drainEvents(now));
    });
    driver.run((now) => {
      enroller.links.setHostAddresses(network.locators(), now);
      enroller.start(now, (result) => {
        stop.removeEventListener('abort', giveUp);
        driver.stop();
        if (result.ok) resolve(result.membership);
        else reject(result.error);
      });
    });
  });
}
