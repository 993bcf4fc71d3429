import type { Pagination } from './declaration.ts';
import { nextLink } from './link-header.ts';
import { at, listAt } from './records.ts';

/**
 * Where a request stands: what finds the page that is asked for next. Plain JSON, kept with the set, so that another
 * run goes on from it.
 */
export type PageState = {
  /** From 0. */
  readonly page: number;
  /** Records of the pages before. */
  readonly offset: number;
  /** Cursor, or absolute address of the page, as the last answer gave it. */
  readonly next: string | null;
};

export const firstPage: PageState = { page: 0, offset: 0, next: null };

/** Values of the template's placeholders for the page. */
export const pageValues = (
  pagination: Pagination,
  { page, offset, next }: PageState,
): { page?: number; offset?: number; limit?: number; cursor?: string } => {
  switch (pagination.kind) {
    case 'page':
      return { page: page + (pagination.first ?? 1), limit: pagination.size };
    case 'offset':
    case 'odata':
      return { offset, limit: pagination.size };
    case 'cursor':
      return next === null ? {} : { cursor: next };
    default:
      return {};
  }
};

/**
 * The page after this one, or undefined at the end. A page that repeats its own cursor or address would never end, and
 * is an error.
 * @throws Error
 */
export const pageAfter = (
  pagination: Pagination,
  state: PageState,
  answer: { json: unknown; records: number; headers: Readonly<Record<string, string>> },
): PageState | undefined => {
  const offset = state.offset + answer.records;
  const found = nextOf(pagination, answer);
  if (found !== null) {
    if (found === state.next) {
      throw new Error(`page ${state.page + 1} names itself as the next one (${found.slice(0, 200)})`);
    }
    return { page: state.page + 1, offset, next: found };
  }
  const bySize = pagination.kind === 'page' || pagination.kind === 'offset' || pagination.kind === 'odata';
  return bySize && answer.records >= pagination.size
    ? { page: state.page + 1, offset, next: null }
    : undefined;
};

const nextOf = (
  pagination: Pagination,
  { json, headers }: { json: unknown; headers: Readonly<Record<string, string>> },
): string | null => {
  const text = (value: unknown): string | null =>
    typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : null;
  if (pagination.kind === 'cursor') return text(at(json, pagination.at));
  if (pagination.kind === 'odata') {
    return typeof json === 'object' && json !== null && '@odata.nextLink' in json
      ? text(json['@odata.nextLink'])
      : null;
  }
  if (pagination.kind !== 'link') return null;
  return pagination.at === undefined ? nextLink(headers['link'] ?? '') : text(at(json, pagination.at));
};

/** How many records an answer has. @throws Error where there is no list of records */
export const countRecords = (json: unknown, path: string | undefined): number => listAt(json, path).length;
