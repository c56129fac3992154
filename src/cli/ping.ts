import { Command } from 'commander';
import { jsonOption, socketOption, wholeNumber } from './options.ts';
import { EXIT } from './exit-status.ts';
import { print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
  readonly count: number;
}

export function pingCommand(): Command {
  return new Command('ping')
    .description('end-to-end echo on the link: RTT, path, whether direct or relayed and why')
    .argument('<target>', 'a name of the overlay, a HIT or an overlay IPv4 address')
    .option('-c, --count <count>', 'echoes', wholeNumber(1, 100), 3)
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (target: string, options: Options) => {
      const { request } = await import('../control/client.ts');
      const result = await request(options.socket, 'ping', { target, count: options.count });
      if (options.json === true) printJson(result);
      else {
        const { formatPing } = await import('./format-ping.ts');
        print(formatPing(result));
      }
      if (result.rttMs.every((rtt) => rtt === null)) process.exitCode = EXIT.failed;
    });
}
