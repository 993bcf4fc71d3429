import { planFiles, type ScanFile } from '../lake/scan.ts';
import type { Lake, Table } from '../lake/tables.ts';
import type { ArchivedRow } from './archived-file.ts';
import { rowsOfFile } from './archived-rows.ts';
import { type Item, textOf } from './item.ts';
import { type Finder, type Identifier, identifiersOf, type Mention, openFinder } from './mentions.ts';
import { instantOf, itemOf } from './row.ts';

/** Whom an erasure is about: a client as requester or participant, or single orders. */
export type Subject = { readonly clientId: string } | { readonly orderIds: readonly string[] };

export type FoundOrder = {
  readonly orderId: string;
  readonly areaId: string;
  readonly role: 'requester' | 'participant' | 'named' | 'mentioned';
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly hash: string;
  /** Data file that holds it. */
  readonly path: string;
};

/** An order of others that mentions the person. */
export type MentionedOrder = FoundOrder & { readonly mentions: readonly Mention[] };

export type SubjectSearch = {
  readonly orders: readonly FoundOrder[];
  readonly mentioned: readonly MentionedOrder[];
  readonly finder: Finder;
  /** The table's files, by location. */
  readonly files: ReadonlyMap<string, ScanFile['file']>;
};

export const roleOf = (row: ArchivedRow, subject: Subject): 'requester' | 'participant' | 'named' | null => {
  if ('orderIds' in subject) return subject.orderIds.includes(row.ordem_id) ? 'named' : null;
  if (row.cliente_requisitante_id === subject.clientId) return 'requester';
  return row.cliente_participante_id?.includes(subject.clientId) ? 'participant' : null;
};

const foundOrder = (row: ArchivedRow, item: Item, role: FoundOrder['role'], path: string): FoundOrder => ({
  ...{ orderId: row.ordem_id, areaId: row.area_id, role, createdAt: row.data_criacao },
  ...{
    updatedAt: instantOf(textOf(item.data_atualizacao) ?? '') ?? row.arquivado_em,
    hash: row.hash_versao,
    path,
  },
});

/**
 * Every archived order of the subject; and those of others that mention the person, by identifiers that stand in the
 * person's own entries or are given. Files whose bounds exclude named orders are not read for these; mentions may be
 * anywhere.
 */
export const findSubject = async (
  { lake }: { readonly lake: Lake },
  table: Table,
  { subject, known = [] }: { readonly subject: Subject; readonly known?: readonly Identifier[] },
): Promise<SubjectSearch> => {
  const all = (await planFiles(lake, table)).files.map(({ file }) => file);
  const named =
    'orderIds' in subject
      ? await planFiles(lake, table, {
          filter: [{ column: 'ordem_id', op: 'in', values: [...subject.orderIds] }],
        })
      : undefined;
  const orders: FoundOrder[] = [];
  const identifiers: Identifier[] = [...known];
  for (const file of named?.files.map((each) => each.file) ?? all) {
    for await (const rows of rowsOfFile(lake.store, file)) {
      for (const row of rows) {
        const role = roleOf(row, subject);
        if (!role) continue;
        const item = itemOf(row);
        orders.push(foundOrder(row, item, role, file.path));
        if ('clientId' in subject) identifiers.push(...identifiersOf(item, subject.clientId));
      }
    }
  }
  const finder = openFinder(identifiers);
  const mentioned: MentionedOrder[] = [];
  for (const file of finder.count > 0 ? all : []) {
    for await (const rows of rowsOfFile(lake.store, file)) {
      for (const row of rows) {
        if (!finder.mayMention(row) || roleOf(row, subject)) continue;
        const item = itemOf(row);
        const mentions = finder.find(item);
        if (mentions.length > 0)
          mentioned.push({ ...foundOrder(row, item, 'mentioned', file.path), mentions });
      }
    }
  }
  return { orders, mentioned, finder, files: new Map(all.map((file) => [file.path, file])) };
};
