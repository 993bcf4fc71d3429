import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined;

/**
 * A secret that is made once and then found again: the text of the file, or of a new one with `make()`.
 * Written beside and linked into place, so that processes that start at once end with the same secret and a
 * killed one leaves none that is half written. Mode 0600.
 */
export const homeSecret = async (path: string, make: () => string): Promise<string> => {
  const found = await readFile(path, 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (found !== undefined && found.trim() !== '') return found.trim();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const beside = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(beside, `${make()}\n`, { mode: 0o600, flush: true });
  try {
    await link(beside, path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    await unlink(beside);
  }
  return (await readFile(path, 'utf8')).trim();
};
