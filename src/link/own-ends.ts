import { MAX_INCOMING } from './constants.ts';

/**
 * Tells a way that leads back to us from another host with our key. The server's end of an association is done first; where it
 * is our own, the client's end shows the same secrets.
 */
export class OwnEnds {
  /** Names of associations whose server's end showed our own key, oldest first. */
  private readonly seen = new Set<string>();

  /**
   * An association named `id` has shown our own key to the end that is `role`. `isCalling`: whether a client of ours is under
   * way, without which a server's end cannot be our own.
   * @returns whether both ends are ours, as far as this end can tell: a server's end says so while we call somebody.
   */
  isOurs(role: 'client' | 'server', id: string, isCalling: boolean): boolean {
    if (role === 'client') return this.seen.delete(id);
    this.seen.add(id);
    const [oldest] = this.seen;
    if (this.seen.size > MAX_INCOMING && oldest !== undefined) this.seen.delete(oldest);
    return isCalling;
  }
}
