import { type HttpAnswer, json } from '../http-answer.ts';
import { random } from '../random.ts';
import type { AnswerApi, ApiRequest } from './api-request.ts';
import { type Day, daysBetween, isBusinessDay } from './calendar.ts';
import { fixture } from './fixture.ts';
import { odataAnswer, type Row } from './odata.ts';

type Quote = { cotacaoCompra: string; cotacaoVenda: string; dataHoraCotacao: string };

const recorded = new Map<Day, Quote[]>();
for (const [day = '', cotacaoCompra = '', cotacaoVenda = '', dataHoraCotacao = ''] of fixture('ptax.tsv')) {
  recorded.set(day, [...(recorded.get(day) ?? []), { cotacaoCompra, cotacaoVenda, dataHoraCotacao }]);
}

const first = '1984-11-28';

/** One quote soon after 13 h, its fraction of a second with 1 to 6 digits as the service cuts zeros. */
const madeUp = (day: Day): Quote[] => {
  const numbers = random(Math.floor(Date.parse(day) / 86_400_000));
  const sale = 5 + numbers.int(0, 100_000) / 100_000;
  const digits = numbers.int(1, 6);
  const fraction = String(numbers.int(0, 10 ** digits - 1))
    .padStart(digits, '0')
    .replace(/0+$/, '')
    .padEnd(1, '0');
  const [minute, second] = [numbers.int(3, 13), numbers.int(0, 59)].map((value) =>
    String(value).padStart(2, '0'),
  );
  return [
    {
      cotacaoCompra: (sale - 0.0006).toFixed(5),
      cotacaoVenda: sale.toFixed(5),
      dataHoraCotacao: `${day} 13:${minute}:${second}.${fraction}`,
    },
  ];
};

const quotesOn = (day: Day, { changes, today }: ApiRequest): Quote[] => {
  const changed = changes.get('ptax', day);
  if (changed !== undefined) return changed ?? [];
  if (day > today || day < first) return [];
  return recorded.get(day) ?? (isBusinessDay(day) ? madeUp(day) : []);
};

/** `'01-31-2024'` to `2024-01-31`: American order, in quotes. */
const literalDay = (text: string | null): Day | undefined => {
  const match = /^'(\d{2})-(\d{2})-(\d{4})'$/.exec(text ?? '');
  const day = match ? `${match[3]}-${match[1]}-${match[2]}` : '';
  return Number.isNaN(Date.parse(day)) ? undefined : day;
};

/** The functions and, of each, the parameters by name, given as `(name=@alias)` with the value under the alias. */
const functions: Record<string, readonly [string, string?]> = {
  CotacaoDolarDia: ['dataCotacao'],
  CotacaoDolarPeriodo: ['dataInicial', 'dataFinalCotacao'],
};

const badCall = (): HttpAnswer =>
  json(400, { codigo: 400, mensagem: 'Erro na chamada da função: parâmetros' });

const columns = ['cotacaoCompra', 'cotacaoVenda', 'dataHoraCotacao'];

/**
 * Banco Central PTAX: `/olinda/servico/PTAX/versao/v1/odata/CotacaoDolarPeriodo(dataInicial=@dataInicial,
 * dataFinalCotacao=@dataFinalCotacao)?@dataInicial='01-31-2024'&…`. No row says which day it is the quote of.
 */
export const answerPtax: AnswerApi = (request) => {
  const match = /^\/olinda\/servico\/PTAX\/versao\/v1\/odata\/(\w+)\((.*)\)$/.exec(request.path);
  const names = functions[match?.[1] ?? ''];
  if (!match || !names) return undefined;
  const aliases = new Map((match[2] ?? '').split(',').map((pair) => pair.split('=') as [string, string]));
  const days = names.map((name) => literalDay(request.query.get(aliases.get(name ?? '') ?? '')));
  const [from, to = from] = days;
  if (from === undefined || to === undefined || days.includes(undefined)) return badCall();
  const rows = daysBetween(from, to)
    .flatMap((day) => quotesOn(day, request))
    .map(
      (quote): Row => ({
        cotacaoCompra: { number: quote.cotacaoCompra },
        cotacaoVenda: { number: quote.cotacaoVenda },
        dataHoraCotacao: quote.dataHoraCotacao,
      }),
    );
  return odataAnswer(match[1] ?? '', columns, rows, request.query);
};
