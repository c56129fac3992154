import { hash } from 'node:crypto';
import { toHex } from '../../base/bytes.ts';
import type { NodeId, ResourceId } from '../../base/node-id.ts';
import type { Random } from '../../base/random.ts';

const ID_BITS = 128;
const DIGITS = ID_BITS / 4;

/**
 * Arithmetic of the CHORD-RELOAD ring (RFC 6940 s10.1). All ids on a ring share `prefix`; positions are the bits after
 * it, modulo 2^bits. An empty prefix is the plain 128-bit ring of the RFC. Since ids are fixed-width lower-case
 * hexadecimal, text order is ring order and comparing needs no big numbers.
 */
export class Ring {
  readonly prefix: string;
  /** Bits of a position on the ring. */
  readonly bits: number;

  constructor(prefix = '') {
    if (!/^[0-9a-f]{0,31}$/.test(prefix)) throw new TypeError(`not a prefix of ids: ${prefix}`);
    this.prefix = prefix;
    this.bits = ID_BITS - 4 * prefix.length;
  }

  contains(id: string): boolean {
    return id.length === DIGITS && id.startsWith(this.prefix);
  }

  /** RFC 6940 s10.2 with the ring's prefix in front: the hash gives the bits that are left, its most significant ones. */
  resourceIdOf(name: string | Uint8Array): ResourceId {
    return this.prefix + hash('sha1', name, 'hex').slice(0, DIGITS - this.prefix.length);
  }

  /** `id` + `offset`, modulo the size of the ring. */
  add(id: string, offset: bigint): string {
    return this.at(this.position(id) + offset);
  }

  /** n + 2^(bits - i): where the i-th finger of n starts, i from 1 (RFC 6940 s10.5). */
  fingerStart(id: NodeId, i: number): string {
    return this.add(id, 1n << BigInt(this.bits - i));
  }

  /** Clockwise steps from `from` to `to`. */
  distance(from: string, to: string): bigint {
    return BigInt.asUintN(this.bits, this.position(to) - this.position(from));
  }

  /** `k` in (a, b), clockwise. With a = b it is the whole ring but a. */
  insideOpen(k: string, a: string, b: string): boolean {
    return a < b ? a < k && k < b : a < k || k < b;
  }

  /** `k` in (a, b], clockwise. With a = b it is the whole ring. */
  insideUpTo(k: string, a: string, b: string): boolean {
    return a < b ? a < k && k <= b : a < k || k <= b;
  }

  /** The part of the ring in (a, b], from 0 to 1. */
  fraction(a: string, b: string): number {
    const steps = this.distance(a, b);
    // 52 bits are what a number holds; a = b stands for the whole ring.
    return steps === 0n ? 1 : Number(steps >> BigInt(this.bits - 52)) / 2 ** 52;
  }

  /** An id drawn from [start, start + 2^log2Size). */
  randomFrom(start: string, log2Size: number, random: Random): string {
    const drawn = BigInt(`0x${toHex(random.bytes(ID_BITS / 8))}`);
    return this.add(start, BigInt.asUintN(log2Size, drawn));
  }

  private position(id: string): bigint {
    return BigInt(`0x${id.slice(this.prefix.length)}`);
  }

  private at(position: bigint): string {
    const digits = BigInt.asUintN(this.bits, position).toString(16);
    return this.prefix + digits.padStart(DIGITS - this.prefix.length, '0');
  }
}

/**
 * The ring of ORCHIDv2 Node-IDs. RFC 7086 fixes the 28-bit prefix of Resource-IDs only, but an ORCHIDv2 also has a
 * 4-bit OGA ID: ids hashed over it would leave one node responsible for fifteen sixteenths of the ring. So positions
 * are the 96 bits after the prefix 2001:0022, OGA 2 (HIT suite 2) included.
 */
export const orchidRing = new Ring('20010022');

/** The Resource-ID of a resource name (or of the bytes that stand for one) on the ring of ORCHIDs. */
export function resourceIdOf(name: string | Uint8Array): ResourceId {
  return orchidRing.resourceIdOf(name);
}
