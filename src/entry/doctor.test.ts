import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../platform/config.ts';
import { diagnose, diskFinding } from './doctor.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lastro-doctor-'));
});
afterEach(() => rm(folder, { recursive: true }));

const diagnosed = async (env: NodeJS.ProcessEnv) => {
  const findings = await diagnose(
    parseConfig({ LASTRO_HOME: join(folder, 'home'), LASTRO_PORT: '0', ...env }),
  );
  return (name: string) => findings.find((finding) => finding.name === name);
};

describe('diagnose', () => {
  it('starts and makes nothing', async () => {
    const of = await diagnosed({});
    expect(of('node')).toMatchObject({ status: 'ok', group: 'installed' });
    expect(of('postgres binaries')?.found).toContain('PostgreSQL) 18.');
    expect(of('database')).toMatchObject({ status: 'ok' });
    expect(await readdir(folder)).toEqual([]);
  });

  it('fails for configured systems that do not answer, with what to do', async () => {
    const dead = 'http://127.0.0.1:1';
    await writeFile(join(folder, 'a-file'), '');
    const of = await diagnosed({
      DATABASE_URL: 'postgres://a:hush@127.0.0.1:1/x',
      OIDC_ISSUER: dead,
      PARTNERS_URL: dead,
      REDIS_URL: 'redis://127.0.0.1:1',
      MESSAGES_SQS_URL: `${dead}/queue`,
      AWS_ENDPOINT_URL: dead,
      OBJECT_STORE: pathToFileURL(join(folder, 'a-file', 'below')).href,
    });
    for (const name of ['database', 'issuer', 'partners', 'messages queue', 'object store']) {
      expect(of(name)).toMatchObject({ status: 'fail', advice: expect.stringMatching(/./) });
    }
    expect(of('redis')?.status).toBe('warn');
    expect(JSON.stringify(of('database'))).not.toContain('hush');
  });

  it('tells an issuer from a server that is none, and a port that is in use', async () => {
    const server = createServer((request, response) => {
      const discovery = request.url === '/good/.well-known/openid-configuration';
      response.end(discovery ? '{"jwks_uri":"http://x/keys"}' : 'hello');
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const base = `http://127.0.0.1:${port}`;
    const good = await diagnosed({ OIDC_ISSUER: `${base}/good`, PARTNERS_URL: base, LASTRO_PORT: `${port}` });
    expect(good('issuer')?.status).toBe('ok');
    expect(good('partners')?.status).toBe('ok');
    expect(good('api port')).toMatchObject({
      status: 'warn',
      found: expect.stringContaining('another program'),
    });
    const bad = await diagnosed({ OIDC_ISSUER: base });
    expect(bad('issuer')?.status).toBe('fail');
    await new Promise((resolve) => server.close(resolve));
  });

  it('knows the data of a newer PostgreSQL', async () => {
    const data = join(folder, 'home', 'postgres', 'data');
    await mkdir(data, { recursive: true });
    await writeFile(join(data, 'PG_VERSION'), '99\n');
    const of = await diagnosed({});
    expect(of('data version')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('PostgreSQL 99'),
    });
  });
});

describe('diskFinding', () => {
  it.each([
    [50, 'fail'],
    [1_000, 'warn'],
    [50_000, 'ok'],
  ])('%d MB free is %s', (megabytes, status) => {
    expect(diskFinding(megabytes * 1024 * 1024).status).toBe(status);
  });
});
