import { Argument, Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

export function grantCommand(): Command {
  return new Command('grant')
    .description('lets a host of the overlay invite others and renew certificates')
    .argument('<who>', 'a user of the overlay (alice), or the HIT of one host')
    .addArgument(new Argument('<right>', 'what it may do').choices(['invite']))
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (who: string, _right: string, options: Options) => {
      const { request } = await import('../control/client.ts');
      const result = await request(options.socket, 'grant', { target: who, right: 'invite' });
      if (options.json === true) {
        printJson(result);
        return;
      }
      for (const { hit, user } of result.granted) print(`${hit}  ${user ?? '-'}  may invite`);
    });
}
