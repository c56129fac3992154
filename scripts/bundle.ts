/**
 * `scripts/bundle.ts FOLDER`: what is installed. Three hundred modules and those of the packages become a few files, and V8's
 * code for them is kept beside: an agent is up after a third of the CPU time that the single files take.
 */
import { spawnSync } from 'node:child_process';
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
  // Of the packages, which are copied with theirs.
  legalComments: 'none',
  banner: { js: REQUIRE },
  logLevel: 'warning',
});

for (const entry of ENTRIES) {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['-e', `import(${JSON.stringify(join(dist, `${entry}.js`))})`, '--', '--version'],
    {
      // Portable: the folder may be moved with all that is in it.
      env: { ...process.env, NODE_COMPILE_CACHE: join(dist, 'cache'), NODE_COMPILE_CACHE_PORTABLE: '1' },
      encoding: 'utf8',
    },
  );
  if (status !== 0) {
    process.stderr.write(`bundle: ${entry} does not load: ${stderr}\n`);
    process.exit(1);
  }
}
