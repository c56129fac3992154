import { Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('what is wrong on this machine, and how to mend it')
    .addCommand(topic('sip', 'phones of this host: why they do not register, are not called, or are not heard'))
    .addCommand(topic('stream', 'the certificate that streams show: that it ends soon, or why a new one is not taken'));
}

function topic(name: 'sip' | 'stream', description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const { request } = await import('../control/client.ts');
      const result = await request(options.socket, 'doctor', { topic: name });
      if (options.json === true) {
        printJson(result);
        return;
      }
      const { formatDoctor } = await import('./format-doctor.ts');
      print(formatDoctor(result));
    });
}
