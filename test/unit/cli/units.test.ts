import { readFileSync } from 'node:fs';
import test from 'ava';

/** What of a unit is of one agent alone: its files, its settings, what serves the whole machine. */
const OF_ONE =
  /^(Description|After|Wants|AssertPathExists|EnvironmentFile|ExecStart|ExecStartPost|Sockets|StateDirectory|RuntimeDirectory)=/;

function settingsOf(name: string): string[] {
  const text = readFileSync(new URL(`../../../systemd/${name}`, import.meta.url), 'utf8');
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#') && !OF_ONE.test(line));
}

test('the service of a further user of a machine is as confined, and as well kept, as that of the first', (t) => {
  t.deepEqual(settingsOf('idloc@.service'), settingsOf('idloc.service'));
});
