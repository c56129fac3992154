import { Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { note, print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

export function revokeCommand(): Command {
  return new Command('revoke')
    .description(
      'takes a user or one host out of the overlay: its links end everywhere, its names and addresses are free',
    )
    .argument('<who>', 'a user of the overlay (alice: all hosts of it), or the HIT of one host')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (who: string, options: Options) => {
      const { request } = await import('../control/client.ts');
      const result = await request(options.socket, 'revoke', { target: who });
      if (options.json === true) {
        printJson(result);
        return;
      }
      for (const { hit, user } of result.revoked) print(`${hit}  ${user ?? '-'}  revoked`);
      if (result.tickets > 0) note(endedTickets(result.tickets));
    });
}

function endedTickets(count: number): string {
  const [what, end] = count === 1 ? ['1 ticket', 'ends'] : [`${count} tickets`, 'end'];
  return `${what} with uses left ${end} too, used by these hosts or made for this user: \`idloc tickets\` shows what is open`;
}
