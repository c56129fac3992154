const ROW = /^\| `([a-z0-9_.]+)` +\| (.+?) +\| (.+?) +\|$/gm;
const WIDTH = 110;

/** A configuration in which every setting is a comment: from the table of docs/settings.md, which a test holds against the schema. */
export function sampleSettings(page: string): string {
  const lines = [
    '# Settings of idloc: /etc/idloc/config.toml. Each is commented out, with its default where that is a value.',
    '# The agent reads it when it starts: systemctl restart idloc',
  ];
  let table = '';
  for (const [, setting = '', byDefault = '', says = ''] of page.matchAll(ROW)) {
    const [key = '', ...above] = setting.split('.').reverse();
    const inside = above.reverse().join('.');
    if (inside !== table) lines.push('', `#[${inside}]`);
    table = inside;
    const value = /^`(.+)`$/.exec(byDefault)?.[1];
    const about = says.replaceAll(/\s*\(\[[^)]*\]\([^)]*\)\)/g, '').replaceAll(/\[([^\]]+)\]\([^)]*\)/g, '$1');
    lines.push('', ...wrapped(`${about}${value === undefined ? ` (default: ${byDefault})` : ''}`));
    lines.push(`#${key} = ${value ?? example(says) ?? '...'}`);
  }
  return `${lines.join('\n')}\n`;
}

/** The first value that the text shows. */
function example(says: string): string | undefined {
  return [...says.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text).find((text) => /^["[{\d]/.test(text));
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of text.replaceAll('`', '').split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
