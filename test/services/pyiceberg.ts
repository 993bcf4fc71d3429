import { execFile } from 'node:child_process';
import { access, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const version = '0.12.0';

/** Runs one command of `test/peers/pyiceberg_peer.py` and gives its JSON. */
export type PyIceberg = (command: string, table: string, argument?: string) => Promise<unknown>;

/** PyIceberg in a virtual environment of its own, installed at the first use (Python 3 with venv, and its package index). */
export const openPyIceberg = async (databaseUrl: string, warehouse: string): Promise<PyIceberg> => {
  const folder = join(tmpdir(), 'lastro-peers', `pyiceberg-${version}`);
  const python = join(folder, 'bin', 'python');
  const isThere = await access(join(folder, 'installed')).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    await mkdir(folder, { recursive: true });
    await run('python3', ['-m', 'venv', folder]);
    await run(python, [
      '-m',
      'pip',
      'install',
      '-q',
      `pyiceberg[sql-postgres,pyarrow,pyiceberg-core]==${version}`,
    ]);
    await run('touch', [join(folder, 'installed')]);
  }
  const uri = databaseUrl.replace(/^postgres(ql)?:/, 'postgresql+psycopg2:');
  const script = fileURLToPath(new URL('../peers/pyiceberg_peer.py', import.meta.url));
  return async (command, table, argument) => {
    const call = [script, uri, warehouse, command, table, ...(argument === undefined ? [] : [argument])];
    const { stdout } = await run(python, call, { maxBuffer: 64 * 1024 * 1024 });
    return JSON.parse(stdout);
  };
};
