import { type HttpAnswer, json } from '../http-answer.ts';
import { random } from '../random.ts';
import type { AnswerApi, ApiRequest } from './api-request.ts';
import { addDays, brazilianDay, type Day, daysBetween, isBusinessDay } from './calendar.ts';
import { fixture } from './fixture.ts';

type Series = { code: number; daily: boolean; first: Day; recorded: Map<Day, string> };

const series = (code: number, daily: boolean, first: Day): Series => ({
  code,
  daily,
  first,
  recorded: new Map(fixture(`sgs-${code}.tsv`).map(([day = '', value = '']) => [day, value])),
});

const known = [series(11, true, '1986-06-04'), series(433, false, '1980-01-01')];

const recordedFrom = '2020-01-01';
const recordedTo = '2024-12-31';

/** Outside the recorded years: a value that is the same whenever it is asked for. */
const madeUp = ({ code }: Series, day: Day): string => {
  const numbers = random(code * 100_000 + Math.floor(Date.parse(day) / 86_400_000));
  return code === 11
    ? (0.04 + numbers.int(0, 15_000) / 1_000_000).toFixed(6)
    : (numbers.int(-30, 120) / 100).toFixed(2);
};

const valueOn = (one: Series, day: Day, { changes, today }: ApiRequest): string | undefined => {
  const changed = changes.get('sgs', `${one.code}/${day}`);
  if (changed !== undefined) return changed ?? undefined;
  if (day > today || day < one.first) return undefined;
  if (day >= recordedFrom && day <= recordedTo) return one.recorded.get(day);
  const isPoint = one.daily ? isBusinessDay(day) : day.endsWith('-01') && isPublished(day, today);
  return isPoint ? madeUp(one, day) : undefined;
};

/** IPCA of a month comes around the tenth of the next one. */
const isPublished = (month: Day, today: Day): boolean => addDays(month, 40) <= today;

const points = (one: Series, from: Day, to: Day, request: ApiRequest): { data: string; valor: string }[] =>
  daysBetween(from, to).flatMap((day) => {
    const valor = valueOn(one, day, request);
    return valor === undefined ? [] : [{ data: day.split('-').reverse().join('/'), valor }];
  });

const failure = (status: number, detail: string): HttpAnswer =>
  json(status, { erro: { statusCode: status, detail } });

/** The words of the real one, status 406. */
const tooLong = (): HttpAnswer =>
  json(406, {
    error: 'O sistema aceita uma janela de consulta de, no máximo, 10 anos em séries de periodicidade diária',
    message:
      'Para acessar uma série de periodicidade diária, é necessário informar a dataInicial, no formato dd/mm/aaaa',
  });

const tenYearsAfter = (day: Day): Day => `${Number(day.slice(0, 4)) + 10}${day.slice(4)}`;

/** Banco Central SGS: `/dados/serie/bcdata.sgs.11/dados?formato=json&dataInicial=01/01/2024&dataFinal=31/01/2024`. */
export const answerSgs: AnswerApi = (request) => {
  const match = /^\/dados\/serie\/bcdata\.sgs\.(\d+)\/dados(?:\/ultimos\/(\d+))?$/.exec(request.path);
  if (!match) return undefined;
  const one = known.find(({ code }) => code === Number(match[1]));
  if (!one) return failure(404, 'Value(s) not found');
  if ((request.query.get('formato') ?? 'json') !== 'json') return failure(400, 'formato: json');
  if (match[2] !== undefined) {
    if (Number(match[2]) > 20) return failure(400, 'A quantidade máxima de valores deve ser 20');
    const back = one.daily ? 60 : 800;
    const last = points(one, addDays(request.today, -back), request.today, request);
    return json(200, last.slice(-Number(match[2])));
  }
  const [start, end] = [request.query.get('dataInicial'), request.query.get('dataFinal')];
  const from = start === null ? one.first : brazilianDay(start);
  const to = end === null ? request.today : brazilianDay(end);
  if (from === undefined || to === undefined) return failure(400, 'Data inválida: dd/mm/aaaa');
  if (one.daily && (start === null || to > tenYearsAfter(from))) return tooLong();
  const found = points(one, from, to, request);
  return found.length === 0 ? failure(404, 'Value(s) not found') : json(200, found);
};
