import { ByteReader } from '../base/bytes.ts';
import type { ByteWriter } from '../base/bytes.ts';
import { MAX_DESTINATIONS } from './constants.ts';
import { type Destination, decodeDestination, encodeDestination } from './destination.ts';
import { malformed, readList, readText, writeList, writeText, writeU8 } from './wire.ts';

const URI = 1;
const ROUTE = 2;

/** RFC 7904 s3.2: `Destination destination_list<3..2^16-1>`. */
const MIN_DESTINATION_LIST_BYTES = 3;

/** AoRs and feature parameters are ASCII (RFC 3261 s19.1, RFC 3840 s9). */
const TEXT = /^[\x20-\x7e]*$/;

/**
 * What a SIP-REGISTRATION value says (RFC 7904 s3.2): another AoR, or the way to the user's host and what it would have of callers.
 *
 * ```
 * enum { sip_registration_uri(1), sip_registration_route(2), (255) } SipRegistrationType;
 * select (SipRegistration.type) {
 *   case sip_registration_uri:   opaque uri<0..2^16-1>;
 *   case sip_registration_route: opaque contact_prefs<0..2^16-1>; Destination destination_list<3..2^16-1>;
 * } SipRegistrationData;
 * struct { SipRegistrationType type; uint16 length; SipRegistrationData data; } SipRegistration;
 * ```
 */
export type SipRegistration =
  | { readonly type: 'uri'; readonly uri: string }
  | { readonly type: 'route'; readonly contactPrefs: string; readonly destinationList: readonly Destination[] };

/** @throws {RangeError} for a destination list that is too short, what does not fit its length and text that is not ASCII. */
export function encodeSipRegistration(writer: ByteWriter, registration: SipRegistration): void {
  if (registration.type === 'uri') {
    writeU8(writer, URI);
    writer.vector(2, () => writeText(writer, 2, registration.uri, TEXT));
    return;
  }
  const { contactPrefs, destinationList } = registration;
  writeU8(writer, ROUTE);
  writer.vector(2, () => {
    writeText(writer, 2, contactPrefs, TEXT);
    const before = writer.length;
    writeList(writer, 2, destinationList, encodeDestination);
    if (writer.length < before + 2 + MIN_DESTINATION_LIST_BYTES)
      throw new RangeError('a destination list has at least 3 bytes');
  });
}

/**
 * @returns undefined for a type that is not known here: "This type can be extended".
 * @throws {MalformedMessageError}
 */
export function decodeSipRegistration(bytes: Uint8Array): SipRegistration | undefined {
  const reader = new ByteReader(bytes);
  const type = reader.u8();
  const data = reader.vector(2);
  reader.end();
  if (type !== URI && type !== ROUTE) return undefined;
  const registration = type === URI ? readUri(data) : readRoute(data);
  data.end();
  return registration;
}

function readUri(data: ByteReader): SipRegistration {
  return { type: 'uri', uri: readText(data, 2, TEXT) };
}

function readRoute(data: ByteReader): SipRegistration {
  const contactPrefs = readText(data, 2, TEXT);
  const at = data.offset;
  const list = data.vector(2);
  if (list.remaining < MIN_DESTINATION_LIST_BYTES) malformed(at, 'a destination list has at least 3 bytes');
  return { type: 'route', contactPrefs, destinationList: readList(list, MAX_DESTINATIONS, decodeDestination) };
}
