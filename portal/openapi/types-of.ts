/** A JSON Schema as the API's OpenAPI document uses it. */
export type Schema = {
  title?: string;
  type?: string | string[];
  enum?: readonly (string | number | boolean | null)[];
  const?: string | number | boolean | null;
  anyOf?: readonly Schema[];
  oneOf?: readonly Schema[];
  allOf?: readonly Schema[];
  properties?: Record<string, Schema>;
  required?: readonly string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  prefixItems?: readonly Schema[];
};

type Parameter = { in: string; name: string; required?: boolean; schema?: Schema };

type Operation = {
  parameters?: readonly Parameter[];
  requestBody?: { content?: Record<string, { schema?: Schema }> };
  responses?: Record<string, { content?: Record<string, { schema?: Schema }> }>;
};

export type Document = { paths?: Record<string, Record<string, Operation>> };

const methods = ['get', 'post', 'put', 'patch', 'delete'] as const;
const json = 'application/json';

/**
 * TypeScript for the operations of an OpenAPI 3.1 document whose path is wanted: `Operations['GET /v1/orders']` has
 * `query`, `body` and `answer`. A schema with a title becomes a type of that name. openapi-typescript does more, on
 * the compiler's API of TypeScript 5, which the compiler of this tree no longer has.
 */
export const typesOf = (document: Document, isWanted: (path: string) => boolean): string => {
  const named = new Map<string, string>();
  const write = (schema: Schema): string => typeOf(schema, named);
  const operations = Object.entries(document.paths ?? {})
    .filter(([path]) => isWanted(path))
    .flatMap(([path, item]) =>
      methods.flatMap((method) => {
        const operation = item[method];
        return operation ? [operationType(method.toUpperCase(), path, operation, write)] : [];
      }),
    );
  const types = [...named].map(([name, text]) => `export type ${name} = ${text};\n`);
  return [
    '// Written by `npm run api --workspace portal` from the OpenAPI document; not by hand.\n',
    ...types,
    `export type Operations = {\n${operations.join('')}};\n`,
  ].join('\n');
};

const operationType = (
  method: string,
  path: string,
  { parameters = [], requestBody, responses = {} }: Operation,
  write: (schema: Schema) => string,
): string => {
  const query: Schema = {
    type: 'object',
    properties: Object.fromEntries(
      parameters.flatMap(({ in: place, name, schema = {} }) => (place === 'query' ? [[name, schema]] : [])),
    ),
    required: parameters.flatMap(({ in: place, name, required }) =>
      place === 'query' && required ? [name] : [],
    ),
    additionalProperties: false,
  };
  const body = requestBody?.content?.[json]?.schema;
  const answers = Object.entries(responses)
    .filter(([status]) => status.startsWith('2'))
    .map(([, { content }]) => content?.[json]?.schema)
    .filter((schema) => schema !== undefined);
  const lines = [
    ...(Object.keys(query.properties ?? {}).length > 0 ? [`query: ${write(query)}`] : []),
    ...(body ? [`body: ${write(body)}`] : []),
    `answer: ${[...new Set(answers.map(write))].join(' | ') || 'unknown'}`,
  ];
  return `'${method} ${path}': { ${lines.join('; ')} };\n`;
};

const literal = (value: unknown): string =>
  typeof value === 'string' ? `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'` : String(value);

/** The type of a schema; those with a title are kept in `named` and referred to. */
export const typeOf = (schema: Schema, named: Map<string, string> = new Map()): string => {
  const { title } = schema;
  if (title === undefined) return untitled(schema, named);
  const text = untitled(schema, named);
  const known = named.get(title);
  if (known !== undefined && known !== text)
    throw new Error(`expected one schema of the title ${title}, found two that differ`);
  named.set(title, text);
  return title;
};

const untitled = (schema: Schema, named: Map<string, string>): string => {
  const write = (one: Schema): string => typeOf(one, named);
  if (schema.const !== undefined) return literal(schema.const);
  if (schema.enum) return schema.enum.map(literal).join(' | ');
  const either = schema.anyOf ?? schema.oneOf;
  if (either) return [...new Set(either.map(write))].join(' | ');
  if (schema.allOf) return schema.allOf.map((one) => `(${write(one)})`).join(' & ');
  const kinds = schema.type === undefined ? [] : [schema.type].flat();
  if (kinds.length === 0) return 'unknown';
  return kinds.map((kind) => ofKind(kind, schema, write)).join(' | ');
};

const ofKind = (kind: string, schema: Schema, write: (schema: Schema) => string): string => {
  if (kind === 'integer' || kind === 'number') return 'number';
  if (kind === 'array') {
    if (schema.prefixItems) return `[${schema.prefixItems.map(write).join(', ')}]`;
    return `(${schema.items ? write(schema.items) : 'unknown'})[]`;
  }
  return kind === 'object' ? objectType(schema, write) : kind;
};

const objectType = (
  { properties = {}, required = [], additionalProperties }: Schema,
  write: (schema: Schema) => string,
): string => {
  const members = Object.entries(properties).map(([name, schema]) => {
    const key = /^[A-Za-z_]\w*$/.test(name) ? name : literal(name);
    return `${key}${required.includes(name) ? '' : '?'}: ${write(schema)}`;
  });
  if (members.length > 0) return `{ ${members.join('; ')} }`;
  const value = typeof additionalProperties === 'object' ? write(additionalProperties) : 'unknown';
  return `Record<string, ${value}>`;
};
