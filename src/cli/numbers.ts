import { Command } from 'commander';
import { jsonOption, socketOption } from './options.ts';
import { note, print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

/** Telephone numbers of members, on the host of a gateway. */
export function numbersCommand(): Command {
  return new Command('numbers')
    .description('telephone numbers of members, on a gateway: each is a second name that rings them')
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(assignCommand())
    .addCommand(releaseCommand());
}

function listCommand(): Command {
  return new Command('list')
    .description('whose numbers are')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async ({ socket, json }: Options) => {
      const { request } = await import('../control/client.ts');
      const { numbers } = await request(socket, 'numbers', {});
      if (json === true) {
        printJson({ numbers });
        return;
      }
      const { table } = await import('./format.ts');
      const rows = numbers.map(({ number, member, from, published }) => [
        ...[number, member, from === 'settings' ? 'calls from outside alone' : published ? 'yes' : 'not yet'],
      ]);
      if (rows.length > 0) print(table([['NUMBER', 'MEMBER', 'IN THE OVERLAY'], ...rows]).join('\n'));
      else note('no member has a number: `idloc numbers assign NUMBER MEMBER`');
    });
}

function assignCommand(): Command {
  return new Command('assign')
    .description('gives a number of this gateway to a member')
    .argument('<number>', 'such as +49301234567; without a country, one of sip.country')
    .argument('<member>', 'a user of the overlay, such as bob')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (number: string, member: string, { socket, json }: Options) => {
      const { request } = await import('../control/client.ts');
      const assigned = await request(socket, 'assignNumber', { number, member });
      if (json === true) printJson(assigned);
      else print(`${assigned.number}  ${assigned.member}`);
    });
}

function releaseCommand(): Command {
  return new Command('release')
    .description('takes a number away from the member that has it')
    .argument('<number>', 'such as +49301234567')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (number: string, { socket, json }: Options) => {
      const { request } = await import('../control/client.ts');
      const released = await request(socket, 'releaseNumber', { number });
      if (json === true) printJson(released);
      else print(`${released.number}  ${released.member}  released`);
    });
}
