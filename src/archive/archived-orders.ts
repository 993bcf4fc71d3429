import type { TableDefinition } from '../lake/tables.ts';

/** The table of archived orders in the lake. */
export const archivedOrdersTable = 'ordens.ordens_arquivadas';

/**
 * One row for each archived version of an order. The names are fixed by the domain's data model. The six JSON
 * columns are plain JSON that SQL can look into: strings, numbers with all their digits, booleans, nulls, lists and
 * maps as themselves, and what JSON lacks under one key that begins with `$` (`{"$stringSet": […]}`,
 * `{"$binary": "base64"}`), so that every DynamoDB type survives. Attributes that the model does not name are in
 * `metadados_ordem` under `_atributos`.
 */
export const archivedOrdersDefinition: TableDefinition = {
  columns: [
    { name: 'ordem_id', type: 'string', required: true },
    { name: 'area_id', type: 'string', required: true },
    { name: 'contrato_id', type: 'string' },
    { name: 'cliente_requisitante_id', type: 'string', required: true },
    { name: 'cliente_participante_id', type: { list: 'string' }, doc: 'In the order of the participants' },
    { name: 'data_criacao', type: 'timestamptz', required: true },
    { name: 'status_ordem', type: 'string', required: true },
    { name: 'regras_ordem', type: 'string' },
    { name: 'metadados_ordem', type: 'string' },
    { name: 'notificacoes_ordem', type: 'string' },
    { name: 'logs_eventos_ordem', type: 'string' },
    { name: 'metadados_participante', type: 'string', doc: 'A list, one entry for each participant' },
    { name: 'logs_eventos_participante', type: 'string', doc: 'A list, one entry for each participant' },
    { name: 'versao', type: 'long', doc: 'Null where an old service wrote none' },
    { name: 'hash_versao', type: 'string', required: true, doc: 'Hash of the whole item as it was' },
    { name: 'arquivado_em', type: 'timestamptz', required: true },
  ],
  partitionBy: [
    { column: 'data_criacao', transform: 'month' },
    { column: 'area_id', transform: 'identity' },
  ],
  sortBy: [{ column: 'cliente_requisitante_id' }, { column: 'data_criacao' }],
};
