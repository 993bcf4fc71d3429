import { type Command, Option } from 'commander';
import { z } from 'zod';
import { type CliContext, UserError, write } from '../platform/cli.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import { readInput, readSource } from './command-source.ts';
import { decide } from './engine.ts';
import { explain, type Language, languages } from './explain.ts';

type Options = { language: Language; names?: string; json?: boolean };

/** Adds `quorum explain`: decides one case and says in words what was decided and why. */
export const addExplainCommand = (quorum: Command, context: CliContext): void => {
  quorum
    .command('explain')
    .description('Decide one case and explain it in plain Portuguese or English.')
    .argument('[file]', 'the case as JSON; standard input when absent or "-"')
    .addOption(
      new Option('--language <language>', 'language of the text').choices(languages).default('pt-BR'),
    )
    .option('--names <file>', 'JSON object from the ids of people to the names to print')
    .option('--json', 'the text and the decision that it explains, as one JSON object')
    .addHelpText('after', HELP)
    .action(async (file: string | undefined, { language, names, json }: Options) => {
      const input = await readInput(context, file);
      const output = decide(input);
      const text = explain(input, output, {
        language,
        ...(names === undefined ? {} : { names: await readNames(context, names) }),
      });
      await write(context.stdout, json ? `${canonicalJson({ language, text, decision: output })}\n` : text);
    });
};

const HELP = `
The text states the facts of the case and of its decision, and no others. Exit code 0 whatever was decided,
2 when the case was refused or could not be read.

Examples:
  lastro quorum explain case.json
  lastro quorum explain --language en --names names.json < case.json`;

const readNames = async (context: CliContext, file: string): Promise<Record<string, string>> => {
  const text = await readSource(context, file);
  try {
    return z.record(z.string(), z.string()).parse(JSON.parse(text));
  } catch {
    throw new UserError(`${file}: expected a JSON object from ids to names, found something else`);
  }
};
