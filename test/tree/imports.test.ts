import { builtinModules } from 'node:module';
import { beforeAll, describe, expect, it } from 'vitest';
import { importCycles, importFault } from './import-rules.ts';
import type { SourceFile } from './source-tree.ts';
import { importsOf, isTest, isTypeScript, readTree } from './source-tree.ts';

let files: SourceFile[];
let manifest: { dependencies: Record<string, string>; devDependencies: Record<string, string> };

beforeAll(async () => {
  const tree = await readTree();
  files = tree.filter(isTypeScript);
  manifest = JSON.parse(tree.find(({ path }) => path === 'package.json')?.text ?? '{}');
});

const under = (folder: string): SourceFile[] => files.filter(({ path }) => path.startsWith(`${folder}/`));

describe('imports', () => {
  it('flow downwards, through front doors', () => {
    expect(under('src').flatMap(importsOf).map(importFault).filter(Boolean)).toEqual([]);
  });

  it('have no cycles', () => {
    expect(importCycles(files.flatMap(importsOf))).toEqual([]);
  });

  it('of the product use what is installed in production', () => {
    const product = [...under('src'), ...under('sandbox')].filter(({ path }) => !isTest(path));
    const foreign = product
      .flatMap(importsOf)
      .filter(({ relative, to, typeOnly }) => !relative && !to.startsWith('node:') && !typeOnly);
    expect(
      foreign.filter(({ to }) => !(to in manifest.dependencies)).map(({ from, to }) => `${from}: ${to}`),
    ).toEqual([]);
    expect(foreign.filter(({ to }) => builtinModules.includes(to))).toEqual([]);
  });

  it('of the pages of the portal stay in its folder and use its own packages', async () => {
    const portal = JSON.parse(
      (await readTree(['portal'])).find(({ path }) => path === 'portal/package.json')?.text ?? '{}',
    ) as typeof manifest;
    const pages = under('portal/src').filter(({ path }) => !isTest(path));
    expect(pages.length).toBeGreaterThan(10);
    const strange = pages
      .flatMap(importsOf)
      .filter(({ relative, to }) =>
        relative ? !to.startsWith('portal/src/') : !(to in portal.dependencies),
      );
    expect(strange.map(({ from, to }) => `${from}: ${to}`)).toEqual([]);
  });

  it('reach every capability through a file of its name', () => {
    const layers = new Set(['shared', 'platform', 'lake', 'entry']);
    const folders = new Set(under('src').map(({ path }) => path.split('/')[1] ?? ''));
    const capabilities = [...folders].filter((folder) => !layers.has(folder));
    const paths = new Set(files.map(({ path }) => path));
    expect(capabilities.filter((name) => !paths.has(`src/${name}/${name}.ts`))).toEqual([]);
  });
});

describe('the rules themselves', () => {
  const fault = (from: string, line: string): string | undefined =>
    importFault(importsOf({ path: from, text: line })[0] ?? expect.unreachable());

  it.each([
    ['src/shared/a.ts', "import { b } from '../platform/b.ts';", 'shared is below platform'],
    ['src/platform/a.ts', "import { b } from '../lake/b.ts';", 'platform is below lake'],
    ['src/lake/a.ts', "import type { B } from '../orders/orders.ts';", 'lake is below capability'],
    ['src/orders/a.ts', "import { b } from '../entry/b.ts';", 'capability is below entry'],
    ['src/orders/a.ts', "import { b } from '../quorum/lint.ts';", 'only src/quorum/quorum.ts'],
    ['src/orders/a.ts', "import { b } from '../quorum/contract.ts';", 'only src/quorum/quorum.ts'],
    ['src/orders/a.ts', "import { routes } from '../quorum/http.ts';", 'only src/quorum/quorum.ts'],
    ['src/entry/a.ts', "const b = await import('../orders/store.ts');", 'only src/orders/orders.ts'],
    ['src/entry/a.ts', "import { b } from '../../sandbox/b.ts';", 'must not know sandbox/'],
    [
      'src/orders/deep/a.ts',
      "import {\n  b,\n  c,\n} from '../../archive/x.ts';",
      'only src/archive/archive.ts',
    ],
  ])('%s refuses %s', (from, line, words) => {
    expect(fault(from, line)).toContain(words);
  });

  it.each([
    ['src/orders/a.ts', "import { decide } from '../quorum/quorum.ts';"],
    ['src/orders/a.ts', "import type { Verdict } from '../quorum/contract.ts';"],
    ['src/orders/a.ts', "import { b } from './deep/b.ts';"],
    ['src/orders/a.ts', "import { b } from '../platform/store/b.ts';"],
    ['src/entry/a.ts', "import { routes } from '../orders/http.ts';"],
    ['src/entry/a.ts', "load: () => import('../quorum/cli.ts')"],
    ['src/orders/a.pg.test.ts', "import { b } from '../../sandbox/b.ts';"],
  ])('%s allows %s', (from, line) => {
    expect(fault(from, line)).toBeUndefined();
  });

  it('find cycles', () => {
    const text = (path: string, to: string): SourceFile => ({ path, text: `import { X } from '${to}';` });
    const ring = [text('src/a.ts', './b.ts'), text('src/b.ts', './c.ts'), text('src/c.ts', './a.ts')];
    expect(importCycles(ring.flatMap(importsOf))).toEqual([['src/a.ts', 'src/b.ts', 'src/c.ts']]);
    expect(importCycles(ring.slice(1).flatMap(importsOf))).toEqual([]);
  });
});
