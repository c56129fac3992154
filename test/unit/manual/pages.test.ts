import { Command } from 'commander';
import test from 'ava';
import { bashCompletion, fishCompletion, zshCompletion } from '../../../scripts/manual/completions.ts';
import { manualPages } from '../../../scripts/manual/pages.ts';

function program(): Command {
  return new Command('tool')
    .description('does things')
    .addCommand(
      new Command('show')
        .description("the user's things")
        .option('-n, --name <name>', 'whose')
        .argument('[what]', '.hidden'),
    )
    .addCommand(new Command('book').description('of names').addCommand(new Command('add').description('one: more')));
}

test('each command has a page of its own, with what its help says, and nothing that troff would take for a request', (t) => {
  const pages = manualPages(program(), '1.2.3');
  t.deepEqual([...pages.keys()].sort(), ['tool-book-add.1', 'tool-book.1', 'tool-show.1', 'tool.1']);
  const show = pages.get('tool-show.1') ?? '';
  t.true(show.includes('tool\\-show \\- the user\\(aqs things'));
  t.true(show.includes('.B \\-n, \\-\\-name <name>\nwhose\n'));
  t.true(show.includes('\n\\&.hidden\n'));
});

test('completions of three shells know every command and option', (t) => {
  for (const text of [bashCompletion(program()), zshCompletion(program()), fishCompletion(program())])
    for (const word of ['show', 'book', 'add', 'name']) t.true(text.includes(word), word);
  // A colon ends the word in zsh's lists; a quote ends the word in all of them.
  t.true(zshCompletion(program()).includes(`'add:one: more'`));
  t.true(fishCompletion(program()).includes(`'the user'\\''s things'`));
});
