import type { ExecutionContext } from 'ava';
import { Core } from 'sip.js';
import { parseSip } from '../../../src/sip/message/codec.ts';
import { parseCSeq } from '../../../src/sip/message/cseq.ts';
import { firstHeader, headerRows } from '../../../src/sip/message/headers.ts';
import { parseNameAddr } from '../../../src/sip/message/name-addr.ts';
import { parseUri } from '../../../src/sip/message/uri.ts';
import { parseVia } from '../../../src/sip/message/via.ts';

const silent = { error: () => undefined, warn: () => undefined, log: () => undefined, debug: () => undefined };

/** What sip.js, a strict parser of other people, makes of a message; undefined: it refuses it. */
export function judged(bytes: Uint8Array): ReturnType<typeof Core.Parser.parseMessage> {
  return Core.Parser.parseMessage(Buffer.from(bytes).toString('latin1'), silent as unknown as Core.Logger);
}

const withoutBrackets = (host: string | undefined): string | undefined => host?.replaceAll(/[[\]]/g, '').toLowerCase();
const user = (text: string | undefined): string | undefined => (text === undefined ? undefined : parseUri(text)?.user);

/** Ours and sip.js read the same in a message. */
export function readsTheSame(t: ExecutionContext, bytes: Uint8Array): void {
  const message = parseSip(bytes);
  const other = judged(bytes);
  const text = Buffer.from(bytes).toString();
  if (other === undefined) return t.fail(`sip.js refuses it: ${text}`);
  const cseq = parseCSeq(firstHeader(message, 'cseq') ?? '');
  const via = parseVia(firstHeader(message, 'via') ?? '');
  if (message.type === 'request') t.is<unknown, unknown>(other.method, message.method, text);
  t.is<unknown, unknown>(other.callId, firstHeader(message, 'call-id'), text);
  t.is<unknown, unknown>(other.cseq, cseq?.number, text);
  t.is(withoutBrackets(other.via.host), via?.host, text);
  t.is<unknown, unknown>(other.via.port, via?.port, text);
  t.is(other.viaBranch || undefined, via?.params.get('branch'), text);
  t.is(other.getHeaders('via').length, headerRows(message.headers, 'via').length, text);
  for (const field of ['from', 'to'] as const) {
    const ours = parseNameAddr(firstHeader(message, field) ?? '');
    t.is(withoutBrackets(other[field].uri.host), parseUri(ours?.uri ?? '')?.host, text);
    t.is(user(other[field].uri.toString()), user(ours?.uri), text);
    // It leaves half of an escape in a display name.
    if (!(firstHeader(message, field) ?? '').includes('\\'))
      t.is<unknown, unknown>(other[field].displayName || '', ours?.displayName, text);
  }
  t.is(other.body.length, message.body.length, text);
}
