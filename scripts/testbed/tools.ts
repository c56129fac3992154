import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './cache.ts';
import { command } from './command.ts';

const SOURCES = join(import.meta.dirname, '../../native/bench');
const COMPILER = 'g++';
const FLAGS = ['-std=c++20', '-O2', '-Wall', '-Wextra', '-Werror'];

type Name = 'udp_load' | 'echo_flow' | 'garbage_flood' | 'nat_router' | 'call_flow';

const tools = new Map<Name, Promise<string>>();

/**
 * A program of native/bench, compiled when it changed: loads that JavaScript would be too slow or too late for.
 * @returns its path
 */
export async function tool(name: Name): Promise<string> {
  const known = tools.get(name) ?? compiled(name);
  tools.set(name, known);
  return known;
}

async function compiled(name: Name): Promise<string> {
  const source = join(SOURCES, `${name}.cc`);
  const hash = createHash('sha256').update(FLAGS.join(' '));
  for (const file of [source, join(SOURCES, 'tool.h')]) hash.update(readFileSync(file));
  const binary = join(cacheFolder(), `${name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(binary)) return binary;
  mkdirSync(cacheFolder(), { recursive: true });
  // Renamed when done: a run that is killed leaves no half program.
  const made = `${binary}.${process.pid}`;
  await command(COMPILER, [...FLAGS, '-o', made, source]);
  renameSync(made, binary);
  return binary;
}
