import type { Hit } from '../../base/node-id.ts';

// Implementation constants.

const MAX_KNOWN = 1_024;
const PORT = /^[1-9]\d{0,4}$/;
const MAX_PORT = 65_535;

/**
 * Where the adaptors of other hosts listen, as they say in records that they have signed. Bounded; of whom nothing is known it is
 * assumed that it does as this host does: hosts of earlier versions say nothing, and an overlay had one port then.
 */
export class KnownPorts {
  /** The longest unheard first. */
  private readonly known = new Map<Hit, number>();

  /** @param port undefined: its record says none */
  learn(hit: Hit, port: number | undefined): void {
    this.known.delete(hit);
    if (port === undefined) return;
    this.known.set(hit, port);
    const [oldest] = this.known.keys();
    if (this.known.size > MAX_KNOWN && oldest !== undefined) this.known.delete(oldest);
  }

  of(hit: Hit): number | undefined {
    return this.known.get(hit);
  }
}

/** @returns undefined for what is no port. */
export function readPort(text: string | undefined): number | undefined {
  const port = text !== undefined && PORT.test(text) ? Number(text) : undefined;
  return port !== undefined && port <= MAX_PORT ? port : undefined;
}
