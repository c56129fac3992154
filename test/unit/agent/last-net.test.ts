import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';

const LAST_NET = new URL('../../../src/agent/last-net.ts', import.meta.url).href;

/** What a process prints that has the net and runs this. */
async function printed(script: string): Promise<string[]> {
  const code = `
    const { lastNet } = await import(${JSON.stringify(LAST_NET)});
    const net = lastNet((what, error) => console.log(what, error.message));
    net.broken.catch(({ code }) => console.log('ends', code));
    ${script}
    setTimeout(() => console.log('goes on'), 20);
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code]);
  return stdout.trim().split('\n');
}

test('a promise that fails and that nobody waits for is reported, and the agent goes on', async (t) => {
  t.deepEqual(await printed(`void (async () => { throw new Error('a bug'); })();`), ['promise a bug', 'goes on']);
});

test('an error that no guard caught is reported and ends the agent', async (t) => {
  const script = `setImmediate(() => { throw new Error('a bug'); });`;
  t.deepEqual(await printed(script), ['process a bug', 'ends internal', 'goes on']);
});
