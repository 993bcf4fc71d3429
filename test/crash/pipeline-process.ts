import { runPipeline } from '../../src/pipelines/run.ts';
import { openPool } from '../../src/platform/postgres.ts';
import { pipelineRoom } from '../services/pipelines.ts';
import { crashApi, crashPipeline } from './pipeline-crash-inputs.ts';

// A run that kills its own process: <database url> <room's folder> <fault point> <which time> <clock>
const [url = '', folder = '', dieAt, nth, clock = ''] = process.argv.slice(2);
const pool = openPool({ url });
const room = await pipelineRoom(pool, {
  api: crashApi(() => new Date(clock)),
  pipelines: [crashPipeline],
  at: clock,
  folder,
});
let met = 0;
await runPipeline(
  {
    ...room.deps,
    fault: (point) => {
      if (point === dieAt && ++met === Number(nth)) process.kill(process.pid, 'SIGKILL');
    },
  },
  crashPipeline,
  { signal: new AbortController().signal },
);
await room.close();
await pool.end();
