/** `scripts/licenses.ts FOLDER`: what is installed of others: their licences, and a list of all parts (CycloneDX 1.5). */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { tryCommand } from './testbed/command.ts';

const root = join(import.meta.dirname, '..');
/** The cipher that is linked into the data plane where the package is there; node-addon-api is a header of it. */
const CIPHER = 'libipsec-mb-dev';

const lockSchema = z.object({
  name: z.string(),
  version: z.string(),
  packages: z.record(
    z.string(),
    z.object({
      ...{ dev: z.boolean().optional(), version: z.string().optional(), license: z.string().optional() },
      integrity: z.string().optional(),
    }),
  ),
});

/** As CycloneDX has it. */
interface Part {
  readonly 'bom-ref': string;
  readonly type: 'library';
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses: readonly object[];
  readonly hashes?: readonly object[];
}

const [where] = process.argv.slice(2);
if (where === undefined) {
  process.stderr.write('licenses: where to? use scripts/licenses.ts FOLDER\n');
  process.exit(2);
}
const folder = resolve(where);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

const lock = lockSchema.parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')));
const parts: Part[] = [];
for (const [path, { dev, version = '', license, integrity }] of Object.entries(lock.packages)) {
  // Nor what is for another machine.
  if (path === '' || dev === true || !existsSync(join(root, path))) continue;
  keepLicense(join(root, path), join(folder, path.replaceAll('node_modules/', '')));
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const [algorithm, hash] = integrity?.split('-') ?? [];
  parts.push({
    ...{ 'bom-ref': path, type: 'library', name, version, purl: `pkg:npm/${name.replace('@', '%40')}@${version}` },
    licenses: license === undefined ? [] : [{ expression: license }],
    ...(algorithm === 'sha512' &&
      hash !== undefined && { hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }] }),
  });
}

const cipher = await cipherPart();
if (cipher !== undefined) {
  mkdirSync(join(folder, 'intel-ipsec-mb'));
  cpSync(`/usr/share/doc/${CIPHER}/copyright`, join(folder, 'intel-ipsec-mb/copyright'));
  parts.push(cipher);
}

// Without a number and a time of its own: the same sources give the same bytes.
const bill = {
  ...{ bomFormat: 'CycloneDX', specVersion: '1.5', version: 1 },
  metadata: { component: { 'bom-ref': 'idloc', type: 'application', name: lock.name, version: lock.version } },
  components: parts,
};
writeFileSync(join(folder, 'sbom.cdx.json'), `${JSON.stringify(bill, null, 2)}\n`);

/** Who brings no text says it in `package.json`. */
function keepLicense(from: string, to: string): void {
  const texts = readdirSync(from).filter((name) => /^(licen[cs]e|copying|notice)/i.test(name));
  mkdirSync(to, { recursive: true });
  for (const name of texts.length > 0 ? texts : ['package.json']) cpSync(join(from, name), join(to, name));
}

async function cipherPart(): Promise<Part | undefined> {
  // Where there is no dpkg-query, there is no such package.
  const version = await tryCommand('dpkg-query', ['-W', '-f', '${Version}', CIPHER]).catch(() => undefined);
  if (version === undefined || version.status !== 0 || version.stdout === '') return undefined;
  return {
    ...{ 'bom-ref': 'intel-ipsec-mb', type: 'library', name: 'intel-ipsec-mb', version: version.stdout },
    ...{ purl: `pkg:deb/debian/intel-ipsec-mb@${version.stdout}`, licenses: [{ license: { id: 'BSD-3-Clause' } }] },
  };
}
