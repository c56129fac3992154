import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { silentLogger, type Logger } from '../../../src/base/logger.ts';
import { KeptRegistrations } from '../../../src/agent/kept-registrations.ts';
import { StateDirectory } from '../../../src/identity/state-directory.ts';

function directory(t: ExecutionContext): { state: StateDirectory; file: string } {
  const path = mkdtempSync(join(tmpdir(), 'idloc-registrations-'));
  const state = StateDirectory.open(path);
  t.teardown(() => {
    state.close();
    rmSync(path, { recursive: true });
  });
  return { state, file: join(path, 'registrations') };
}

test('registrations are there in the next life, and nobody else can read them', (t) => {
  const { state, file } = directory(t);
  const first = new KeptRegistrations({ state, logger: silentLogger, snapshot: () => ({ bindings: [1] }) });
  t.is(first.load(), undefined);
  first.flush();
  t.is(first.load(), undefined, 'nothing was registered');
  first.changed();
  first.flush();
  t.is(statSync(file).mode & 0o777, 0o600);
  const next = new KeptRegistrations({ state, logger: silentLogger, snapshot: () => null });
  t.deepEqual(next.load(), { bindings: [1] });
});

test('what is no JSON, or others could read, is not restored, and is said', (t) => {
  const { state, file } = directory(t);
  const said: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (event) => void said.push(event) };
  const kept = new KeptRegistrations({ state, logger, snapshot: () => null });
  writeFileSync(file, '{', { mode: 0o600 });
  t.is(kept.load(), undefined);
  writeFileSync(file, '{}');
  chmodSync(file, 0o644);
  t.is(kept.load(), undefined);
  t.is(said.length, 2);
});
