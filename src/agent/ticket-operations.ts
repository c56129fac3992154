import { IdlocError } from '../base/errors.ts';
import type { ControlHandlers, TicketStatus } from '../control/schemas.ts';
import type { EnrollmentRegister, OpenTicket } from '../identity/enrollment-register.ts';
import type { Driver } from './driver.ts';
import type { Engine } from './engine.ts';
import { rightToInvite } from './member-operations.ts';

export interface TicketOperationsComponents {
  readonly engine: Engine;
  readonly driver: Driver;
  readonly register: Pick<EnrollmentRegister, 'openTickets' | 'withdraw'>;
}

/** What local clients may ask about the tickets that this host has made and that still let hosts in. */
export function ticketHandlers({
  engine,
  driver,
  register,
}: TicketOperationsComponents): Pick<ControlHandlers, 'tickets' | 'withdraw'> {
  const open = (): OpenTicket[] => {
    rightToInvite(engine);
    return register.openTickets(engine.clock.wall());
  };
  return {
    tickets: () => ({ tickets: open().map(shown) }),
    withdraw: ({ id }) => {
      const meant = open().filter((ticket) => id !== '' && ticket.id.startsWith(id.toLowerCase()));
      const [ticket] = meant;
      if (ticket === undefined)
        throw new IdlocError('no_such_ticket', `${id}: no open ticket of this host: \`idloc tickets\` shows all`);
      if (meant.length > 1)
        throw new IdlocError('ambiguous_ticket', `${meant.length} tickets begin with ${id}: give more of the id`);
      register.withdraw(ticket.id);
      driver.run((now) => engine.ticketsChanged(now));
      return { withdrawn: shown(ticket) };
    },
  };
}

function shown({ expiresAt, ...ticket }: OpenTicket): TicketStatus {
  return { ...ticket, expires: expiresAt };
}
