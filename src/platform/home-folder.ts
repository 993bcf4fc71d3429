import { mkdir } from 'node:fs/promises';
import { UserError } from './cli.ts';

/**
 * The mode of folders that hold the embedded parts: closed to others. Root's PostgreSQL runs as another user,
 * which must be able to pass through.
 */
export const homeMode = (): number => (process.getuid?.() === 0 ? 0o711 : 0o700);

/** Makes LASTRO_HOME where it is missing. @throws UserError where that can't be done. */
export const makeHome = async (home: string): Promise<void> => {
  try {
    await mkdir(home, { recursive: true, mode: homeMode() });
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new UserError(`the folder of the data (LASTRO_HOME) can't be made: ${words}`, 1);
  }
};
