import { Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
  readonly force?: boolean;
}

export function leaveCommand(): Command {
  return new Command('leave')
    .description('end the membership of the running agent; identity and agent stay')
    .option('--force', 'though this host is the one that lets others in')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const { request } = await import('../control/client.ts');
      const left = await request(options.socket, 'leave', { force: options.force === true });
      if (options.json === true) printJson(left);
      else print(`left ${left.overlay}; its files are in ${left.files}`);
    });
}
