import { messageOf } from '../../base/errors.ts';
import { MAX_GREETING_BYTES } from '../../config/voice-mail-settings.ts';
import { isOggOpus } from '../../base/ogg-opus.ts';
import type { NodeId } from '../../base/node-id.ts';
import type { Logger } from '../../base/logger.ts';
import { IDLOC_MAILBOX } from '../../overlay/storage/kinds.ts';
import { MAIL_CONTENT_BYTES, mailboxOf, type PartsName } from '../../overlay/storage/mail-value.ts';
import type { MailOverlay } from './mail-overlay.ts';
import type { PartStore } from './part-store.ts';
import type { MailboxOffer } from './voice-mail-port.ts';

/** Whoever calls somebody calls him again soon. */
const FRESH_MS = 60_000;
/** Of a member who takes none: who has just switched it on is not to wait. Calls of one attempt share it. */
const NONE_FRESH_MS = 5_000;
const MAX_KNOWN = 256;
const MAX_GREETINGS = 8;
/** So long a call is held up at most. */
const PATIENCE_MS = 2_000;

interface Known {
  readonly offer: MailboxOffer | undefined;
  /** Monotonic. */
  readonly at: number;
}

/** Who takes voice mail, as the overlay says (IDLOC-MAILBOX), with what was asked a moment ago. */
export class Offers {
  private readonly overlay: MailOverlay;
  private readonly parts: PartStore;
  private readonly clock: { monotonic(): number };
  private readonly logger: Logger;
  private readonly after: (ms: number, then: () => void) => () => void;
  private readonly known = new Map<string, Known>();
  private readonly asking = new Map<string, Promise<MailboxOffer | undefined>>();
  private readonly greetings = new Map<string, Promise<Uint8Array | undefined>>();

  constructor(components: {
    readonly overlay: MailOverlay;
    readonly parts: PartStore;
    readonly clock: { monotonic(): number };
    readonly logger: Logger;
    readonly after: (ms: number, then: () => void) => () => void;
  }) {
    this.overlay = components.overlay;
    this.parts = components.parts;
    this.clock = components.clock;
    this.logger = components.logger;
    this.after = components.after;
  }

  async of(user: string): Promise<MailboxOffer | undefined> {
    const known = this.known.get(user);
    const freshMs = known?.offer === undefined ? NONE_FRESH_MS : FRESH_MS;
    if (known !== undefined && this.clock.monotonic() - known.at < freshMs) return known.offer;
    let asking = this.asking.get(user);
    if (asking === undefined) {
      asking = this.ask(user).finally(() => this.asking.delete(user));
      this.asking.set(user, asking);
    }
    const limit = Promise.withResolvers<MailboxOffer | undefined>();
    // What was known a while ago is better than nothing.
    const callOff = this.after(PATIENCE_MS, () => limit.resolve(known?.offer));
    return Promise.race([asking, limit.promise]).finally(callOff);
  }

  /** Never rejects. */
  private async ask(user: string): Promise<MailboxOffer | undefined> {
    try {
      const { values } = await this.overlay.fetch({ name: user, kind: IDLOC_MAILBOX.id });
      const [latest] = values
        .filter(({ signer }) => signer.user === user)
        .sort((a, b) => b.storageTime - a.storageTime)
        .flatMap(({ value, signer }) => {
          const mailbox = mailboxOf(value.value);
          return mailbox === undefined ? [] : [{ mailbox, nodeId: signer.nodeId }];
        });
      const offer = latest && {
        ringMs: latest.mailbox.ringSeconds * 1_000,
        maxSeconds: latest.mailbox.maxSeconds,
        greeting: () => this.greeting(latest.nodeId, latest.mailbox.greeting),
      };
      this.known.delete(user);
      this.known.set(user, { offer, at: this.clock.monotonic() });
      for (const first of this.known.keys()) if (this.known.size > MAX_KNOWN) this.known.delete(first);
      return offer;
    } catch (error) {
      this.logger.debug('voice mail of a member not known', { err: messageOf(error) });
      return this.known.get(user)?.offer;
    }
  }

  private greeting(nodeId: NodeId, name: PartsName | null): Promise<Uint8Array | undefined> {
    if (name === null || name.count * MAIL_CONTENT_BYTES >= MAX_GREETING_BYTES + MAIL_CONTENT_BYTES)
      return Promise.resolve(undefined);
    const key = `${nodeId} ${name.slot} ${name.savedAt} ${name.count}`;
    let found = this.greetings.get(key);
    if (found !== undefined) return found;
    found = this.load(nodeId, name).then((greeting) => {
      // Asked again the next time.
      if (greeting === undefined) this.greetings.delete(key);
      return greeting;
    });
    this.greetings.set(key, found);
    for (const first of this.greetings.keys()) if (this.greetings.size > MAX_GREETINGS) this.greetings.delete(first);
    return found;
  }

  /** Of another member, who may have stored anything there. */
  private async load(nodeId: NodeId, name: PartsName): Promise<Uint8Array | undefined> {
    try {
      const greeting = await this.parts.load(nodeId, name);
      return greeting !== undefined && isOggOpus(greeting) && greeting.length <= MAX_GREETING_BYTES
        ? greeting
        : undefined;
    } catch (error) {
      this.logger.debug('greeting of a member not found', { nodeId, err: messageOf(error) });
      return undefined;
    }
  }
}
