import { Command } from 'commander';
import { wholeNumber } from './options.ts';
import { EXIT } from './exit-status.ts';
import { printError, printJson } from './output.ts';

interface Options {
  readonly port?: number;
}

export function decodeCommand(): Command {
  return (
    new Command('decode')
      .description('show RELOAD messages given as hex lines or a capture, one JSON object a message')
      .argument('<file>', 'a text with one message in hexadecimal a line, or a pcap file; - for stdin')
      .option('--port <port>', 'the UDP port that carries RELOAD in a capture', wholeNumber(1, 65_535))
      // Its output is JSON always; taken for the sake of scripts that give it to every command.
      .option('--json', 'one JSON object a message on stdout (always so)')
      .action(async (file: string, options: Options) => {
        const { inspectFile } = await import('./inspect-file.ts');
        const found = await inspectFile(file, options.port);
        for (const inspection of found) {
          printJson(inspection);
          if (!('reason' in inspection)) continue;
          const { origin, offset, reason } = inspection;
          const where = 'line' in origin ? `line ${origin.line}` : `packet ${origin.packet}`;
          printError(new Error(`${file}: ${where}: malformed at offset ${offset}: ${reason}`));
          process.exitCode = EXIT.failed;
        }
      })
  );
}
