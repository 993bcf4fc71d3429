import type { Config } from '../../platform/config.ts';
import type { PipelineDeps } from '../pipeline-deps.ts';
import type { PipelineRun } from '../run.ts';
import { withSession } from '../session.ts';
import { lineageReceiver } from './lineage-receiver.ts';
import { pipelineLineage } from './pipeline-lineage.ts';
import { runEvents } from './run-events.ts';
import { addressOf } from './source-address.ts';

/**
 * Tells the receiver of OPENLINEAGE_URL what runs have done; nobody where there is none. Gives what could not be told,
 * for people: a receiver that is away, or SQL that can't be followed, fails no run.
 */
export const tellLineage = async (
  deps: PipelineDeps,
  {
    OPENLINEAGE_URL: url,
    OPENLINEAGE_API_KEY: apiKey,
  }: Pick<Config, 'OPENLINEAGE_URL' | 'OPENLINEAGE_API_KEY'>,
  runs: readonly PipelineRun[],
): Promise<string[]> => {
  if (url === undefined) return [];
  try {
    const datasets = await withSession(deps, ({ connection }) => pipelineLineage(connection, deps.pipelines));
    const places = { lake: deps.lake.warehouse, addressOf: addressOf(deps.pipelines, deps.env) };
    const at = deps.clock();
    return await lineageReceiver({ url, apiKey })(
      runs.flatMap((run) => runEvents(run, datasets, places, at)),
    );
  } catch (error) {
    return [`lineage could not be told: ${error instanceof Error ? error.message : String(error)}`];
  }
};
