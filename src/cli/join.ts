import { Command } from 'commander';
import { formatEntered } from './format-entered.ts';
import { jsonOption, socketOption } from './options.ts';
import { print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
  readonly name?: string;
}

export function joinCommand(): Command {
  return new Command('join')
    .description('take the running agent into the overlay of a ticket; it leaves none for that but one of its own')
    .argument('<ticket>', 'what `idloc invite` of a member printed')
    .option(
      '--name <name>',
      "this host's name in the overlay (default: what the ticket or the configuration says, or the machine's)",
    )
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (ticket: string, options: Options) => {
      const { request } = await import('../control/client.ts');
      const entered = await request(options.socket, 'join', {
        ticket,
        ...(options.name !== undefined && { name: options.name }),
      });
      if (options.json === true) printJson(entered);
      else print(formatEntered(entered));
    });
}
