import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measure } from 'mitata';
import { answerCase } from '../src/quorum/decide-command.ts';
import { decidePrepared, summarize } from '../src/quorum/engine.ts';
import { prepare } from '../src/quorum/prepare.ts';
import { machine } from './machine.ts';
import type { Measured } from './quorum-large.ts';
import { largeCases, measureHard, measureLarge } from './quorum-large.ts';
import { openPeers } from './quorum-peers.ts';
import { typicalCase } from './quorum-typical.ts';

// npm run bench:quorum [-- --only typical|large|hard]
const { values } = parseArgs({ options: { only: { type: 'string' }, case: { type: 'string' } } });

const microseconds = async (run: () => unknown): Promise<number> => (await measure(run)).p50 / 1000;

const typical = async (): Promise<void> => {
  const prepared = prepare(typicalCase);
  const text = Buffer.from(JSON.stringify(typicalCase));
  const { verdict, coalitions } = decidePrepared(prepared);
  console.log(
    `\nTypical case: 12 people, 3 bands, 4 alternatives; ${verdict}, ${coalitions.total} coalitions`,
  );
  console.log('median of a decision                              µs   x verdict and coalitions');
  const own = await microseconds(() => summarize(prepared));
  const line = (name: string, time: number, note = ''): void =>
    console.log(
      `  ${name.padEnd(42)}${time.toFixed(2).padStart(9)}${(time / own).toFixed(1).padStart(8)}  ${note}`,
    );
  line('verdict and coalitions', own, bound(own, 10, 'µs'));
  line('everything', await microseconds(() => decidePrepared(prepared)));
  const whole = await microseconds(() => answerCase(text));
  line(`from text to text (${text.length} bytes in)`, whole, bound(whole, 400, 'µs'));
  let fastest = Number.POSITIVE_INFINITY;
  for (const peer of await openPeers()) {
    if (!(await peer.decide())) throw new Error(`${peer.name} does not find the quorum of the typical case`);
    const time = await microseconds(peer.decide);
    fastest = Math.min(fastest, time);
    line(peer.name, time, 'verdict only, people counted beforehand');
  }
  console.log(`  ${(fastest / own).toFixed(1)} times as fast as the fastest of them (goal: 5)`);
};

const bound = (found: number, most: number | undefined, unit: string): string =>
  most === undefined ? '' : `${found <= most ? 'within' : 'ABOVE'} ${most} ${unit}`;

const large = (): void => {
  console.log('\nMany people: each in a process of its own; memory above what the process held before');
  for (const [name, { mostMs, mostMb }] of Object.entries(largeCases)) {
    const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--case', name], {
      encoding: 'utf8',
    });
    if (child.status !== 0) throw new Error(child.stderr);
    const measured: Measured = JSON.parse(child.stdout);
    const times = `first ${measured.firstMs.toFixed(0)} ms from text to text, then ${measured.bestMs.toFixed(1)} ms prepared`;
    const limits = [bound(measured.firstMs, mostMs, 'ms'), bound(measured.memoryMb, mostMb, 'MB')].filter(
      Boolean,
    );
    console.log(
      `  ${name}\n    ${times}, ${measured.memoryMb.toFixed(0)} MB ${limits.join(', ')}\n    ${measured.outcome}`,
    );
  }
};

const hard = (): void => {
  const { worstMs, verdicts } = measureHard();
  const found = Object.entries(verdicts).map(([verdict, count]) => `${verdict} ${count}`);
  console.log(
    `\n40 random cases with pairs, 40 to 200 people: at most ${worstMs.toFixed(0)} ms; ${found.join(', ')}`,
  );
};

if (values.case !== undefined) {
  console.log(JSON.stringify(measureLarge(values.case)));
} else {
  console.log(machine());
  if (values.only === undefined || values.only === 'typical') await typical();
  if (values.only === undefined || values.only === 'large') large();
  if (values.only === undefined || values.only === 'hard') hard();
}
