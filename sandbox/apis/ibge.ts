import { json } from '../http-answer.ts';
import type { AnswerApi } from './api-request.ts';
import type { Changes } from './changes.ts';
import { fixture } from './fixture.ts';

type Region = { id: number; sigla: string; nome: string };
type State = { id: number; sigla: string; nome: string; regiao: Region };

const regions: Record<string, Region> = {
  N: { id: 1, sigla: 'N', nome: 'Norte' },
  NE: { id: 2, sigla: 'NE', nome: 'Nordeste' },
  SE: { id: 3, sigla: 'SE', nome: 'Sudeste' },
  S: { id: 4, sigla: 'S', nome: 'Sul' },
  CO: { id: 5, sigla: 'CO', nome: 'Centro-Oeste' },
};

const states: State[] =
  `11 RO Rondônia,12 AC Acre,13 AM Amazonas,14 RR Roraima,15 PA Pará,16 AP Amapá,17 TO Tocantins,
21 MA Maranhão,22 PI Piauí,23 CE Ceará,24 RN Rio Grande do Norte,25 PB Paraíba,26 PE Pernambuco,27 AL Alagoas,
28 SE Sergipe,29 BA Bahia,31 MG Minas Gerais,32 ES Espírito Santo,33 RJ Rio de Janeiro,35 SP São Paulo,41 PR Paraná,
42 SC Santa Catarina,43 RS Rio Grande do Sul,50 MS Mato Grosso do Sul,51 MT Mato Grosso,52 GO Goiás,53 DF Distrito Federal`
    .split(',')
    .map((text) => {
      const [id = '', sigla = '', ...words] = text.trim().split(' ');
      const regiao = Object.values(regions)[Number(id[0]) - 1];
      if (!regiao) throw new Error(`no region of state ${id}`);
      return { id: Number(id), sigla, nome: words.join(' '), regiao };
    });

/** The municipality that came last (installed in 2025). The service gives it no microrregião. */
const newest = '5101837';

const recorded = new Map<string, string>([
  ...fixture('municipios.tsv').map(([code = '', name = '']): [string, string] => [code, name]),
  [newest, 'Boa Esperança do Norte'],
]);

/** What lies between a municipality and its state is made up: one of each kind for a state, with the state's name. */
const municipality = (code: string, nome: string, UF: State) => ({
  id: Number(code),
  nome,
  microrregiao:
    code === newest
      ? null
      : { id: UF.id * 1000 + 1, nome: UF.nome, mesorregiao: { id: UF.id * 100 + 1, nome: UF.nome, UF } },
  'regiao-imediata': {
    id: UF.id * 10_000 + 1,
    nome: UF.nome,
    'regiao-intermediaria': { id: UF.id * 100 + 1, nome: UF.nome, UF },
  },
});

const municipalities = (changes: Changes, state?: State) => {
  const names = new Map(recorded);
  for (const [code, name] of changes.of('ibge')) {
    if (name === null) names.delete(code);
    else names.set(code, name);
  }
  return [...names]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([code, name]) => {
      const UF = states.find(({ id }) => id === Number(code.slice(0, 2)));
      return UF && (!state || state === UF) ? [municipality(code, name, UF)] : [];
    });
};

/** IBGE localidades: `/api/v1/localidades/municipios`, `/estados`, `/estados/{UF}`, `/estados/{UF}/municipios`. */
export const answerIbge: AnswerApi = ({ path, changes }) => {
  const match = /^\/api\/v1\/localidades\/(municipios|estados)(?:\/(\w+)(\/municipios)?)?$/.exec(path);
  if (!match) return undefined;
  const [, kind, name, inside] = match;
  if (kind === 'municipios') {
    if (name === undefined) return json(200, municipalities(changes));
    return json(200, municipalities(changes).find(({ id }) => String(id) === name) ?? []);
  }
  if (name === undefined) return json(200, states);
  const state = states.find(({ id, sigla }) => sigla === name.toUpperCase() || String(id) === name);
  // The real one answers an unknown state with an empty list, not with an error.
  if (!state) return json(200, []);
  return json(200, inside ? municipalities(changes, state) : state);
};
