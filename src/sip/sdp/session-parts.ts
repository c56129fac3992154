import { canonicalName, firstHeader, headerValues, trimSpace } from '../message/headers.ts';
import type { SipMessage } from '../message/message.ts';
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

/** Where the session descriptions of that message are: its body, or parts of it. None of one that is signed, encrypted or encoded. */
export function sessionParts(message: SipMessage): BodyPart[] {
  if (headerValues(message, 'content-encoding').some((coding) => !PLAIN_ENCODINGS.has(coding.toLowerCase()))) return [];
  const body = Buffer.from(message.body.buffer, message.body.byteOffset, message.body.length);
  const found: BodyPart[] = [];
  const left = { parts: MAX_PARTS };
  search(body, { start: 0, end: body.length }, firstHeader(message, 'content-type') ?? '', 0, found, left);
  return found;
}

function search(
  body: Buffer,
  part: BodyPart,
  contentType: string,
  depth: number,
  found: BodyPart[],
  left: { parts: number },
): void {
  const media = parseMediaType(contentType);
  if (media?.type === 'application/sdp') {
    if (part.end > part.start) found.push(part);
    return;
  }
  const boundary = media?.params.get('boundary') ?? '';
  if (media === undefined || !OPEN_MULTIPARTS.has(media.type) || depth >= MAX_DEPTH || !isBoundary(boundary)) return;
  for (const inner of splitParts(body, part, boundary, left)) {
    const { headers, content } = readPart(body, inner);
    const encoding = headers.get('content-transfer-encoding') ?? headers.get('content-encoding') ?? '';
    if (PLAIN_ENCODINGS.has(encoding.toLowerCase()))
      search(body, content, headers.get('content-type') ?? '', depth + 1, found, left);
  }
}

/** RFC 2046 s5.1.1. */
function isBoundary(text: string): boolean {
  return text.length >= 1 && text.length <= 70 && /^[\x20-\x7e]+$/.test(text);
}

/** RFC 2046 s5.1.1: what is between two lines that begin with the delimiter, without the line end in front of the second. */
function splitParts(body: Buffer, within: BodyPart, boundary: string, left: { parts: number }): BodyPart[] {
  const delimiter = `--${boundary}`;
  const parts: BodyPart[] = [];
  let start: number | undefined;
  for (let at = within.start; left.parts > 0; at += delimiter.length) {
    at = body.indexOf(delimiter, at, 'latin1');
    if (at === -1 || at + delimiter.length > within.end) break;
    const after = body.toString('latin1', at + delimiter.length, at + delimiter.length + 2);
    if ((at > within.start && body[at - 1] !== 0x0a) || !/^(?:--|\s)/.test(after)) continue;
    if (start !== undefined) {
      left.parts -= 1;
      const lineEnd = body[at - 2] === 0x0d ? 2 : 1;
      parts.push({ start, end: Math.max(start, at - lineEnd) });
    }
    const next = body.indexOf('\n', at, 'latin1');
    if (after === '--' || next === -1) break;
    start = next + 1;
  }
  return parts;
}

/** Its header fields by name in lower case, without folded ones (a boundary on a folded line is not found then), and what follows them. */
function readPart(body: Buffer, part: BodyPart): { headers: Map<string, string>; content: BodyPart } {
  const headers = new Map<string, string>();
  let at = part.start;
  while (at < part.end) {
    const lineEnd = body.indexOf('\n', at, 'latin1');
    const end = lineEnd === -1 || lineEnd >= part.end ? part.end : lineEnd;
    const line = body.toString('latin1', at, end).replace(/\r$/, '');
    at = Math.min(end + 1, part.end);
    if (line === '') break;
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(canonicalName(trimSpace(line.slice(0, colon))), trimSpace(line.slice(colon + 1)));
  }
  return { headers, content: { start: at, end: part.end } };
}
