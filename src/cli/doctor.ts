import { Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

export function doctorCommand(): Command {
  const sip = new Command('sip')
    .description('phones of this host: why they do not register, are not called, or are not heard')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const { request } = await import('../control/client.ts');
      const result = await request(options.socket, 'doctor', { topic: 'sip' });
      if (options.json === true) {
        printJson(result);
        return;
      }
      const { formatDoctor } = await import('./format-doctor.ts');
      print(formatDoctor(result));
    });
  return new Command('doctor').description('what is wrong on this machine, and how to mend it').addCommand(sip);
}
