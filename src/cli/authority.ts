import { Command } from 'commander';
import { formatEntered } from './format-entered.ts';
import { jsonOption, socketOption } from './options.ts';
import { print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

/** The key that an overlay was created with, kept in a safe place or moved to another host. */
export function authorityCommand(): Command {
  return new Command('authority')
    .description("the overlay's own key: a copy of it for a safe place, or for another host")
    .addCommand(exportCommand())
    .addCommand(importCommand());
}

function exportCommand(): Command {
  return new Command('export')
    .description('write the authority of the overlay, encrypted by a passphrase, to a new file')
    .argument('<file>', 'must not be there yet')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (file: string, options: Options) => {
      const { request } = await import('../control/client.ts');
      const { readPassphrase } = await import('./passphrase.ts');
      const { checkNewFile, writeNewFile } = await import('./secret-file.ts');
      checkNewFile(file);
      const passphrase = await readPassphrase('Passphrase for the file');
      const { overlay, text } = await request(options.socket, 'exportAuthority', { passphrase });
      writeNewFile(file, text);
      if (options.json === true) printJson({ overlay, file });
      else print(`the authority of ${overlay} is in ${file}: keep it and its passphrase apart`);
    });
}

function importCommand(): Command {
  return new Command('import')
    .description('make this host the founder of the overlay whose authority is in a file')
    .argument('<file>', 'what `idloc authority export` wrote')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (file: string, options: Options) => {
      const { request } = await import('../control/client.ts');
      const { readPassphrase } = await import('./passphrase.ts');
      const { readSecretFile } = await import('./secret-file.ts');
      const text = readSecretFile(file);
      const passphrase = await readPassphrase(`Passphrase of ${file}`);
      const entered = await request(options.socket, 'importAuthority', { text, passphrase });
      if (options.json === true) printJson(entered);
      else print(formatEntered(entered));
    });
}
