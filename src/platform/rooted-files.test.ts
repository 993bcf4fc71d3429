import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openRootedFiles, type RootedFiles } from './rooted-files.ts';

let place: string;
let root: string;
let files: RootedFiles;

beforeEach(() => {
  place = realpathSync(mkdtempSync(join(tmpdir(), 'lastro-rooted-')));
  root = join(place, 'root');
  mkdirSync(join(root, 'a/b'), { recursive: true });
  mkdirSync(join(place, 'outside/b'), { recursive: true });
  writeFileSync(join(root, 'a/b/x.json'), 'inside');
  writeFileSync(join(place, 'outside/b/x.json'), 'secret');
  files = openRootedFiles(root);
});
afterEach(() => {
  files.close();
  rmSync(place, { recursive: true });
});

const read = (folder: string, name: string): string => {
  const file = files.openFile(folder, name);
  try {
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
};

it('opens files and folders below the root', () => {
  writeFileSync(join(root, 'top.json'), 'top');
  expect(read('', 'top.json')).toBe('top');
  expect(read('a/b/', 'x.json')).toBe('inside');
  expect(files.inFolder('a/b/', (path) => readdirSync(path))).toEqual(['x.json']);
  expect(files.inFolder('', (path) => readdirSync(path)).sort()).toEqual(['a', 'top.json']);
  expect(() => read('a/b/', 'gone.json')).toThrow(`${root}/a/b/gone.json: ENOENT: no such file or directory`);
  expect(() => read('gone/', 'x.json')).toThrow('ENOENT');
});

it('follows no link, whichever part of the path it is', () => {
  symlinkSync(join(place, 'outside/b/x.json'), join(root, 'a/link.json'));
  symlinkSync(join(place, 'outside'), join(root, 'linked'));
  symlinkSync('b', join(root, 'a/within'));
  const refused = 'a symbolic link is in the way, and links are not followed';
  for (const [folder, name] of [
    ['a/', 'link.json'],
    ['linked/b/', 'x.json'],
    // One that leads nowhere else, too: what is listed has one name.
    ['a/within/', 'x.json'],
  ] as const) {
    expect(() => read(folder, name), folder + name).toThrow(refused);
  }
  expect(() => files.inFolder('linked/b/', (path) => readdirSync(path))).toThrow(refused);
});

it('does not wait for a pipe in a place of a file', () => {
  execFileSync('mkfifo', [join(root, 'a/pipe.json')]);
  expect(read('a/', 'pipe.json')).toBe('');
});

it('keeps few folders open', () => {
  const before = readdirSync('/proc/self/fd').length;
  for (let n = 0; n < 300; n++) {
    mkdirSync(join(root, `many/${n}`), { recursive: true });
    writeFileSync(join(root, `many/${n}/x`), String(n));
  }
  for (let n = 0; n < 300; n++) expect(read(`many/${n}/`, 'x')).toBe(String(n));
  expect(readdirSync('/proc/self/fd').length - before).toBeLessThan(50);
});

it('gives nothing from outside while a folder on the way is swapped for a link, again and again', async () => {
  // A thread that swaps as fast as it can, without a pause that a check could fall into.
  const swap = new Worker(
    `const { renameSync, symlinkSync, unlinkSync } = require('node:fs');
     const { workerData: { folder, outside } } = require('node:worker_threads');
     for (;;) {
       renameSync(folder, folder + '.kept');
       symlinkSync(outside, folder);
       unlinkSync(folder);
       renameSync(folder + '.kept', folder);
     }`,
    { eval: true, workerData: { folder: join(root, 'a'), outside: join(place, 'outside') } },
  );
  const seen = new Set<string>();
  const started = Date.now();
  for (let turn = 0; seen.size < 2 || turn < 3_000; turn++) {
    // A new one each time: an open folder stays the one that it was.
    const fresh = openRootedFiles(root);
    try {
      const file = fresh.openFile('a/b/', 'x.json');
      seen.add(readFileSync(file, 'utf8'));
      closeSync(file);
    } catch {
      seen.add('refused');
    }
    fresh.close();
    if (Date.now() - started > 60_000) break;
  }
  await swap.terminate();
  expect([...seen].sort()).toEqual(['inside', 'refused']);
  try {
    renameSync(join(root, 'a.kept'), join(root, 'a'));
  } catch {
    // It was stopped with the folder in its place.
  }
}, 90_000);
