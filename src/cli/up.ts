import { Command, Option } from 'commander';
import { note } from './output.ts';
import { DEFAULT_CONFIG, DEFAULT_STATE, rendezvousOption, wholeNumber } from './options.ts';

/** All is closed and written by then: what is left, as a question to a name server that is gone, holds up no restart. */
const LEFTOVERS_MS = 1_000;

interface Options {
  readonly config?: string;
  readonly state?: string;
  readonly socket?: string;
  readonly listen?: number;
  /** false: `--no-tun`. */
  readonly tun?: string | false;
  readonly name?: string;
  readonly user?: string;
  readonly log?: 'debug' | 'info' | 'warn' | 'error';
  readonly join?: string;
  readonly create?: string;
  readonly rendezvous?: 'none' | 'mainline';
}

export function upCommand(): Command {
  return new Command('up')
    .description('run the agent in the foreground; without an overlay it creates a private one')
    .option('--config <file>', `settings (default: ${DEFAULT_CONFIG}, where there is one)`)
    .option('--state <dir>', `where the agent keeps what it must not lose (default: ${DEFAULT_STATE})`)
    .addOption(new Option('--socket <path>', "the agent's control socket").env('IDLOC_SOCKET'))
    .option('--listen <port>', 'the one UDP port; 0: any free one (default: 6084)', wholeNumber(0, 65_535))
    .option('--tun <name>', 'the network interface to make (default: idloc0)')
    .option('--no-tun', 'overlay peer only: no interface, no privilege needed')
    .option('--name <name>', "this host's name in the overlay (default: the machine's)")
    .option('--user <name>', 'the user to join as (default: what the ticket says)')
    .addOption(new Option('--log <level>', 'least important events to log').choices(['debug', 'info', 'warn', 'error']))
    .addOption(new Option('--join <ticket>', 'join the overlay of this ticket').env('IDLOC_JOIN').conflicts('create'))
    .option('--create <overlay>', 'create an overlay of this name, home.example')
    .addOption(rendezvousOption())
    .action(async (options: Options) => {
      const { agentConfig, readConfigFile } = await import('../config/agent-config.ts');
      const config = agentConfig(readConfigFile(options.config ?? null), {
        state: options.state,
        socket: options.socket,
        listen: options.listen,
        name: options.name,
        user: options.user,
        log: options.log,
        rendezvous: options.rendezvous,
        tun: options.tun === false ? { enable: false } : { name: options.tun },
        // Nobody here can reach what the names stand for, and port 53 needs a privilege.
        dns: options.tun === false ? { enable: false } : {},
      });
      const { runAgent } = await import('../agent/main.ts');
      const { join = null, create = null } = options;
      try {
        process.exitCode = await runAgent(config, { join, create, stop: stopSignal() });
      } finally {
        setTimeout(() => process.exit(), LEFTOVERS_MS).unref();
      }
    });
}

/** The first SIGINT or SIGTERM stops the agent in order; the second ends it at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) {
        note(`idloc: ${signal} again: stopped at once`);
        process.exit(1);
      }
      controller.abort(signal);
    });
  }
  return controller.signal;
}
