import { Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { note, print, printJson } from './output.ts';

const NOT_GIVEN_BACK =
  'not all who let hosts in could be told: there others get its name with a ticket for it alone, `idloc invite --user NAME`';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
  readonly force?: boolean;
}

export function leaveCommand(): Command {
  return new Command('leave')
    .description('end the membership of the running agent; identity and agent stay')
    .option('--force', 'though nobody else lets others in')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const { request } = await import('../control/client.ts');
      const left = await request(options.socket, 'leave', { force: options.force === true });
      if (options.json === true) printJson(left);
      else print(`left ${left.overlay}; its files are in ${left.files}`);
      if (!left.givenBack) note(NOT_GIVEN_BACK);
    });
}
