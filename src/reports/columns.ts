import type { KindColumn } from './kind.ts';

/** Columns that kinds share, so that the same thing has the same name and form in every report. */
export const orderId: KindColumn = { name: 'ordem_id', title: 'Ordem', type: 'text', sql: 'o.ordem_id' };
export const area: KindColumn = {
  name: 'area_id',
  title: 'Área',
  type: 'text',
  sql: 'o.area_id',
  isKey: true,
};
export const contract: KindColumn = {
  name: 'contrato_id',
  title: 'Contrato',
  type: 'text',
  sql: 'o.contrato_id',
};
export const requester: KindColumn = {
  name: 'cliente_requisitante_id',
  title: 'Requisitante',
  type: 'text',
  sql: 'o.cliente_requisitante_id',
};
export const participants: KindColumn = {
  name: 'cliente_participante_id',
  title: 'Participantes',
  type: 'list',
  sql: 'o.cliente_participante_id',
};
export const created: KindColumn = {
  name: 'data_criacao',
  title: 'Criada em',
  type: 'timestamp',
  sql: 'o.data_criacao',
};
export const status: KindColumn = {
  name: 'status_ordem',
  title: 'Situação',
  type: 'text',
  sql: 'o.status_ordem',
  isKey: true,
};
export const version: KindColumn = { name: 'versao', title: 'Versão', type: 'integer', sql: 'o.versao' };
export const archived: KindColumn = {
  name: 'arquivado_em',
  title: 'Arquivada em',
  type: 'timestamp',
  sql: 'o.arquivado_em',
};

/** What every row of a part of an order begins with. */
export const orderHead: readonly KindColumn[] = [orderId, area, created, status];

/** The place of a row's part in its order, and the participant that it is about; see elements.ts. */
export const position: KindColumn = { name: 'posicao', title: 'Posição', type: 'integer', sql: 'e.n' };
export const participant: KindColumn = {
  name: 'cliente_participante_id',
  title: 'Participante',
  type: 'text',
  sql: 'e.id',
};

/** A JSON document: of the row's part, unless said otherwise. */
export const jsonDocument = (name: string, title: string, sql = 'e.item'): KindColumn => ({
  name,
  title,
  type: 'json',
  sql,
});

/** The basic data of an order. */
export const orderColumns: readonly KindColumn[] = [
  orderId,
  area,
  contract,
  requester,
  participants,
  created,
  status,
  version,
  archived,
];
