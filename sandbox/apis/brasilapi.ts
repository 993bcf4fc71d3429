import { json } from '../http-answer.ts';
import type { AnswerApi } from './api-request.ts';
import { nationalHolidays } from './calendar.ts';
import type { Changes } from './changes.ts';

type Bank = { ispb: string; name: string; code: number | null; fullName: string };

const bank = (ispb: string, code: number | null, name: string, fullName: string): Bank => ({
  ispb,
  name,
  code,
  fullName,
});

/** Some of those that take part in the payment system. Two of them have no code. */
const banks: Bank[] = [
  bank('00000000', 1, 'BCO DO BRASIL S.A.', 'Banco do Brasil S.A.'),
  bank('00000208', 70, 'BRB - BCO DE BRASILIA S.A.', 'BRB - BANCO DE BRASILIA S.A.'),
  bank('00038121', null, 'Selic', 'Banco Central do Brasil - Selic'),
  bank('00038166', null, 'Bacen', 'Banco Central do Brasil'),
  bank('00360305', 104, 'CAIXA ECONOMICA FEDERAL', 'CAIXA ECONOMICA FEDERAL'),
  bank('00416968', 77, 'BANCO INTER', 'Banco Inter S.A.'),
  bank('01181521', 748, 'BCO COOPERATIVO SICREDI S.A.', 'BANCO COOPERATIVO SICREDI S.A.'),
  bank('02038232', 756, 'BANCO SICOOB S.A.', 'BANCO COOPERATIVO SICOOB S.A. - BANCO SICOOB'),
  bank('18236120', 260, 'NU PAGAMENTOS - IP', 'NU PAGAMENTOS S.A. - INSTITUIÇÃO DE PAGAMENTO'),
  bank('30306294', 208, 'BANCO BTG PACTUAL S.A.', 'Banco BTG Pactual S.A.'),
  bank('31872495', 336, 'BCO C6 S.A.', 'Banco C6 S.A.'),
  bank('33479023', 745, 'BCO CITIBANK S.A.', 'Banco Citibank S.A.'),
  bank('58160789', 422, 'BCO SAFRA S.A.', 'Banco Safra S.A.'),
  bank('59588111', 655, 'BCO VOTORANTIM S.A.', 'Banco Votorantim S.A.'),
  bank('60701190', 341, 'ITAÚ UNIBANCO S.A.', 'ITAÚ UNIBANCO S.A.'),
  bank('60746948', 237, 'BCO BRADESCO S.A.', 'Banco Bradesco S.A.'),
  bank('90400888', 33, 'BCO SANTANDER (BRASIL) S.A.', 'BANCO SANTANDER (BRASIL) S.A.'),
];

/** The list with what was changed in it: replaced, taken out, or put in where `belongs` says so. */
const changed = <Item>(
  changes: Changes,
  items: readonly Item[],
  keyOf: (item: Item) => string,
  belongs: (key: string) => boolean,
): unknown[] => {
  const told = changes.of('brasilapi').filter(([key]) => belongs(key));
  // A day can have two holidays: a change of its key takes the place of both.
  const kept = items
    .filter((item) => !told.some(([key]) => key === keyOf(item)))
    .map((item): [string, unknown] => [keyOf(item), item]);
  const said = told.filter(([, value]) => value !== null);
  return [...kept, ...said].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, item]) => item);
};

/** BrasilAPI: `/api/feriados/v1/{year}`, `/api/banks/v1`, `/api/banks/v1/{code}`. */
export const answerBrasilApi: AnswerApi = ({ path, changes }) => {
  const match = /^\/api\/(feriados|banks)\/v1(?:\/(\d+))?$/.exec(path);
  if (!match) return undefined;
  if (match[1] === 'banks') {
    const all = changed(
      changes,
      banks,
      ({ ispb }) => ispb,
      (key) => /^\d{8}$/.test(key),
    );
    if (match[2] === undefined) return json(200, all);
    const found = all.find((item) => (item as Bank).code === Number(match[2]));
    return found
      ? json(200, found)
      : json(404, { message: 'Código bancário não encontrado', type: 'BANK_CODE_NOT_FOUND' });
  }
  const year = Number(match[2] ?? 0);
  if (year < 1900 || year > 2199) {
    return json(404, {
      name: 'NotFoundError',
      message: 'Ano fora do intervalo suportado entre 1900 e 2199.',
      type: 'feriados_range_error',
    });
  }
  return json(
    200,
    changed(
      changes,
      nationalHolidays(year),
      ({ date }) => date,
      (key) => key.startsWith(`${year}-`),
    ),
  );
};
