/** `scripts/licenses.ts FOLDER`: what is installed of others: their licences, and a list of all parts (CycloneDX 1.5). */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { command, tryCommand } from './testbed/command.ts';

const root = join(import.meta.dirname, '..');
/** The cipher that is linked into the data plane where the package is there; node-addon-api is a header of it. */
const CIPHER = 'libipsec-mb-dev';
const OTHER_RUNTIMES = /node_modules\/node-linux-/;

const lockSchema = z.object({
  packages: z.record(z.string(), z.object({ dev: z.boolean().optional(), version: z.string().optional() })),
});
const billSchema = z.looseObject({
  metadata: z.looseObject({ component: z.looseObject({}) }),
  components: z.array(z.looseObject({ name: z.string() })),
});

const [where] = process.argv.slice(2);
if (where === undefined) {
  process.stderr.write('licenses: where to? use scripts/licenses.ts FOLDER\n');
  process.exit(2);
}
const folder = resolve(where);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

const { packages } = lockSchema.parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')));
for (const [path, { dev }] of Object.entries(packages)) {
  if (path === '' || dev === true || !existsSync(join(root, path))) continue;
  keepLicense(join(root, path), join(folder, path.replaceAll('node_modules/', '')));
}

const cipher = await cipherPart();
if (cipher !== undefined) {
  mkdirSync(join(folder, 'intel-ipsec-mb'));
  cpSync(`/usr/share/doc/${CIPHER}/copyright`, join(folder, 'intel-ipsec-mb/copyright'));
}

const bill = billSchema.parse(
  JSON.parse(
    await command('npm', ['sbom', '--sbom-format=cyclonedx', '--omit=dev', '--package-lock-only'], { directory: root }),
  ),
);
// A number and a time of its own each time: the same sources give the same bytes.
delete bill['serialNumber'];
delete bill.metadata['timestamp'];
bill.metadata.component['name'] = 'idloc';
bill.components = bill.components.filter(
  ({ name }) => !OTHER_RUNTIMES.test(`node_modules/${name}`) || name === `node-linux-${process.arch}`,
);
if (cipher !== undefined) bill.components.push(cipher);
writeFileSync(join(folder, 'sbom.cdx.json'), `${JSON.stringify(bill, null, 2)}\n`);

/** Who brings no text says it in `package.json`. */
function keepLicense(from: string, to: string): void {
  const texts = readdirSync(from).filter((name) => /^(licen[cs]e|copying|notice)/i.test(name));
  mkdirSync(to, { recursive: true });
  for (const name of texts.length > 0 ? texts : ['package.json']) cpSync(join(from, name), join(to, name));
}

async function cipherPart(): Promise<{ name: string } | undefined> {
  const { status, stdout } = await tryCommand('dpkg-query', ['-W', '-f', '${Version}', CIPHER]);
  if (status !== 0 || stdout === '') return undefined;
  return {
    ...{ 'bom-ref': `intel-ipsec-mb@${stdout}`, type: 'library', name: 'intel-ipsec-mb', version: stdout },
    ...{ purl: `pkg:deb/debian/intel-ipsec-mb@${stdout}`, licenses: [{ license: { id: 'BSD-3-Clause' } }] },
  };
}
