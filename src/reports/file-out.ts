import { createHash } from 'node:crypto';
import { access, link, open, rename, rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { UserError, write } from '../platform/cli.ts';

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined;

const taken = (path: string): UserError =>
  new UserError(`${path} is there already; use --force to replace it`);

/** For before the work: what can't be put there need not be fetched. @throws UserError where the name is taken */
export const checkFree = async (path: string, force: boolean): Promise<void> => {
  const free = await access(path).then(
    () => false,
    () => true,
  );
  if (!free && !force) throw taken(path);
};

/**
 * Writes a file under its name only when all of it is there and has the expected hash: to another name beside it,
 * onto the disk, then into place. A file that is there stays, unless it is to be replaced.
 * @throws UserError where the file is there, can't be written, or is not what was expected
 */
export const writeOut = async (
  path: string,
  body: AsyncIterable<Uint8Array>,
  { force, sha256 }: { force: boolean; sha256?: string },
): Promise<{ bytes: number }> => {
  const beside = `${path}.${process.pid}.part`;
  const file = await open(beside, 'wx', 0o600).catch((error: unknown) => {
    throw new UserError(
      `${path} can't be written: ${error instanceof Error ? error.message : String(error)}`,
    );
  });
  try {
    const hash = createHash('sha256');
    let bytes = 0;
    try {
      for await (const chunk of body) {
        hash.update(chunk);
        bytes += chunk.length;
        await file.writeFile(chunk);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    const found = hash.digest('hex');
    if (sha256 !== undefined && found !== sha256)
      throw new UserError(`the file was damaged on its way: expected SHA-256 ${sha256}, found ${found}`, 1);
    if (force) await rename(beside, path);
    // link() refuses a name that is taken, also where it was taken just now.
    else await link(beside, path);
    return { bytes };
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw taken(path);
    throw error;
  } finally {
    await rm(beside, { force: true });
  }
};

/** The same to standard output, where what arrives is all that can be said. */
export const pipeOut = async (stdout: Writable, body: AsyncIterable<Uint8Array>): Promise<void> => {
  for await (const chunk of body) await write(stdout, chunk);
};
