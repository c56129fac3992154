import { Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { note, print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

/** What others have said who called in vain. */
export function voicemailCommand(): Command {
  return new Command('voicemail')
    .description('messages of callers whom nobody has answered, for all hosts of the user')
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(saveCommand())
    .addCommand(removeCommand());
}

function listCommand(): Command {
  return new Command('list')
    .description('who has left a message, and when')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async ({ socket, json }: Options) => {
      const { request } = await import('../control/client.ts');
      const { messages, problem } = await request(socket, 'voicemail', {});
      if (json === true) {
        printJson({ messages, problem });
        return;
      }
      const { formatMessages } = await import('./format-messages.ts');
      if (messages.length > 0) print(formatMessages(messages));
      else note('no messages');
      if (problem !== null) note(problem);
    });
}

function saveCommand(): Command {
  return new Command('save')
    .description('writes the recording into a file, Opus in Ogg; the message counts as heard then, on this host')
    .argument('<id>', 'as the list shows it')
    .argument('<file>', 'for its owner alone; one that is there is not overwritten')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (id: string, file: string, { socket, json }: Options) => {
      const { checkNewFile, writeNewFile } = await import('./secret-file.ts');
      checkNewFile(file);
      const { request } = await import('../control/client.ts');
      const found = await request(socket, 'readVoicemail', { id });
      const ogg = Buffer.from(found.ogg, 'base64');
      writeNewFile(file, ogg);
      await request(socket, 'markVoicemailHeard', { id: found.id });
      if (json === true) printJson({ id: found.id, file, bytes: ogg.length });
      else print(`${found.id}  ${file}`);
    });
}

function removeCommand(): Command {
  return new Command('remove')
    .description('takes messages away, on all hosts of the user')
    .argument('<id...>', 'as the list shows them')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (ids: string[], { socket, json }: Options) => {
      const { request } = await import('../control/client.ts');
      const { removed } = await request(socket, 'removeVoicemail', { ids });
      if (json === true) printJson({ removed });
      else for (const id of removed) print(`${id}  removed`);
    });
}
