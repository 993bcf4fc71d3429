import { join } from 'node:path';
import { type CliContext, UserError } from '../platform/cli.ts';
import { workFolder } from '../platform/work-folder.ts';
import { loadPipelines, shownBroken } from './catalogue.ts';
import { print } from './commands.ts';
import { lineageText } from './lineage/lineage-text.ts';
import { runEvent } from './lineage/openlineage.ts';
import { lineageOf, pipelineLineage } from './lineage/pipeline-lineage.ts';
import { addressOf } from './lineage/source-address.ts';
import { withSession } from './session.ts';

/** `lastro pipeline lineage` */
export const lineageCommand = async (
  context: CliContext,
  name: string,
  { json, openlineage }: { json?: boolean; openlineage?: boolean },
): Promise<void> => {
  const config = context.config();
  const { listed, broken } = await loadPipelines(config.LASTRO_PIPELINES);
  for (const each of broken) context.stderr.write(`${shownBroken(each)}\n`);
  const pipelines = listed.map(({ pipeline }) => pipeline);
  const stagingFolder = join(await workFolder(config.LASTRO_HOME), 'pipelines');
  const all = await withSession({ stagingFolder }, ({ connection }) =>
    pipelineLineage(connection, pipelines),
  );
  const datasets = lineageOf(all, name);
  if (datasets.length === 0) {
    const names = pipelines.map((pipeline) => pipeline.name).join(', ');
    throw new UserError(`expected a pipeline (${names}) or a table such as gold.selic_mensal, found ${name}`);
  }
  if (openlineage) {
    const places = {
      lake: config.OBJECT_STORE ?? `file://${join(config.LASTRO_HOME, 'store')}`,
      addressOf: addressOf(pipelines, context.env),
    };
    const at = new Date();
    const events = datasets
      .filter(({ layer }) => layer !== 'source')
      .map((output) =>
        runEvent({ eventType: 'COMPLETE', at, attemptId: `declared ${name}`, output }, all, places),
      );
    return print(context, events.map((event) => JSON.stringify(event)).join('\n'));
  }
  await print(context, json ? JSON.stringify(datasets) : lineageText(datasets));
};
