import { isOfSession } from '../media/exchanges.ts';
import type { SipHeader, SipMessage } from '../message/message.ts';
import { READABLE, sessionIn } from '../sdp/session-parts.ts';
import type { CallDialogs, Ends } from './call-dialogs.ts';
import { type End, otherEnd } from './call-side.ts';
import type { MediaSession, TrunkMedia } from './trunk-media.ts';

// Implementation constants.

/** Messages of a call that wait for the media relay. */
const MAX_WAITING = 32;

const RELAY_FAILS = { status: 503, reason: 'Media Relay Unavailable' };
/** RFC 3261 s21.4.26. */
const NOT_ACCEPTABLE = 488;
/** s21.4.13: who has sent it may say it otherwise; who has asked for it hears that it cannot be had. */
const UNREADABLE = {
  request: { status: 415, reason: 'Unsupported Media Type', headers: READABLE },
  response: { status: NOT_ACCEPTABLE, reason: 'Session Not Readable' },
};

/** A final answer of ours. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly headers?: readonly SipHeader[];
}

/** @param body undefined: the media relay fails, or objects, or what is said cannot be read. */
type Translated = (body: Uint8Array | undefined, now: number, refusal: Refusal) => void;

/** What an end has said of its media, as it came. */
interface Description {
  readonly from: End;
  readonly body: Uint8Array;
}

interface Agreement {
  readonly offer: Description;
  readonly answer: Description;
  readonly ends: Ends;
}

/**
 * What the two ends of a call tell each other of their media, one message after the other. The media relay does as the last offer says,
 * before anybody has agreed to it: what is refused is taken back, by what was agreed on before (RFC 3261 s14.1: "the session parameters
 * remain unchanged"). Of a former life that is not known: it would be keys of media on the disk.
 */
export class CallMedia {
  private readonly media: TrunkMedia | undefined;
  private readonly dialogs: CallDialogs;
  private readonly waiting: ((done: () => void) => void)[] = [];
  private isBusy = false;
  /** Offers without an answer, by tag of the dialog; of the first INVITE, which has none yet, by ''. */
  private readonly offers = new Map<string, Description>();
  private readonly agreements = new Map<string, Agreement>();

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
    ends: Ends = this.dialogs.endsOf(tag),
  ): void {
    const { media } = this;
    const { body } = message;
    const part = sessionIn(message);
    const isPlain = media === undefined || part === 'none';
    // Nothing for the relay; of what somebody can do, the addresses lead nowhere on the other side.
    const unasked = isPlain ? body : isOfSession(message) ? undefined : new Uint8Array();
    if (this.waiting.length >= MAX_WAITING) {
      // Whoever has asked is answered, and a BYE passes those that wait.
      done(unasked, now, RELAY_FAILS);
      return;
    }
    this.queue((free) => {
      const finish = (changed: Uint8Array | undefined, at: number, refusal: Refusal = RELAY_FAILS): void => {
        done(changed, at, refusal);
        free();
      };
      if (media === undefined || part === 'none' || unasked !== undefined) finish(unasked, now);
      else if (part === 'hidden') finish(undefined, now, UNREADABLE[message.type]);
      else {
        const said = { from, body: body.subarray(part.start, part.end) };
        this.relay(media, kind, said, { tag: tag ?? '', ends, now }, (sdp, at, refusal) => {
          finish(sdp && Buffer.concat([body.subarray(0, part.start), sdp, body.subarray(part.end)]), at, refusal);
        });
      }
    });
  }

  private relay(
    media: TrunkMedia,
    kind: 'offer' | 'answer',
    said: Description,
    { tag, ends, now }: { readonly tag: string; readonly ends: Ends; readonly now: number },
    done: (sdp: Uint8Array | undefined, now: number, refusal?: Refusal) => void,
  ): void {
    const session = this.sessionOf(said.from, ends);
    const objection = media.objection(session, said.body);
    if (objection !== undefined) {
      done(undefined, now, { status: NOT_ACCEPTABLE, reason: objection });
      return;
    }
    if (kind === 'offer') this.offers.set(tag, said);
    media[kind](session, said.body, (sdp, at) => {
      // The relay may do as it says all the same.
      if (kind === 'offer' && sdp === undefined) this.putBack(tag);
      else if (kind === 'answer' && sdp !== undefined) this.agree(tag, said, ends);
      done(sdp, at);
    });
  }

  /** What was offered last in that dialog is refused: media go on as they did. */
  putBack(tag: string): void {
    const { media } = this;
    if (media === undefined || !this.offers.delete(tag)) return;
    this.queue((free) => {
      const agreed = this.agreements.get(tag);
      if (agreed === undefined) {
        free();
        return;
      }
      const { offer, answer, ends } = agreed;
      media.offer(this.sessionOf(offer.from, ends), offer.body, (body) => {
        if (body === undefined || this.agreements.get(tag) !== agreed) free();
        else media.answer(this.sessionOf(answer.from, ends), answer.body, free);
      });
    });
  }

  /** That dialog is over. */
  forget(tag: string): void {
    this.offers.delete(tag);
    this.agreements.delete(tag);
  }

  private agree(tag: string, answer: Description, ends: Ends): void {
    const offer = this.offers.get(tag) ?? this.offers.get('');
    if (offer === undefined) return;
    this.agreements.set(tag, { offer, answer, ends });
    if (tag !== '') this.offers.delete(tag);
  }

  private sessionOf(from: End, { tags: { caller, callee }, sides, flows }: Ends): MediaSession {
    const { id, isEmergency } = this.dialogs;
    const [fromTag, toTag] = from === 'caller' ? [caller, callee] : [callee ?? '', caller];
    const other = otherEnd(from);
    const outside = sides[other].from === 'outside' ? other : from;
    return {
      ...{ id, fromTag, toTag, isEmergency },
      ...{ from: sides[from].from, to: sides[other].from },
      isOutsideIpv6: flows[outside].remote.address.includes(':'),
    };
  }

  private queue(job: (done: () => void) => void): void {
    this.waiting.push(job);
    if (!this.isBusy) this.work();
  }

  private work(): void {
    const job = this.waiting.shift();
    this.isBusy = job !== undefined;
    job?.(() => this.work());
  }
}
