import { Command } from 'commander';
import { DEFAULT_STATE, jsonOption } from './options.ts';
import { note, print, printJson } from './output.ts';

interface Options {
  readonly state: string;
  readonly json?: boolean;
}

export function initCommand(): Command {
  return new Command('init')
    .description('make the host identity; print its HIT')
    .option('--state <dir>', 'where the agent keeps what it must not lose', DEFAULT_STATE)
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const { makeIdentity } = await import('./make-identity.ts');
      const { address, made } = makeIdentity(options.state);
      if (!made) note(`idloc: ${options.state} has an identity already; it is kept`);
      if (options.json === true) printJson({ hit: address, state: options.state, made });
      else print(address);
    });
}
