import { UserError } from '../platform/cli.ts';
import { type Item, textOf } from './item.ts';
import { instantOf } from './row.ts';

/** Orders in these are done with; all others are never archived, however old. */
export const finalStatuses: ReadonlySet<string> = new Set(['concluida', 'cancelada', 'expirada', 'recusada']);

/** An age in calendar months or days. */
export type Age = { readonly count: number; readonly unit: 'month' | 'day' };

/** Reads `6mo`, `1y`, `90d`. @throws UserError */
export const parseAge = (text: string): Age => {
  const found = /^([1-9]\d{0,4})(d|mo|y)$/.exec(text);
  if (!found) throw new UserError(`expected an age such as 6mo, 1y or 90d, found ${JSON.stringify(text)}`);
  const count = Number(found[1]);
  if (found[2] === 'd') return { count, unit: 'day' };
  return { count: found[2] === 'y' ? count * 12 : count, unit: 'month' };
};

/** The instant that lies an age before another. A day that the month lacks becomes its last: 31 August less 6mo is 28 February. */
export const before = (at: Date, age: Age): Date => {
  const result = new Date(at);
  if (age.unit === 'day') {
    result.setUTCDate(result.getUTCDate() - age.count);
    return result;
  }
  const day = result.getUTCDate();
  result.setUTCDate(1);
  result.setUTCMonth(result.getUTCMonth() - age.count);
  const last = new Date(Date.UTC(result.getUTCFullYear(), result.getUTCMonth() + 1, 0)).getUTCDate();
  result.setUTCDate(Math.min(day, last));
  return result;
};

export type Dueness = 'due' | 'open' | 'young' | 'unfit';

/**
 * Whether an order may be archived: in a final status, and last updated before the cutoff. `unfit`: an instant that
 * cannot be read; such an order stays where it is, and people are told.
 */
export const duenessOf = (item: Item, cutoff: Date): Dueness => {
  const status = textOf(item.status_ordem);
  if (status === undefined) return 'unfit';
  if (!finalStatuses.has(status)) return 'open';
  const updated = instantOf(textOf(item.data_atualizacao) ?? '');
  if (updated === undefined) return 'unfit';
  return updated < cutoff ? 'due' : 'young';
};

/** First instant of the month (UTC) that an instant lies in, and of the next. */
export const monthOf = (at: Date): { from: Date; to: Date } => ({
  from: new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1)),
  to: new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1)),
});

/** `2025-03` */
export const monthText = (month: Date): string => month.toISOString().slice(0, 7);

/** Reads `2025-03`. @throws UserError */
export const parseMonth = (text: string): Date => {
  if (!/^\d{4}-(?:0[1-9]|1[0-2])$/.test(text)) {
    throw new UserError(`expected a month such as 2025-03, found ${JSON.stringify(text)}`);
  }
  return new Date(`${text}-01T00:00:00.000Z`);
};
