/** `scripts/manual.ts FOLDER`: what a package has to read and to complete, from the commands' own help and docs/settings.md. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { VERSION } from '../src/base/version.ts';
import { idlocProgram } from '../src/cli/program.ts';
import { bashCompletion, fishCompletion, zshCompletion } from './manual/completions.ts';
import { manualPages } from './manual/pages.ts';
import { sampleSettings } from './manual/sample-settings.ts';

const [where] = process.argv.slice(2);
if (where === undefined) {
  process.stderr.write('manual: where to? use scripts/manual.ts FOLDER\n');
  process.exit(2);
}
const folder = resolve(where);
const program = idlocProgram();
const files = new Map([
  ['usr/share/bash-completion/completions/idloc', bashCompletion(program)],
  ['usr/share/zsh/vendor-completions/_idloc', zshCompletion(program)],
  ['usr/share/fish/vendor_completions.d/idloc.fish', fishCompletion(program)],
  [
    'usr/share/doc/idloc/examples/config.toml',
    sampleSettings(readFileSync(join(import.meta.dirname, '../docs/settings.md'), 'utf8')),
  ],
]);
for (const [name, page] of manualPages(program, VERSION)) files.set(`usr/share/man/man1/${name}`, page);
for (const [name, text] of files) {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
}
