import { MalformedMessageError } from '../../base/errors.ts';
import { MAX_HEADERS, MAX_MESSAGE_BYTES } from './constants.ts';
import { canonicalName, isToken, trimSpace } from './headers.ts';
import { contentLength } from './content-length.ts';
import type { SipHeader, SipMessage } from './message.ts';
import { decodeText, encodeText } from './text.ts';

const CRLF = '\r\n';
const VERSION = 'SIP/2.0';

/**
 * One message: a datagram, or what `SipStreamFramer` cut from a stream. It reads whatever a response can be sent to: what a request says wrong
 * is for `validateRequest`. Empty lines before the start line are skipped (RFC 3261 s7.5); bytes behind the body are dropped (s18.3); a body
 * that is shorter than Content-Length says is taken as it is, and one whose length is no number as none.
 * @throws {MalformedMessageError} for what is no SIP message, or more than MAX_MESSAGE_BYTES or MAX_HEADERS.
 */
export function parseSip(bytes: Uint8Array): SipMessage {
  if (bytes.length > MAX_MESSAGE_BYTES) throw new MalformedMessageError(MAX_MESSAGE_BYTES, 'too long');
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let start = 0;
  while (buffer[start] === 0x0d && buffer[start + 1] === 0x0a) start += 2;
  const end = buffer.indexOf('\r\n\r\n', start, 'latin1');
  // The end of a datagram ends its header section, too: RFC 4475's baddn and all of RFC 5118's stop there.
  if (end === -1 && !(buffer.at(-2) === 0x0d && buffer.at(-1) === 0x0a && start < buffer.length))
    throw new MalformedMessageError(buffer.length, 'the header section does not end');
  const head = decodeText(buffer.subarray(start, end === -1 ? buffer.length - 2 : end));
  const rest = buffer.subarray(end === -1 ? buffer.length : end + 4);
  const startLineEnd = head.indexOf(CRLF);
  const startLine = startLineEnd === -1 ? head : head.slice(0, startLineEnd);
  const headers = startLineEnd === -1 ? [] : parseHeaders(head, startLineEnd + 2, start);
  const length = contentLength(headers);
  const body = length === undefined ? rest : rest.subarray(0, length === 'invalid' ? 0 : length);
  return { ...parseStartLine(startLine, start), headers, body };
}

/**
 * Header fields as they are, but for Content-Length, which is made to say the length of the body.
 * @throws {TypeError} when a field holds a line end: it would become another field.
 */
export function encodeSip(message: SipMessage): Uint8Array {
  const lines = [
    message.type === 'request'
      ? `${message.method} ${message.uri} ${message.version ?? VERSION}`
      : `${VERSION} ${message.status} ${message.reason}`,
  ];
  const right = contentLength(message.headers) === message.body.length;
  for (const { name, value } of message.headers)
    if (right || canonicalName(name) !== 'content-length') lines.push(`${name}: ${value}`);
  if (!right) lines.push(`Content-Length: ${message.body.length}`);
  for (const line of lines)
    if (line.includes('\r') || line.includes('\n'))
      throw new TypeError(`a line end in a SIP header field: ${JSON.stringify(line.slice(0, 80))}`);
  return Buffer.concat([encodeText(`${lines.join(CRLF)}${CRLF}${CRLF}`), message.body]);
}

type StartLine =
  | { type: 'request'; method: string; uri: string; version?: string }
  | { type: 'response'; status: number; reason: string };

function parseStartLine(line: string, offset: number): StartLine {
  if (line.includes('\r') || line.includes('\n')) throw new MalformedMessageError(offset, 'a bare CR or LF');
  const status = /^SIP\/2\.0[ \t]+([1-6]\d\d)(?:[ \t](.*))?$/is.exec(line);
  if (status !== null) return { type: 'response', status: Number(status[1]), reason: status[2] ?? '' };
  const first = line.indexOf(' ');
  const trimmed = trimSpace(line);
  const last = trimmed.lastIndexOf(' ');
  const method = line.slice(0, Math.max(first, 0));
  const uri = trimSpace(trimmed.slice(first + 1, Math.max(last, first + 1)));
  const version = trimmed.slice(last + 1);
  if (!isToken(method) || uri === '' || !/^SIP\/\d{1,5}\.\d{1,5}$/i.test(version))
    throw new MalformedMessageError(offset, 'neither a request line nor a status line');
  return { type: 'request', method, uri, ...(version.toUpperCase() === VERSION ? {} : { version }) };
}

/** RFC 3261 s7.3.1; `at` is where the first line begins in `head`, which begins at `start` of the message. */
function parseHeaders(head: string, at: number, start: number): SipHeader[] {
  const headers: { name: string; parts: string[] }[] = [];
  const malformed = (where: number, reason: string): MalformedMessageError =>
    new MalformedMessageError(start + Buffer.byteLength(head.slice(0, where)), reason);
  for (let next = at; next <= head.length;) {
    const lineEnd = head.indexOf(CRLF, next);
    const line = head.slice(next, lineEnd === -1 ? head.length : lineEnd);
    if (line.includes('\r') || line.includes('\n')) throw malformed(next, 'a bare CR or LF');
    if (line.startsWith(' ') || line.startsWith('\t')) {
      const folded = headers.at(-1);
      if (folded === undefined) throw malformed(next, 'a continuation of nothing');
      folded.parts.push(trimSpace(line));
    } else {
      const colon = line.indexOf(':');
      const name = trimSpace(line.slice(0, Math.max(colon, 0)));
      if (!isToken(name)) throw malformed(next, 'a line that is no header field');
      if (headers.length >= MAX_HEADERS) throw malformed(next, 'too many header fields');
      headers.push({ name, parts: [trimSpace(line.slice(colon + 1))] });
    }
    next += line.length + 2;
  }
  return headers.map(({ name, parts }) => ({ name, value: parts.filter((part) => part !== '').join(' ') }));
}
