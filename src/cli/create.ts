import { Command } from 'commander';
import { askRendezvous } from './ask-rendezvous.ts';
import { formatEntered } from './format-entered.ts';
import { jsonOption, rendezvousOption, socketOption } from './options.ts';
import { note, print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
  readonly rendezvous?: 'none' | 'mainline';
}

const OFF =
  "rendezvous is off: members do not meet through BitTorrent's DHT; `idloc overlay --rendezvous mainline` turns it on";

export function createCommand(): Command {
  return new Command('create')
    .description('make a new overlay, with the running agent as its first member')
    .argument('<overlay>', 'its name, home.example: hosts are NAME.home.example')
    .addOption(rendezvousOption())
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (overlay: string, options: Options) => {
      const { request } = await import('../control/client.ts');
      const { stdin: input, stderr: output } = process;
      const asks = options.rendezvous === undefined && options.json !== true && input.isTTY && output.isTTY;
      const rendezvous = asks ? await askRendezvous({ input, output }) : options.rendezvous;
      const entered = await request(options.socket, 'create', {
        overlay,
        ...(rendezvous !== undefined && { rendezvous }),
      });
      if (options.json === true) printJson(entered);
      else print(formatEntered(entered));
      if (!asks && options.rendezvous === undefined && entered.changed && entered.rendezvous === 'none') note(OFF);
    });
}
