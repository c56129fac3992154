import { formatSocketAddress, sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { isGloballyReachable } from './reachability.ts';

/** Where one server saw one of our addresses, and when last. */
export interface Reflexive {
  readonly base: SocketAddress;
  readonly server: SocketAddress;
  readonly mapped: SocketAddress;
  readonly seenAt: number;
}

/** What comes to `external` a router sends on to one of our addresses. */
export interface Forwarded {
  readonly base: SocketAddress;
  readonly external: SocketAddress;
}

/**
 * Without the words of servers on the Internet that stand alone, where two or more of them agree on another mapping of the same
 * address: whoever lies changes nothing then. Neighbours may see us before the NAT, so that they and the Internet differ.
 */
export function agreed(words: readonly Reflexive[]): Reflexive[] {
  const far = words.filter(({ server }) => isGloballyReachable(server.address));
  const supporters = (word: Reflexive): number => {
    const same = far.filter(({ base, mapped }) => {
      return sameSocketAddress(base, word.base) && sameSocketAddress(mapped, word.mapped);
    });
    return new Set(same.map(({ server }) => server.address)).size;
  };
  const settled = new Set(far.filter((word) => supporters(word) > 1).map(({ base }) => formatSocketAddress(base)));
  return words.filter((word) => {
    return !far.includes(word) || !settled.has(formatSocketAddress(word.base)) || supporters(word) > 1;
  });
}
