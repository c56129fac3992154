import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { command } from '../../../scripts/testbed/command.ts';

/** This machine's programs, and modules of programs, of the same Debian, with the libraries that they need. */
export async function copyPrograms(root: string, paths: readonly string[]): Promise<void> {
  for (const program of paths) {
    const libraries = [...(await command('ldd', [program])).matchAll(/=> (\/\S+)/g)].map(([, path = '']) => path);
    for (const path of [program, ...libraries]) {
      const there = join(root, path);
      if (existsSync(there)) continue;
      mkdirSync(dirname(there), { recursive: true });
      copyFileSync(path, there);
    }
  }
}
