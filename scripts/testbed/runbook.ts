/**
 * The commands that docs/operations.md shows, so that a test runs each of them. A section is a heading of the second level; in it,
 * blocks marked `console` hold what is typed (`HOST# COMMAND`) and, on the other lines, what is answered; blocks marked `toml` hold
 * a host's configuration, named by their first line (`# HOST: /etc/idloc/config.toml`).
 */
export interface RunbookSection {
  readonly title: string;
  readonly steps: readonly RunbookStep[];
}

export type RunbookStep =
  | { readonly type: 'command'; readonly host: string; readonly command: string; readonly line: number }
  | { readonly type: 'configuration'; readonly host: string; readonly text: string; readonly line: number };

const PROMPT = /^([a-z][a-z0-9-]*)# (.+)$/;
const CONFIGURATION_NAME = /^# ([a-z][a-z0-9-]*): \/etc\/idloc\/config\.toml$/;

/** @throws {TypeError} for a block that is neither closed nor of a kind that is run: a command would go untested. */
export function parseRunbook(markdown: string): RunbookSection[] {
  const sections: { title: string; steps: RunbookStep[] }[] = [];
  let block: { kind: string; lines: string[]; line: number } | undefined;
  markdown.split('\n').forEach((text, index) => {
    const fence = /^```(\S*)\s*$/.exec(text);
    if (fence !== null && block === undefined) block = { kind: fence[1] ?? '', lines: [], line: index + 1 };
    else if (fence !== null && block !== undefined) {
      sections.at(-1)?.steps.push(...stepsOf(block));
      block = undefined;
    } else if (block !== undefined) block.lines.push(text);
    else if (text.startsWith('## ')) sections.push({ title: text.slice(3).trim(), steps: [] });
  });
  if (block !== undefined) throw new TypeError(`line ${block.line}: the block is not closed`);
  return sections.filter(({ steps }) => steps.length > 0);
}

function stepsOf({ kind, lines, line }: { kind: string; lines: string[]; line: number }): RunbookStep[] {
  if (kind === 'console')
    return lines.flatMap((text, index): RunbookStep[] => {
      const [, host, command] = PROMPT.exec(text) ?? [];
      return host === undefined || command === undefined
        ? []
        : [{ type: 'command', host, command, line: line + index + 1 }];
    });
  const [, host] = CONFIGURATION_NAME.exec(lines[0] ?? '') ?? [];
  if (kind === 'toml' && host !== undefined)
    return [{ type: 'configuration', host, text: `${lines.slice(1).join('\n')}\n`, line }];
  throw new TypeError(`line ${line}: a block that is neither console nor a host's configuration`);
}
