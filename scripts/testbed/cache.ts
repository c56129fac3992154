import { join } from 'node:path';

/** What benchmarks build and keep from run to run. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment.XDG_CACHE_HOME;
  return base !== undefined && base !== ''
    ? join(base, 'idloc-bench')
    : join(import.meta.dirname, '../../.cache/idloc-bench');
}
