import { messageOf } from '../../src/base/errors.ts';
import { ScriptError } from './command.ts';
import type { CabledPair, Contender } from './contenders/contender.ts';
import { idlocContender, idlocOpensslContender } from './contenders/idloc.ts';
import { nebulaContender } from './contenders/nebula.ts';
import { openvpnContender } from './contenders/openvpn.ts';
import { rawContender } from './contenders/raw.ts';
import { tincContender } from './contenders/tinc.ts';
import { builtWireguardGo } from './contenders/wireguard-go.ts';
import { wireguardContender } from './contenders/wireguard.ts';
import { yggdrasilContender } from './contenders/yggdrasil.ts';
import type { Lab } from './lab.ts';
import { progress } from './report.ts';
import type { Findings } from './report.ts';

/** @param pair absent: a cable of his own; otherwise those of ROAMERS only */
type Maker = (lab: Lab, pair?: CabledPair) => Promise<Contender>;
type FamilyMaker = (lab: Lab, who: string, binary: string, pair?: CabledPair) => Promise<Contender>;

/** `IDLOC_BENCH_NEBULA=/path/to/nebula` is measured as `nebula-new`. */
const VARIABLE = /^IDLOC_BENCH_([A-Z][A-Z0-9_]*)$/;

/** Those of Debian. @param binary path or name of the program */
const FAMILIES: Readonly<Record<string, FamilyMaker>> = {
  'wireguard-go': wireguardContender,
  yggdrasil: yggdrasilContender,
  nebula: nebulaContender,
  tinc: tincContender,
  openvpn: openvpnContender,
};

/** Families that carry between any two hosts, and are tried while these move. */
const ROAMERS = ['nebula', 'tinc', 'wireguard-go'];

/** Who is measured beside idloc while hosts move. */
export function knownRoamers(environment?: NodeJS.ProcessEnv): ReadonlyMap<string, Maker> {
  const known = [...knownContenders(environment)];
  return new Map(known.filter(([who]) => ROAMERS.includes(who.replace(/-new$/, ''))));
}

/** Who may be measured, in the order of the tables: the fixed ones, after each the newer one that the environment names. */
export function knownContenders(environment: NodeJS.ProcessEnv = process.env): ReadonlyMap<string, Maker> {
  const newer = new Map<string, string>();
  for (const [name, binary] of Object.entries(environment)) {
    const family = VARIABLE.exec(name)?.[1]?.toLowerCase().replaceAll('_', '-');
    if (family !== undefined && binary !== undefined && binary !== '') newer.set(family, binary);
  }
  const known = new Map<string, Maker>([
    ['raw', async (lab) => rawContender(lab)],
    ['idloc', async (lab) => idlocContender(lab)],
    ['idloc-openssl', async (lab) => idlocOpensslContender(lab)],
  ]);
  for (const [family, make] of Object.entries(FAMILIES)) {
    known.set(family, (lab, pair) => make(lab, family, PROGRAMS[family] ?? family, pair));
    const binary = newer.get(family);
    newer.delete(family);
    const who = `${family}-new`;
    if (binary !== undefined) known.set(who, (lab, pair) => make(lab, who, binary, pair));
    else if (family === 'wireguard-go')
      known.set(who, async (lab, pair) => wireguardContender(lab, who, await builtWireguardGo(), pair));
  }
  // Whoever else is named has to take wireguard-go's command line.
  for (const [family, binary] of newer)
    known.set(`${family}-new`, (lab, pair) => wireguardContender(lab, `${family}-new`, binary, pair));
  return known;
}

/** Programs that are not called like their family. */
const PROGRAMS: Readonly<Record<string, string>> = { tinc: 'tincd' };

/** Only measured when named: it says something about idloc, not about the others. */
const ON_REQUEST = 'idloc-openssl';

/** The names of `--who`, or all others. @throws {ScriptError} for one that nobody knows */
export function chosenContenders(wanted: string | undefined, known: ReadonlyMap<string, unknown>): string[] {
  if (wanted === undefined) return [...known.keys()].filter((name) => name !== ON_REQUEST);
  const names = wanted.split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined || names.length === 0)
    throw new ScriptError(`nobody is called "${unknown ?? ''}"; --who takes ${[...known.keys()].join(',')}`);
  return [...known.keys()].filter((name) => names.includes(name));
}

/**
 * Sets up whom `--who` names, or all. Who cannot be set up gets a note; bounds against him are then missed.
 * @throws {ScriptError} when not even the cable or idloc itself works
 */
export async function setUpContenders(lab: Lab, findings: Findings, names: readonly string[]): Promise<Contender[]> {
  const known = knownContenders();
  const ready: Contender[] = [];
  for (const name of names) {
    progress(`setting up ${name}`);
    try {
      const contender = await known.get(name)?.(lab);
      if (contender !== undefined) ready.push(contender);
    } catch (error) {
      if (name === 'raw' || name === 'idloc') throw error;
      const why = `${name} cannot be set up: ${messageOf(error)}`;
      progress(why);
      findings.note(why);
    }
  }
  return ready;
}
