import { Command } from 'commander';
import { note, print, printJson } from './output.ts';
import { duration, jsonOption, socketOption, wholeNumber } from './options.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
  readonly user?: string;
  readonly expires?: number;
  readonly uses?: number;
  readonly replaces?: boolean;
}

export function inviteCommand(): Command {
  return new Command('invite')
    .description('print a ticket that lets another host join: overlay, trust, addresses to start from')
    .option('--user <name>', 'the name that the newcomer gets (it chooses when absent)')
    .option('--expires <time>', 'until when the ticket is good: 15m, 24h, 7d', duration)
    .option('--uses <count>', 'how many hosts may join with it', wholeNumber(1, 10_000))
    .option('--replaces', 'the user has lost its key: the newcomer takes the place of its hosts')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const { request } = await import('../control/client.ts');
      const { ticket, id, warning } = await request(options.socket, 'invite', {
        ...(options.user === undefined ? {} : { user: options.user }),
        ...(options.expires === undefined ? {} : { expiresS: options.expires }),
        ...(options.uses === undefined ? {} : { uses: options.uses }),
        ...(options.replaces === undefined ? {} : { replaces: options.replaces }),
      });
      if (options.json === true) {
        printJson({ ticket, id, warning: warning ?? null });
        return;
      }
      if (warning !== undefined) note(`idloc: ${warning}`);
      if (process.stderr.isTTY) note('On the other host: idloc join TICKET. Whoever has this line may join:');
      print(ticket);
    });
}
