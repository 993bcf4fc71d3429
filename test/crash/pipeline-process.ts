import { planPipeline } from '../../src/pipelines/plan.ts';
import { runPipeline } from '../../src/pipelines/run.ts';
import { openPool } from '../../src/platform/postgres.ts';
import { pipelineRoom } from '../services/pipelines.ts';
import { changedCrashPipeline, crashApi, crashPipeline } from './pipeline-crash-inputs.ts';

// A run, or the plan of a changed model, that kills its own process: <database url> <room's folder> <fault point> <which time> <clock> [plan]
const [url = '', folder = '', dieAt, nth, clock = '', what = 'run'] = process.argv.slice(2);
const pool = openPool({ url });
const pipeline = what === 'plan' ? changedCrashPipeline : crashPipeline;
const room = await pipelineRoom(pool, {
  api: crashApi(() => new Date(clock)),
  pipelines: [pipeline],
  at: clock,
  folder,
});
let met = 0;
const deps: typeof room.deps = {
  ...room.deps,
  fault: (point) => {
    if (point === dieAt && ++met === Number(nth)) process.kill(process.pid, 'SIGKILL');
  },
};
if (what === 'plan') await planPipeline(deps, pipeline);
else await runPipeline(deps, pipeline, { signal: new AbortController().signal });
await room.close();
await pool.end();
