import { Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

export function resolveCommand(): Command {
  return new Command('resolve')
    .description('what the overlay says about a name, a HIT or an overlay IPv4 address, and who said it')
    .argument('<target>', 'a name of the overlay, a HIT or an overlay IPv4 address')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (target: string, options: Options) => {
      const { request } = await import('../control/client.ts');
      const result = await request(options.socket, 'resolve', { target });
      if (options.json === true) {
        printJson(result);
        return;
      }
      const { formatResolve } = await import('./format-resolve.ts');
      print(formatResolve(result));
    });
}
