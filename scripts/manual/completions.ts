import type { Command } from 'commander';

interface Words {
  /** `idloc sip`: words before the one that is typed. */
  readonly path: readonly string[];
  readonly commands: readonly { readonly name: string; readonly about: string }[];
  readonly options: readonly { readonly flags: readonly string[]; readonly about: string; readonly value: boolean }[];
}

/** What may be typed after each command, of the whole program. */
function wordsOf(program: Command): Words[] {
  const all: Words[] = [];
  const add = (command: Command, path: readonly string[]): void => {
    const help = command.createHelp();
    all.push({
      path,
      commands: help.visibleCommands(command).map((each) => ({ name: each.name(), about: each.description() })),
      options: help.visibleOptions(command).map((option) => ({
        flags: [option.short, option.long].filter((flag) => flag !== undefined),
        about: option.description,
        value: option.required || option.optional,
      })),
    });
    for (const each of command.commands) add(each, [...path, each.name()]);
  };
  add(program, [program.name()]);
  return all;
}

/** The first two words of a command line decide: no command is nested deeper. After an option with a value, and for arguments, files. */
export function bashCompletion(program: Command): string {
  const name = program.name();
  const all = wordsOf(program);
  const cases = all.map(({ path, commands, options }) => {
    const words = [...commands.map((each) => each.name), ...options.flatMap(({ flags }) => flags)];
    return `    ${quoted(path.slice(1).join(' '))}) words=${quoted(words.join(' '))} ;;`;
  });
  const nested = all.filter(({ path, commands }) => path.length === 2 && commands.length > 0);
  return `# bash completion of ${name}
_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} path="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) continue ;; esac
    case $path in
      "") path=$word ;;
      ${nested.map(({ path }) => path[1]).join(' | ')}) path="$path $word"; break ;;
      *) break ;;
    esac
  done
  case $path in
${cases.join('\n')}
  esac
  COMPREPLY=()
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$current")
  if [ "\${#COMPREPLY[@]}" -eq 0 ]; then compopt -o default 2>/dev/null; fi
}
complete -F _${name} ${name}
`;
}

export function zshCompletion(program: Command): string {
  const name = program.name();
  const described = (word: string, about: string): string => quoted(`${word.replaceAll(':', '\\:')}:${about}`);
  const cases = wordsOf(program).map(({ path, commands, options }) => {
    const words = [
      ...commands.map((each) => described(each.name, each.about)),
      ...options.flatMap(({ flags, about }) => flags.map((flag) => described(flag, about))),
    ];
    return `    ${quoted(path.slice(1).join(' '))}) words=(${words.join(' ')}) ;;`;
  });
  return `#compdef ${name}
local -a words_before; words_before=(\${\${words[2,CURRENT-1]}:#-*})
local -a known; known=(${wordsOf(program)
    .map(({ path }) => quoted(path.slice(1).join(' ')))
    .join(' ')})
local typed="\${words_before[1]:-}"
if (( \${known[(Ie)\${words_before[1,2]}]} )); then typed="\${words_before[1,2]}"; fi
() {
  local -a words
  case $typed in
${cases.join('\n')}
  esac
  _describe ${name} words || _files
}
`;
}

export function fishCompletion(program: Command): string {
  const name = program.name();
  const lines = [`# fish completion of ${name}`, `complete -c ${name} -f`];
  const all = wordsOf(program);
  for (const { path, commands, options } of all) {
    const [, first, second] = path;
    const others = commands.map((each) => each.name).join(' ');
    const seen = [first, second]
      .filter((word) => word !== undefined)
      .map((word) => `__fish_seen_subcommand_from ${word}`);
    const here = first === undefined ? '__fish_use_subcommand' : seen.join('; and ');
    const open = others === '' || first === undefined ? here : `${here}; and not __fish_seen_subcommand_from ${others}`;
    for (const each of commands)
      lines.push(`complete -c ${name} -n ${quoted(open)} -a ${each.name} -d ${quoted(each.about)}`);
    for (const { flags, about, value } of options) {
      const spelled = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
      lines.push(
        `complete -c ${name} -n ${quoted(here)} ${spelled.join(' ')}${value ? ' -r -F' : ''} -d ${quoted(about)}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

/** For a shell, as one word. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
