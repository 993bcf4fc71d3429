import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import type { CliContext } from '../platform/cli.ts';
import { UserError, write } from '../platform/cli.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import { linesOf } from '../shared/lines.ts';
import { openSource } from './command-source.ts';
import type { Violation } from './contract.ts';
import { decide } from './engine.ts';
import { parseInput } from './input.ts';

/** Adds `quorum decide`: one case in and one decision out, or with --ndjson a stream of them. */
export const addDecideCommand = (quorum: Command, context: CliContext): void => {
  quorum
    .command('decide')
    .description('Decide one case, or with --ndjson one case a line.')
    .argument('[file]', 'the case as JSON; standard input when absent or "-"')
    .option('--ndjson', 'one case a line in, one decision a line out, in order')
    .addHelpText('after', HELP)
    .action(async (file: string | undefined, options: { ndjson?: boolean }) => {
      const source = openSource(context, file);
      if (options.ndjson) await decideLines(context, source);
      else if (!(await decideOne(context, source))) process.exitCode = 2;
    });
};

const HELP = `
Standard output carries the decision in canonical JSON (RFC 8785). A case that cannot be read gives
{"error":{"violations":[{"pointer","message"}]}} in its place. With --ndjson, line n of the output answers
line n of the input: a blank line is a case that cannot be read.

Exit codes: 0 decided, 2 the case was refused or could not be read. With --ndjson a refused case is an
answer like any other: 0, and the number of refused cases on standard error.

Examples:
  lastro quorum decide case.json
  lastro quorum decide --ndjson < cases.ndjson > decisions.ndjson`;

const unreadable = (error: unknown): never => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === '') throw error;
  throw new UserError(
    `expected a readable file or standard input, found ${code}; check the name and its rights`,
  );
};

const decideOne = async (context: CliContext, source: Readable): Promise<boolean> => {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of source) chunks.push(chunk);
  } catch (error) {
    unreadable(error);
  }
  const answer = answerCase(Buffer.concat(chunks));
  await write(context.stdout, `${answer.text}\n`);
  return answer.decided;
};

/** Answers are gathered up to this many characters: a write for each would cost more than the decision. */
const ENOUGH_TO_WRITE = 64 * 1024;

const decideLines = async (context: CliContext, source: Readable): Promise<void> => {
  let refused = 0;
  let gathered = '';
  try {
    for await (const line of linesOf(source)) {
      if (context.signal.aborted) break;
      const answer = answerCase(line);
      if (!answer.decided) refused += 1;
      gathered += `${answer.text}\n`;
      // Waiting for the write is the backpressure: a slow reader stops the reading of more cases.
      if (gathered.length >= ENOUGH_TO_WRITE) {
        await write(context.stdout, gathered);
        gathered = '';
      }
    }
  } catch (error) {
    unreadable(error);
  }
  if (gathered !== '') await write(context.stdout, gathered);
  if (refused > 0) await write(context.stderr, `lastro: ${refused} refused; see their violations\n`);
};

/** The canonical JSON of a case's decision, or of its violations. */
export const answerCase = (bytes: Uint8Array): { text: string; decided: boolean } => {
  const text = readUtf8(bytes);
  if (text === undefined) return refusal([{ pointer: '', message: 'expected UTF-8, found other bytes' }]);
  const parsed = parseInput(text);
  if (!parsed.ok) return refusal(parsed.violations);
  return { text: canonicalJson(decide(parsed.input)), decided: true };
};

const refusal = (violations: Violation[]): { text: string; decided: boolean } => ({
  text: canonicalJson({ error: { violations } }),
  decided: false,
});

// A decoder that replaced bad bytes would let two different inputs have one hash.
const readUtf8 = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
};
