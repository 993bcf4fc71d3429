import type { Pool } from 'pg';
import type { LakeEngine } from '../lake/engines/engine.ts';
import type { FileCache } from '../lake/file-cache.ts';
import type { Lake } from '../lake/tables.ts';
import type { Pipeline } from './declaration.ts';
import type { Fault } from './faults.ts';
import type { Transport } from './transport.ts';

/** What pipelines work with. Made once, at the entry. */
export type PipelineDeps = {
  readonly pool: Pool;
  readonly lake: Lake;
  readonly files: FileCache;
  readonly clock: () => Date;
  /** Base addresses and secrets are looked up here, by name. */
  readonly env: NodeJS.ProcessEnv;
  readonly send: Transport;
  readonly engine: () => Promise<LakeEngine>;
  /** Every declared pipeline: gold tables may read the silver of several. */
  readonly pipelines: readonly Pipeline[];
  /** Parent of DuckDB's folders. */
  readonly stagingFolder: string;
  readonly memoryLimit?: string;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly fault?: Fault;
  /** Progress, for people. */
  readonly notice?: (message: string) => void;
};

export const leaseName = (pipeline: string): string => `pipeline/${pipeline}`;

/** How long a run that died keeps the next one out. */
export const leaseTtlMs = 30_000;
