import { CommanderError } from 'commander';
import { EXIT, exitStatusOf } from './exit-status.ts';
import { printError } from './output.ts';
import { idlocProgram } from './program.ts';

// An empty line in a file of settings sets nothing.
for (const name of ['IDLOC_JOIN', 'IDLOC_SOCKET'])
  if (process.env[name] === '') Reflect.deleteProperty(process.env, name);

try {
  await idlocProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = usageStatus(error);
  else {
    printError(error);
    process.exitCode = exitStatusOf(error);
  }
}

function usageStatus(error: CommanderError): number {
  // Help and version were asked for, and are on stdout already.
  if (error.exitCode === 0) return 0;
  // `idloc` alone: commander has shown the help on stderr.
  if (error.code !== 'commander.help') {
    printError(
      new Error(`bad usage: ${error.message.replace(/^error: /, '').replace(/\.$/, '')}: see \`idloc --help\``),
    );
  }
  return EXIT.usage;
}
