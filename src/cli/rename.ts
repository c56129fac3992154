import { Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

export function renameCommand(): Command {
  return new Command('rename')
    .description('gives a user of the overlay, or one host, another name')
    .argument('<who>', 'a user of the overlay (alice), or the HIT of one host')
    .argument('<name>', 'the new name: a-z, 0-9 and -, such as anna')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (who: string, name: string, options: Options) => {
      const { request } = await import('../control/client.ts');
      const result = await request(options.socket, 'rename', { target: who, name });
      if (options.json === true) {
        printJson(result);
        return;
      }
      for (const { hit, user } of result.renamed) print(`${hit}  ${user ?? '-'}`);
    });
}
