import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliContext, UserError } from '../platform/cli.ts';
import { parseConfig } from '../platform/config.ts';
import { loadSigningKeys } from '../platform/signing-keys.ts';
import { signCertificate } from './certificate.ts';
import { register } from './cli.ts';
import { decide } from './engine.ts';
import { parseInput } from './input.ts';

const examples = fileURLToPath(new URL('../../test/fixtures/quorum/explain/', import.meta.url));
const example = (name: string): string => join(examples, `${name}.json`);

let home: string;
const file = (name: string): string => join(home, name);
const put = async (name: string, content: unknown): Promise<string> => {
  await writeFile(file(name), typeof content === 'string' ? content : JSON.stringify(content));
  return file(name);
};

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lastro-quorum-cli-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

type Ended = { code: number | null; out: string; err: string };

const read = (stream: PassThrough): string => String(stream.read() ?? '');

/** The command line in this process; `src/entry/lastro.ts` maps what is thrown to the same exit codes. */
const quorum = async (args: string[], stdin = ''): Promise<Ended> => {
  const [stdout, stderr] = [new PassThrough({ highWaterMark: 1e6 }), new PassThrough({ highWaterMark: 1e6 })];
  const context: CliContext = {
    env: {},
    stdin: Readable.from([Buffer.from(stdin)]),
    stdout,
    stderr,
    signal: new AbortController().signal,
    config: () => parseConfig({ LASTRO_HOME: home }),
    postgres: () => Promise.reject(new Error('these commands need no database')),
  };
  const program = new Command('lastro')
    .exitOverride()
    .configureOutput({ writeErr: (text) => stderr.write(text) });
  register(program, context);
  const ended = (code: number): Ended => ({ code, out: read(stdout), err: read(stderr) });
  try {
    await program.parseAsync(['quorum', ...args], { from: 'user' });
    return ended(Number(process.exitCode ?? 0));
  } catch (error) {
    if (error instanceof UserError) return { ...ended(error.exitCode), err: error.message };
    if (error instanceof CommanderError) return ended(2);
    throw error;
  } finally {
    process.exitCode = undefined;
  }
};

/** A real process, where exit codes and streams are what they are to a shell. */
const lastro = (args: string[], stdin: string): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const entry = fileURLToPath(new URL('../entry/lastro.ts', import.meta.url));
    const child = spawn(process.execPath, [entry, ...args]);
    const ended = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      ended.out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      ended.err += text;
    });
    child.on('error', reject).on('close', (code) => resolve({ ...ended, code }));
    child.stdin.end(stdin);
  });

describe('quorum explain', () => {
  it('explains a file in Portuguese, and standard input in English', async () => {
    const names = await put('names.json', { p1: 'Ana Lima', p2: 'Bruno Sá', p4: 'Davi Reis', p5: 'Eva Luz' });
    expect(await quorum(['explain', example('quorum'), '--names', names])).toEqual({
      code: 0,
      out: await readFile(join(examples, 'quorum.pt-BR.txt'), 'utf8'),
      err: '',
    });
    const text = await readFile(example('no-rule'), 'utf8');
    const english = await quorum(['explain', '--language', 'en', '--json'], text);
    expect(JSON.parse(english.out)).toMatchObject({
      language: 'en',
      text: expect.stringMatching(/^NO QUORUM/),
      decision: { verdict: 'no_quorum' },
    });
  });

  it('refuses bad input, missing files and unknown languages with exit code 2', async () => {
    const bad = await quorum(['explain'], '{"at":1}');
    expect(bad).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/standard input: .*\n {2}\/at: /),
    });
    expect(await quorum(['explain', file('absent.json')])).toMatchObject({
      code: 2,
      err: expect.stringContaining('ENOENT'),
    });
    expect(await quorum(['explain', '--language', 'fr'])).toMatchObject({ code: 2, out: '' });
  });
});

describe('a process', () => {
  it('ends with the codes that the help names', async () => {
    const text = await readFile(example('reservations'), 'utf8');
    expect((await lastro(['quorum', 'explain'], text)).code).toBe(0);
    expect((await lastro(['quorum', 'lint'], text)).code).toBe(1);
    const refused = await lastro(['quorum', 'explain'], '{}');
    expect(refused).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/^lastro: standard input/),
    });
  });
});

describe('quorum lint', () => {
  it('reports findings, and fails on errors only', async () => {
    const found = await quorum(['lint', example('reservations'), '--days', '30']);
    expect(found).toMatchObject({ code: 1, err: '' });
    expect(found.out).toContain(
      'error quorum_ends /groups/1/members/0/to\n  quorum is lost on 30 November 2026',
    );
    const sooner = await quorum(['lint', example('reservations'), '--days', '1', '--json']);
    expect(sooner.code).toBe(0);
    expect(JSON.parse(sooner.out)).toMatchObject({
      days: 1,
      findings: [{ code: 'redundant_alternative' }, { code: 'band_open_top' }],
    });
    expect(await quorum(['lint', '--at', 'today'], '{}')).toMatchObject({
      code: 2,
      err: expect.stringContaining('RFC 3339'),
    });
  });
});

describe('quorum keys and verify', () => {
  it('verify a certificate with own keys, across a rotation, and with published ones', async () => {
    const keys = await loadSigningKeys({ path: file('signing-keys.json') });
    const text = await readFile(example('quorum'), 'utf8');
    const parsed = parseInput(text);
    if (!parsed.ok) throw new Error('the example is an input');
    const facts = {
      orderKey: 'ord_1',
      party: 'requester',
      evidence: [],
      input: parsed.input,
      output: decide(parsed.input),
    };
    const certificate = await put('certificate.jws', `${await signCertificate({ keys }, facts)}\n`);

    const listed = await quorum(['keys', 'list']);
    expect(listed.out).toMatch(new RegExp(`^${keys.kid} {2}EdDSA {2}made .* {2}signs\n$`));
    const rotated = await quorum(['keys', 'rotate', '--json']);
    expect(JSON.parse(rotated.out).keys).toHaveLength(2);
    const jwks = await put('jwks.json', rotated.out);

    const own = await quorum(['verify', certificate, '--input', example('quorum')]);
    expect(own).toMatchObject({ code: 0, err: '' });
    expect(own.out).toContain('VERIFIED');
    expect(own.out).toContain('stable until 2026-12-31T03:00:00Z (31 December 2026, 00:00 in São Paulo)');
    const other = await quorum(
      ['verify', certificate, '--input', '-', '--jwks', jwks, '--json'],
      text.replace('12500000', '12500001'),
    );
    expect(other.code).toBe(1);
    expect(JSON.parse(other.out)).toMatchObject({
      status: 'different',
      differences: [{ pointer: '/inputHash' }, { pointer: '/output/inputHash' }],
    });
    expect(await quorum(['verify', example('quorum'), '--input', example('quorum')])).toMatchObject({
      code: 1,
      out: expect.stringContaining('NOT AUTHENTIC (malformed)'),
    });
    expect(
      await quorum(['verify', certificate, '--input', example('quorum'), '--jwks', certificate]),
    ).toMatchObject({ code: 2 });
  });
});

describe('quorum replay', () => {
  it('lists what changes and sums up', async () => {
    const text = JSON.stringify(JSON.parse(await readFile(example('many-combinations'), 'utf8')));
    const one = JSON.parse(text);
    const [rule] = one.rules;
    const stricter = {
      ...rule,
      alternatives: [{ id: 'all', requires: [{ group: 'A', min: 'all' }], mandatory: ['p1'] }],
    };
    const rules = await put('new.json', { rules: [stricter] });
    const blocked = {
      ...one,
      people: one.people.map((person: object) => ({ ...person, operator: null })),
      context: { order: 'ord_2' },
    };
    const without = {
      ...one,
      context: { order: 'ord_3' },
      people: one.people.map((person: { id: string }) =>
        person.id === 'p1' ? { id: 'p1', operator: { active: false, accountAccess: true } } : person,
      ),
    };
    const inputs = `${[text, JSON.stringify(blocked), '', JSON.stringify(without)].join('\n')}\n`;
    expect(await quorum(['replay', '--rules', rules, '--changed-only', '--threads', '1'], inputs)).toEqual({
      code: 0,
      err: '',
      out: [
        '3  LOST  quorum → no_quorum (not_enough_people)  {"order":"ord_3"}',
        '3 cases: 0 gain quorum, 1 lose it, 0 could not be decided',
        '  quorum → quorum: 1',
        '  undetermined → undetermined: 1',
        '  quorum → no_quorum: 1',
        '',
      ].join('\n'),
    });
    const json = await quorum(['replay', '--rules', rules, '--json'], `${inputs}{`);
    expect(json.code).toBe(1);
    const lines = json.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ effect, error, summary }) => effect ?? (error ? 'error' : summary))).toEqual([
      'same',
      'same',
      'lost',
      'error',
      expect.objectContaining({ cases: 4, errors: 1 }),
    ]);
  });
});
