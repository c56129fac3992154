import { Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

export function statusCommand(): Command {
  return new Command('status')
    .description('identity, overlay, addresses, NAT kind seen, links')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const { request } = await import('../control/client.ts');
      const status = await request(options.socket, 'status', {});
      if (options.json === true) {
        printJson(status);
        return;
      }
      const { formatStatus } = await import('./format-status.ts');
      print(formatStatus(status));
    });
}
