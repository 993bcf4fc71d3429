import { closeSync, constants, openSync } from 'node:fs';

/**
 * Opens files and folders under one folder, and nothing that a symbolic link leads to, whoever may change the folders
 * meanwhile: what is checked and what is opened is one thing.
 */
export type RootedFiles = {
  /**
   * A descriptor to read from, the caller's to close. `folder` is relative, with `/` at its end; empty for the root.
   * @throws Error that names the file
   */
  readonly openFile: (folder: string, name: string) => number;
  /** Calls `look` with a path of the folder that holds as long as the call, whatever becomes of its name. @throws Error */
  readonly inFolder: <T>(folder: string, look: (path: string) => T) => T;
  readonly close: () => void;
};

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

// A pipe in a file's place must not stop the reader until somebody writes into it.
const asFile = O_RDONLY | O_NONBLOCK;
const asFolder = O_RDONLY | O_DIRECTORY;

/** Of `<sys/fcntl.h>` on macOS: no component of the path may be a link. Node has no name for it. */
const noFollowAny = 0x20000000;

/** `root` is absolute, its own links resolved. It is opened when it is first needed. */
export const openRootedFiles = (root: string): RootedFiles => {
  const { openFile, inFolder, close } =
    process.platform === 'darwin' ? rootedByFlag(root) : rootedByDescriptor(root);
  const named = <T>(path: string, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw explain(`${root}/${path}`, error);
    }
  };
  return {
    openFile: (folder, name) => named(folder + name, () => openFile(folder, name)),
    inFolder: (folder, look) => named(folder, () => inFolder(folder, look)),
    close,
  };
};

/** The system's own words, but for the path, which is one of ours. */
const explain = (path: string, error: unknown): Error => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === undefined) return error instanceof Error ? error : new Error(String(error));
  const words =
    code === 'ELOOP' || code === 'ENOTDIR'
      ? 'a symbolic link is in the way, and links are not followed'
      : (error as Error).message.replace(/, \w+( '.*')?$/s, '');
  return Object.assign(new Error(`${path}: ${words}`, { cause: error }), { code });
};

const rootedByFlag = (root: string): RootedFiles => ({
  openFile: (folder, name) => openSync(`${root}/${folder}${name}`, asFile | noFollowAny),
  inFolder: (folder, look) => {
    // What is listed through a link that comes after this cannot be opened later.
    closeSync(openSync(`${root}/${folder}`, asFolder | noFollowAny));
    return look(`${root}/${folder}`);
  },
  close: () => {},
});

/** Folders kept open; files of one folder mostly follow one another. */
const keptFolders = 32;

/**
 * Node has no `openat`; on Linux a path under `/proc/self/fd/<descriptor>` is one. Each folder on the way is opened in
 * the one before it, without following links.
 */
const rootedByDescriptor = (root: string): RootedFiles => {
  const open = new Map<string, number>();

  const openFolder = (path: string): number => {
    if (path === '') return openRoot(root);
    const end = path.lastIndexOf('/', path.length - 2) + 1;
    const name = path.slice(end, -1);
    return openSync(under(folderOf(path.slice(0, end)), name), asFolder | O_NOFOLLOW);
  };

  const folderOf = (path: string): number => {
    const known = open.get(path);
    if (known !== undefined) return known;
    const opened = openFolder(path);
    open.set(path, opened);
    return opened;
  };

  const close = (): void => {
    for (const fd of open.values()) closeSync(fd);
    open.clear();
  };

  /** As `folderOf`, with few of them open. */
  const fewOpen = (path: string): number => {
    if (open.size > keptFolders && !open.has(path)) close();
    return folderOf(path);
  };

  return {
    openFile: (folder, name) => openSync(under(fewOpen(folder), name), asFile | O_NOFOLLOW),
    inFolder: (folder, look) => look(under(fewOpen(folder), '')),
    close,
  };
};

const under = (folder: number, name: string): string => `/proc/self/fd/${folder}/${name}`;

const openRoot = (root: string): number => {
  const opened = openSync(root, asFolder | O_NOFOLLOW);
  try {
    closeSync(openSync(under(opened, ''), asFolder));
    return opened;
  } catch (cause) {
    closeSync(opened);
    throw new Error(
      `expected /proc to be mounted, which files are opened through; found no ${under(opened, '')}`,
      {
        cause,
      },
    );
  }
};
