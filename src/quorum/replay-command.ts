import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { type CliContext, write } from '../platform/cli.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import { readLines, readSource, refuseInput } from './command-source.ts';
import {
  newReplaySummary,
  parseChange,
  type ReplayCase,
  type ReplayResult,
  type ReplaySummary,
  replay,
} from './replay.ts';

type Options = { rules: string; changedOnly?: boolean; threads: number; json?: boolean };

const mostThreads = 64;

const parseThreads = (text: string): number => {
  const threads = Number(text);
  if (!/^\d+$/.test(text) || threads < 1 || threads > mostThreads)
    throw new InvalidArgumentError(`expected 1 to ${mostThreads}.`);
  return threads;
};

/** Adds `quorum replay`: stored inputs decided again under changed rules. */
export const addReplayCommand = (quorum: Command, context: CliContext): void => {
  quorum
    .command('replay')
    .description('Decide stored inputs again under changed rules: who gains quorum, who loses it.')
    .argument('[inputs]', 'stored inputs, one a line; standard input when absent or "-"')
    .requiredOption('--rules <file>', 'JSON with the changed "rules" and, where they change too, "groups"')
    .option('--changed-only', 'leave out the cases whose verdict stays as it was')
    .option(
      '--threads <count>',
      'threads that decide',
      parseThreads,
      Math.min(availableParallelism(), mostThreads),
    )
    .option('--json', 'one JSON object a case, and {"summary":…} as the last line')
    .addHelpText('after', HELP)
    .action(async (file: string | undefined, options: Options) => {
      const parsed = parseChange(await readSource(context, options.rules));
      if (!parsed.ok) return refuseInput(parsed.violations, options.rules);
      const { summary, count } = newReplaySummary();
      const results = replay(casesOf(context, file), parsed.change, {
        threads: options.threads,
        signal: context.signal,
      });
      const out = newBuffer(context);
      for await (const result of results) {
        count(result);
        if (options.changedOnly && 'effect' in result && result.effect === 'same') continue;
        await out.add(options.json ? canonicalJson(result) : lineOf(result));
      }
      await out.add(options.json ? canonicalJson({ summary }) : summaryOf(summary));
      await out.flush();
      if (summary.errors > 0) process.exitCode = 1;
    });
};

const HELP = `
The rules of every stored input are replaced by those of --rules, all of them; its groups as well where the
file has "groups". Acts, people, reservations, operators and instants stay as they were stored. People whom
the changed rules or groups name and a case does not know count as uncertain in it: nothing was asked about
them. A case that the change does not fit (a group that it lacks) is listed as an error.

Exit codes: 0 every case was decided, 1 some could not be, 2 a file was refused or could not be read.

Examples:
  lastro quorum replay inputs.ndjson --rules new.json --changed-only
  lastro quorum replay --rules new.json --json < inputs.ndjson > effects.ndjson`;

async function* casesOf(context: CliContext, file: string | undefined): AsyncGenerator<ReplayCase> {
  for await (const { text } of readLines(context, file)) yield { input: text };
}

/** A million small writes would take longer than the decisions. */
const newBuffer = ({ stdout }: CliContext) => {
  let text = '';
  const flush = async (): Promise<void> => {
    const full = text;
    text = '';
    if (full !== '') await write(stdout, full);
  };
  return {
    add: async (line: string): Promise<void> => {
      text += `${line}\n`;
      if (text.length > 65_536) await flush();
    },
    flush,
  };
};

const lineOf = (result: ReplayResult): string => {
  const context = result.context === undefined ? '' : `  ${canonicalJson(result.context)}`;
  if ('error' in result) {
    const [first, ...more] = result.error.violations;
    const others = more.length > 0 ? ` (and ${more.length} more)` : '';
    return `${result.index}  ERROR  ${first?.pointer}: ${first?.message}${others}${context}`;
  }
  const label = { gained: 'GAINED', lost: 'LOST', other: 'CHANGED', same: 'same' }[result.effect];
  const reasons = result.reasons.length > 0 ? ` (${result.reasons.join(', ')})` : '';
  return `${result.index}  ${label}  ${result.before} → ${result.after}${reasons}${context}`;
};

const summaryOf = ({ cases, gained, lost, errors, transitions }: ReplaySummary): string =>
  [
    `${cases} cases: ${gained} gain quorum, ${lost} lose it, ${errors} could not be decided`,
    ...Object.entries(transitions)
      .sort(([, a], [, b]) => b - a)
      .map(([transition, count]) => `  ${transition}: ${count}`),
  ].join('\n');
