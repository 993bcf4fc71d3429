import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { type CliContext, UserError } from '../platform/cli.ts';
import type { QuorumInput, Violation } from './contract.ts';
import { parseInput } from './input.ts';

/** A file, or standard input when the name is absent or "-". */
export const openSource = ({ stdin }: Pick<CliContext, 'stdin'>, file: string | undefined): Readable =>
  file === undefined || file === '-' ? stdin : createReadStream(file);

export const nameOf = (file: string | undefined): string =>
  file === undefined || file === '-' ? 'standard input' : file;

const refuseUnreadable = (error: unknown, file: string | undefined): never => {
  if (error instanceof TypeError)
    throw new UserError(`${nameOf(file)}: expected text in UTF-8, found other bytes`);
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  throw new UserError(`${nameOf(file)}: expected a file that can be read, found ${code}`);
};

/**
 * The whole text of a file or of standard input.
 * @throws UserError when it cannot be read or is not UTF-8.
 */
export const readSource = async (
  context: Pick<CliContext, 'stdin'>,
  file: string | undefined,
): Promise<string> => {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let text = '';
  try {
    for await (const chunk of openSource(context, file)) text += decoder.decode(chunk, { stream: true });
    return text + decoder.decode();
  } catch (error) {
    return refuseUnreadable(error, file);
  }
};

/**
 * The lines of a file or of standard input, without blank ones, each with its number from 1. One line is held
 * at a time.
 * @throws UserError when it cannot be read or is not UTF-8.
 */
export async function* readLines(
  context: Pick<CliContext, 'stdin'>,
  file: string | undefined,
): AsyncGenerator<{ line: number; text: string }> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let line = 0;
  let rest = '';
  try {
    for await (const chunk of openSource(context, file)) {
      const pieces = `${rest}${decoder.decode(chunk, { stream: true })}`.split('\n');
      rest = pieces.pop() ?? '';
      for (const text of pieces) {
        line += 1;
        if (text.trim() !== '') yield { line, text };
      }
    }
    rest += decoder.decode();
  } catch (error) {
    return refuseUnreadable(error, file);
  }
  if (rest.trim() !== '') yield { line: line + 1, text: rest };
}

/** @throws UserError with every violation on a line of its own. */
export const refuseInput = (violations: readonly Violation[], file: string | undefined): never => {
  const lines = violations.map(
    ({ pointer, message }) => `  ${pointer === '' ? '(all of it)' : pointer}: ${message}`,
  );
  throw new UserError(`${nameOf(file)}: the input is refused as a whole:\n${lines.join('\n')}`);
};

/** The quorum input in a file or on standard input. */
export const readInput = async (
  context: Pick<CliContext, 'stdin'>,
  file: string | undefined,
): Promise<QuorumInput> => {
  const parsed = parseInput(await readSource(context, file));
  return parsed.ok ? parsed.input : refuseInput(parsed.violations, file);
};
