import { addressToBytes } from '../../base/ip-address.ts';
import { MAX_WRONG, MAX_WRONG_ADDRESSES, WRONG_EVERY_MS } from './constants.ts';

/** How often an address was wrong: MAX_WRONG times at once, and once more every WRONG_EVERY_MS. After that its passwords are not looked at. */
export class WrongPasswords {
  /** When all of them are forgiven, the longest without a new one first. */
  private readonly until = new Map<string, number>();

  /** Milliseconds until its next password is looked at; 0: now. */
  waitMs(address: string, now: number): number {
    const until = this.until.get(keyOf(address)) ?? now;
    return Math.max(0, until - now - (MAX_WRONG - 1) * WRONG_EVERY_MS);
  }

  note(address: string, now: number): void {
    const key = keyOf(address);
    const until = Math.max(now, this.until.get(key) ?? now) + WRONG_EVERY_MS;
    this.until.delete(key);
    this.until.set(key, until);
    const [oldest] = this.until.keys();
    if (this.until.size > MAX_WRONG_ADDRESSES && oldest !== undefined) this.until.delete(oldest);
  }
}

/** Whoever has one address of an IPv6 network has all of them (RFC 4291 s2.5.4). */
function keyOf(address: string): string {
  if (!address.includes(':')) return address;
  const [withoutZone = ''] = address.split('%');
  return Buffer.from(addressToBytes(withoutZone).subarray(0, 8)).toString('hex');
}
