import type { IncomingMessage, ServerResponse } from 'node:http';
import { areas, domains } from './areas.ts';
import type { Calls } from './calls.ts';
import type { Directory } from './directory.ts';
import type { Faults, SandboxPartner } from './faults.ts';
import { type HttpAnswer, json, parseJson, readBody, sendAnswer } from './http-answer.ts';
import type { SentNotifications } from './sent-notifications.ts';
import { faultOfHeader, spoil, wait } from './spoilers.ts';

/** Where each partner lives, as its adapter in `src/partners` expects it. */
const partnerOf: Record<string, SandboxPartner> = {
  parametrizador: 'parameters',
  dominios: 'domains',
  poderes: 'powers',
  pessoas: 'people',
  'cadastro-unico': 'registry',
  notificacoes: 'notifications',
};

type Asked = {
  path: string;
  text: string;
  body: Record<string, unknown> | undefined;
  request: IncomingMessage;
};

const failure = (status: number, codigo: string, mensagem: string): HttpAnswer =>
  json(status, { codigo, mensagem });

const notFound = failure(404, 'CAMINHO_NAO_ENCONTRADO', 'Este serviço não tem este caminho.');
const unknownCompany = failure(404, 'EMPRESA_NAO_ENCONTRADA', 'Empresa sem registro.');
const badRequest = failure(400, 'PEDIDO_INVALIDO', 'Corpo ou campos inválidos.');

const documentsOf = (body: Record<string, unknown> | undefined): string[] | undefined => {
  const list = body?.documentos;
  return Array.isArray(list) && list.every((item) => typeof item === 'string') ? list : undefined;
};

type Answer = (asked: Asked, directory: Directory, sent: SentNotifications) => HttpAnswer;

const answers: Record<SandboxPartner, Answer> = {
  parameters: ({ path }) => {
    const areaId = decodeURIComponent(/^\/v1\/areas\/([^/]+)$/.exec(path)?.[1] ?? '');
    if (areaId === '') return notFound;
    const area = areas.find(({ area_id }) => area_id === areaId);
    return area ? json(200, area) : failure(404, 'AREA_NAO_ENCONTRADA', 'Área não cadastrada.');
  },
  domains: ({ path }) => (path === '/v1/dominios' ? json(200, domains) : notFound),
  powers: ({ path, body }, directory) => {
    if (path !== '/v1/consultas') return notFound;
    const { cnpj, poder } = body ?? {};
    if (typeof cnpj !== 'string' || typeof poder !== 'string') return badRequest;
    const company = directory.company(cnpj);
    if (!company) return unknownCompany;
    return json(200, {
      cnpj,
      poder,
      nome: company.nome,
      representantes: company.representantes,
      grupos: company.grupos,
      regras: company.regras.filter((rule) => rule.poder === poder),
      ...(company.fontes_indisponiveis && { fontes_indisponiveis: company.fontes_indisponiveis }),
    });
  },
  people: ({ path, body }, directory) => {
    const documents = documentsOf(body);
    if (path !== '/v1/consultas') return notFound;
    if (!documents) return badRequest;
    return json(200, { pessoas: documents.flatMap((cpf) => directory.person(cpf) ?? []) });
  },
  registry: ({ path, body }, directory) => {
    const documents = documentsOf(body);
    if (path !== '/v1/operadores/consultas') return notFound;
    if (!documents || typeof body?.cnpj !== 'string') return badRequest;
    const operators = directory.company(body.cnpj)?.operadores;
    if (!operators) return unknownCompany;
    return json(200, { operadores: operators.filter(({ cpf }) => documents.includes(cpf)) });
  },
  notifications: ({ path, text, body, request }, _, sent) => {
    if (path !== '/v1/notificacoes') return notFound;
    const key = request.headers['idempotency-key'];
    if (typeof key !== 'string' || !body) return badRequest;
    const notification = sent.send(key, text);
    if (!notification) return failure(422, 'CHAVE_REUTILIZADA', 'Chave de idempotência com outro corpo.');
    return json(notification.requests > 1 ? 200 : 201, { notificacao_id: notification.notificacao_id });
  },
};

export type PartnerServicesDeps = {
  directory: Directory;
  faults: Faults;
  calls: Calls;
  sent: SentNotifications;
  /** How long every partner takes to answer. */
  latencyMs: number;
};

export type PartnerServices = {
  /** Answers a request to one of the partners; false: it is not for a partner. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
};

export const partnerServices = (deps: PartnerServicesDeps): PartnerServices => {
  const { directory, faults, calls, sent } = deps;

  const health = (partner: SandboxPartner, response: ServerResponse): void => {
    calls.count(partner, 'health');
    const fault = faults.ofHealth(partner);
    const well = (): HttpAnswer => json(200, { situacao: 'ok' });
    if (!fault || fault.kind === 'latency') sendAnswer(response, well());
    else spoil(response, fault.kind, fault, well);
  };

  const answer = async (partner: SandboxPartner, asked: Asked, response: ServerResponse): Promise<void> => {
    const company = typeof asked.body?.cnpj === 'string' ? asked.body.cnpj : undefined;
    calls.count(partner, 'requests');
    if (company !== undefined) calls.countCompany(partner, company);
    const { waitMs, fault } = faults.take(partner, company);
    if (deps.latencyMs + waitMs > 0) await wait(deps.latencyMs + waitMs);
    const kind = faultOfHeader(asked.request) ?? fault?.kind;
    const work = (): HttpAnswer => answers[partner](asked, directory, sent);
    if (kind === undefined || kind === 'latency') return sendAnswer(response, work());
    calls.count(partner, 'spoiled');
    spoil(response, kind, fault, work);
  };

  return {
    handle: async (request, response) => {
      const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
      const [, service = ''] = path.split('/', 2);
      const partner = partnerOf[service];
      if (!partner) return false;
      const own = path.slice(service.length + 1);
      if (own === '/v1/saude') health(partner, response);
      else {
        const text = await readBody(request);
        await answer(partner, { path: own, text, body: parseJson(text), request }, response);
      }
      return true;
    },
  };
};
