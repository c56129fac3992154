import { createHash } from 'node:crypto';
import { ByteReader, ByteWriter, equalBytes } from '../base/bytes.ts';
import { MalformedMessageError } from '../base/errors.ts';
import { isHit, type Hit } from '../base/node-id.ts';
import { addressFromBytes, addressToBytes } from '../base/ip-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { CODE_BYTES, RENDEZVOUS_SECRET_BYTES } from './code-secret.ts';
import { TicketError } from './errors.ts';
import { isMemberLabel, isOverlayName, isUserOf, labelOfUser } from './names.ts';
import type { OverlayMode } from './trust-store.ts';

/*
 * `idloc2.` and base64url (RFC 4648 s5, no padding) of:
 *
 *   struct {
 *     uint16  length;                    // of what follows, without the checksum: tells a cut-off ticket
 *     uint8   flags;                     // 1: open overlay; 2: has a code; 4: has the overlay's secret; 8: members meet in Mainline; others 0
 *     uint32  expires_at;                // seconds since the epoch
 *     opaque  authority[32];             // SHA-256 of its SubjectPublicKeyInfo
 *     opaque  inviter[16];               // HIT
 *     opaque  code[16];                  // only with flag 2
 *     opaque  secret[16];                // only with flag 4
 *     opaque  overlay<1..2^8-1>;
 *     opaque  user<0..2^8-1>;            // what stands before the @ and the overlay's name; empty: none
 *     Address addresses<0..2^8-1>;       // {uint8 length 4 or 16; opaque ip[length]; uint16 port}
 *     opaque  checksum[6];               // SHA-256 of all before, cut
 *   } Ticket;
 */
const VERSION = '2';
const PREFIX = `idloc${VERSION}.`;
const FLAG_OPEN = 1;
const FLAG_CODE = 2;
const FLAG_SECRET = 4;
const FLAG_MAINLINE = 8;
const CHECKSUM_BYTES = 6;
const FINGERPRINT_BYTES = 32;
/** Enough for a host with several addresses and two more members. */
export const MAX_TICKET_ADDRESSES = 8;
/** The longest ticket has about 800 characters. */
const MAX_TICKET_LENGTH = 1200;

/** What lets newcomers into an overlay. With its code it is a secret until used up. */
export interface Ticket {
  readonly overlay: string;
  readonly mode: OverlayMode;
  /** SHA-256 of the authority's DER SubjectPublicKeyInfo, 32 bytes. */
  readonly authority: Uint8Array;
  readonly inviter: Hit;
  /** Where to start from, best first; at most 8. */
  readonly addresses: readonly SocketAddress[];
  /** 16 bytes: lets in as many hosts as the inviter's register says; null in open overlays. */
  readonly code: Uint8Array | null;
  /** The overlay's rendezvous secret, 16 bytes: where else than at `addresses` its members are found. Null: nowhere. */
  readonly secret: Uint8Array | null;
  /** Whether they are found in BitTorrent's Mainline DHT, beside the LAN. */
  readonly mainline: boolean;
  /** Milliseconds since the epoch, whole seconds. */
  readonly expiresAt: number;
  /** The user name that the newcomer will have; null: its own choice. */
  readonly user: string | null;
}

function checksum(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest().subarray(0, CHECKSUM_BYTES);
}

/**
 * One line without spaces, safe in shells, mails and URLs.
 * @throws {TicketError} when a field is not allowed.
 */
export function encodeTicket(ticket: Ticket): string {
  const { overlay, mode, authority, inviter, addresses, code, secret, mainline, expiresAt, user } = ticket;
  if (
    !isOverlayName(overlay) ||
    (user !== null && !isUserOf(user, overlay)) ||
    authority.length !== FINGERPRINT_BYTES ||
    !isHit(inviter) ||
    addresses.length > MAX_TICKET_ADDRESSES ||
    (code !== null && code.length !== CODE_BYTES) ||
    (secret !== null && secret.length !== RENDEZVOUS_SECRET_BYTES)
  )
    throw new TicketError('a ticket cannot be made of these facts');
  const writer = new ByteWriter();
  writer.vector(2, () => {
    writer.u8(
      (mode === 'open' ? FLAG_OPEN : 0) |
        (code === null ? 0 : FLAG_CODE) |
        (secret === null ? 0 : FLAG_SECRET) |
        (mainline ? FLAG_MAINLINE : 0),
    );
    writer.u32(Math.floor(expiresAt / 1000));
    writer.bytes(authority);
    writer.hex(inviter);
    if (code !== null) writer.bytes(code);
    if (secret !== null) writer.bytes(secret);
    writer.vector(1, () => writer.utf8(overlay));
    writer.vector(1, () => writer.utf8(user === null ? '' : labelOfUser(user)));
    writer.vector(1, () => {
      for (const { address, port } of addresses) {
        writer.vector(1, () => writer.bytes(addressToBytes(address)));
        writer.u16(port);
      }
    });
  });
  writer.bytes(checksum(writer.finish()));
  return PREFIX + Buffer.from(writer.finish()).toString('base64url');
}

/**
 * Spaces and line breaks that mail programs put in are ignored.
 * @param wallNow milliseconds since the epoch.
 * @throws {TicketError} when the text is no ticket, was changed or cut off, or has expired.
 */
export function decodeTicket(text: string, wallNow: number): Ticket {
  if (text.length > 2 * MAX_TICKET_LENGTH) throw new TicketError('this is no ticket: the text is too long');
  const compact = text.replace(/\s+/g, '');
  const [, version, body] = /^idloc(\d{1,3})\.([A-Za-z0-9_-]*)$/.exec(compact) ?? [];
  if (version === undefined || body === undefined)
    throw new TicketError(`this is no ticket: a ticket starts with ${PREFIX} and has letters, digits, - and _`);
  if (version !== VERSION)
    throw new TicketError(`a ticket of version ${version}: this idloc reads version ${VERSION}, ask for a new one`);
  const bytes = new Uint8Array(Buffer.from(body, 'base64url'));
  const expected = bytes.length < 2 ? Infinity : new ByteReader(bytes).u16() + 2 + CHECKSUM_BYTES;
  if (bytes.length < expected) throw new TicketError('the ticket is cut off: copy the whole line');
  const content = bytes.subarray(0, -CHECKSUM_BYTES);
  // The re-encoding makes one text for one ticket: unused bits at the end of base64 are zero.
  if (
    bytes.length > expected ||
    Buffer.from(bytes).toString('base64url') !== body ||
    !equalBytes(checksum(content), bytes.subarray(-CHECKSUM_BYTES))
  )
    throw new TicketError('the ticket was changed on its way: copy it again, or ask for a new one');
  let ticket: Ticket;
  try {
    ticket = readTicket(new ByteReader(content));
  } catch (cause) {
    if (!(cause instanceof MalformedMessageError)) throw cause;
    throw new TicketError('the ticket has the right form but makes no sense: ask for a new one', { cause });
  }
  if (ticket.expiresAt <= wallNow)
    throw new TicketError(`the ticket has expired on ${new Date(ticket.expiresAt).toISOString()}: ask for a new one`);
  return ticket;
}

function readTicket(reader: ByteReader): Ticket {
  reader.u16();
  const flags = reader.u8();
  if ((flags & ~(FLAG_OPEN | FLAG_CODE | FLAG_SECRET | FLAG_MAINLINE)) !== 0) reader.fail(`unknown flags ${flags}`);
  const expiresAt = reader.u32() * 1000;
  const authority = reader.bytes(FINGERPRINT_BYTES).slice();
  const inviter = reader.hex(16);
  if (!isHit(inviter)) reader.fail('the inviter is no HIT');
  const code = (flags & FLAG_CODE) === 0 ? null : reader.bytes(CODE_BYTES).slice();
  const secret = (flags & FLAG_SECRET) === 0 ? null : reader.bytes(RENDEZVOUS_SECRET_BYTES).slice();
  const overlay = readAscii(reader);
  if (!isOverlayName(overlay)) reader.fail('not an overlay name');
  const label = readAscii(reader);
  if (label !== '' && !isMemberLabel(label)) reader.fail('not a user name');
  const list = reader.vector(1);
  const addresses: SocketAddress[] = [];
  while (list.remaining > 0) {
    const ip = list.vector(1).rest();
    if (ip.length !== 4 && ip.length !== 16) list.fail('not an IP address');
    addresses.push({ address: addressFromBytes(ip), port: list.u16() });
  }
  if (addresses.length > MAX_TICKET_ADDRESSES) list.fail('too many addresses');
  reader.end();
  const mode = (flags & FLAG_OPEN) === 0 ? 'invite' : 'open';
  const user = label === '' ? null : `${label}@${overlay}`;
  const mainline = (flags & FLAG_MAINLINE) !== 0;
  return { overlay, mode, authority, inviter, addresses, code, secret, mainline, expiresAt, user };
}

function readAscii(reader: ByteReader): string {
  return Buffer.from(reader.vector(1).rest()).toString('latin1');
}
