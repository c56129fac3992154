import type { Command } from 'commander';

/** Of man pages: one of the program, one of each command, by file name. */
export function manualPages(program: Command, version: string): Map<string, string> {
  const pages = new Map<string, string>();
  const add = (command: Command, path: readonly string[]): void => {
    pages.set(`${path.join('-')}.1`, page(command, path, version));
    for (const each of command.commands) add(each, [...path, each.name()]);
  };
  add(program, [program.name()]);
  return pages;
}

function page(command: Command, path: readonly string[], version: string): string {
  const help = command.createHelp();
  const title = path.join('-');
  const lines = [
    `.TH ${title.toUpperCase()} 1 "" "idloc ${version}" "idloc"`,
    '.SH NAME',
    `${roff(title)} \\- ${roff(command.description())}`,
    '.SH SYNOPSIS',
    `.B ${roff(path.join(' '))}`,
    roff(command.usage()),
  ];
  const parts: [string, readonly (readonly [string, string])[]][] = [
    [
      'ARGUMENTS',
      help.visibleArguments(command).map((argument) => [argument.name(), help.argumentDescription(argument)]),
    ],
    ['OPTIONS', help.visibleOptions(command).map((option) => [option.flags, help.optionDescription(option)])],
    [
      'COMMANDS',
      help
        .visibleCommands(command)
        .filter((each) => each.name() !== 'help')
        .map((each) => [`${each.name()} ${each.usage()}`, help.subcommandDescription(each)]),
    ],
  ];
  for (const [heading, entries] of parts) {
    if (entries.length === 0) continue;
    lines.push(`.SH ${heading}`);
    for (const [term, text] of entries) lines.push('.TP', `.B ${roff(term)}`, roff(text));
  }
  lines.push(...EXIT_STATUS, '.SH SEE ALSO', '.BR idloc (1),', 'docs/ of the source, /usr/share/doc/idloc/');
  return `${lines.join('\n')}\n`;
}

const EXIT_STATUS = [
  '.SH EXIT STATUS',
  '0 done; 1 failed, and another try may help; 2 bad usage; 77 the overlay does not want this host; 78 a wrong setting.',
];

/** groff_char(7): a hyphen that may be copied, no escapes, no request at the beginning of a line. */
function roff(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll("'", '\\(aq').replace(/^\./, '\\&.');
}
