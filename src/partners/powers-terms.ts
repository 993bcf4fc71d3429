import { z } from 'zod';
import type { Alternative, Group, Membership, Reservation, Rule, Validity } from '../quorum/contract.ts';
import { isLocalDate, type LocalDays } from './local-days.ts';
import { centsOf } from './money.ts';

/**
 * The powers service's terms, read into the quorum contract's. Its terms are inclusive and local ("válida até
 * 2026-12-31", "até 200000.00"), the contract's are half-open instants and cents.
 *
 * What restricts is read strictly: a reservation or rule with a field that is not known here may restrict in a
 * way that is not known here, so it becomes one that a person must look at (`other`, coverage `unknown`)
 * instead of being read without that field.
 */

const localDate = z.string().refine(isLocalDate, 'expected a date such as "2026-12-31"');
const openDate = localDate.nullish();
const keys = z.array(z.string().min(1)).default([]);
const amount = z
  .string()
  .refine((text) => centsOf(text) !== undefined, 'expected an amount such as "200000.00"');

/** Dates with which old systems say "always" and "never ends". */
const sinceEver = '0001-01-01';
const forEver = '9999-12-31';

/** `[start of the first day, start of the day after the last)`. @throws Error when it ends before it begins. */
export const validityOf = (
  days: LocalDays,
  first: string | null | undefined,
  last: string | null | undefined,
): { from: string | null; to: string | null } => {
  const from = first && first !== sinceEver ? days.startOf(first) : null;
  const to = last && last !== forEver ? days.endOf(last) : null;
  if (from !== null && to !== null && from >= to)
    throw new Error('expected a term that begins before it ends');
  return { from, to };
};

/** Inclusive `de` and `ate` as `[minCents, maxCents)`. @throws Error when it is empty. */
export const bandOf = (
  first: string | null | undefined,
  last: string | null | undefined,
): { minCents: number | null; maxCents: number | null } => {
  const minCents = first ? (centsOf(first) ?? null) : null;
  const until = last ? (centsOf(last) ?? null) : null;
  const maxCents = until === null ? null : until + 1;
  if (minCents !== null && maxCents !== null && minCents >= maxCents) {
    throw new Error('expected a band that begins before it ends');
  }
  return { minCents, maxCents };
};

const scope = { poderes: keys, canais: keys, produtos: keys };
const note = { texto: z.string().optional() };

const reservationSchema = z.discriminatedUnion('tipo', [
  z.strictObject({ tipo: z.literal('limite_valor'), valor_maximo: amount, ...scope, ...note }),
  z.strictObject({
    tipo: z.literal('validade'),
    valida_de: openDate,
    valida_ate: openDate,
    ...scope,
    ...note,
  }),
  z.strictObject({ tipo: z.literal('suspensao'), ...scope, ...note }),
  z.strictObject({ tipo: z.literal('outra'), texto: z.string(), ...scope }),
]);

const scopeOf = (given: { poderes: string[]; canais: string[]; produtos: string[] }) => ({
  ...(given.poderes.length > 0 && { powers: given.poderes }),
  ...(given.canais.length > 0 && { channels: given.canais }),
  ...(given.produtos.length > 0 && { products: given.produtos }),
});

/** A reservation; one that can't be read for certain is `other`, for any act. */
export const readReservation = (days: LocalDays, given: Record<string, unknown>): Reservation => {
  const parsed = reservationSchema.safeParse(given);
  if (parsed.success) {
    const known = parsed.data;
    const limits = scopeOf(known);
    if (known.tipo === 'limite_valor') {
      // Inclusive on both sides: "até 100000.00" is allowed, and `maxCents` blocks what is more than that.
      return { kind: 'value_limit', maxCents: centsOf(known.valor_maximo) ?? 0, ...limits };
    }
    if (known.tipo === 'suspensao') return { kind: 'suspended', ...limits };
    if (known.tipo === 'outra') return { kind: 'other', text: known.texto, ...limits };
    try {
      return { kind: 'validity', ...validityOf(days, known.valida_de, known.valida_ate), ...limits };
    } catch {
      return { kind: 'other', text: known.texto ?? 'validade que termina antes de começar' };
    }
  }
  const text = typeof given.texto === 'string' ? given.texto : undefined;
  return { kind: 'other', text: text ?? `ressalva não reconhecida (${String(given.tipo)})` };
};

export const groupSchema = z.object({
  id: z.string().min(1),
  membros: z.array(z.strictObject({ cpf: z.string(), desde: openDate, ate: openDate })),
});

/** Joins terms that overlap: a mandate renewed before its end counts once, and the contract refuses overlaps. */
const joined = (person: string, terms: { from: string | null; to: string | null }[]): Membership[] => {
  const sorted = terms.toSorted((one, other) => ((one.from ?? '') < (other.from ?? '') ? -1 : 1));
  const result: { from: string | null; to: string | null }[] = [];
  for (const term of sorted) {
    const last = result.at(-1);
    if (last && (last.to === null || (term.from ?? '') <= last.to)) {
      if (term.to === null || (last.to !== null && term.to > last.to)) last.to = term.to;
    } else result.push({ ...term });
  }
  return result.map((term) => ({ person, ...term }));
};

/** A group with its memberships, by CPF. @throws Error on a term that ends before it begins. */
export const readGroup = (days: LocalDays, given: z.output<typeof groupSchema>): Group => {
  const terms = new Map<string, { from: string | null; to: string | null }[]>();
  for (const { cpf, desde, ate } of given.membros) {
    terms.set(cpf, [...(terms.get(cpf) ?? []), validityOf(days, desde, ate)]);
  }
  return { id: given.id, members: [...terms].flatMap(([person, list]) => joined(person, list)) };
};

const minimum = z.union([z.int().min(1), z.enum(['todos', 'maioria'])]);
const minimums = { todos: 'all', maioria: 'majority' } as const;
const countings = { pessoas_distintas: 'distinct', por_exigencia: 'cumulative' } as const;

const alternativeSchema = z
  .strictObject({
    id: z.string().min(1),
    exigencias: z.array(z.strictObject({ grupo: z.string(), minimo: minimum })).default([]),
    contagem: z.enum(['pessoas_distintas', 'por_exigencia']).default('pessoas_distintas'),
    obrigatorios: z.array(z.string()).default([]),
    nao_juntos: z.array(z.tuple([z.string(), z.string()])).default([]),
    exceto_solicitante: z.boolean().default(false),
  })
  .transform(
    (given): Alternative => ({
      id: given.id,
      requires: given.exigencias.map(({ grupo, minimo }) => ({
        group: grupo,
        min: typeof minimo === 'number' ? minimo : minimums[minimo],
      })),
      counting: countings[given.contagem],
      mandatory: [...new Set(given.obrigatorios)],
      notTogether: given.nao_juntos,
      excludesRequester: given.exceto_solicitante,
    }),
  );

const ruleSchema = z.strictObject({
  id: z.string().min(1),
  versao: z.int().min(0),
  efeito: z.enum(['permite', 'veda']),
  leitura: z.enum(['completa', 'nao_estruturada']),
  poder: z.string().min(1),
  canais: keys,
  produtos: keys,
  vigente_de: openDate,
  vigente_ate: openDate,
  faixa: z.strictObject({ de: amount.nullish(), ate: amount.nullish() }).nullish(),
  combinacoes: z.array(alternativeSchema).default([]),
  ...note,
});

const ruleHeadSchema = z.object({ id: z.string().min(1), versao: z.int().min(0) });

const known = (days: LocalDays, given: z.output<typeof ruleSchema>): Rule => {
  const permits = given.efeito === 'permite';
  // A forbidding rule with combinations forbids some of them only, and a permitting one without any says
  // nothing: neither has a form in the contract, so somebody has to read them.
  const readable =
    given.leitura === 'completa' && (permits ? given.combinacoes.length > 0 : given.combinacoes.length === 0);
  const validity: Validity = validityOf(days, given.vigente_de, given.vigente_ate);
  return {
    id: given.id,
    version: given.versao,
    effect: permits ? 'permit' : 'forbid',
    coverage: readable ? 'complete' : 'unknown',
    power: given.poder,
    channels: given.canais,
    products: given.produtos,
    ...validity,
    ...(given.faixa && { band: bandOf(given.faixa.de, given.faixa.ate) }),
    ...(readable && permits && { alternatives: given.combinacoes }),
  };
};

/**
 * A rule; one that can't be read for certain has coverage `unknown` and applies to the power asked for without
 * further conditions. Where not even its effect is known it counts as forbidding, the more careful reading.
 * @throws where it has no id and version.
 */
export const readRule = (days: LocalDays, given: Record<string, unknown>, askedPower: string): Rule => {
  const parsed = ruleSchema.safeParse(given);
  if (parsed.success) {
    try {
      return known(days, parsed.data);
    } catch {
      // Terms or a band that end before they begin: unread, like the rest below.
    }
  }
  const { id, versao } = ruleHeadSchema.parse(given);
  const effect = given.efeito === 'permite' ? 'permit' : 'forbid';
  return { id, version: versao, effect, coverage: 'unknown', power: askedPower };
};
