import { canonicalName, firstHeader, headerValues, trimSpace } from '../message/headers.ts';
import type { SipHeader, SipMessage } from '../message/message.ts';
import { MAX_DEPTH, MAX_PARTS } from './constants.ts';
import { parseMediaType } from './media-type.ts';

/** From `start` to before `end` of a body. */
export interface BodyPart {
  readonly start: number;
  readonly end: number;
}

/** Multipart bodies whose parts are the sender's own words each; of multipart/signed and /encrypted no byte may change (RFC 3261 s23). */
const OPEN_MULTIPARTS: ReadonlySet<string> = new Set(['multipart/mixed', 'multipart/alternative', 'multipart/related']);
/** RFC 2045 s6.2: the other encodings would have to be undone. */
const PLAIN_ENCODINGS: ReadonlySet<string> = new Set(['', '7bit', '8bit', 'binary', 'identity']);

/** What may hold a session description that nobody reads here: S/MIME (RFC 3261 s23), other messages, and what is elsewhere (RFC 4483). */
const CLOSED = /^(?:multipart\/|message\/(?!sipfrag$)|application\/(?:x-)?pkcs7-)/;

/** What `sessionIn` reads, for who has sent another one (RFC 3261 s21.4.13). */
export const READABLE: readonly SipHeader[] = [
  { name: 'Accept', value: 'application/sdp, multipart/mixed, multipart/alternative, multipart/related' },
  { name: 'Accept-Encoding', value: 'identity' },
];

/** The one session description of a message; `hidden`: there may be one that cannot be read here, or be told from another one. */
export type SessionIn = BodyPart | 'none' | 'hidden';

/** Where the session descriptions of that message are: its body, or parts of it. None of one that is signed, encrypted or encoded. */
export function sessionParts(message: SipMessage): BodyPart[] {
  return searched(message).found;
}

/**
 * For who has to see each session description that goes by, and change it (RFC 5621 s3.1: "UAs MUST support both 'multipart/mixed' and
 * 'multipart/alternative'"; one for the session, s8.2, is not to be told from one of RFC 3959 or an alternative there).
 */
export function sessionIn(message: SipMessage): SessionIn {
  const { found, isHidden } = searched(message);
  const [first, ...others] = found;
  if (isHidden || others.length > 0) return 'hidden';
  return first ?? 'none';
}

interface Search {
  readonly body: Buffer;
  readonly found: BodyPart[];
  left: number;
  isHidden: boolean;
}

function searched(message: SipMessage): Search {
  const body = Buffer.from(message.body.buffer, message.body.byteOffset, message.body.length);
  const search: Search = { body, found: [], left: MAX_PARTS, isHidden: false };
  const isPlain = headerValues(message, 'content-encoding').every((coding) =>
    PLAIN_ENCODINGS.has(coding.toLowerCase()),
  );
  const disposition = firstHeader(message, 'content-disposition');
  // RFC 3261 s7.4.1: a body has a Content-Type; without, some take it for a session description.
  const type = firstHeader(message, 'content-type') ?? '';
  look(search, { start: 0, end: body.length }, { type, disposition, isPlain }, 0);
  return search;
}

function look(
  search: Search,
  part: BodyPart,
  what: { readonly type: string; readonly disposition: string | undefined; readonly isPlain: boolean },
  depth: number,
): void {
  if (part.end === part.start) return;
  const media = parseMediaType(what.type);
  const boundary = media?.params.get('boundary') ?? '';
  const isSession = media?.type === 'application/sdp';
  const isOpen = media !== undefined && OPEN_MULTIPARTS.has(media.type);
  if (!isSession && !isOpen) {
    if (media === undefined || CLOSED.test(media.type)) search.isHidden = true;
  } else if (!what.isPlain) search.isHidden = true;
  else if (isSession) {
    search.found.push(part);
    // RFC 3261 s20.11: of application/sdp it is `session` where it is not said.
    if (!/^(?:session)?[ \t]*(?:;|$)/i.test(what.disposition ?? '')) search.isHidden = true;
  } else if (depth >= MAX_DEPTH || !isBoundary(boundary)) search.isHidden = true;
  else
    for (const inner of splitParts(search, part, boundary)) {
      const { headers, content, isAmbiguous } = readPart(search.body, inner);
      const encodings = ['content-transfer-encoding', 'content-encoding'].map((name) => headers.get(name) ?? '');
      const isPlain = encodings.every((encoding) => PLAIN_ENCODINGS.has(encoding.toLowerCase()));
      if (isAmbiguous) search.isHidden = true;
      // RFC 2046 s5.2: a part that does not say what it is is text.
      const type = headers.get('content-type') ?? 'text/plain';
      look(search, content, { type, disposition: headers.get('content-disposition'), isPlain }, depth + 1);
    }
}

/** RFC 2046 s5.1.1. */
function isBoundary(text: string): boolean {
  return text.length >= 1 && text.length <= 70 && /^[\x20-\x7e]+$/.test(text);
}

/** RFC 2046 s5.1.1: what is between two lines that begin with the delimiter, without the line end in front of the second. */
function splitParts(search: Search, within: BodyPart, boundary: string): BodyPart[] {
  const { body } = search;
  const delimiter = `--${boundary}`;
  const parts: BodyPart[] = [];
  let start: number | undefined;
  let isWhole = false;
  for (let at = within.start; search.left > 0; at += delimiter.length) {
    at = body.indexOf(delimiter, at, 'latin1');
    if (at === -1 || at + delimiter.length > within.end) break;
    const after = body.toString('latin1', at + delimiter.length, at + delimiter.length + 2);
    if ((at > within.start && body[at - 1] !== 0x0a) || !/^(?:--|\s)/.test(after)) continue;
    if (start !== undefined) {
      search.left -= 1;
      const lineEnd = body[at - 2] === 0x0d ? 2 : 1;
      parts.push({ start, end: Math.max(start, at - lineEnd) });
    }
    const next = body.indexOf('\n', at, 'latin1');
    isWhole = after === '--';
    if (isWhole || next === -1) break;
    start = next + 1;
  }
  if (!isWhole) search.isHidden = true;
  return parts;
}

/** Its header fields by name in lower case, without folded ones (a boundary on a folded line is not found then), and what follows them. */
function readPart(
  body: Buffer,
  part: BodyPart,
): { headers: Map<string, string>; content: BodyPart; /** One of them comes twice. */ isAmbiguous: boolean } {
  const headers = new Map<string, string>();
  let isAmbiguous = false;
  let at = part.start;
  while (at < part.end) {
    const lineEnd = body.indexOf('\n', at, 'latin1');
    const end = lineEnd === -1 || lineEnd >= part.end ? part.end : lineEnd;
    const line = body.toString('latin1', at, end).replace(/\r$/, '');
    at = Math.min(end + 1, part.end);
    if (line === '') break;
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = canonicalName(trimSpace(line.slice(0, colon)));
    isAmbiguous ||= headers.has(name);
    headers.set(name, trimSpace(line.slice(colon + 1)));
  }
  return { headers, content: { start: at, end: part.end }, isAmbiguous };
}
