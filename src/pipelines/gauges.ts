import type { Pool } from 'pg';
import { Gauge } from 'prom-client';
import type { Log } from '../platform/log.ts';
import type { Metrics } from '../platform/metrics.ts';
import { hoursSince, newestDone } from './alerts.ts';
import type { Catalogue } from './catalogue.ts';
import type { Pipeline, SourceHold } from './declaration.ts';
import { type TableAge, tableAges } from './freshness.ts';
import { askHold } from './source-hold.ts';

export type GaugeDeps = {
  readonly db: Pool;
  readonly metrics: Metrics;
  readonly clock: () => Date;
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
};

/** Sources are other people's databases: they are asked so seldom, however often metrics are. */
const holdEveryMs = 60_000;

/** Metrics of the pipelines as they are declared when metrics are asked for: files come and are mended meanwhile. */
export const watchPipelines = (deps: GaugeDeps, catalogue: () => Promise<Catalogue>): void => {
  const { db, metrics, clock, log } = deps;
  const declared = async (): Promise<Pipeline[]> =>
    (await catalogue()).listed.map(({ pipeline }) => pipeline);
  const registers = [metrics];
  /** A metric that can't be read must not keep others from being told. */
  const reading = async (what: string, read: () => Promise<void>): Promise<void> =>
    read().catch((error: unknown) => log.warn({ err: error }, `${what} of pipelines could not be read`));

  new Gauge({
    name: 'lastro_pipeline_age_hours',
    help: 'Hours since the end of the newest done window, by pipeline.',
    labelNames: ['pipeline'] as const,
    registers,
    collect() {
      return reading('ages', async () => {
        const newest = await newestDone(db);
        this.reset();
        for (const { name } of await declared()) {
          const to = newest.get(name);
          if (to) this.set({ pipeline: name }, hoursSince(clock(), to));
        }
      });
    },
  });
  /** A gauge of its own for each: metrics are collected one by one. */
  const ofTables = (name: string, help: string, value: (age: TableAge) => number): void => {
    new Gauge({
      name,
      help,
      labelNames: ['pipeline', 'table', 'part'] as const,
      registers,
      collect() {
        return reading('ages of tables', async () => {
          this.reset();
          for (const pipeline of await declared()) {
            for (const each of await tableAges(db, pipeline, clock())) {
              this.set({ pipeline: pipeline.name, table: each.table, part: each.part ?? '' }, value(each));
            }
          }
        });
      },
    });
  };
  ofTables(
    'lastro_pipeline_table_age_hours',
    'Hours since the newest row of a table, or of a part of it; infinite where there is none.',
    ({ age }) => age ?? Number.POSITIVE_INFINITY,
  );
  ofTables(
    'lastro_pipeline_table_target_hours',
    'Most hours that the newest row of a table, or of a part of it, may be old.',
    ({ target }) => target,
  );
  new Gauge({
    name: 'lastro_pipeline_files_broken',
    help: 'Files in LASTRO_PIPELINES that give no pipeline.',
    registers,
    collect() {
      return reading('files', async () => this.set((await catalogue()).broken.length));
    },
  });
  watchHolds(deps, declared);
};

const watchHolds = ({ metrics, log, env }: GaugeDeps, declared: () => Promise<readonly Pipeline[]>): void => {
  let asked: Promise<(readonly [string, SourceHold])[]> | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  const ask = (): Promise<(readonly [string, SourceHold])[]> => {
    if (asked && performance.now() - askedAt < holdEveryMs) return asked;
    askedAt = performance.now();
    asked = declared().then(async (pipelines) => (await Promise.all(pipelines.map(holdOf))).flat());
    return asked;
  };
  const holdOf = async (pipeline: Pipeline): Promise<(readonly [string, SourceHold])[]> => {
    const held = await askHold(pipeline, env);
    if (held && 'error' in held) {
      log.warn({ pipeline: pipeline.name }, `what its source keeps could not be read: ${held.error}`);
    }
    return held && 'hold' in held && held.hold ? [[pipeline.name, held.hold]] : [];
  };
  const ofHolds = (name: string, help: string, value: (hold: SourceHold) => number): void => {
    new Gauge({
      name,
      help,
      labelNames: ['pipeline'] as const,
      registers: [metrics],
      async collect() {
        this.reset();
        for (const [pipeline, hold] of await ask()) this.set({ pipeline }, value(hold));
      },
    });
  };
  ofHolds(
    'lastro_pipeline_source_kept_bytes',
    "Bytes of its log that the source keeps for a pipeline: a slot that is not read fills the source's disk.",
    ({ bytes }) => bytes,
  );
  ofHolds(
    'lastro_pipeline_source_unread_seconds',
    'Seconds for which nobody has read what the source keeps for a pipeline.',
    ({ unreadSeconds }) => unreadSeconds ?? 0,
  );
};
