import type { Import } from './source-tree.ts';
import { isTest } from './source-tree.ts';

const layers = ['shared', 'platform', 'lake', 'capability', 'entry'] as const;
type Layer = (typeof layers)[number];

type Place = { layer: Layer; folder: string; file: string };

const placeOf = (path: string): Place | undefined => {
  const [top, folder = '', ...rest] = path.split('/');
  if (top !== 'src' || rest.length === 0) return undefined;
  const layer = layers.find((name) => name === folder) ?? 'capability';
  return { layer, folder, file: rest.join('/') };
};

const isFrontDoor = ({ folder, file }: Place): boolean => file === `${folder}.ts`;

/**
 * What is wrong with an import of product code, or undefined. The rules: layers import downwards only; another
 * capability is reached through the file that bears its name, its `contract.ts` for types alone, and from
 * `entry` also through `http.ts`, `cli.ts` and `jobs.ts`; nothing in `src/` knows the sandbox, tests or benches.
 */
export const importFault = ({ from, to, relative, typeOnly }: Import): string | undefined => {
  if (!relative || isTest(from)) return undefined;
  const source = placeOf(from);
  if (!source) return undefined;
  const target = placeOf(to);
  if (!target) {
    const outside = /^(sandbox|test|bench|portal|infra|examples)\//.exec(to);
    return outside ? `${from} imports ${to}: src/ must not know ${outside[1]}/` : undefined;
  }
  if (source.folder === target.folder) return undefined;
  if (layers.indexOf(target.layer) > layers.indexOf(source.layer)) {
    return `${from} imports ${to}: ${source.layer} is below ${target.layer}`;
  }
  if (target.layer !== 'capability' || isFrontDoor(target)) return undefined;
  if (typeOnly && target.file === 'contract.ts') return undefined;
  if (source.layer === 'entry' && ['http.ts', 'cli.ts', 'jobs.ts'].includes(target.file)) return undefined;
  return `${from} imports ${to}: only src/${target.folder}/${target.folder}.ts may be imported from outside`;
};

/** The import cycles of a tree, each as the list of its files. Imports of types alone are erased and don't count. */
export const importCycles = (imports: Import[]): string[][] => {
  const targets = new Map<string, string[]>();
  for (const { from, to, relative, typeOnly } of imports) {
    if (relative && !typeOnly) targets.set(from, [...(targets.get(from) ?? []), to]);
  }
  const cycles: string[][] = [];
  const finished = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) {
      cycles.push(path.slice(start));
      return;
    }
    if (finished.has(file)) return;
    for (const next of targets.get(file) ?? []) visit(next, [...path, file]);
    finished.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  return cycles;
};
