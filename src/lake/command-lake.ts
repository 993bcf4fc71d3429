import { type CliContext, UserError } from '../platform/cli.ts';
import type { Config } from '../platform/config.ts';
import type { LakeEngine } from './engines/engine.ts';
import { openEngine } from './engines/open-engine.ts';
import { openConfiguredLake } from './open-lake.ts';
import { findTable, type Lake, type Table } from './tables.ts';

/** The lake of a command line's settings, and an engine over it. What is not asked for is not opened. */
export type CommandLake = {
  readonly lake: () => Promise<Lake>;
  /** Default: SQL_ENGINE. */
  readonly engine: (name?: Config['SQL_ENGINE']) => Promise<LakeEngine>;
  readonly close: () => Promise<void>;
};

export const openCommandLake = (context: CliContext): CommandLake => {
  const config = context.config();
  const closers: (() => Promise<void>)[] = [];
  let opened: Promise<Lake> | undefined;
  const lake = (): Promise<Lake> => {
    opened ??= context
      .postgres()
      .then((pool) => openConfiguredLake({ config, pool }))
      .then((found) => {
        closers.push(found.close);
        return found.lake;
      });
    return opened;
  };
  return {
    lake,
    engine: async (name = config.SQL_ENGINE) => {
      const engine = await openEngine({ lake, config: { ...config, SQL_ENGINE: name } });
      closers.push(engine.close);
      return engine;
    },
    close: async () => {
      for (const close of closers.splice(0).reverse()) await close();
    },
  };
};

/**
 * Opens the lake, looks the table up and closes all behind the work.
 * @throws UserError where there is no such table
 */
export const withTable = async (
  context: CliContext,
  name: string,
  work: (lake: Lake, table: Table) => Promise<void>,
): Promise<void> => {
  const commandLake = openCommandLake(context);
  try {
    const lake = await commandLake.lake();
    let table: Table | null;
    try {
      table = await findTable(lake, name);
    } catch (error) {
      throw isNameError(name) ? new UserError(error instanceof Error ? error.message : String(error)) : error;
    }
    if (!table) throw new UserError(`no table ${name}; \`lastro tables\` lists them`, 1);
    await work(lake, table);
  } finally {
    await commandLake.close();
  }
};

const isNameError = (name: string): boolean => !/^[\p{L}\p{N}_-]+(\.[\p{L}\p{N}_-]+)+$/u.test(name);
