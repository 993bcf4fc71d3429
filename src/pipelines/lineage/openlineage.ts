import { createHash } from 'node:crypto';
import type { Dataset } from './pipeline-lineage.ts';

/** Version 2-0-2 of the specification; each facet has a version of its own. */
const spec = 'https://openlineage.io/spec';
const producer = 'urn:lastro';

type Facet = { readonly _producer: string; readonly _schemaURL: string; readonly [key: string]: unknown };

const facet = (schema: string, body: Record<string, unknown>): Facet => ({
  _producer: producer,
  _schemaURL: `${spec}/facets/${schema}.json#/$defs/${schema.split('/')[1]}`,
  ...body,
});

export type EventDataset = {
  readonly namespace: string;
  readonly name: string;
  readonly facets: Readonly<Record<string, Facet>>;
  readonly outputFacets?: Readonly<Record<string, Facet>>;
};

/** https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent */
export type RunEvent = {
  readonly eventType: 'START' | 'COMPLETE' | 'FAIL' | 'ABORT';
  readonly eventTime: string;
  readonly producer: string;
  readonly schemaURL: string;
  readonly run: { readonly runId: string; readonly facets: Readonly<Record<string, Facet>> };
  readonly job: {
    readonly namespace: string;
    readonly name: string;
    readonly facets: Readonly<Record<string, Facet>>;
  };
  readonly inputs: readonly EventDataset[];
  readonly outputs: readonly EventDataset[];
};

/** Where the datasets are for other systems: the lake's location, and the host of a source. */
export type Places = { readonly lake: string; readonly addressOf: (pipeline: string) => string | undefined };

/** A UUID (version 8) from a text: the same run has the same one in every event. */
export const runUuid = (text: string): string => {
  const hex = createHash('sha256').update(text).digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(18, 20)}-${hex.slice(20, 32)}`;
};

const addressText = (dataset: Dataset, places: Places): string =>
  places.addressOf(dataset.pipeline) ?? dataset.address ?? dataset.name;

/** Namespace and name by the naming rules of OpenLineage: of a source its host and path, of a table the lake's place. */
const placeOf = (dataset: Dataset, places: Places): { namespace: string; name: string } => {
  if (dataset.layer !== 'source') return { namespace: places.lake, name: dataset.name };
  const address = addressText(dataset, places);
  if (!URL.canParse(address)) return { namespace: 'lastro', name: dataset.name };
  const url = new URL(address);
  return { namespace: `${url.protocol}//${url.host}`, name: decodeURI(url.pathname) };
};

const isUri = (text: string): boolean => URL.canParse(text) && !/[{}\s]/.test(text);

const commonFacets = (dataset: Dataset, places: Places): Record<string, Facet> => {
  const { namespace } = placeOf(dataset, places);
  return {
    schema: facet('1-1-1/SchemaDatasetFacet', {
      fields: dataset.fields.map(({ name, type, doc }) => ({
        name,
        ...(type === undefined ? {} : { type }),
        ...(doc === undefined ? {} : { description: doc }),
      })),
    }),
    dataSource: facet('1-0-1/DatasourceDatasetFacet', {
      name: namespace,
      ...(isUri(namespace) ? { uri: namespace } : {}),
    }),
  };
};

const columnLineage = (dataset: Dataset, all: readonly Dataset[], places: Places): Facet => {
  const placed = (table: string): { namespace: string; name: string } => {
    const found = all.find((each) => each.name === table);
    return found ? placeOf(found, places) : { namespace: places.lake, name: table };
  };
  return facet('1-2-0/ColumnLineageDatasetFacet', {
    fields: Object.fromEntries(
      dataset.fields
        .filter(({ origins }) => origins.length > 0)
        .map(({ name, origins }) => [
          name,
          {
            inputFields: origins.map(({ table, column, derivation }) => ({
              ...placed(table),
              field: column,
              transformations: [{ type: 'DIRECT', subtype: derivation, description: '', masking: false }],
            })),
          },
        ]),
    ),
    dataset: dataset.influences.map(({ table, column, influence }) => ({
      ...placed(table),
      field: column,
      transformations: [{ type: 'INDIRECT', subtype: influence, description: '', masking: false }],
    })),
  });
};

/** One run of one step: what makes a dataset. */
export type StepRun = {
  readonly eventType: RunEvent['eventType'];
  readonly at: Date;
  /** Of the attempt; the same for every step of it. */
  readonly attemptId: string;
  readonly output: Dataset;
  readonly rows?: number;
  readonly error?: string;
};

/**
 * The event of a step: the job is named after the dataset that it makes (`bcb_sgs.silver.bcb_sgs`), its inputs and
 * outputs carry schema and data source, the output its column lineage.
 */
export const runEvent = (step: StepRun, all: readonly Dataset[], places: Places): RunEvent => {
  const { output, attemptId } = step;
  const inputs = output.reads.flatMap((name) => all.filter((each) => each.name === name));
  const toDataset = (dataset: Dataset): EventDataset => ({
    ...placeOf(dataset, places),
    facets: commonFacets(dataset, places),
  });
  const made = toDataset(output);
  return {
    eventType: step.eventType,
    eventTime: step.at.toISOString(),
    producer,
    schemaURL: `${spec}/2-0-2/OpenLineage.json#/$defs/RunEvent`,
    run: {
      runId: runUuid(`${attemptId} ${output.name}`),
      facets: {
        ...(step.error === undefined
          ? {}
          : {
              errorMessage: facet('1-0-1/ErrorMessageRunFacet', {
                message: step.error,
                programmingLanguage: 'TypeScript',
              }),
            }),
      },
    },
    job: {
      namespace: 'lastro',
      name: `${output.pipeline}.${output.name}`,
      facets: {
        jobType: facet('2-0-3/JobTypeJobFacet', {
          processingType: 'BATCH',
          integration: 'LASTRO',
          jobType: output.layer.toUpperCase(),
        }),
        ...(output.sql === undefined ? {} : { sql: facet('1-1-0/SQLJobFacet', { query: output.sql }) }),
      },
    },
    inputs: inputs.map(toDataset),
    outputs: [
      {
        ...made,
        facets: { ...made.facets, columnLineage: columnLineage(output, all, places) },
        ...(step.rows === undefined
          ? {}
          : {
              outputFacets: {
                outputStatistics: facet('1-0-2/OutputStatisticsOutputDatasetFacet', { rowCount: step.rows }),
              },
            }),
      },
    ],
  };
};
