import { Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

export function downCommand(): Command {
  return new Command('down')
    .description('stop the running agent')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const { request } = await import('../control/client.ts');
      await request(options.socket, 'down', {});
      if (options.json === true) printJson({});
    });
}
