import { Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { note, print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

export function membersCommand(): Command {
  return new Command('members')
    .description('who belongs to the overlay: last seen, role, when the certificate ends')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const { request } = await import('../control/client.ts');
      const result = await request(options.socket, 'members', {});
      if (options.json === true) {
        printJson(result);
        return;
      }
      const { formatMembers } = await import('./format-members.ts');
      print(formatMembers(result.members, Date.now()));
      if (result.missing > 0) note(`${result.missing} of 64 parts of the list could not be fetched: ask again`);
    });
}
