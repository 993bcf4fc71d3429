import { type HttpAnswer, json } from '../http-answer.ts';

/** A number is kept as its text, so that the answer has the digits that the service writes. */
export type Cell = string | { readonly number: string };
export type Row = Record<string, Cell>;

type Comparison = { field: string; operator: string; literal: string };

const operators: Record<string, (order: number) => boolean> = {
  eq: (order) => order === 0,
  ne: (order) => order !== 0,
  gt: (order) => order > 0,
  ge: (order) => order >= 0,
  lt: (order) => order < 0,
  le: (order) => order <= 0,
};

const parseFilter = (text: string): Comparison[] | undefined => {
  const parts = text.split(/\s+and\s+/).map((part) => /^(\w+)\s+(\w\w)\s+(.+)$/.exec(part.trim()));
  const found = parts.map((match) => ({
    field: match?.[1] ?? '',
    operator: match?.[2] ?? '',
    literal: match?.[3] ?? '',
  }));
  return found.every(({ operator }) => operator in operators) ? found : undefined;
};

const compare = (cell: Cell | undefined, literal: string): number => {
  if (typeof cell === 'object') return Number(cell.number) - Number(literal);
  const text = literal.replace(/^'(.*)'$/, '$1');
  return cell === undefined || cell === text ? 0 : cell < text ? -1 : 1;
};

const plainText = (cell: Cell | undefined): string => (typeof cell === 'object' ? cell.number : (cell ?? ''));

const wholeNumber = (text: string | null, fallback: number): number | undefined => {
  if (text === null) return fallback;
  return /^\d+$/.test(text) ? Number(text) : undefined;
};

/** The service drops zeros at the end once columns are chosen: `5.20790` becomes `5.2079`. */
const cellText = (cell: Cell, isChosen: boolean): string => {
  if (typeof cell === 'string') return JSON.stringify(cell);
  return isChosen ? cell.number.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '') : cell.number;
};

const badRequest = (mensagem: string): HttpAnswer => json(400, { codigo: 400, mensagem });

/** `$filter`, `$orderby`, `$skip`, `$top` and `$select` over rows, answered as an OData 4 collection. */
export const odataAnswer = (
  set: string,
  columns: readonly string[],
  rows: readonly Row[],
  query: URLSearchParams,
): HttpAnswer => {
  const format = query.get('$format') ?? 'json';
  if (format !== 'json') return badRequest(`$format: json, ${format}`);
  const filterText = query.get('$filter');
  const filter = filterText === null ? [] : parseFilter(filterText);
  const [top, skip] = [wholeNumber(query.get('$top'), 10_000), wholeNumber(query.get('$skip'), 0)];
  const selected = query.get('$select')?.split(',');
  const [orderBy, direction] = (query.get('$orderby') ?? '').split(' ');
  const named = [
    ...(filter ?? []).map(({ field }) => field),
    ...(selected ?? []),
    ...(orderBy ? [orderBy] : []),
  ];
  if (!filter || top === undefined || skip === undefined || named.some((name) => !columns.includes(name))) {
    return badRequest('Erro na consulta OData: $filter, $orderby, $select, $top ou $skip');
  }
  const kept = rows.filter((row) =>
    filter.every(({ field, operator, literal }) => operators[operator]?.(compare(row[field], literal))),
  );
  if (orderBy) {
    const sign = direction === 'desc' ? -1 : 1;
    kept.sort((a, b) => sign * compare(a[orderBy], plainText(b[orderBy])));
  }
  const objects = kept.slice(skip, skip + top).map((row) => {
    const cells = (selected ?? columns).map(
      (name) => `${JSON.stringify(name)}:${cellText(row[name] ?? '', selected !== undefined)}`,
    );
    return `{${cells.join(',')}}`;
  });
  const shape = selected ? `(${selected.join(',')})` : '';
  const context = `https://was-p.bcnet.bcb.gov.br/olinda/servico/PTAX/versao/v1/odata$metadata#_${set}${shape}`;
  return {
    status: 200,
    type: 'application/json;odata.metadata=minimal',
    body: `{"@odata.context":${JSON.stringify(context)},"value":[${objects.join(',')}]}`,
  };
};
