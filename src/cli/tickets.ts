import { Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { note, print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
  readonly withdraw?: string;
}

export function ticketsCommand(): Command {
  return new Command('tickets')
    .description('the tickets of this host that still let others in: for whom, uses left, until when')
    .option('--withdraw <id>', 'this ticket lets nobody in any more; whom it has let in stays')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const { request } = await import('../control/client.ts');
      const { formatTickets } = await import('./format-tickets.ts');
      if (options.withdraw !== undefined) {
        const result = await request(options.socket, 'withdraw', { id: options.withdraw });
        if (options.json === true) printJson(result);
        else {
          const { id, user } = result.withdrawn;
          print(`${id}  ${user ?? '-'}  withdrawn`);
        }
        return;
      }
      const result = await request(options.socket, 'tickets', {});
      if (options.json === true) printJson(result);
      else if (result.tickets.length === 0) note('no ticket is open: `idloc invite` makes one');
      else print(formatTickets(result.tickets, Date.now()));
    });
}
