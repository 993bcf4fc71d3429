import type { Db } from '../platform/postgres.ts';

/** An order of the desk in which the person has a part, and the part; nobody else's data. */
export type HeldOrder = {
  readonly orderKey: string;
  readonly areaId: string;
  readonly status: string;
  readonly createdAt: string;
  readonly decidedAt: string | null;
  /** What the person is in it: requester, guarantor, representative, the one who asked. */
  readonly roles: readonly string[];
  /** Name and contacts that are kept of the person, one entry for each party that they represent. */
  readonly contacts: readonly {
    readonly name: string | null;
    readonly email: string | null;
    readonly phone: string | null;
    readonly enabled: boolean;
    readonly notifiedAt: string | null;
  }[];
  /** Answers of partner systems on the person that are kept as evidence. */
  readonly evidence: readonly {
    readonly partner: string;
    readonly receivedAt: string;
    readonly sha256: string;
  }[];
  /** Systems that were sent a message about the order. */
  readonly sharedWith: readonly {
    readonly channel: string;
    readonly host: string;
    readonly at: string | null;
  }[];
};

type OrderRow = {
  envelope_id: string;
  area_id: string;
  status_envelope: string;
  data_criacao: string;
  decidido_em: string | null;
  papeis: string[] | null;
  contatos: HeldOrder['contacts'] | null;
  evidencias: HeldOrder['evidence'] | null;
  entregas: { channel: string; target: string; at: string | null }[] | null;
};

// A document is compared with whole values of the request, never searched for in its text: eleven digits may stand
// in a longer number. The scan is long where there are many orders; such requests are rare, and may take it.
const ordersSql = `
  WITH minhas AS (
    SELECT envelope_id FROM envelopes WHERE requisitante_id = $1
    UNION SELECT envelope_id FROM partes WHERE documento = $1
    UNION SELECT envelope_id FROM participantes WHERE documento = $1
    UNION SELECT envelope_id FROM envelopes
      WHERE jsonb_path_exists(pedido, '$.** ? (@ == $cpf)', jsonb_build_object('cpf', $1::text))
  )
  SELECT e.envelope_id, e.area_id, e.status_envelope, to_json(e.data_criacao) #>> '{}' AS data_criacao,
    to_json(e.decidido_em) #>> '{}' AS decidido_em,
    (SELECT array_agg(DISTINCT papel) FROM (
       SELECT p.papel FROM partes p WHERE p.envelope_id = e.envelope_id AND p.documento = $1
       UNION ALL SELECT 'requisitante' WHERE e.requisitante_id = $1
       UNION ALL SELECT 'representante' FROM participantes p WHERE p.envelope_id = e.envelope_id AND p.documento = $1
       UNION ALL SELECT 'solicitante' WHERE e.pedido->>'requestedBy' = $1
       UNION ALL SELECT 'citado no pedido'
         WHERE jsonb_path_exists(e.pedido - 'requester' - 'requestedBy', '$.** ? (@ == $cpf)',
           jsonb_build_object('cpf', $1::text))) papeis) AS papeis,
    (SELECT json_agg(json_build_object('name', p.nome, 'email', p.email, 'phone', p.telefone,
       'enabled', p.habilitado, 'notifiedAt', p.notificado_em) ORDER BY p.parte)
     FROM participantes p WHERE p.envelope_id = e.envelope_id AND p.documento = $1) AS contatos,
    (SELECT json_agg(json_build_object('partner', v.parceiro, 'receivedAt', v.recebida_em, 'sha256', v.hash_sha256)
       ORDER BY v.recebida_em)
     FROM evidencias v WHERE v.envelope_id = e.envelope_id AND strpos(v.corpo, $1) > 0) AS evidencias,
    (SELECT json_agg(json_build_object('channel', d.canal, 'target', d.destino, 'at', d.data_entrega))
     FROM mensagens m JOIN entregas d USING (mensagem_id)
     WHERE m.envelope_id = e.envelope_id AND strpos(m.corpo, $1) > 0) AS entregas
  FROM envelopes e JOIN minhas USING (envelope_id) ORDER BY e.envelope_id`;

/** Orders in the desk's database that have to do with a CPF. */
export const ordersOf = async (db: Db, cpf: string): Promise<HeldOrder[]> => {
  const { rows } = await db.query<OrderRow>(ordersSql, [cpf]);
  return rows.map((row) => ({
    orderKey: row.envelope_id,
    areaId: row.area_id,
    status: row.status_envelope,
    createdAt: row.data_criacao,
    decidedAt: row.decidido_em,
    roles: row.papeis ?? [],
    contacts: row.contatos ?? [],
    evidence: row.evidencias ?? [],
    sharedWith: (row.entregas ?? []).map(({ channel, target, at }) => ({
      channel,
      host: URL.canParse(target) ? new URL(target).host : '',
      at,
    })),
  }));
};

export type IssuedReport = {
  readonly reportId: string;
  readonly kind: string;
  readonly status: string;
  readonly askedBy: string;
  readonly purpose: string;
  readonly askedAt: string;
  readonly unmasked: boolean;
  readonly downloads: readonly {
    readonly by: string;
    readonly at: string;
    readonly purpose: string | null;
  }[];
};

/** Reports whose request or rights name a CPF, with who took them and why. */
export const issuedReports = async (db: Db, cpf: string): Promise<IssuedReport[]> => {
  const { rows } = await db.query<
    Omit<IssuedReport, 'downloads'> & { downloads: IssuedReport['downloads'] | null }
  >(
    `SELECT relatorio_id AS "reportId", pedido->>'kind' AS kind, status_relatorio AS status, solicitante AS "askedBy",
       finalidade AS purpose, to_json(criado_em) #>> '{}' AS "askedAt", (visao->>'unmasked')::boolean AS unmasked,
       (SELECT json_agg(json_build_object('by', t.quem, 'at', t.quando, 'purpose', t.detalhe::json->>'purpose')
          ORDER BY t.quando)
        FROM trilha_auditoria t WHERE t.recurso = r.relatorio_id AND t.acao = 'report.download') AS downloads
     FROM relatorios r
     WHERE jsonb_path_exists(pedido, '$.** ? (@ == $cpf)', jsonb_build_object('cpf', $1::text))
        OR visao->'clients' @> jsonb_build_array($1::text)
     ORDER BY relatorio_id`,
    [cpf],
  );
  return rows.map((row) => ({ ...row, downloads: row.downloads ?? [] }));
};
