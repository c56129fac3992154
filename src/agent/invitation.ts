import { toHex } from '../base/bytes.ts';
import { IdlocError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { CODE_BYTES, secretOfCode } from '../identity/code-secret.ts';
import type { EnrollmentRegister } from '../identity/enrollment-register.ts';
import { encodeTicket } from '../identity/ticket.ts';
import type { Engine } from './engine.ts';
import type { Membership } from './membership.ts';

export interface Inviter {
  readonly engine: Engine;
  readonly membership: Membership;
  readonly register: EnrollmentRegister;
  readonly random: Random;
}

export interface InvitationOptions {
  /** The name that the newcomer gets; null: its own choice. */
  readonly user: string | null;
  /** Milliseconds. */
  readonly lifetimeMs: number;
  readonly uses?: number;
  readonly replaces?: boolean;
  /** Instead of those that are known here. */
  readonly addresses?: readonly SocketAddress[] | undefined;
}

export interface Invitation {
  readonly ticket: string;
  /** Names it among the open tickets. */
  readonly id: string;
  /** What its user is to know, and do about it; absent: nothing. */
  readonly warning?: string;
}

/**
 * A ticket of a host that may invite; `Engine.ticketsChanged` is still to be called.
 * @throws {IdlocError} `no_address`, when there is nowhere to start from.
 */
export function makeInvitation(inviter: Inviter, options: InvitationOptions, now: number): Invitation {
  const { engine, membership, register, random } = inviter;
  const { authority, secret } = membership;
  const { configuration } = engine.membership;
  const known = engine.ticketAddresses(now);
  const { addresses = known.addresses, user, lifetimeMs, uses = 1, replaces = false } = options;
  const meets = configuration.rendezvous !== 'none';
  if (addresses.length === 0 && !meets && options.addresses === undefined)
    throw new IdlocError('no_address', 'this host has no network address that another could start from');
  const wallNow = engine.clock.wall();
  const expiresAt = wallNow + lifetimeMs;
  const code = random.bytes(CODE_BYTES);
  register.addCode(code, { expiresAt, user, uses, replaces, wallNow });
  const ticket = encodeTicket({
    overlay: configuration.overlay,
    mode: configuration.mode,
    authority,
    inviter: engine.hit,
    ...{ addresses, code, secret, expiresAt, user },
    mainline: configuration.rendezvous === 'mainline',
  });
  const id = toHex(secretOfCode(code).id);
  return known.leadInFromOutside || meets ? { ticket, id } : { ticket, id, warning: LAN_ONLY };
}

const LAN_ONLY =
  'whoever is outside this network may not get in with this ticket: no public address of this host or of another peer is ' +
  'known: forward its UDP port in the router and set `advertise`, or make a ticket when a public peer is linked';
