import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { openCliContext } from './cli-context.ts';
import { commandGroups } from './command-groups.ts';

const loadAll = async (): Promise<Command> => {
  const program = new Command('lastro');
  const context = openCliContext(process);
  const loaded = await Promise.all(Object.values(commandGroups).map(({ load }) => load()));
  for (const register of new Set(loaded.map((group) => group.register))) register(program, context);
  await context.close();
  return program;
};

/** What `--help` prints, with the words added around it. */
const helpOf = (command: Command): string => {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
  return text;
};

type Leaf = { name: string; command: Command; parents: readonly Command[] };

const leavesOf = (command: Command, parents: readonly Command[] = []): Leaf[] => {
  const name = [...parents, command].map((each) => each.name()).join(' ');
  return command.commands.length === 0
    ? [{ name, command, parents }]
    : command.commands.flatMap((inner) => leavesOf(inner, [...parents, command]));
};

describe('every command', () => {
  it('of the list is there, and says in its help what it does, with an example there or above', async () => {
    const program = await loadAll();
    expect(program.commands.map((command) => command.name()).sort()).toEqual(
      Object.keys(commandGroups).sort(),
    );
    const poor = leavesOf(program).filter(({ name, command, parents }) => {
      const example = new RegExp(`^[^\\w\\n]*(?:npx |[A-Z_]+=.* )?${name}(?: |$)`, 'm');
      const texts = [...parents, command].map((each) => helpOf(each).replace(/^Usage: .*$/m, ''));
      return command.description() === '' || !texts.some((text) => example.test(text));
    });
    expect(poor.map(({ name }) => name)).toEqual([]);
  });
});
