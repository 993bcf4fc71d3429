import type { Dataset, LineageField } from './pipeline-lineage.ts';

const derivations = { IDENTITY: '', TRANSFORMATION: ' (computed)', AGGREGATION: ' (aggregated)' } as const;

const originText = ({ origins }: LineageField): string => {
  if (origins.length === 0) return '(no column: a constant, the request, or the run)';
  return origins
    .map(({ table, column, derivation }) => `${table}.${column}${derivations[derivation]}`)
    .join(', ');
};

const influenceText = ({ influences }: Dataset): string[] => {
  const by = new Map<string, Set<string>>();
  for (const { table, column, influence } of influences) {
    by.set(influence, (by.get(influence) ?? new Set()).add(`${table}.${column}`));
  }
  return [...by].map(
    ([influence, columns]) => `${influence.toLowerCase().replace('_', ' ')}: ${[...columns].join(', ')}`,
  );
};

/** One dataset with its columns, as branches of a tree. */
const datasetText = (dataset: Dataset): string => {
  const head = [dataset.name, ...(dataset.address === undefined ? [] : [dataset.address])].join('  ');
  const from = dataset.reads.length === 0 ? '' : `  ← ${dataset.reads.join(', ')}`;
  const width = Math.max(0, ...dataset.fields.map(({ name }) => name.length));
  const branches = [
    ...dataset.fields.map((field) =>
      dataset.layer === 'source' ? field.name : `${field.name.padEnd(width)} ← ${originText(field)}`,
    ),
    ...influenceText(dataset),
    ...(dataset.unresolved.length === 0 ? [] : [`not followed: ${dataset.unresolved.join(', ')}`]),
  ];
  const lines = branches.map((branch, n) => `${n === branches.length - 1 ? '└─' : '├─'} ${branch}`);
  return [`${head}${from}`, ...lines].join('\n');
};

/** Lineage for people: the datasets in order, each with where its columns come from. */
export const lineageText = (datasets: readonly Dataset[]): string => datasets.map(datasetText).join('\n\n');
