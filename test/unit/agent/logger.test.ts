import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Writable } from 'node:stream';
import test from 'ava';
import { chooseStyle, createLogger, type LogLevel, type LogStyle } from '../../../src/agent/logger.ts';

function setUp(style: LogStyle, level: LogLevel = 'info') {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  return { lines, logger: createLogger({ level, style, stream }) };
}

test('in the journal a line begins with its priority, and has no time of its own', (t) => {
  const { lines, logger } = setUp('journal');
  logger.info('link up', { hit: '2001:20::1', rttMs: 12.5, note: 'two words' });
  logger.error('overlay lost', { err: new Error('no peer') });
  t.deepEqual(lines, ['<6>link up hit=2001:20::1 rttMs=12.5 note="two words"\n', '<3>overlay lost err="no peer"\n']);
});

test('elsewhere a line is an object', (t) => {
  const { lines, logger } = setUp('json');
  logger.warn('dropped', { count: 3, bytes: Uint8Array.of(0xde, 0xad), big: 5n, gone: undefined });
  const { time, ...rest } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  t.regex(String(time), /^\d{4}-\d\d-\d\dT/);
  t.deepEqual(rest, { level: 'warn', event: 'dropped', count: 3, bytes: 'dead', big: '5' });
});

test('what a peer sends makes neither a second line nor an endless one', (t) => {
  const { lines, logger } = setUp('terminal');
  logger.info('refused', { reason: `first\n<3>forged\u001b[2J${'x'.repeat(10_000)}` });
  t.is(lines.length, 1);
  const line = lines[0] ?? '';
  t.is(line.indexOf('\n'), line.length - 1);
  t.false(line.includes('\u001b'));
  t.true(line.length < 700);
});

test('a HIT is written as the address that the status shows, in whatever field', (t) => {
  const { lines, logger } = setUp('journal');
  const hit = '200100222b19800c944e2700ba2f5c4b';
  logger.info('link up', { nodeId: hit, others: [hit] });
  const address = '2001:22:2b19:800c:944e:2700:ba2f:5c4b';
  t.deepEqual(lines, [`<6>link up nodeId=${address} others="[\\"${address}\\"]"\n`]);
});

test('a stack is not cut like what peers send', (t) => {
  const { lines, logger } = setUp('terminal');
  logger.error('unexpected error', { stack: 'z'.repeat(10_000), reason: 'y'.repeat(10_000) });
  t.is(/z+/.exec(lines[0] ?? '')?.[0].length, 2_000);
  t.is(/y+/.exec(lines[0] ?? '')?.[0].length, 512);
});

test('a level can be changed while it runs', (t) => {
  const { lines, logger } = setUp('journal', 'warn');
  logger.info('unheard');
  logger.setLevel('debug');
  logger.debug('heard');
  t.deepEqual(lines, ['<7>heard\n']);
});

test('where nothing can be written, on a full disk or to a reader that is gone, the lines are lost and nothing else', (t) => {
  const logger = JSON.stringify(new URL('../../../src/agent/logger.ts', import.meta.url).href);
  const code = `
    const { createLogger } = await import(${logger});
    const log = createLogger({ level: 'info', style: 'json' });
    for (let i = 0; i < 3; i++) {
      log.info('unheard');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    console.log('goes on');
  `;
  const full = openSync('/dev/full', 'w');
  const onFullDisk = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
    stdio: ['ignore', 'pipe', full],
    encoding: 'utf8',
  });
  closeSync(full);
  t.is(onFullDisk.stdout, 'goes on\n');
  // Its reader is gone before the first line.
  const node = `'${process.execPath}' --input-type=module --eval "$CODE" 2> >(head -n 0)`;
  const env = { ...process.env, CODE: `await new Promise((resolve) => setTimeout(resolve, 100));${code}` };
  const toNobody = spawnSync('bash', ['-c', node], { encoding: 'utf8', env });
  t.is(toNobody.stdout, 'goes on\n');
});

test('the style follows where the output goes', (t) => {
  t.is(chooseStyle({ JOURNAL_STREAM: '8:1' }, false), 'journal');
  t.is(chooseStyle({}, true), 'terminal');
  t.is(chooseStyle({}, false), 'json');
});
