import { findTable } from '../lake/tables.ts';
import { type CliContext, UserError, write } from '../platform/cli.ts';
import { archivedOrdersTable } from './archived-orders.ts';
import { lifecycleRules, openBucket } from './bucket.ts';
import { dataPrefixes, operator } from './care-commands.ts';
import type { ArchivePorts } from './cli.ts';
import { inRoom } from './commands.ts';
import { type Erased, erase, type ToldMention } from './erase.ts';
import { textOf } from './item.ts';
import { type Identifier, parseIdentifier } from './mentions.ts';
import type { OrdersTable } from './orders-table.ts';
import { archiveStatus } from './status.ts';
import type { Subject } from './subject-search.ts';

export type EraseOptions = {
  client?: string;
  order?: string[];
  mention?: string[];
  anonymise?: boolean;
  reference?: string;
  dryRun?: boolean;
  json?: boolean;
};

const subjectOf = ({ client, order }: EraseOptions): Subject => {
  if ((client === undefined) === (order === undefined))
    throw new UserError('expected --client or --order, one of the two: whom to erase');
  return client === undefined ? { orderIds: order ?? [] } : { clientId: client };
};

const identifierOf = (text: string): Identifier => {
  const found = parseIdentifier(text);
  // What was given is somebody's: it is not repeated.
  if (!found)
    throw new UserError(
      '--mention: expected a CPF, an e-mail address or a phone with its area code, found other text',
    );
  return found;
};

/** `lastro archive erase` and, with `--dry-run`, who would be found. */
export const eraseCommand = (
  context: CliContext,
  options: EraseOptions,
  issuedReports: ArchivePorts['issuedReports'],
): Promise<void> =>
  inRoom(context, async (room) => {
    const subject = subjectOf(options);
    const { reference, dryRun } = options;
    if (reference === undefined)
      throw new UserError('expected --reference: the number of the request in the register of requests');
    if (!(await findTable(room.lake, archivedOrdersTable)))
      throw new UserError('nothing was archived yet', 1);
    const isBucket = room.lake.store.url.startsWith('s3://');
    const { AWS_REGION: region, AWS_ENDPOINT_URL: endpoint } = room.config;
    const bucket = isBucket
      ? openBucket(room.lake.store.url, { region, ...(endpoint ? { endpoint } : {}) })
      : undefined;
    try {
      const erased = await erase(
        {
          ...{
            pool: room.pool,
            lake: room.lake,
            stagingFolder: room.stagingFolder,
            table: room.request.table,
            clock: room.clock,
          },
          liveOrders: (ids) => liveOrders(room.table, ids),
          ...(bucket ? { purgeVersions: bucket.purgeVersions } : {}),
          issuedReports: (orders) => issuedReports(room.pool, orders),
        },
        {
          subject,
          known: (options.mention ?? []).map(identifierOf),
          mode: options.anonymise ? 'anonymise' : 'erase',
          reference,
          by: operator(),
          ...(dryRun ? { dryRun } : {}),
        },
      );
      await write(context.stdout, options.json ? `${JSON.stringify(erased)}\n` : erasedText(erased));
      if (erased.retained.length > 0) process.exitCode = 1;
    } finally {
      bucket?.close();
    }
  });

const liveOrders = async (table: OrdersTable, ids: readonly string[]): Promise<string[]> => {
  const live: string[] = [];
  for (let at = 0; at < ids.length; at += 100) {
    const { items } = await table.get(ids.slice(at, at + 100));
    live.push(...items.map((item) => textOf(item.ordem_id) ?? ''));
  }
  return live;
};

const mentionText = ({ orderId, areaId, where, kind, outcome }: ToldMention): string =>
  `  ${orderId} (${areaId}) ${kind} in ${where}: ${outcome}`;

const erasedText = (result: Erased): string => {
  const { erasureId, found, mentions, retained, reports, live } = result;
  const lines = [`${found.length} orders found`];
  for (const { orderId, areaId, ground, until } of retained.slice(0, 20)) {
    lines.push(
      `  ${orderId} (${areaId}) stays ${until === null ? 'while the hold stands' : `until ${until}`}: ${ground}`,
    );
  }
  if (retained.length > 0) lines.push(`refused: ${retained.length} orders must be kept; nothing was erased`);
  if (erasureId) {
    lines.push(
      `${erasureId}: ${result.erased} orders erased, ${result.anonymised} made anonymous, ${result.files} files written anew, ${result.snapshots} snapshots and ${result.versions} object versions removed`,
    );
  }
  if (mentions.length > 0)
    lines.push(`mentions in orders of others:`, ...mentions.slice(0, 50).map(mentionText));
  if (mentions.length > 50) lines.push(`  and ${mentions.length - 50} more: see --json`);
  if (live.length > 0) lines.push(`in DynamoDB too, to be erased by the order service: ${live.join(', ')}`);
  lines.push(`issued reports that may hold them: ${reports.join(', ') || 'none'}`);
  lines.push('backups of the database and of the store keep them until they expire; see docs/archive.md');
  return `${lines.join('\n')}\n`;
};

export type LifecycleOptions = {
  coldDays: string;
  coldClass: string;
  noncurrentDays: string;
  reportDays: string;
  dryRun?: boolean;
  json?: boolean;
};

const days = (text: string, name: string): number => {
  if (!/^[1-9]\d{0,4}$/.test(text))
    throw new UserError(`expected days for ${name}, found ${JSON.stringify(text)}`);
  return Number(text);
};

/** `lastro archive lifecycle` */
export const lifecycleCommand = (context: CliContext, options: LifecycleOptions): Promise<void> =>
  inRoom(context, async (room) => {
    const { coldClass } = options;
    if (coldClass !== 'GLACIER_IR' && coldClass !== 'STANDARD_IA') {
      throw new UserError(
        `--cold-class: expected GLACIER_IR or STANDARD_IA, found ${coldClass}: readers of the lake cannot wait for a restore from a colder one`,
      );
    }
    if (!(await findTable(room.lake, archivedOrdersTable)))
      throw new UserError('nothing was archived yet: the rules name the folder of the table', 1);
    const { AWS_REGION: region, AWS_ENDPOINT_URL: endpoint } = room.config;
    const bucket = openBucket(room.lake.store.url, { region, ...(endpoint ? { endpoint } : {}) });
    try {
      const rules = lifecycleRules({
        ...(await dataPrefixes(room.lake)),
        reportsPrefix: 'reports/',
        coldDays: days(options.coldDays, '--cold-days'),
        coldClass,
        noncurrentDays: days(options.noncurrentDays, '--noncurrent-days'),
        reportDays: days(options.reportDays, '--report-days'),
      });
      const planned = await bucket.plannedRules(rules);
      const { table } = await archiveStatus({ db: room.pool, lake: room.lake }, room.request.table);
      if (table && table.smallFiles > 0) {
        context.stderr.write(
          `warning: ${table.smallFiles} of ${table.files} data files are below 128 KB: S3 does not move them to a colder class, and bills each as 128 KB there; run \`lastro archive compact\` first\n`,
        );
      }
      if (!options.dryRun && planned.changed) await bucket.applyRules(rules);
      const what = options.dryRun ? 'would be set' : planned.changed ? 'set' : 'set already';
      await write(
        context.stdout,
        options.json
          ? `${JSON.stringify({ ...planned, applied: !options.dryRun && planned.changed })}\n`
          : `${planned.rules.map((rule) => `${rule.ID}: ${JSON.stringify(rule)}`).join('\n')}\n${planned.rules.length} rules ${what}\n`,
      );
    } finally {
      bucket.close();
    }
  });
