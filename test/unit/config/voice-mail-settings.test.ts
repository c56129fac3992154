import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type AgentConfig, agentConfig } from '../../../src/config/agent-config.ts';
import { oggOfBytes } from '../../sim/voice-mail/ogg.ts';

const config = (text: string): AgentConfig =>
  agentConfig({ path: '/etc/idloc/config.toml', text: `[voicemail]\n${text}\n` }, {});

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'idloc-greeting-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

test('no voice mail is taken unless the settings say so, and then after 25 seconds and for two minutes', (t) => {
  t.is(agentConfig(undefined, {}).voiceMail, undefined);
  t.is(config('ring_seconds = 10\ngreeting = "/nowhere"').voiceMail, undefined, 'nor is the greeting looked at');
  t.deepEqual(config('enable = true').voiceMail, { ringSeconds: 25, maxSeconds: 120 });
  t.deepEqual(config('enable = true\nring_seconds = 10\nmax_seconds = 60').voiceMail, {
    ringSeconds: 10,
    maxSeconds: 60,
  });
  for (const wrong of [
    'ring_seconds = 0',
    'ring_seconds = 300',
    'max_seconds = 1',
    'max_seconds = 600',
    'greeting = ""',
  ])
    t.throws(() => config(`enable = true\n${wrong}`), { message: /^\/etc\/idloc\/config\.toml:3: voicemail\./ }, wrong);
});

test('a greeting is read at the start; what is no Opus in Ogg, too long or no file is refused with its name', (t) => {
  const path = join(folder(t), 'greeting.ogg');
  const say = (): unknown => config(`enable = true\ngreeting = "${path}"`).voiceMail?.greeting;
  t.throws(say, { message: `${path}: cannot be read: ENOENT: no such file or directory` });
  writeFileSync(path, oggOfBytes(65_536));
  t.deepEqual(say(), oggOfBytes(65_536));
  writeFileSync(path, oggOfBytes(65_537));
  t.throws(say, { message: `${path}: longer than 65536 bytes` });
  for (const content of [new Uint8Array(), Buffer.from('RIFF....WAVEfmt '), oggOfBytes(100).subarray(0, 30)]) {
    writeFileSync(path, content);
    t.throws(say, { message: /greeting\.ogg: must be Opus in Ogg/ });
  }
  rmSync(path);
  execFileSync('mkfifo', [path]);
  t.throws(say, { message: `${path}: cannot be read: no regular file` });
  t.throws(() => config(`enable = true\ngreeting = "/dev/zero"`), { message: /no regular file/ });
});
