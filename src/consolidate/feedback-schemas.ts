import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Domain } from './domain-models.ts';

const id = { type: 'string', minLength: 1 } as const;
const count = { type: 'integer', minimum: 0 } as const;
const snapshot = { type: ['string', 'null'] } as const;

/** What is told of each committed batch. */
export const batchSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  required: [
    'type',
    'id',
    'runId',
    'batch',
    'table',
    'source',
    'at',
    'documents',
    'rows',
    'duplicates',
    'quarantine',
  ],
  properties: {
    type: { const: 'consolidate.batch_committed' },
    id,
    runId: id,
    batch: count,
    table: id,
    source: id,
    at: { type: 'string' },
    documents: count,
    rows: count,
    duplicates: count,
    conflicts: count,
    bytesIn: count,
    bytesOut: count,
    snapshotId: snapshot,
    quarantine: {
      type: 'object',
      additionalProperties: false,
      required: ['documents', 'reasons', 'snapshotId'],
      properties: {
        documents: count,
        reasons: { type: 'object', additionalProperties: count },
        snapshotId: snapshot,
      },
    },
  },
} as const;

/** What is told when a run was undone: whoever acted on its batches has to undo that. */
export const rolledBackSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  required: ['type', 'id', 'runId', 'table', 'status', 'batches', 'rows'],
  properties: {
    type: { const: 'consolidate.rolled_back' },
    id,
    runId: id,
    table: id,
    status: { const: 'rolled_back' },
    batches: { type: 'array', items: id },
    rows: count,
    at: { type: 'string' },
  },
} as const;

const changeSchema = (record: object): object => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  required: ['type', 'id', 'runId', 'domain', 'table', 'key', 'record'],
  properties: {
    type: { const: 'consolidate.domain_changed' },
    id,
    runId: id,
    domain: id,
    table: id,
    key: { type: 'string' },
    record,
  },
});

/** Why a body is not what its schema says; undefined: it is. */
export type CheckBody = (schema: string, body: unknown) => string | undefined;

/**
 * Compiles the schemas of the messages. A domain's records are checked against its own `<domain>.schema.json`,
 * where there is one.
 * @throws Error for a schema that is none
 */
export const feedbackChecks = (domains: readonly Domain[] = []): CheckBody => {
  // Other people's schemas may hold words that Ajv does not know, formats above all: they are no error.
  const ajv = new Ajv2020({ allErrors: true, strict: false, validateFormats: false });
  const compiled = new Map(
    Object.entries<object>({ batch: batchSchema, rolled_back: rolledBackSchema }).map(([name, schema]) => [
      name,
      ajv.compile(schema),
    ]),
  );
  for (const { name, schema } of domains) {
    compiled.set(`domain:${name}`, ajv.compile(changeSchema(schema ?? { type: 'object' })));
  }
  const anyChange = ajv.compile(changeSchema({ type: 'object' }));
  return (name, body) => {
    const check = compiled.get(name) ?? (name.startsWith('domain:') ? anyChange : undefined);
    if (!check) return `there is no schema ${name}`;
    return check(body) ? undefined : ajv.errorsText(check.errors, { dataVar: 'message' });
  };
};
