import { allRows, quoteText, type RowObject } from '../lake/duckdb-session.ts';
import { type CliContext, UserError } from '../platform/cli.ts';
import { readBodies, showCapture } from './bronze.ts';
import { pipelineNamed } from './catalogue.ts';
import { inRoom, print, showRun } from './commands.ts';
import type { Pipeline } from './declaration.ts';
import type { PipelineDeps } from './pipeline-deps.ts';
import { withQuarantine } from './quarantine.ts';
import { runPipeline } from './run.ts';
import { withSession } from './session.ts';

export type QuarantineFilter = { reason?: string; column?: string; all?: boolean; limit?: number };

/** What is in quarantine, oldest first; `replayed` rows only where all are asked for. */
export const listQuarantine = (
  deps: PipelineDeps,
  pipeline: Pipeline,
  { reason, column, all, limit = 100 }: QuarantineFilter = {},
): Promise<RowObject[]> =>
  withSession(deps, (session) =>
    withQuarantine({ ...deps, session }, pipeline, async (relation) => {
      if (relation === undefined) return [];
      const replayed = await deps.pool.query<{ quarantine_id: string }>(
        'SELECT quarantine_id FROM pipeline_replays WHERE pipeline = $1',
        [pipeline.name],
      );
      const done = replayed.rows.map(({ quarantine_id }) => quoteText(quarantine_id));
      const conditions = [
        ...(reason === undefined ? [] : [`motivo = ${quoteText(reason)}`]),
        ...(column === undefined ? [] : [`coluna = ${quoteText(column)}`]),
        ...(all || done.length === 0 ? [] : [`id NOT IN (${done.join(', ')})`]),
      ];
      const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
      return allRows(
        session.connection,
        `SELECT *, id IN (${done.join(', ') || 'NULL'}) IS TRUE AS replayed FROM ${relation} ${where} ORDER BY visto_em, id LIMIT ${limit}`,
      );
    }),
  );

/** `lastro pipeline quarantine NAME` */
export const quarantineCommand = (
  context: CliContext,
  name: string,
  options: QuarantineFilter & { json?: boolean },
): Promise<void> =>
  inRoom(context, async (room) => {
    const rows = await listQuarantine(room, pipelineNamed(room.catalogue, name), options);
    const line = (row: RowObject): string =>
      `${row['id']}  ${String(row['alcance']).padEnd(5)}  ${row['coluna'] ?? '-'}: ${row['motivo']}, ${row['detalhe']}\n    ${row['registro']}\n    of ${row['captura_id']}, record ${row['posicao']}`;
    await print(
      context,
      options.json ? JSON.stringify(rows) : rows.map(line).join('\n') || '(nothing in quarantine)',
    );
  });

/** `lastro pipeline quarantine NAME --show ID`: the answer in bronze that it came in. */
export const showQuarantinedCommand = (context: CliContext, name: string, id: string): Promise<void> =>
  inRoom(context, async (room) => {
    const pipeline = pipelineNamed(room.catalogue, name);
    const row = (await listQuarantine(room, pipeline, { all: true, limit: 1_000_000 })).find(
      (each) => each['id'] === id,
    );
    if (!row) throw new UserError(`expected an id of the quarantine of ${name}, found ${id}`, 1);
    const captureId = String(row['captura_id']);
    const found = await room.pool.query<{ file: string | null; same_as: string | null }>(
      'SELECT coalesce(c.file, b.file) AS file, c.same_as FROM pipeline_captures c LEFT JOIN pipeline_captures b ON b.capture_id = c.same_as AND b.file IS NOT NULL WHERE c.capture_id = $1 LIMIT 1',
      [captureId],
    );
    const file = found.rows[0]?.file;
    if (!file) throw new UserError(`the answer ${captureId} is not in the index of bronze`, 1);
    const bodyOf = found.rows[0]?.same_as ?? captureId;
    await withSession(room, async (session) => {
      const facts = await showCapture({ ...room, session }, file, bodyOf);
      const body = (await readBodies({ ...room, session }, file, [bodyOf])).get(bodyOf);
      await print(
        context,
        JSON.stringify({ ...row, capture: facts, body: body && Buffer.from(body).toString('utf8') }),
      );
    });
  });

/** `lastro pipeline quarantine NAME --replay` */
export const replayCommand = (
  context: CliContext,
  name: string,
  { json }: { json?: boolean },
): Promise<void> =>
  inRoom(context, async (room) => {
    const pipeline = pipelineNamed(room.catalogue, name);
    const before = (await listQuarantine(room, pipeline, { limit: 10_000_000 })).length;
    // Silver is a function of bronze: made anew by the mended contract, every row that fits now is there once.
    const result = await runPipeline(room, pipeline, { rebuild: true, windows: [], signal: context.signal });
    const after = (await listQuarantine(room, pipeline, { limit: 10_000_000 })).length;
    const replayed = Math.max(0, before - after);
    await print(
      context,
      json
        ? JSON.stringify({ pipeline: name, replayed, left: after, run: result })
        : `${replayed} replayed, ${after} left in quarantine\n${showRun(result)}`,
    );
  });
