import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { z } from 'zod';
import { UserError } from './cli.ts';

const port = z.coerce.number().int().min(0).max(65_535);
const flag = z.enum(['true', 'false', '1', '0', '']).transform((text) => text === 'true' || text === '1');
const url = (...schemes: string[]) =>
  z.string().refine((text) => URL.canParse(text) && schemes.includes(new URL(text).protocol.slice(0, -1)), {
    message: `expected a URL with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
  });

const topic = z.string().regex(/^[\w.-]+$/, 'expected the name of a topic');
const hexKey = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits');

/** An address, a network (`10.0.0.0/8`), or one of the names that Fastify has for networks. */
const isNetwork = (text: string): boolean => {
  const [address = '', bits, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0) return ['loopback', 'linklocal', 'uniquelocal'].includes(text);
  const most = version === 4 ? 32 : 128;
  return more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most));
};

const count = (least: number, most: number) => z.coerce.number().int().min(least).max(most);
const byteSize = z.string().regex(/^\d+(MB|GB)$/, 'expected a size such as 800MB');

/** Every setting, in the order of `docs/configuration.md`, which is generated from this list. */
export const settings = {
  LASTRO_HOME: {
    about: 'Folder of the embedded parts: database, object store, keys.',
    schema: z.string().default('./.lastro'),
  },
  LASTRO_HOST: { about: 'Address that the API listens on.', schema: z.string().default('127.0.0.1') },
  LASTRO_PORT: { about: 'Port of the API.', schema: port.default(8080) },
  LASTRO_WORKER_PORT: {
    about: 'Port of health and metrics of `lastro worker`; 0: none. `lastro up` has them at the API.',
    schema: port.default(8082),
  },
  LASTRO_SANDBOX_PORT: {
    about: 'Port of the sandbox (partner stand-ins and identity provider) that `lastro up` starts.',
    schema: port.default(8081),
  },
  PUBLIC_URL: {
    about:
      'Address under which clients reach the API, for links in e-mails and webhooks: `https://desk.example`. Default: its own.',
    schema: url('http', 'https')
      .transform((text) => text.replace(/\/+$/, ''))
      .optional(),
  },
  LASTRO_LOG_LEVEL: {
    about: 'Least level of the JSON logs on standard error.',
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
  },
  DATABASE_URL: {
    about: 'PostgreSQL to use in place of the embedded one.',
    schema: url('postgres', 'postgresql').optional(),
    secret: true,
  },
  DATABASE_POOL: {
    about: 'Most connections of a process.',
    schema: z.coerce.number().int().min(2).max(200).default(10),
  },
  OBJECT_STORE: {
    about: 'Object store: `file:///folder` or `s3://bucket/prefix`. Default: a folder in LASTRO_HOME.',
    schema: url('file', 's3').optional(),
  },
  LINK_SECRET: {
    about:
      'Key that signs links to objects of a directory store, 32 bytes in hex. The same for every process. Default: made once in LASTRO_HOME.',
    schema: hexKey.optional(),
    secret: true,
  },
  AWS_REGION: { about: 'Region of S3, SQS, Glue and Athena.', schema: z.string().default('sa-east-1') },
  AWS_ENDPOINT_URL: {
    about: 'Endpoint in place of AWS for every service (a local stand-in).',
    schema: url('http', 'https').optional(),
  },
  AWS_ENDPOINT_URL_DYNAMODB: {
    about: 'Endpoint in place of DynamoDB alone (a local stand-in). Default: AWS_ENDPOINT_URL.',
    schema: url('http', 'https').optional(),
  },
  REDIS_URL: {
    about: 'Redis as second cache level of partner answers.',
    schema: url('redis', 'rediss').optional(),
    secret: true,
  },
  OIDC_ISSUER: {
    about: 'Issuer of the bearer tokens. Default: the sandbox issuer.',
    schema: url('http', 'https').optional(),
  },
  OIDC_AUDIENCE: { about: 'Audience that tokens must carry.', schema: z.string().default('lastro') },
  OIDC_JWKS_URL: {
    about: 'Public keys of the issuer, where its discovery document is not used.',
    schema: url('http', 'https').optional(),
  },
  PORTAL_CLIENT_ID: {
    about: "The portal's client at the issuer: a public one (no secret), authorization code with PKCE.",
    schema: z.string().min(1).default('portal'),
  },
  PORTAL_SCOPE: {
    about: 'Scopes that the portal asks the issuer for, separated by spaces.',
    schema: z
      .string()
      .min(1)
      .default(
        'openid profile orders:read orders:write orders:review reports:read reports:write reports:unmasked',
      ),
  },
  PORTAL_CONNECT: {
    about:
      "Origins beside the issuer's that the portal's pages may talk to, separated by commas: the token endpoint's, where it is on another host than the issuer.",
    schema: z
      .string()
      .regex(
        /^https?:\/\/[\w.:[\]-]+(,https?:\/\/[\w.:[\]-]+)*$/,
        'expected origins such as https://login.bank.example',
      )
      .transform((text) => text.split(','))
      .optional(),
  },
  PARTNERS_URL: {
    about: 'Base address of the partner systems. Default: the sandbox.',
    schema: url('http', 'https').optional(),
  },
  PARTNERS_TIMEOUT_MS: {
    about: 'Longest wait for one partner answer.',
    schema: z.coerce.number().int().min(10).default(2_000),
  },
  PARTNERS_TOKEN: {
    about: 'Bearer token sent to the partner systems.',
    schema: z.string().optional(),
    secret: true,
  },
  MESSAGES_SQS_URL: { about: 'SQS queue for result messages.', schema: url('http', 'https').optional() },
  WEBHOOK_SECRET: {
    about: 'Key that signs webhooks (Standard Webhooks, `whsec_…`). Default: made once in LASTRO_HOME.',
    schema: z.string().startsWith('whsec_').optional(),
    secret: true,
  },
  WEBHOOK_ALLOW_PRIVATE: {
    about: 'Lets webhooks go to loopback and private addresses over http. For development only.',
    schema: flag.default(false),
  },
  PERSON_ID_KEY: {
    about:
      'Key of the opaque ids of people, 32 bytes in hex. The same for every process; another key gives other ids from then on. Default: made once in LASTRO_HOME.',
    schema: hexKey.optional(),
    secret: true,
  },
  CERTIFICATE_KEYS: {
    about:
      'File with the private JWKS that signs certificates and audit seals; the first key signs. Default: made once in LASTRO_HOME.',
    schema: z.string().optional(),
  },
  RATE_LIMIT_PER_MINUTE: {
    about: 'Requests a minute for one client of the API.',
    schema: z.coerce.number().int().min(1).default(6_000),
  },
  RATE_LIMIT_ADDRESS_PER_MINUTE: {
    about:
      'Requests a minute from one address to routes that need no token: pages, signed links, public keys. An IPv6 network of 64 bits counts as one address.',
    schema: z.coerce.number().int().min(1).default(6_000),
  },
  RATE_LIMIT_REFUSED_PER_MINUTE: {
    about:
      'Refused tokens a minute from one address; no more of its tokens are looked at then, but those that were good before.',
    schema: z.coerce.number().int().min(1).default(600),
  },
  LASTRO_TRUSTED_PROXIES: {
    about:
      'Addresses and networks of the proxies in front, separated by commas: `10.0.0.0/8`. The caller is then the last address in `X-Forwarded-For` that is none of them. Absent: that header is not believed, and callers behind a proxy share its address.',
    schema: z
      .string()
      .transform((text) => text.split(',').map((part) => part.trim()))
      .refine((parts) => parts.every(isNetwork), 'expected addresses or networks, separated by commas')
      .optional(),
  },
  WORKER_CONCURRENCY: {
    about: 'Orders that a worker process assembles at once.',
    schema: z.coerce.number().int().min(1).max(512).default(128),
  },
  SMTP_URL: {
    about:
      'Mail server: `smtps://user:password@host`, or `smtp://host:587`, which must offer STARTTLS unless it is on this machine. Default: the sandbox, which keeps it; without one no e-mail is sent.',
    schema: url('smtp', 'smtps').optional(),
    secret: true,
  },
  MAIL_FROM: {
    about: 'Sender of e-mails: `Lastro <lastro@bank.example>`.',
    schema: z.string().min(3).default('Lastro <lastro@localhost>'),
  },
  REPORT_CONCURRENCY: {
    about: 'Reports that a worker process makes at once; each may use `SQL_MEMORY`.',
    schema: count(1, 64).default(2),
  },
  REPORT_RUNNING_PER_CLIENT: {
    about: 'Reports of one client that are made at once; more wait.',
    schema: count(1, 64).default(2),
  },
  REPORT_OPEN_PER_CLIENT: {
    about: 'Reports of one client that wait or are made; more are refused (429).',
    schema: count(1, 10_000).default(20),
  },
  REPORT_DAILY_PER_CLIENT: {
    about: 'Reports that one client may ask for in a day of São Paulo (429).',
    schema: count(1, 1_000_000).default(200),
  },
  REPORT_KEEP_HOURS: { about: 'How long the file of a report is kept.', schema: count(1, 8_760).default(72) },
  REPORT_LINK_SECONDS: {
    about: 'How long a link to a file lives.',
    schema: count(10, 3_600).default(300),
  },
  REPORT_REUSE_SECONDS: {
    about: 'How old a file may be to answer an equal request of the same client again; 0: never.',
    schema: count(0, 86_400).default(600),
  },
  REPORT_CURRENT_ORDERS: {
    about:
      'Whether reports also hold orders that are not archived yet: `dynamodb` reads LASTRO_ORDERS_TABLE for each report (one order by its id, else the whole table).',
    schema: z.enum(['off', 'dynamodb']).default('off'),
  },
  REPORT_ENGINE: {
    about:
      'Engine that reads archived orders for reports: `duckdb` in the worker, or `trino` (TRINO_…) and `athena` (ATHENA_…, and a store on S3) over the same tables.',
    schema: z.enum(['duckdb', 'trino', 'athena']).default('duckdb'),
  },
  REPORT_MAX_SECONDS: {
    about: 'Longest time that a report may take.',
    schema: count(1, 18_000).default(3_600),
  },
  LAKE_CATALOG: {
    about:
      "Catalog of the lake's tables: `jdbc` (PostgreSQL), `jdbc+glue` (the same, and each commit is published in AWS Glue), `glue` (Glue alone: for reading and maintenance; what commits with PostgreSQL refuses).",
    schema: z.enum(['jdbc', 'jdbc+glue', 'glue']).default('jdbc'),
  },
  SQL_ENGINE: {
    about: 'Engine that answers SQL over the lake.',
    schema: z.enum(['duckdb', 'trino', 'athena']).default('duckdb'),
  },
  SQL_MEMORY: { about: 'Most memory of one query on DuckDB.', schema: byteSize.default('800MB') },
  SQL_TEMPORARY: { about: 'Most temporary space of one query on DuckDB.', schema: byteSize.default('10GB') },
  TRINO_URL: {
    about: 'Trino, where SQL_ENGINE or REPORT_ENGINE is `trino`: `https://trino.example:8443`.',
    schema: url('http', 'https').optional(),
  },
  TRINO_USER: { about: 'User at Trino.', schema: z.string().default('lastro') },
  TRINO_PASSWORD: {
    about: 'Password at Trino; sent over https only.',
    schema: z.string().optional(),
    secret: true,
  },
  TRINO_CATALOG: { about: 'Catalog of Trino that has the lake.', schema: z.string().default('lake') },
  ATHENA_WORKGROUP: { about: 'Workgroup of Athena.', schema: z.string().default('primary') },
  ATHENA_CATALOG: { about: 'Data catalog of Athena.', schema: z.string().default('AwsDataCatalog') },
  ATHENA_OUTPUT: {
    about: 'Where Athena writes results; default: as its workgroup says.',
    schema: url('s3').optional(),
  },
  LASTRO_PIPELINES: {
    about: 'Folder with pipeline files of your own, beside those that come along.',
    schema: z.string().optional(),
  },
  LASTRO_STATE_HOLIDAYS: {
    about:
      'CSV file with the holidays of states, `uf,dia,nome,desde,ate`, for `gold.dias_uteis_uf`; absent: none.',
    schema: z.string().optional(),
  },
  PIPELINE_CONCURRENCY: {
    about: 'Pipelines that a worker process runs at once.',
    schema: z.coerce.number().int().min(1).max(16).default(2),
  },
  BCB_SGS_URL: {
    about:
      'Base address of Banco Central series (SGS). Default: the sandbox; the real one is `https://api.bcb.gov.br`.',
    schema: url('http', 'https').optional(),
  },
  BCB_PTAX_URL: {
    about:
      'Base address of Banco Central PTAX. Default: the sandbox; the real one is `https://olinda.bcb.gov.br`.',
    schema: url('http', 'https').optional(),
  },
  IBGE_URL: {
    about:
      'Base address of IBGE localidades. Default: the sandbox; the real one is `https://servicodados.ibge.gov.br`.',
    schema: url('http', 'https').optional(),
  },
  BRASILAPI_URL: {
    about: 'Base address of BrasilAPI. Default: the sandbox; the real one is `https://brasilapi.com.br`.',
    schema: url('http', 'https').optional(),
  },
  KAFKA_BROKERS: {
    about:
      'Kafka that is told of consolidation runs: `host:port`, separated by commas. Absent: nobody is told.',
    schema: z
      .string()
      .regex(/^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$/, 'expected host:port, separated by commas')
      .transform((text) => text.split(','))
      .optional(),
  },
  KAFKA_FEEDBACK_TOPIC: { about: 'Topic of feedback.', schema: topic.default('lastro.consolidate') },
  KAFKA_DEAD_LETTER_TOPIC: {
    about: 'Topic of feedback that is not valid.',
    schema: topic.default('lastro.consolidate.dead'),
  },
  SERVICENOW_URL: {
    about: 'ServiceNow instance that gets an incident for a failed run.',
    schema: url('http', 'https').optional(),
  },
  SERVICENOW_TOKEN: { about: 'Token for it.', schema: z.string().optional(), secret: true },
  OPENLINEAGE_URL: {
    about:
      'Receiver of OpenLineage events of pipeline runs: a server, or a file that they are appended to. Absent: none.',
    schema: url('http', 'https', 'file').optional(),
  },
  OPENLINEAGE_API_KEY: {
    about: 'Bearer token for it.',
    schema: z.string().optional(),
    secret: true,
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    about: 'OpenTelemetry collector (OTLP over HTTP). Traces are off where it is absent.',
    schema: url('http', 'https').optional(),
  },
  LASTRO_ORDERS_TABLE: {
    about: 'Table of orders in DynamoDB that the archive moves old orders out of.',
    schema: z
      .string()
      .regex(/^[\w.-]{3,255}$/, 'expected the name of a table')
      .default('ordens'),
  },
  ARCHIVE_OLDER_THAN: {
    about: 'Age, counted from the last update, from which orders are archived. Areas may have their own.',
    schema: z
      .string()
      .regex(/^[1-9]\d{0,4}(d|mo|y)$/, 'expected an age such as 6mo, 1y or 90d')
      .default('6mo'),
  },
  ARCHIVE_SCHEDULE: {
    about: 'How often the worker runs the archive: at 03:00 UTC, weekly on Sundays.',
    schema: z.enum(['off', 'daily', 'weekly']).default('off'),
  },
  ARCHIVE_READ_UNITS: {
    about: 'Most read units a second that the archive takes from the table; less where it is throttled.',
    schema: z.coerce.number().int().min(1).default(500),
  },
  ARCHIVE_WRITE_UNITS: {
    about: 'Most write units a second that removals take.',
    schema: z.coerce.number().int().min(1).default(500),
  },
  ARCHIVE_REMOVE_DELAY_HOURS: {
    about: 'How long a proven order stays in DynamoDB before it is removed.',
    schema: z.coerce
      .number()
      .int()
      .min(0)
      .max(24 * 365)
      .default(0),
  },
} as const satisfies Record<string, { about: string; schema: z.ZodType; secret?: boolean }>;

type Settings = typeof settings;

/** The parsed environment. `LASTRO_HOME` is an absolute path. */
export type Config = { readonly [Name in keyof Settings]: z.output<Settings[Name]['schema']> };

const schema = z.object(
  Object.fromEntries(Object.entries(settings).map(([name, setting]) => [name, setting.schema])),
);

/**
 * Parses the environment once, at the edge. An empty variable counts as absent.
 * @throws UserError naming every variable that is wrong, what was expected and what was found (never a secret's value).
 */
export const parseConfig = (env: NodeJS.ProcessEnv): Config => {
  const given = Object.fromEntries(
    Object.keys(settings).flatMap((name) => (env[name] ? [[name, env[name]]] : [])),
  );
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0]) as keyof Settings;
      const found = 'secret' in settings[name] ? 'a secret value' : JSON.stringify(env[name]);
      return `  ${name}: ${issue.message}, found ${found}`;
    });
    throw new UserError(`the environment is not valid:\n${lines.join('\n')}\nSee docs/configuration.md.`);
  }
  const config = parsed.data as Config;
  return { ...config, LASTRO_HOME: resolve(config.LASTRO_HOME) };
};
