import { Command } from 'commander';
import { IdlocError } from '../base/errors.ts';
import type { PhoneFileEntry } from '../control/schemas.ts';
import { jsonOption, socketOption } from './options.ts';
import { note, print, printBytes, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

/** Settings of the user's phones, on all hosts of the user. */
export function phonesCommand(): Command {
  return new Command('phones')
    .description("files with the settings of the user's phones, encrypted in the overlay for the hosts of the user")
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(saveCommand())
    .addCommand(showCommand())
    .addCommand(removeCommand());
}

function listCommand(): Command {
  return new Command('list')
    .description('names, sizes, and when each was saved')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async ({ socket, json }: Options) => {
      const { request } = await import('../control/client.ts');
      const { files, problem } = await request(socket, 'phoneFiles', {});
      if (json === true) {
        printJson({ files, problem });
        return;
      }
      const { localTime, table } = await import('./format.ts');
      const rows = files.map(({ name, bytes, savedAt }) => [name, String(bytes), localTime(savedAt)]);
      if (rows.length > 0) print(table([['NAME', 'BYTES', 'SAVED'], ...rows]).join('\n'));
      else
        note(
          'no file is kept: `idloc phones save NAME FILE` keeps one; which phones are registered here shows `idloc status`',
        );
      if (problem !== null) note(problem);
    });
}

function saveCommand(): Command {
  return new Command('save')
    .description('keeps a file of a phone, in place of the one with the same name')
    .argument('<name>', 'such as baresip/accounts')
    .argument('<file>', 'of 64 KiB at most, or - for stdin')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (name: string, file: string, { socket, json }: Options) => {
      const { MAX_PHONE_FILE_BYTES } = await import('../control/constants.ts');
      const { readBytes } = await import('./read-bytes.ts');
      const content = (await readBytes(file, MAX_PHONE_FILE_BYTES)).toString('base64');
      const { request } = await import('../control/client.ts');
      const { problem, ...saved } = await request(socket, 'savePhoneFile', { name, content });
      if (json === true) printJson({ saved, problem });
      else {
        print(`${saved.name}  ${saved.bytes} bytes`);
        if (problem !== null) note(problem);
      }
    });
}

function showCommand(): Command {
  return new Command('show')
    .description('writes a file to stdout, or into a new file')
    .argument('<name>', 'as the list shows it')
    .option('--output <file>', 'for its owner alone; one that is there is not overwritten')
    .option('--force', 'with --output: in place of the file that is there')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (name: string, options: Options & { readonly output?: string; readonly force?: boolean }) => {
      const { socket, json, output, force } = options;
      const { checkNewFile, replaceFile, writeNewFile } = await import('./secret-file.ts');
      if (output !== undefined && force !== true) checkNewFile(output);
      const { request } = await import('../control/client.ts');
      const { content, ...file } = await request(socket, 'readPhoneFile', { name });
      const bytes = Buffer.from(content, 'base64');
      if (output !== undefined) {
        if (force === true) replaceFile(output, bytes);
        else writeNewFile(output, bytes);
        if (json === true) printJson({ ...file, file: output });
        else print(`${file.name}  ${output}`);
      } else if (json === true) printJson(withContent(file, bytes));
      else show(name, bytes);
    });
}

function removeCommand(): Command {
  return new Command('remove')
    .description('takes files away, on all hosts of the user')
    .argument('<name...>', 'as the list shows them')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (names: string[], { socket, json }: Options) => {
      const { request } = await import('../control/client.ts');
      const { removed, problem } = await request(socket, 'removePhoneFiles', { names });
      if (json === true) printJson({ removed, problem });
      else {
        for (const name of removed) print(`${name}  removed`);
        if (problem !== null) note(problem);
      }
    });
}

/** A terminal obeys what is no text. */
function show(name: string, bytes: Buffer): void {
  if (process.stdout.isTTY && textOf(bytes) === undefined)
    throw new IdlocError('no_text', `${name} is no text, and is not shown: give --output FILE`);
  printBytes(bytes);
}

function withContent(
  file: PhoneFileEntry,
  bytes: Buffer,
): PhoneFileEntry & ({ readonly text: string } | { readonly base64: string }) {
  const text = textOf(bytes);
  return text === undefined ? { ...file, base64: bytes.toString('base64') } : { ...file, text };
}

/** @returns undefined when it is no UTF-8, or has characters that move the cursor in other ways than lines do. */
function textOf(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(bytes) && !/(?![\t\n\r])\p{Cc}/u.test(text);
  return isText ? text : undefined;
}
