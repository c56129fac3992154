import { Command } from 'commander';
import { formatEntered } from './format-entered.ts';
import { jsonOption, rendezvousOption, socketOption } from './options.ts';
import { print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
  readonly rendezvous?: 'none' | 'mainline';
}

export function createCommand(): Command {
  return new Command('create')
    .description('make a new overlay, with the running agent as its first member')
    .argument('<overlay>', 'its name, home.example: hosts are NAME.home.example')
    .addOption(rendezvousOption())
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (overlay: string, options: Options) => {
      const { request } = await import('../control/client.ts');
      const entered = await request(options.socket, 'create', {
        overlay,
        ...(options.rendezvous !== undefined && { rendezvous: options.rendezvous }),
      });
      if (options.json === true) printJson(entered);
      else print(formatEntered(entered));
    });
}
