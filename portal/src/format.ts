const zone = 'America/Sao_Paulo';

const instantFormat = new Intl.DateTimeFormat('pt-BR', {
  dateStyle: 'short',
  timeStyle: 'medium',
  timeZone: zone,
});
const dayFormat = new Intl.DateTimeFormat('pt-BR', { dateStyle: 'short', timeZone: zone });
const moneyFormat = new Intl.NumberFormat('pt-BR', { style: 'currency', currency: 'BRL' });
const numberFormat = new Intl.NumberFormat('pt-BR');
const sizeFormat = new Intl.NumberFormat('pt-BR', { maximumFractionDigits: 1 });

/** An instant in São Paulo's time: `25/11/2026, 17:03:12`. */
export const instant = (iso: string): string => instantFormat.format(new Date(iso));

export const day = (iso: string): string => dayFormat.format(new Date(iso));

/** Cents of BRL: `R$ 125.000,00`. */
export const money = (cents: number): string => moneyFormat.format(cents / 100);

export const count = (value: number): string => numberFormat.format(value);

export const counted = (value: number, one: string, many: string): string =>
  `${count(value)} ${value === 1 ? one : many}`;

/** Bytes: `1,4 MB`. */
export const size = (bytes: number): string => {
  const units = ['bytes', 'kB', 'MB', 'GB'];
  const step = Math.min(units.length - 1, bytes < 1_000 ? 0 : Math.floor(Math.log10(bytes) / 3));
  return `${sizeFormat.format(bytes / 1_000 ** step)} ${units[step]}`;
};

/** A CNPJ whole, for companies are no secret; a CPF masked, as the API masks it in its logs. */
export const document = (text: string): string =>
  text.length === 14 ? text.replace(/^(.{2})(.{3})(.{3})(.{4})(.{2})$/, '$1.$2.$3/$4-$5') : maskedCpf(text);

const maskedCpf = (cpf: string): string =>
  cpf.length === 11 ? `***.${cpf.slice(3, 6)}.${cpf.slice(6, 9)}-**` : '***';

/** A document as people write it, as the API takes it: without punctuation, upper case. */
export const plainDocument = (text: string): string => text.replaceAll(/[\s./-]/g, '').toUpperCase();

/**
 * Cents of an amount as people write it in Brazil: `125.000,00`, `R$ 1,5`, `2000`. null: it is none. A point before
 * other than three digits is refused rather than guessed at: `1.50` is either one real and a half or a slip.
 */
export const centsOf = (text: string): number | null => {
  const plain = text.replace(/^\s*R\$/, '').trim();
  const [, whole, fraction = ''] = /^(\d{1,3}(?:\.\d{3})+|\d+)(?:,(\d{1,2}))?$/.exec(plain) ?? [];
  if (whole === undefined) return null;
  const cents = Number(whole.replaceAll('.', '')) * 100 + Number(fraction.padEnd(2, '0'));
  return Number.isSafeInteger(cents) ? cents : null;
};

/** The first instant of a day in São Paulo, `days` later: `2026-11-25` is `2026-11-25T00:00:00-03:00`. */
export const startOfDay = (date: string, days = 0): string | undefined => {
  const [, year, month, dayOfMonth] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(date) ?? [];
  if (!year || !month || !dayOfMonth) return undefined;
  const at = new Date(Date.UTC(Number(year), Number(month) - 1, Number(dayOfMonth) + days));
  if (Number.isNaN(at.getTime())) return undefined;
  // Brazil has had no daylight saving time since 2019.
  return `${at.toISOString().slice(0, 10)}T00:00:00-03:00`;
};
