import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { IdlocError, messageOf } from '../base/errors.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { COUNTER_NAMES } from './counters.ts';
import type {
  DataPlaneEvent,
  DataPlaneLimits,
  InterfaceAddress,
  InterfaceState,
  LinkCounters,
  PathReport,
} from './data-plane.ts';

/** The class that C++ defines: addresses are text, `null` where there is none, HITs are IPv6 addresses. */
export interface NativeDataPlane {
  readonly port: number;
  readonly counters: BigUint64Array;
  /** `paths`: what `askPaths` asked for is there, for `takePaths`. */
  drain(max: number): (DataPlaneEvent | { readonly type: 'paths' })[];
  sendDatagram(local: string | null, remote: string, port: number, data: Uint8Array): void;
  setCredentials(certificates: readonly Uint8Array[], privateKey: Uint8Array): void;
  openLink(server: boolean): number;
  bindRemote(link: number, remote: string, port: number): void;
  unbindRemote(link: number, remote: string, port: number): void;
  setPath(link: number, local: string | null, remote: string, port: number, preference: number): void;
  addPath(
    link: number,
    local: string | null,
    remote: string,
    port: number,
    preference: number,
    expected: boolean,
  ): void;
  clearPath(link: number): void;
  closeLink(link: number): void;
  rest(link: number, asleep: boolean): void;
  authorize(link: number, hit: string, ipv4: string | null, user: number): void;
  refuse(address: string): void;
  setLocalAddresses(hit: string, ipv4: string | null): void;
  sendRecord(link: number, data: Uint8Array): void;
  setPathMtu(link: number, bytes: number): void;
  sendProbe(link: number, bytes: number, id: number): void;
  setRelay(bytesPerSecond: number): void;
  dialStream(remote: string, port: number): void;
  dialTurnServer(remote: string, port: number, stream: number, name: string | null, authorities: string): void;
  hangUpTurnServer(stream: number): void;
  showStreamCertificate(certificates: string, key: string): void;
  setTurnChannel(
    allocation: string,
    peer: string,
    peerPort: number,
    local: string,
    server: string,
    serverPort: number,
    number: number,
  ): void;
  removeTurnChannel(allocation: string, peer: string, peerPort: number): void;
  setTurnQuota(bytesPerSecond: number): void;
  openTurnAllocation(
    id: number,
    user: number,
    local: string,
    client: string,
    clientPort: number,
    relayed: string,
    relayedPort: number,
  ): boolean;
  closeTurnAllocation(id: number): void;
  permitTurnPeer(id: number, peer: string, port: number, channel: number): void;
  linkCounters(link: number): LinkCounters | undefined;
  askPaths(): void;
  /**
   * `local` as text; null: the kernel chooses.
   * @param begins with what was reported last, at its beginning
   * @param most how many; fewer come at its end
   */
  takePaths(begins: boolean, most: number): (Omit<PathReport, 'local'> & { readonly local: string | null })[];
  close(): void;
}

/** `local` null: the kernel's choice. */
export interface PathRoute {
  readonly local: string | null;
  readonly remote: SocketAddress;
}

/**
 * The paths of one link, as the data plane keeps them (native/src/link/path_set.h): for a data plane that is simulated. Times are
 * ms of its clock. After any call: `poll` until there is nothing, then look at `active`, `takeSwitched`, `takeNoPath`,
 * `takeUnheard`, `nextTimeout`.
 */
export interface PathSet {
  select(path: PathRoute, preference: number, now: number): void;
  /** @param expected the peer is there now: what is urgent goes there too, before it is proven. */
  add(path: PathRoute, preference: number, now: number, expected?: boolean): void;
  clear(): void;
  ask(now: number): void;
  doubt(now: number): void;
  /** @param uplinks the addresses of this host's uplinks, the best one first; before `lose`. */
  setRanks(uplinks: readonly (readonly string[])[]): void;
  /** Paths that are not `usable` are left. */
  lose(usable: (path: PathRoute) => boolean, present: (path: PathRoute) => boolean, now: number): void;
  /** Whether it is one of them, working or not. */
  knows(path: PathRoute): boolean;
  /** Records of programs left by the active path. */
  sent(records: number, urgent: boolean, now: number): void;
  /** Where an urgent record of `bytes` goes as well. */
  spareFor(bytes: number): PathRoute | undefined;
  /** Before `sent` tells of the record. */
  sentTwice(bytes: number): void;
  /** Where the newest urgent record, of so many bytes, is sent once more since that way has opened after it had left; ask again until there is none. */
  takeAgain(bytes: number, now: number): PathRoute | undefined;
  /** Once each time: data goes another way. Then, for other links by this peer as a relay: `askHopsAgain`. */
  takeOpened(): boolean;
  /** @returns whether there is something to `poll`. */
  askHopsAgain(relay: string, now: number): boolean;
  /** A path by this peer as a relay is tried, since nothing has answered on another one. @returns whether there is something to `poll`. */
  askUnheard(now: number): boolean;
  readonly inDoubt: boolean;
  /** @param newest it is no probe, and none before had a higher number. @param stranger JavaScript does not know the address. */
  heard(path: PathRoute, bytes: number, newest: boolean, stranger: boolean, now: number): void;
  /** @returns the answer, which leaves by the same path. */
  probed(path: PathRoute, record: Uint8Array, now: number): Uint8Array;
  answered(path: PathRoute, record: Uint8Array, now: number): void;
  poll(): { readonly path: PathRoute; readonly record: Uint8Array } | undefined;
  handleTimeout(now: number): void;
  takeSwitched(): 'peer' | 'silence' | 'gone' | 'better' | undefined;
  takeNoPath(): boolean;
  takeUnheard(): boolean;
  /** Infinity: none. */
  readonly nextTimeout: number;
  /** When something urgent, when anything of programs was sent. -Infinity: never. */
  readonly urgentAt: number;
  readonly sentAt: number;
  readonly active: PathRoute | undefined;
}

export interface Addon {
  readonly DataPlane: new (
    port: number,
    tun: string | null,
    tunMtu: number,
    wake: () => void,
    limits: Partial<DataPlaneLimits>,
    connectionIds?: boolean,
    copyDscp?: boolean,
    rekeyAfterRecords?: number,
    keepaliveMs?: number,
    forbiddenUplinks?: readonly string[],
    preferredUplinks?: readonly string[],
    streams?: {
      readonly listen: readonly SocketAddress[];
      readonly inherited: readonly number[];
      readonly serverName: string;
      readonly alpn: readonly string[];
      readonly certificates: string;
      readonly key: string;
      readonly servesTurn: boolean;
    },
  ) => NativeDataPlane;
  readonly PathSet: new (server: boolean, probeBytes: number) => PathSet;
  /** Milliseconds of CLOCK_MONOTONIC: the clock of `at` in events as C++ gives it. */
  monotonic(): number;
  readonly counterNames: readonly string[];
  /** What protects records: `openssl` or `ipsec-mb`. */
  readonly aead: string;
  bindSocket(transport: 'udp' | 'tcp', address: string, port: number, interfaceName: string): number;
  /** undefined: it does not listen for connections. */
  listeningAddress(descriptor: number): SocketAddress | undefined;
  verifyP256(point: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean;
  notifySystemd(socketPath: string, text: string): void;
  readonly netlink: {
    addresses(): InterfaceAddress[];
    configureInterface(
      name: string,
      mtu: number,
      txQueueLength: number,
      gsoMaxSegments: number,
      addresses: readonly string[],
    ): void;
    interfaceState(name: string): InterfaceState | undefined;
    addRoute(destination: string, interfaceName: string | null, metric: number, table: number): boolean;
    setRoute(destination: string, interfaceName: string | null, metric: number, table: number): void;
    deleteRoute(destination: string, interfaceName: string | null, metric: number, table: number): void;
    addRule(source: string, table: number, priority: number): boolean;
    deleteRule(source: string, table: number, priority: number): void;
    sourceFor(remote: string): string | undefined;
  };
}

const NATIVE_FOLDER = fileURLToPath(new URL('../../native/', import.meta.url));
const BUILDS: Readonly<Record<string, string>> = {
  release: 'build/Release',
  asan: 'asan/build/Release',
  tsan: 'tsan/build/Release',
};

let loaded: Addon | undefined;

/**
 * Loads the addon once. `IDLOC_NATIVE_BUILD` chooses the build: `release` (default), `asan` or `tsan`.
 * @throws {IdlocError} `no_addon` when it was not built or is of another version.
 */
export function loadAddon(): Addon {
  if (loaded !== undefined) return loaded;
  const build = process.env['IDLOC_NATIVE_BUILD'] ?? 'release';
  const folder = BUILDS[build];
  if (folder === undefined)
    throw new IdlocError(
      'no_addon',
      `IDLOC_NATIVE_BUILD is "${build}", which is no build; use ${Object.keys(BUILDS).join(', ')}`,
    );
  const path = join(NATIVE_FOLDER, folder, 'idloc.node');
  let addon: Addon;
  try {
    addon = createRequire(import.meta.url)(path) as Addon;
  } catch (err) {
    throw new IdlocError(
      'no_addon',
      `the data plane ${path} cannot be loaded: ${messageOf(err).split('\n')[0] ?? ''}; build it with: npm run build:native`,
      { cause: err },
    );
  }
  if (addon.counterNames.join() !== COUNTER_NAMES.join())
    throw new IdlocError(
      'no_addon',
      `the data plane ${path} is of another version; build it again: npm run build:native`,
    );
  loaded = addon;
  return addon;
}

/** Runs a call of the addon; its errors carry a `code` and come out as IdlocError, wrong types as TypeError. */
export function callAddon<T>(call: () => T): T {
  try {
    return call();
  } catch (err) {
    if (err instanceof Error && !(err instanceof TypeError) && 'code' in err && typeof err.code === 'string')
      throw new IdlocError(err.code, err.message, { cause: err });
    throw err;
  }
}
