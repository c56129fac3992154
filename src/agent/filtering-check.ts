import { createSocket } from 'node:dgram';
import { systemClock } from '../base/clock.ts';
import { reporting } from '../base/errors.ts';
import { systemRandom } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { type FilteringBehavior, FilteringTest } from '../mobility/filtering.ts';

/**
 * Runs a FilteringTest by a socket of its own: from the agent's own port others have been sent to. Takes 1.5 s at most.
 * @param servers STUN servers; those with an IPv6 address are left out
 * @returns undefined: not known.
 */
export async function checkFiltering(
  servers: readonly SocketAddress[],
  signal: AbortSignal,
): Promise<FilteringBehavior | undefined> {
  const ipv4 = servers.filter(({ address }) => !address.includes(':'));
  if (ipv4.length === 0) return undefined;
  const socket = createSocket({ type: 'udp4', signal });
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  // Aborted, or the network is gone: what is known until then is the answer.
  socket.on('close', () => resolve(undefined));
  socket.on('error', () => resolve(undefined));
  const test = new FilteringTest({ random: systemRandom }, ipv4, systemClock.monotonic());
  let timer: NodeJS.Timeout | undefined;
  const turn = (): void => {
    for (let out = test.pollTransmit(); out !== undefined; out = test.pollTransmit())
      socket.send(out.data, out.remote.port, out.remote.address, () => undefined);
    clearTimeout(timer);
    const next = test.nextTimeout();
    if (next === undefined) {
      resolve(undefined);
      return;
    }
    timer = setTimeout(() => step((now) => test.handleTimeout(now)), Math.max(0, next - systemClock.monotonic()));
  };
  const step = (input: (now: number) => void): void => {
    reporting(
      (_, error) => reject(error),
      'filtering',
      () => {
        input(systemClock.monotonic());
        turn();
      },
    );
  };
  socket.on('message', (data, { address, port }) => step((now) => test.receive(data, { address, port }, now)));
  step(() => undefined);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    if (!signal.aborted) socket.close();
  }
  return test.result;
}
