import type { Random } from '../base/random.ts';
import { MAX_TIE_BREAKER } from './constants.ts';
import type { IceRole } from './path.ts';

const HIGH = 0xffffn << 48n;

/**
 * The number that decides a role conflict (RFC 8445 s7.3.1.1). The RFC asks for a random one. It is so until a role
 * changes; from then on it makes the change last: above all that the peer has sent for who is in control now, below all of
 * it for who is not. So no check that was sent before the change, and comes late, undoes it.
 */
export class TieBreaker {
  private readonly random: Random;
  private current: bigint;
  private peerLeast = MAX_TIE_BREAKER;
  private peerMost = 0n;

  constructor(random: Random) {
    this.random = random;
    this.current = this.draw();
  }

  get value(): bigint {
    return this.current;
  }

  /** The peer sent its own. */
  seen(peer: bigint): void {
    if (peer < this.peerLeast) this.peerLeast = peer;
    if (peer > this.peerMost) this.peerMost = peer;
  }

  /** Wins, or with `controlled` loses, any conflict with what the peer has sent so far. */
  settle(role: IceRole): void {
    const drawn = this.draw();
    if (role === 'controlling') this.current = larger(drawn | HIGH, smaller(this.peerMost + 1n, MAX_TIE_BREAKER));
    else this.current = smaller(drawn & ~HIGH, larger(this.peerLeast - 1n, 0n));
  }

  private draw(): bigint {
    return (BigInt(this.random.uint32()) << 32n) | BigInt(this.random.uint32());
  }
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
