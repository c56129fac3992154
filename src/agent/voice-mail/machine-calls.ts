import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { MAX_SECONDS, MAX_SOUND_BYTES, MAX_SOUNDS } from '../../machine/frames.ts';
import type { MachineCall, MachineReady, VoiceMailPorts } from '../../sip/voice-mail/ports.ts';
import type { AnsweringMachines, MachineResult } from './answering-machines.ts';
import type { Message } from './recording.ts';
import type { MailboxOffer, VoiceMailPort } from './voice-mail-port.ts';

// Implementation constants.

/** A caller waits no longer for somebody else's words, nor to hear that there is no room for his. */
const PREPARED_WITHIN_MS = 2_000;
/** As the setting: what a stranger's mailbox says more takes room here, on the caller's host. */
const MAX_MESSAGE_SECONDS = 180;
/** Machines see a second later that a recording is full, and a file has more behind the last word. */
const MORE_SECONDS = 5;
/** A phone that calls for messages gives up after half a minute. */
const MESSAGES_WITHIN_MS = 15_000;
/** Less is a click. */
const LEAST_SECONDS = 1;

type PlayBack = Parameters<VoiceMailPorts['playBack']>[1];
type Played = Pick<Message, 'id' | 'seconds'> & { readonly ogg: Uint8Array };

export interface MachineCallsComponents {
  readonly mail: VoiceMailPort;
  readonly machines: Pick<AnsweringMachines, 'areThere' | 'start'>;
  readonly clock: Pick<Clock, 'wall' | 'monotonic'>;
  readonly logger: Logger;
  /** Gives the adaptor an input. */
  readonly feed: (input: (now: number) => void) => void;
}

/** Between calls, answering machines and mailboxes. Nothing here rejects, and what fails is one line in the log. */
export class MachineCalls implements VoiceMailPorts {
  private readonly components: MachineCallsComponents;
  /** Recordings that are being made. */
  private underWay = 0;

  constructor(components: MachineCallsComponents) {
    this.components = components;
  }

  isThere(): boolean {
    return this.components.machines.areThere;
  }

  offerOf(user: string, done: Parameters<VoiceMailPorts['offerOf']>[1]): void {
    const { mail, feed } = this.components;
    void this.attempt('a mailbox is not known', mail.offerOf(user)).then((offer) => {
      const answer = (call: MachineCall & { readonly from: string }, ready: MachineReady): void =>
        void this.attempt('a message is not taken', this.record(user, offer, call, ready));
      feed((now) => done(offer && { ringMs: offer.ringMs, answer }, now));
    });
  }

  playBack(call: MachineCall, done: PlayBack): void {
    void this.attempt('messages are not played', this.play(call, done));
  }

  private async record(
    user: string,
    offer: MailboxOffer | undefined,
    { family, codec, from }: MachineCall & { readonly from: string },
    ready: MachineReady,
  ): Promise<void> {
    const { mail, clock } = this.components;
    // What the overlay does not say in time is for the outbox, which keeps the message.
    const room = this.attempt('room is not known', mail.hasRoomFor(user, this.underWay));
    this.underWay += 1;
    let result: MachineResult | undefined;
    try {
      const [greeting, hasRoom] = await Promise.all([
        within(PREPARED_WITHIN_MS, this.attempt('no greeting', offer?.greeting())),
        within(PREPARED_WITHIN_MS, room),
      ]);
      if (hasRoom === false) this.refuse(user, ready);
      else result = await this.recorded({ family, codec, greeting, offer }, ready);
    } finally {
      this.underWay -= 1;
    }
    if (result?.ogg === undefined || result.seconds < LEAST_SECONDS) return;
    const { ogg, seconds } = result;
    await mail.leave(user, { ogg, seconds, at: clock.wall() - 1_000 * seconds, from });
  }

  /** The caller hears what he would have heard without a mailbox. */
  private refuse(user: string, ready: MachineReady): void {
    const { logger, feed } = this.components;
    logger.info('voice mail: no room for a message', { user });
    feed((now) => void ready(undefined, now));
  }

  private async recorded(
    {
      family,
      codec,
      greeting,
      offer,
    }: MachineCall & { readonly greeting: Uint8Array | undefined; readonly offer: MailboxOffer | undefined },
    ready: MachineReady,
  ): Promise<MachineResult | undefined> {
    const { machines, feed } = this.components;
    const maxSeconds = Math.min(MAX_MESSAGE_SECONDS, Math.max(1, offer?.maxSeconds ?? 1));
    const sounds = greeting === undefined ? [] : [greeting];
    const run = machines.start({ task: 'record', family, codec, maxSeconds }, sounds);
    const at = await run.ready;
    feed((now) => {
      if (!ready(at, now)) run.stop();
    });
    return run.over;
  }

  private async play({ family, codec }: MachineCall, done: PlayBack): Promise<void> {
    const { mail, machines, clock, feed } = this.components;
    const refuse = (reason: string): void => feed((now) => void done({ status: 480, reason }, now));
    if (!machines.areThere) {
      refuse('No Answering Machine');
      return;
    }
    const messages = await this.attempt('messages are not listed', mail.list());
    const fresh = messages?.filter(({ isNew }) => isNew) ?? [];
    const heard = messages?.filter(({ isNew }) => !isNew) ?? [];
    const chosen = fresh.length > 0 ? fresh : heard;
    if (chosen.length === 0) {
      refuse(messages === undefined ? 'Mailbox Unavailable' : 'No Messages');
      return;
    }
    const until = clock.monotonic() + MESSAGES_WITHIN_MS;
    const readable = await this.read(chosen, until);
    // New ones that cannot be read do not stand before the others for ever.
    const found = readable.length > 0 || fresh.length === 0 ? readable : await this.read(heard, until);
    if (found.length === 0) {
      refuse('Messages Unavailable');
      return;
    }
    // Nobody has more of the call than he says, nor than a message may have.
    const soundSeconds = found.map(({ seconds }) => Math.max(1, Math.min(seconds, MAX_MESSAGE_SECONDS)) + MORE_SECONDS);
    const run = machines.start(
      { task: 'play', family, codec, maxSeconds: MAX_SECONDS, soundSeconds },
      found.map(({ ogg }) => ogg),
    );
    const at = await run.ready;
    if (at === undefined) refuse('Answering Machine Failed');
    else
      feed((now) => {
        if (!done(at, now)) run.stop();
      });
    const played = (await run.over)?.played ?? 0;
    if (played > 0) await mail.markHeard(found.slice(0, played).map(({ id }) => id));
  }

  /** As many as there is time and room for: the others are for the next call. */
  private async read(messages: readonly Message[], until: number): Promise<Played[]> {
    const { mail, clock } = this.components;
    const found: Played[] = [];
    let bytes = 0;
    for (const { id, seconds } of messages) {
      const left = until - clock.monotonic();
      if (left <= 0 || found.length >= MAX_SOUNDS) break;
      const ogg = await within(left, this.attempt('a message is not read', mail.read(id)));
      if (ogg === undefined) continue;
      bytes += ogg.length;
      if (bytes > MAX_SOUND_BYTES) break;
      found.push({ id, seconds, ogg });
    }
    return found;
  }

  private async attempt<T>(what: string, promise: Promise<T> | undefined): Promise<T | undefined> {
    try {
      return await promise;
    } catch (error) {
      this.components.logger.warn(`voice mail: ${what}`, { err: messageOf(error) });
      return undefined;
    }
  }
}

/** @returns undefined: not in that time. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const limit = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => limit.resolve(undefined), ms);
  try {
    return await Promise.race([promise, limit.promise]);
  } finally {
    clearTimeout(timer);
  }
}
