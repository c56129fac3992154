import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { canonicalAddress } from '../base/ip-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { Endpoint } from '../config/endpoint.ts';

/** The resolver of the system may wait for its servers much longer. */
const LOOKUP_TIMEOUT_MS = 3_000;
/** Of one name. */
const MAX_ADDRESSES = 4;

/** Where the endpoints of the configuration lead to now, in their order; a name that leads nowhere is said and left out. */
export async function lookUpEndpoints(endpoints: readonly Endpoint[], logger: Logger): Promise<SocketAddress[]> {
  const found = await Promise.all(
    endpoints.map(async ({ host, port }) => {
      try {
        const addresses = isIP(host) === 0 ? await lookUpName(host) : [host];
        return addresses.map((address) => ({ address: canonicalAddress(address), port }));
      } catch (error) {
        logger.warn('name not found', { host, err: messageOf(error) });
        return [];
      }
    }),
  );
  return found.flat();
}

async function lookUpName(host: string): Promise<string[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), LOOKUP_TIMEOUT_MS);
  });
  try {
    const answers = await Promise.race([lookup(host, { all: true }), late]);
    return answers.slice(0, MAX_ADDRESSES).map(({ address }) => address);
  } finally {
    clearTimeout(timer);
  }
}
