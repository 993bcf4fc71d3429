import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { listFolder } from './list-folder.ts';
import { versionAt } from './listed-folder.ts';
import { openSource } from './source.ts';
import { textAt } from './text-list.ts';

it('lists files and folders, but none that are hidden or links, and says what it cannot look into', async () => {
  const root = await mkdtemp(join(tmpdir(), 'lastro-list-'));
  await mkdir(join(root, 'in/below'), { recursive: true });
  await mkdir(join(root, 'in/_temporary'));
  await writeFile(join(root, 'in/ação.json'), '{}');
  await symlink('/etc/passwd', join(root, 'in/link.json'));
  await writeFile(
    Buffer.concat([Buffer.from(`${root}/in/`), Buffer.from([0xff]), Buffer.from('.json')]),
    '{}',
  );
  const source = await openSource(root, { region: 'sa-east-1' });
  const { folder, below, problem, unnamed } = listFolder(source, 'in/');
  expect([...folder.sizes.keys()].map((at) => textAt(folder.names, at))).toEqual(['ação.json']);
  expect(versionAt(folder, 0)).toMatch(/^2-\d+/);
  expect(below).toEqual(['in/below/']);
  expect(problem).toBeUndefined();
  // Not every file system has such names.
  expect([1, undefined]).toContain(unnamed);
  expect(listFolder(source, 'gone/')).toMatchObject({
    below: [],
    problem: expect.stringContaining('ENOENT'),
  });
  await rm(root, { recursive: true });
});
