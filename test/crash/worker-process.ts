import { openParts } from '../../src/entry/parts.ts';
import { startWorker } from '../../src/entry/worker.ts';
import { parseConfig } from '../../src/platform/config.ts';

// A worker that kills itself, as a power cut would: without a word, when it passes the point CRASH_POINT for the
// CRASH_AT-th time. Without CRASH_POINT it works until it is told to stop.

const { CRASH_POINT, CRASH_AT = '1', DATABASE_URL = '' } = process.env;

let passed = 0;
const parts = await openParts(
  { config: parseConfig(process.env), databaseUrl: DATABASE_URL },
  { service: 'worker', works: true },
);
const worker = await startWorker(parts, {
  reached: (point) => {
    if (point === CRASH_POINT && ++passed >= Number(CRASH_AT)) process.kill(process.pid, 'SIGKILL');
  },
});
process.stdout.write('ready\n');
process.stdin.on('end', () => process.exit(1)).resume();
process.once('SIGTERM', () => {
  void worker
    .close()
    .then(() => parts.close())
    .then(() => process.exit(0));
});
