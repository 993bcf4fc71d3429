import { quoteText } from '../lake/duckdb-session.ts';
import type { Each, EachContext } from './kind.ts';

/** The elements of a JSON list as a list of JSON; what is no list is one element, null and absent are none. */
const listOf = (json: string): string =>
  `CASE coalesce(json_type(${json}), 'NULL') WHEN 'ARRAY' THEN json_extract(${json}, '$[*]') WHEN 'NULL' THEN [] ELSE [CAST(${json} AS JSON)] END`;

const countOf = (json: string): string =>
  `CASE coalesce(json_type(${json}), 'NULL') WHEN 'ARRAY' THEN json_array_length(${json}) WHEN 'NULL' THEN 0 ELSE 1 END`;

/** One row for each element of a JSON column: `e.n` counts from 1, `e.item` is JSON. */
export const eachElement = (column: string) => (): Each => ({
  list: `list_transform(${listOf(`o.${column}`)}, lambda x, i: {'n': i, 'item': x})`,
  count: countOf(`o.${column}`),
});

/** The entry of a participant in a JSON list that runs beside `cliente_participante_id`. */
export const participantEntry = (column: string, place = 'e.n'): string =>
  `json_extract(o.${column}, '$[' || (${place} - 1) || ']')`;

const people = ({ participantId }: EachContext): string => {
  const all = `list_transform(o.cliente_participante_id, lambda p, i: {'n': i, 'id': p})`;
  return participantId === undefined
    ? all
    : `list_filter(${all}, lambda person: person.id = ${quoteText(participantId)})`;
};

/** One row for each participant, or the one that is asked for: `e.n` is the place in the order, `e.id` the client. */
export const eachParticipant = (context: EachContext): Each => ({
  list: people(context),
  count:
    context.participantId === undefined
      ? 'coalesce(len(o.cliente_participante_id), 0)'
      : `coalesce(len(list_filter(o.cliente_participante_id, lambda p: p = ${quoteText(context.participantId)})), 0)`,
});

/** One row for each event of a participant: `e.n`, `e.id` as above, `e.evento` counts from 1, `e.item` is JSON. */
export const eachParticipantEvent = (context: EachContext): Each => {
  const log = participantEntry('logs_eventos_participante', 'person.n');
  const events = `list_transform(${listOf(log)}, lambda x, i: {'n': person.n, 'id': person.id, 'evento': i, 'item': x})`;
  return {
    list: `flatten(list_transform(${people(context)}, lambda person: ${events}))`,
    count: `coalesce(list_sum(list_transform(${people(context)}, lambda person: ${countOf(log)})), 0)`,
  };
};
