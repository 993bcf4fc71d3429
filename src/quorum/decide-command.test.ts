import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newCase } from '../../test/quorum/case.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import { answerCase } from './decide-command.ts';
import { decide } from './engine.ts';

const lastro = fileURLToPath(new URL('../entry/lastro.ts', import.meta.url));

type Ended = { code: number | null; out: string; err: string };

const run = (args: string[], input: string | Uint8Array): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [lastro, 'quorum', 'decide', ...args]);
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk) => out.push(chunk));
    child.stderr.on('data', (chunk) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ code, out: Buffer.concat(out).toString('utf8'), err: Buffer.concat(err).toString('utf8') }),
    );
    // A child that ends early is no failure of the test: its exit code is what counts.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lastro-decide-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const input = newCase({ signed: ['p2'], context: { name: 'ação \u{1f600}' } });
const answer = canonicalJson(decide(input));

describe('lastro quorum decide', () => {
  it('answers canonical JSON for a case on standard input or in a file', async () => {
    const text = JSON.stringify(input, null, 2);
    expect(await run([], text)).toEqual({ code: 0, out: `${answer}\n`, err: '' });
    const file = join(folder, 'case.json');
    await writeFile(file, text);
    expect(await run([file], '')).toEqual({ code: 0, out: `${answer}\n`, err: '' });
    expect(canonicalJson(JSON.parse(answer))).toBe(answer);
  });

  it('answers the violations of a refused case, with exit code 2', async () => {
    const { code, out } = await run([], '{"at":1}');
    expect(code).toBe(2);
    expect(JSON.parse(out).error.violations[0]).toEqual({
      pointer: '/at',
      message: 'expected an RFC 3339 instant like 2026-11-22T12:00:00-03:00, found 1',
    });
    expect(canonicalJson(JSON.parse(out))).toBe(out.trim());
  });

  it('says which file it could not read', async () => {
    const missing = join(folder, 'missing.json');
    const { code, out, err } = await run([missing], '');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('ENOENT');
    expect(err).not.toContain('at async');
  });

  it('answers line by line, in order, whatever a line holds', async () => {
    const line = JSON.stringify(input);
    const other = JSON.stringify(newCase());
    const bad = Buffer.from([0x7b, 0xff, 0x7d, 0x0a]);
    const lines = Buffer.concat([
      Buffer.from(`${line}\r\n{"at":\n\n`),
      bad,
      Buffer.from(`${other}\n[]\n${line}`),
    ]);
    const { code, out, err } = await run(['--ndjson'], lines);
    const answers = out.split('\n');
    expect(answers.pop()).toBe('');
    // Line n answers line n: who joins the two files must not be off by one after a blank line.
    expect(answers).toHaveLength(7);
    expect(answers[0]).toBe(answer);
    expect(answers[4]).toBe(canonicalJson(decide(newCase())));
    expect(answers[6]).toBe(answer);
    for (const at of [1, 2, 3, 5]) {
      const violations: unknown = JSON.parse(answers[at] ?? '').error.violations;
      expect(violations).toEqual([{ pointer: '', message: expect.stringMatching(/^expected .*found /) }]);
    }
    expect(code).toBe(0);
    expect(err).toBe('lastro: 4 refused; see their violations\n');
  });

  it('streams tens of thousands of lines', async () => {
    const count = 20_000;
    const { code, out } = await run(['--ndjson'], `${JSON.stringify(input)}\n`.repeat(count));
    expect(code).toBe(0);
    expect(out).toBe(`${answer}\n`.repeat(count));
  });

  it('ends quietly when its reader does', async () => {
    const child = spawn(process.execPath, [lastro, 'quorum', 'decide', '--ndjson']);
    const err: Buffer[] = [];
    child.stderr.on('data', (chunk) => err.push(chunk));
    child.stdin.on('error', () => undefined);
    child.stdin.end(`${JSON.stringify(input)}\n`.repeat(50_000));
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(0);
    expect(Buffer.concat(err).toString('utf8')).toBe('');
  });
});

describe('one case', () => {
  it('is refused in another encoding or with a byte order mark', () => {
    expect(answerCase(Buffer.from(JSON.stringify(newCase()), 'utf16le')).decided).toBe(false);
    expect(answerCase(Buffer.from(`\ufeff${JSON.stringify(newCase())}`)).text).toContain('character 1');
  });
});
