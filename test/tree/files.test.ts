import { beforeAll, describe, expect, it } from 'vitest';
import type { SourceFile } from './source-tree.ts';
import { codeOf, importsOf, isTest, isTypeScript, readTree } from './source-tree.ts';

let files: SourceFile[];
let code: SourceFile[];

beforeAll(async () => {
  files = await readTree();
  code = files.filter(isTypeScript);
});

/** Files that may be longer, each with its reason. */
const longFiles: Record<string, string> = {};

const where = (found: SourceFile[], pattern: RegExp, text = ({ text }: SourceFile) => text): string[] =>
  found.flatMap((file) =>
    text(file)
      .split('\n')
      .flatMap((line, index) =>
        pattern.test(line) ? [`${file.path}:${index + 1}: ${line.trim().slice(0, 100)}`] : [],
      ),
  );

describe('files', () => {
  it('are short: 400 lines, 600 for tests', () => {
    const lines = ({ text }: SourceFile): number => text.split('\n').length - 1;
    const long = code.filter((file) => lines(file) > (isTest(file.path) ? 600 : 400));
    expect(
      long.filter(({ path }) => !(path in longFiles)).map((file) => `${file.path}: ${lines(file)}`),
    ).toEqual([]);
  });

  it('bear the name of a thing, in kebab-case', () => {
    const ours = code.map(({ path }) => path).filter((path) => path.includes('/'));
    const dumps = /(^|[/.-])(utils?|helpers?|misc|common)([/.-]|$)/;
    expect(ours.filter((path) => dumps.test(path))).toEqual([]);
    expect(ours.filter((path) => !path.startsWith('portal/') && !/^[a-z0-9/.-]+$/.test(path))).toEqual([]);
  });

  it('have no `any`', () => {
    const text = ({ text }: SourceFile): string => codeOf(text);
    expect(where(code, /(?:[:<|&,(]\s*|\bas\s+|=>\s*)any\b(?!\s*[:(])/, text)).toEqual([]);
  });

  it('do not hand on what others export, but for a front door what is in its own folder', () => {
    const frontDoor = /^src\/([a-z-]+)\/\1\.ts$/;
    const reexport = /^export\s+(?:type\s+)?(\*|\{[^}]*\})[^;]*?\bfrom\s*['"](\.[^'"]*)?/gm;
    const found = code.flatMap(({ path, text }) =>
      [...text.matchAll(reexport)].map(([, what, to]) => ({
        path,
        named: what !== '*' && to?.startsWith('./') === true,
      })),
    );
    expect(found.filter(({ path, named }) => !(named && frontDoor.test(path)))).toEqual([]);
  });

  it('that the documents name are there', () => {
    const there = new Set(files.map(({ path }) => path));
    const named = files
      .filter(({ path }) => path.endsWith('.md'))
      .flatMap(({ path, text }) =>
        [...text.matchAll(/`((?:src|test|sandbox|bench|examples|migrations|docs)\/[\w./-]+\.[a-z]+)`/g)].map(
          ([, name = '']) => ({ path, name }),
        ),
      );
    expect(named.length).toBeGreaterThan(50);
    // Tests that are named without their folder; `x.pg.test.ts` stands for all of a kind.
    const tests = new Set(files.map(({ path }) => path.slice(path.lastIndexOf('/') + 1)));
    const short = files
      .filter(({ path }) => path.endsWith('.md'))
      .flatMap(({ path, text }) =>
        [...text.matchAll(/`([\w.-]+\.test\.ts)`/g)].map(([, name = '']) => ({ path, name })),
      )
      .filter(({ name }) => !name.startsWith('x.') && !tests.has(name));
    expect(short.map(({ path, name }) => `${path}: ${name}`)).toEqual([]);
    expect(named.filter(({ name }) => !there.has(name)).map(({ path, name }) => `${path}: ${name}`)).toEqual(
      [],
    );
  });

  it('leave no test out', () => {
    const tests = code.filter(({ path }) => isTest(path));
    expect(where(tests, /\b(?:it|test|describe)\.(?:only|skip|todo)\b/, ({ text }) => codeOf(text))).toEqual(
      [],
    );
  });

  it('name no place of one machine', () => {
    const own = 'test/tree/files.test.ts';
    const places = /(?<![\w.~}-])\/(?:work|root|home|Users)\//;
    expect(
      where(
        files.filter(({ path }) => path !== own && path !== 'package-lock.json'),
        places,
      ),
    ).toEqual([]);
  });

  it('have no download addresses in the lock file', () => {
    const lock = files.find(({ path }) => path === 'package-lock.json')?.text ?? '';
    // The portal is a link to its folder, which is no address.
    expect(lock).not.toMatch(/"resolved": "(?!portal")/);
    expect(lock).toMatch(/"integrity": "sha512-/);
  });

  it('have every optional dependency in the lock file, of other platforms too', () => {
    // `npm ci` refuses a lock file that lacks one, and npm leaves those out that its registry does not have.
    const lock = JSON.parse(files.find(({ path }) => path === 'package-lock.json')?.text ?? '{}') as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const names = new Set(Object.keys(lock.packages).map((path) => path.split('node_modules/').at(-1)));
    const optional = Object.values(lock.packages).flatMap((entry) =>
      Object.keys(entry.optionalDependencies ?? {}),
    );
    expect(optional.filter((name) => !names.has(name))).toEqual([]);
  });
});

describe('the checks themselves', () => {
  it('see through comments and strings', () => {
    expect(codeOf("const a = 'x: any'; // : any\n/* <any> */ const u = 'http://any';").includes('any')).toBe(
      false,
    );
    const anyType = /(?:[:<|&,(]\s*|\bas\s+|=>\s*)any\b(?!\s*[:(])/;
    expect(
      ['a: any', 'Array<any>', 'x as any', 'string | any'].filter((line) => !anyType.test(line)),
    ).toEqual([]);
    expect(
      ['{ any: 1 }', 'Promise.any(x)', 'anyOf', '(any(x))'].filter((line) => anyType.test(line)),
    ).toEqual([]);
  });

  it('read imports over several lines, types and dynamic ones', () => {
    const text = `import {\n  a,\n} from './a.ts';\nimport type { B } from "../b.ts";\nimport 'node:fs';\nconst c = import('./c.ts');`;
    expect(importsOf({ path: 'src/x/y.ts', text })).toEqual([
      { from: 'src/x/y.ts', to: 'src/x/a.ts', relative: true, typeOnly: false },
      { from: 'src/x/y.ts', to: 'src/b.ts', relative: true, typeOnly: true },
      { from: 'src/x/y.ts', to: 'node:fs', relative: false, typeOnly: false },
      { from: 'src/x/y.ts', to: 'src/x/c.ts', relative: true, typeOnly: false },
    ]);
  });
});
