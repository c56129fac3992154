import { closeSync, openSync, readSync } from 'node:fs';

const ROUTES = '/proc/net/route';
/** A host with more routes than fit in here is a router itself. */
const MAX_BYTES = 65_536;
/** route(8): the route is up, and by a gateway. */
const UP_BY_GATEWAY = 0x3;

/** The IPv4 router of the default route; undefined: there is none, as on a LAN alone or behind a tunnel. */
export function defaultGateway(path = ROUTES): string | undefined {
  try {
    const file = openSync(path, 'r');
    try {
      const buffer = Buffer.alloc(MAX_BYTES);
      return parseDefaultGateway(buffer.toString('latin1', 0, readSync(file, buffer, 0, MAX_BYTES, 0)));
    } finally {
      closeSync(file);
    }
  } catch {
    // No IPv4 in the kernel.
    return undefined;
  }
}

/** @param table proc(5), /proc/net/route: addresses are hexadecimal, in the byte order of the host, which is little-endian. */
export function parseDefaultGateway(table: string): string | undefined {
  let best: { gateway: string; metric: number } | undefined;
  for (const line of table.split('\n').slice(1)) {
    const [, destination, gateway = '', flags = '0', , , metric = '0', mask] = line.trim().split(/\s+/);
    if (destination !== '00000000' || mask !== '00000000' || !/^[0-9A-F]{8}$/.test(gateway)) continue;
    if ((Number.parseInt(flags, 16) & UP_BY_GATEWAY) !== UP_BY_GATEWAY || gateway === '00000000') continue;
    if (best === undefined || Number(metric) < best.metric) best = { gateway, metric: Number(metric) };
  }
  return best === undefined ? undefined : Buffer.from(best.gateway, 'hex').reverse().join('.');
}
