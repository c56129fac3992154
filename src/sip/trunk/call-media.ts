import type { SipMessage } from '../message/message.ts';
import type { CallDialogs } from './call-dialogs.ts';
import type { End } from './call-side.ts';
import { isSdp } from './passing.ts';
import type { MediaSession, TrunkMedia } from './trunk-media.ts';

// Implementation constants.

/** Messages that wait for the media relay. */
const MAX_WAITING = 32;

const RELAY_FAILS = { status: 503, reason: 'Media Relay Unavailable' };
/** RFC 3261 s21.4.26. */
const NOT_ACCEPTABLE = 488;

/** A final answer of ours. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

/** Tags of the two ends between which something is said. */
export interface EndTags {
  readonly caller: string;
  readonly callee: string | undefined;
}

/** @param body undefined: the media relay fails, or objects. */
type Translated = (body: Uint8Array | undefined, now: number, refusal: Refusal) => void;

/** What the two ends of a call tell each other of their media, one message after the other. */
export class CallMedia {
  private readonly media: TrunkMedia | undefined;
  private readonly dialogs: CallDialogs;
  private readonly waiting: ((done: () => void) => void)[] = [];
  private isBusy = false;

  constructor(components: { readonly media: TrunkMedia | undefined; readonly dialogs: CallDialogs }) {
    this.media = components.media;
    this.dialogs = components.dialogs;
  }

  /** Hands on the body with addresses that the other side reaches. @param ends absent: who they are now */
  translate(
    from: End,
    message: SipMessage,
    kind: 'offer' | 'answer',
    tag: string | undefined,
    now: number,
    done: Translated,
    ends: EndTags = this.endsOf(tag),
  ): void {
    const { media } = this;
    const { caller, callee } = ends;
    const [fromTag, toTag] = from === 'caller' ? [caller, callee] : [callee ?? '', caller];
    this.queue((free) => {
      const finish = (body: Uint8Array | undefined, at: number, why?: string): void => {
        done(body, at, why === undefined ? RELAY_FAILS : { status: NOT_ACCEPTABLE, reason: why });
        free();
      };
      if (media === undefined || !isSdp(message)) {
        finish(message.body, now);
        return;
      }
      const session = { ...this.session(from), fromTag, toTag };
      const objection = media.objection(session, message.body);
      if (objection !== undefined) finish(undefined, now, objection);
      else media[kind](session, message.body, finish);
    });
  }

  private endsOf(tag: string | undefined): EndTags {
    const { tags } = this.dialogs;
    return { caller: tags.caller, callee: tag && this.dialogs.remoteTagOf(tag) };
  }

  private session(from: End): Pick<MediaSession, 'id' | 'from' | 'isOutsideIpv6' | 'isEmergency'> {
    const { id, sides, flows, isEmergency } = this.dialogs;
    const outside: End = sides.caller.from === 'outside' ? 'caller' : 'callee';
    return {
      id,
      from: sides[from].from,
      isOutsideIpv6: flows[outside].remote.address.includes(':'),
      isEmergency,
    };
  }

  private queue(job: (done: () => void) => void): void {
    if (this.waiting.length >= MAX_WAITING) return;
    this.waiting.push(job);
    if (!this.isBusy) this.work();
  }

  private work(): void {
    const job = this.waiting.shift();
    this.isBusy = job !== undefined;
    job?.(() => this.work());
  }
}
