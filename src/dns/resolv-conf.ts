import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { canonicalAddress } from '../base/ip-address.ts';
import { sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { RESOLV_CONF_RECHECK_MS } from './constants.ts';

const RESOLV_CONF = '/etc/resolv.conf';
/** What systemd-resolved itself asks, for when `/etc/resolv.conf` names only its stub. */
const RESOLVED_UPSTREAM_CONF = '/run/systemd/resolve/resolv.conf';
/** Its stubs: asking them could come back to us in a circle. */
const RESOLVED_STUBS = ['127.0.0.53', '127.0.0.54'];

/** The `nameserver` lines of resolv.conf(5), in their order, at most three as glibc takes them. */
export function parseNameservers(text: string): SocketAddress[] {
  const servers: SocketAddress[] = [];
  for (const line of text.split('\n')) {
    const [keyword, address = ''] = line.trim().split(/\s+/);
    if (keyword !== 'nameserver' || isIP(address) === 0 || servers.length >= 3) continue;
    // A link-local server keeps its zone (`fe80::1%eth0`), which has no canonical bytes.
    servers.push({ address: address.includes('%') ? address : canonicalAddress(address), port: 53 });
  }
  return servers;
}

/** Who answers what is not ours: follows `/etc/resolv.conf` as it changes, and never names ourselves. */
export class UpstreamList {
  private readonly clock: Clock;
  private readonly path: string;
  private readonly exclude: readonly SocketAddress[];
  private servers: readonly SocketAddress[] = [];
  private version = '';
  private lookAgainAt = -Infinity;

  constructor(
    components: { readonly clock: Clock },
    options: { readonly path?: string | undefined; readonly exclude: readonly SocketAddress[] },
  ) {
    this.clock = components.clock;
    this.path = options.path ?? RESOLV_CONF;
    this.exclude = options.exclude;
  }

  /** Looks at the file at most once a second, and only when someone asks: no watcher to lose, links are followed. */
  current(): readonly SocketAddress[] {
    const now = this.clock.monotonic();
    if (now < this.lookAgainAt) return this.servers;
    this.lookAgainAt = now + RESOLV_CONF_RECHECK_MS;
    const version = `${versionOf(this.path)} ${versionOf(RESOLVED_UPSTREAM_CONF)}`;
    if (version === this.version) return this.servers;
    this.version = version;
    this.servers = this.read();
    return this.servers;
  }

  private read(): SocketAddress[] {
    const named = parseNameservers(readOr(this.path, ''));
    const stub = named.some((server) => RESOLVED_STUBS.includes(server.address));
    const real = stub ? parseNameservers(readOr(RESOLVED_UPSTREAM_CONF, '')) : [];
    return (real.length > 0 ? real : named).filter(
      (server) => !this.exclude.some((own) => sameSocketAddress(own, server)),
    );
  }
}

function versionOf(path: string): string {
  try {
    const { dev, ino, size, mtimeMs } = statSync(path);
    return `${dev}.${ino}.${size}.${mtimeMs}`;
  } catch {
    return 'absent';
  }
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}
