import { systemClock } from '../base/clock.ts';
import { IdlocError, messageOf, type ReportError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { hitToAddress } from '../base/node-id.ts';
import { systemRandom } from '../base/random.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { renewedStreamCertificate } from '../config/stream-certificate.ts';
import { ControlServer } from '../control/control-server.ts';
import { DnsServer } from '../dns/dns-server.ts';
import { HostIdentity } from '../identity/host-identity.ts';
import { KeyStore } from '../identity/key-store.ts';
import { StateDirectory } from '../identity/state-directory.ts';
import { listeningAddress } from '../native/bound-socket.ts';
import { notifySystemd } from '../native/systemd.ts';
import { agentHandlers } from './agent-handlers.ts';
import { Driver } from './driver.ts';
import { Ground } from './ground.ts';
import { Guard } from './guard.ts';
import type { Host } from './host.ts';
import { lastNet } from './last-net.ts';
import { readLeftMark } from './left-mark.ts';
import { Life } from './life.ts';
import { Lives, type LifeMaker } from './lives.ts';
import { chooseStyle, createLogger } from './logger.ts';
import { enroll } from './newcomer.ts';
import { StreamCertificateKeeper } from './stream-certificate-keeper.ts';
import {
  type InheritedSockets,
  closeUnused,
  keepNamedStreams,
  SystemdNotifier,
  takeListenFds,
  tellOverlay,
} from './systemd.ts';
import { setV8Flags } from './v8-flags.ts';
import { decide, readWish, type Wish } from './wish.ts';

export interface RunOptions {
  /** Ticket of a member of an overlay. */
  readonly join: string | null;
  /** Name of the overlay to make. */
  readonly create: string | null;
  /** Aborted to stop the agent. */
  readonly stop: AbortSignal;
}

type Cleanup = (() => void | Promise<void>)[];

/**
 * Runs the agent until `stop` or `idloc down`.
 * @returns the exit status.
 * @throws {IdlocError} when it cannot start, and `tun_lost` when it cannot go on; nothing stays open or half-written then.
 */
export async function runAgent(config: AgentConfig, options: RunOptions): Promise<number> {
  const cleanup: Cleanup = [];
  const logger = createLogger({ level: config.log, style: chooseStyle(process.env, process.stderr.isTTY) });
  setV8Flags();
  const notifier = new SystemdNotifier({ logger, notify: notifySystemd }, { env: process.env, pid: process.pid });
  try {
    await run(config, options, { logger, notifier, cleanup });
    return 0;
  } catch (error) {
    // Of a service that is not started again, `systemctl status` goes on to show this.
    await notifier.status(`failed: ${messageOf(error)}`);
    throw error;
  } finally {
    for (const step of cleanup.reverse()) await step();
  }
}

async function run(
  config: AgentConfig,
  { join, create, stop }: RunOptions,
  { logger, notifier, cleanup }: { logger: Logger; notifier: SystemdNotifier; cleanup: Cleanup },
): Promise<void> {
  const inherited = takeListenFds(process.env, process.pid);
  const wish = readWish({ join, overlay: create ?? config.overlay });
  checkBeforehand(config, wish);

  // What the process has, whatever overlay it is in.
  const state = StateDirectory.open(config.state);
  cleanup.push(() => state.close());
  if (state.unwritable !== undefined)
    logger.warn('nothing can be written', {
      state: state.path,
      err: state.unwritable,
      lost: 'what is learned from now on',
    });
  const store = new KeyStore(state);
  const kept = store.loadIdentity();
  const identity = kept ?? HostIdentity.generate();
  const downAsked = new AbortController();
  const asked = AbortSignal.any([stop, downAsked.signal]);
  const guard = new Guard({ logger });
  const report: ReportError = (what, error) => guard.report(what, error);
  const dns = await startDns(config, { logger, inherited: inherited.dns, report }, cleanup);
  const host: Host = {
    config,
    state,
    store,
    identity,
    logger,
    guard,
    dns,
    streamSockets: keepNamedStreams(inherited.streams, config.stream.listen, { logger, listeningAddress }),
    streamCertificate: keepStreamCertificate(config, { logger, guard }, cleanup),
    stop: asked,
  };

  // The overlay that it is in.
  const maker: LifeMaker<Ground> = {
    open: () => {
      const ground = new Ground(host);
      // Only now that nothing can be refused any more.
      if (store.loadIdentity() === undefined) store.saveIdentity(identity);
      return ground;
    },
    enroll: (ground, ticket, user, lifecycle) => enroll(host, ground, { ticket, user, lifecycle }),
    live: (ground, membership, { ticket, lifecycle, onLost }) => {
      const onTunLost = (): void => onLost(tunLost(config));
      const life = new Life(host, ground, { membership, lifecycle, ticket, onTunLost });
      tellOverlay(process.env, membership.configuration.overlay, logger);
      return life;
    },
  };
  const tools = { random: systemRandom, clock: systemClock, logger };
  const lives = new Lives({ config, state, store, identity, maker, ...tools });
  cleanup.push(() => lives.stop());

  const handlers = agentHandlers(host, lives, () => downAsked.abort());
  const control = new ControlServer({ handlers, logger, report }, { path: config.socket });
  await control.start();
  cleanup.push(() => control.stop());

  await lives.begin(wish);
  // Only with both addresses on the interface: a phone that starts after us must find them.
  void (lives.current?.addressed ?? Promise.resolve()).then(() => notifier.ready(summary(host, lives)));
  const net = lastNet(report);
  cleanup.push(net.remove);
  await Promise.race([aborted(asked), lives.ended, net.broken]);
  logger.info('stopping');
  await notifier.stopping();
}

/** Before the directory is made: what can be refused leaves nothing behind. */
function checkBeforehand(config: AgentConfig, wish: Wish): void {
  const state = StateDirectory.readOnly(config.state);
  if (new KeyStore(state).loadCertificates() === undefined) decide(wish, undefined, readLeftMark(state));
}

async function startDns(
  config: AgentConfig,
  given: {
    readonly logger: Logger;
    readonly inherited: InheritedSockets['dns'];
    readonly report: ReportError;
  },
  cleanup: Cleanup,
): Promise<Host['dns']> {
  const { logger, inherited, report } = given;
  if (!config.dns.enable) {
    closeUnused([inherited.udp, inherited.tcp]);
    return undefined;
  }
  const components = { clock: systemClock, random: systemRandom, logger, report };
  const server = new DnsServer(components, { listen: config.dns.listen, inherited });
  cleanup.push(() => server.stop());
  try {
    return { server, listen: await server.start() };
  } catch (error) {
    // Addresses work without names: another resolver on that port is no reason to take the network away.
    logger.warn('no DNS stub', { err: messageOf(error) });
    return undefined;
  }
}

/** As long as the process runs, whatever overlay it is in. */
function keepStreamCertificate(
  { stream: { listen, certificate, certificateFiles } }: AgentConfig,
  { logger, guard }: { readonly logger: Logger; readonly guard: Guard },
  cleanup: Cleanup,
): StreamCertificateKeeper | undefined {
  if (certificate === undefined || certificateFiles === undefined || listen.length === 0) return undefined;
  const keeper = new StreamCertificateKeeper(
    { logger, clock: systemClock, read: (shown, now) => renewedStreamCertificate(shown, certificateFiles, now) },
    certificate,
  );
  const driver = new Driver(keeper, systemClock, guard);
  cleanup.push(() => driver.stop());
  driver.run(() => {});
  return keeper;
}

/** For `systemctl status`. */
function summary({ identity }: Host, { current }: Lives<Ground>): string {
  const hit = hitToAddress(identity.hit);
  if (current === undefined) return `in no overlay: ${hit}`;
  return `${current.membership.configuration.overlay}: ${hit} ${current.ipv4 ?? ''}`;
}

function tunLost({ tun }: AgentConfig): IdlocError {
  return new IdlocError('tun_lost', `the interface ${tun.name} was deleted by someone else: start the agent again`);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
