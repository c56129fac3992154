import type { SipMessage } from '../message/message.ts';
import { MAX_LINE_CHARACTERS } from './constants.ts';
import { sdpLines } from './lines.ts';
import { sessionParts } from './session-parts.ts';

export type AddressFamily = 4 | 6;

/** Of which families the media are that a session description asks for (RFC 8866 s5.7), those with port 0 left out: they are declined. */
export function addressFamilies(body: Uint8Array): ReadonlySet<AddressFamily> {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1');
  const families = new Set<AddressFamily>();
  let ofSession: AddressFamily | undefined;
  let medium: { readonly wanted: boolean; family: AddressFamily | undefined } | undefined;
  const endMedium = (): void => {
    const family = medium?.family ?? ofSession;
    if (medium?.wanted === true && family !== undefined) families.add(family);
  };
  for (const { text: line } of sdpLines(text)) {
    if (line.length > MAX_LINE_CHARACTERS) continue;
    if (line.startsWith('m=')) {
      endMedium();
      medium = { wanted: !/^m=\S+ 0+(?:[ /]|$)/.test(line), family: undefined };
    }
    const digit = /^c=IN IP([46]) /.exec(line)?.[1];
    if (digit === undefined) continue;
    const family = digit === '4' ? 4 : 6;
    if (medium === undefined) ofSession = family;
    else medium.family = family;
  }
  endMedium();
  return families;
}

/** The same of all session descriptions in a message; none when it has none that can be read. */
export function sessionFamilies(message: SipMessage): ReadonlySet<AddressFamily> {
  return new Set(
    sessionParts(message).flatMap(({ start, end }) => [...addressFamilies(message.body.subarray(start, end))]),
  );
}

/**
 * Whether media may come to go elsewhere than connection data says: ICE decides (RFC 8839 s5.1), or they go nowhere yet. 0.0.0.0 is what
 * they write who still gather candidates (RFC 8838), or hold a call as RFC 2543 did (RFC 3264 s8.4).
 */
export function isUndecided(message: SipMessage): boolean {
  const texts = sessionParts(message).map(({ start, end }) =>
    Buffer.from(message.body.subarray(start, end)).toString('latin1'),
  );
  return texts.some((text) =>
    sdpLines(text).some(({ text: line }) => /^(?:a=candidate:|c=IN IP4 0\.0\.0\.0(?:[ /]|$))/.test(line)),
  );
}
