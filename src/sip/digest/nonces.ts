import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Random } from '../../base/random.ts';
import { MAX_NONCES, NONCE_LIFETIME_MS, NONCE_MAC_BYTES, NONCE_RANDOM_BYTES, NONCE_SECRET_BYTES } from './constants.ts';

const TIME_BYTES = 6;
const LENGTH = TIME_BYTES + NONCE_RANDOM_BYTES + NONCE_MAC_BYTES;

/**
 * Nonces of challenges (RFC 7616 s3.3). One is `time | random | HMAC(secret; time, random, address)`, so that none is remembered until it
 * is used, and that nobody uses another address's. Used ones are remembered with their highest `nc`: each number counts once.
 */
export class Nonces {
  private readonly random: Random;
  private readonly secret: Uint8Array;
  /** The highest `nc` of those that were used, the longest unused first. */
  private readonly used = new Map<string, number>();
  /** Of what was forgotten: what was issued until then, and is not remembered, may have been used. */
  private forgottenUntil = -1;

  constructor(components: { readonly random: Random }) {
    this.random = components.random;
    this.secret = components.random.bytes(NONCE_SECRET_BYTES);
  }

  issue(address: string, now: number): string {
    const head = Buffer.alloc(TIME_BYTES + NONCE_RANDOM_BYTES);
    head.writeUIntBE(Math.max(0, Math.floor(now)), 0, TIME_BYTES);
    head.set(this.random.bytes(NONCE_RANDOM_BYTES), TIME_BYTES);
    return Buffer.concat([head, this.mac(head, address)]).toString('base64url');
  }

  /** Whether this was issued to that address, whenever it was. */
  isOurs(nonce: string, address: string): boolean {
    return this.issuedAt(nonce, address) !== undefined;
  }

  /**
   * To be asked of a request whose digest is right, once.
   * @param nc its number; undefined: the client sends none, and may use a nonce once
   * @returns false: stale, used already, or not ours
   */
  use(nonce: string, address: string, nc: number | undefined, now: number): boolean {
    const issuedAt = this.issuedAt(nonce, address);
    if (issuedAt === undefined || issuedAt + NONCE_LIFETIME_MS < now || issuedAt > now) return false;
    const before = this.used.get(nonce);
    if (before === undefined ? issuedAt <= this.forgottenUntil : (nc ?? 0) <= before) return false;
    this.used.delete(nonce);
    this.used.set(nonce, nc ?? Number.POSITIVE_INFINITY);
    if (this.used.size > MAX_NONCES) this.forget(now);
    return true;
  }

  private forget(now: number): void {
    const [oldest] = this.used.keys();
    if (oldest === undefined) return;
    this.used.delete(oldest);
    const issuedAt = Buffer.from(oldest, 'base64url').readUIntBE(0, TIME_BYTES);
    this.forgottenUntil = Math.max(this.forgottenUntil, Math.min(issuedAt, now));
  }

  private issuedAt(nonce: string, address: string): number | undefined {
    // One text of each: base64url reads others as the same bytes.
    const bytes = Buffer.from(nonce.slice(0, 2 * LENGTH), 'base64url');
    if (bytes.length !== LENGTH || bytes.toString('base64url') !== nonce) return undefined;
    const head = bytes.subarray(0, TIME_BYTES + NONCE_RANDOM_BYTES);
    if (!timingSafeEqual(bytes.subarray(head.length), this.mac(head, address))) return undefined;
    return head.readUIntBE(0, TIME_BYTES);
  }

  private mac(head: Uint8Array, address: string): Uint8Array {
    const mac = createHmac('sha256', this.secret).update(head).update(address).digest();
    return mac.subarray(0, NONCE_MAC_BYTES);
  }
}
