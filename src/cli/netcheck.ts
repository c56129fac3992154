import { Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

export function netcheckCommand(): Command {
  return new Command('netcheck')
    .description('NAT behaviour, IPv4/IPv6, UDP blocked or not, relays found; what will work, and what to ask for')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const { request } = await import('../control/client.ts');
      const result = await request(options.socket, 'netcheck', {});
      if (options.json === true) {
        printJson(result);
        return;
      }
      const { formatNetcheck } = await import('./format-netcheck.ts');
      print(formatNetcheck(result));
    });
}
