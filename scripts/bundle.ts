/** `scripts/bundle.ts FOLDER`: what is installed: three hundred modules and those of the packages become a few files. */
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const src = join(root, 'src');

/** The command line, the agent that it loads for `up`, and the answering machine. */
const ENTRIES = ['cli/main', 'agent/main', 'machine/main'];
/** Packages that are CommonJS ask for Node's modules by it. */
const REQUIRE = "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);";

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('bundle: where to? use scripts/bundle.ts FOLDER\n');
  process.exit(2);
}
const dist = resolve(folder);

rmSync(dist, { recursive: true, force: true });
await build({
  entryPoints: ENTRIES.map((entry) => join(src, `${entry}.ts`)),
  outbase: src,
  outdir: dist,
  // Two folders below the root, as the sources: what is found from there (package.json, the data plane) is found again.
  chunkNames: 'parts/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  // Half the text is half the memory that it takes; names stay, and lines, for the traces of errors.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 120,
  // They stand beside (licenses.ts).
  legalComments: 'none',
  banner: { js: REQUIRE },
  logLevel: 'warning',
});
