import { UserError } from '../platform/cli.ts';

/** @throws UserError for what is no table's name */
export const checkTable = (table: string): void => {
  if (!/^[\w-]+(\.[\w-]+)+$/.test(table)) {
    throw new UserError(`--table: expected namespace.name, found ${JSON.stringify(table)}`);
  }
};

/** What a command line says of a run. */
export type RunOptions = {
  table?: string;
  partition?: string;
  dryRun?: boolean;
  json?: boolean;
  domains?: string;
  every?: number;
  waitMb?: number;
  waitMinutes: number;
  batchMb?: number;
  maxMemoryMb?: number;
  maxBatchSeconds?: number;
};
