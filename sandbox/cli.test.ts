import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliContext, UserError } from '../src/platform/cli.ts';
import { parseConfig } from '../src/platform/config.ts';
import { sandboxCases } from './cases.ts';
import { register as registerSandbox } from './cli.ts';
import { type Sandbox, startSandbox } from './sandbox.ts';
import { register as registerToken } from './token-cli.ts';

let home: string;
let sandbox: Sandbox;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lastro-sandbox-'));
  sandbox = await startSandbox({ port: 0, home, companies: 0 });
});
afterAll(async () => {
  await sandbox.close();
  await rm(home, { recursive: true });
});

const run = async (args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> => {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const settings = { LASTRO_SANDBOX_PORT: new URL(sandbox.url).port, ...env };
  const context: CliContext = {
    env: settings,
    stdin: new PassThrough(),
    stdout,
    stderr,
    signal: new AbortController().signal,
    config: () => parseConfig(settings),
    postgres: () => Promise.reject(new Error('expected a command that needs no database')),
  };
  const program = new Command('lastro').exitOverride();
  registerSandbox(program, context);
  registerToken(program, context);
  await program.parseAsync(args, { from: 'user' });
  stdout.end();
  return text(stdout);
};

const failure = async (args: string[], env?: NodeJS.ProcessEnv): Promise<UserError> => {
  const error = await run(args, env).catch((cause: unknown) => cause);
  return error instanceof UserError ? error : expect.fail(`expected a UserError, found ${String(error)}`);
};

describe('lastro sandbox', () => {
  it('prints the cases as JSON', async () => {
    expect(JSON.parse(await run(['sandbox', 'cases', '--json']))).toEqual(
      JSON.parse(JSON.stringify(sandboxCases())),
    );
  });

  it('prints the cases as lines', async () => {
    expect(await run(['sandbox', 'cases'])).toMatch(/^joint signature, alphanumeric CNPJ +quorum\n/);
    expect(await run(['sandbox', 'cases', '--undetermined'])).toContain('processing: needs_review');
  });

  it('switches faults on, lists and clears them', async () => {
    const added = await run([
      'sandbox',
      'faults',
      'add',
      'powers',
      'error',
      '--times',
      '3',
      '--status',
      '500',
    ]);
    expect(added).toMatch(/^#\d+ powers error 3 more times\n$/);
    expect(await run(['sandbox', 'faults'])).toBe(added);
    expect(JSON.parse(await run(['sandbox', 'faults', '--json']))).toMatchObject([{ status: 500 }]);
    await run(['sandbox', 'faults', 'clear']);
    expect(await run(['sandbox', 'faults'])).toBe('no faults\n');
  });

  it('counts calls', async () => {
    expect(JSON.parse(await run(['sandbox', 'calls']))).toMatchObject({
      partners: { powers: { requests: 0 } },
    });
  });

  it.each([
    [['sandbox', 'faults', 'add', 'nobody', 'error'], 'found nobody'],
    [['sandbox', 'faults', 'add', 'powers', 'flood'], 'found flood'],
    [['sandbox', 'faults', 'add', 'powers', 'error', '--times', 'x'], 'whole number for --times'],
    [['sandbox', 'faults', 'add', 'powers', 'error', '--status', '200'], 'refused'],
  ])('refuses %j', async (args, message) => {
    const error = await failure(args);
    expect(error.message).toContain(message);
    expect(error.exitCode).toBe(2);
  });

  it('says how to start a sandbox where none runs', async () => {
    const error = await failure(['sandbox', 'faults'], { LASTRO_SANDBOX_PORT: '1' });
    expect(error).toMatchObject({ exitCode: 1, message: expect.stringContaining('npm start') });
  });
});

describe('lastro token', () => {
  it('prints a token alone, or with what is known of it', async () => {
    const token = await run(['token', '--area', 'CRD01', '--scope', 'orders:write orders:read']);
    expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(JSON.parse(await run(['token', '--area', 'CRD02', '--json']))).toMatchObject({
      client: 'area-CRD02',
      scope: 'orders:read orders:write',
    });
  });

  it("speaks for clients of the bank, whose documents are not in the name of the issuer's client", async () => {
    const minted = JSON.parse(await run(['token', '--client', '12ABC34501DE35,52998224725', '--json'])) as {
      token: string;
    };
    expect(minted).toMatchObject({
      client: expect.stringMatching(/^client-[0-9a-f]{16}$/),
      scope: 'reports:read reports:write',
    });
    expect(decodeJwt(minted.token)).toMatchObject({ areas: [], clients: ['12ABC34501DE35', '52998224725'] });
    for (const args of [
      ['--client', '123'],
      ['--client', '52998224725', '--area', 'CRD01'],
      ['--client', '52998224725', '--scope', 'orders:read'],
    ])
      expect(await failure(['token', ...args])).toMatchObject({ exitCode: 2 });
  });

  it('tells a wrong call from a sandbox that is not there', async () => {
    expect(await failure(['token', '--area', 'NONE'])).toMatchObject({ exitCode: 2 });
    expect(await failure(['token'], { LASTRO_SANDBOX_PORT: '1' })).toMatchObject({ exitCode: 1 });
    const foreign = await failure(['token'], { OIDC_ISSUER: 'https://login.bank.example' });
    expect(foreign.message).toContain('login.bank.example');
  });
});
