import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parseRunbook } from '../../../scripts/testbed/runbook.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/operations.md'), 'utf8');
/** What is a command in `inline code`: a program of this project or of the system, with what it is told. */
const COMMAND = /^(?:(?:idloc|systemctl|journalctl|nft|ip|chown|chmod|apt-get) .+|scripts\/.+)$/;
/** Stand for what a block has there. */
const PLACEHOLDER = /^(?:NAME|TICKET|ID)$/;

/** All that the blocks type, each as its words. */
const run = parseRunbook(PAGE).flatMap(({ steps }) =>
  steps.flatMap((step) => (step.type === 'command' ? step.command.split(' | ').map((one) => one.split(' ')) : [])),
);

function inlineCode(markdown: string): string[] {
  const prose = markdown.replace(/^```[\s\S]*?^```$/gm, '');
  return [...prose.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code.replaceAll('\n', ' '));
}

/** Whether a block has it, with whatever else behind it. */
function isRun(command: string): boolean {
  const words = command.split(' ');
  return run.some((typed) => words.every((word, i) => word === typed[i] || PLACEHOLDER.test(word)));
}

test('docs/operations.md speaks of no command that its blocks do not show, and its test does not run', (t) => {
  t.deepEqual(
    inlineCode(PAGE).filter((code) => COMMAND.test(code) && !isRun(code)),
    [],
  );
});

test('docs/operations.md speaks of no option that its blocks do not show', (t) => {
  const options = inlineCode(PAGE).flatMap((code) => (code.startsWith('--') ? [code.split(' ')[0] ?? ''] : []));
  t.deepEqual(
    options.filter((option) => !run.some((typed) => typed.includes(option))),
    [],
  );
});
