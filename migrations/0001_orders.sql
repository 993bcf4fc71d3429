-- The order desk. Tables and columns carry the Portuguese names of the domain's data models.

-- Orders. `envelope_id` is `ord_` and a ULID: it sorts by creation, so lists page on the key alone. Every column
-- that holds one has the collation "C": compared under two collations, an index is not used.
CREATE TABLE envelopes (
  envelope_id         text COLLATE "C" PRIMARY KEY,
  area_id             text NOT NULL,
  contrato_id         text,
  status_envelope     text NOT NULL CHECK (status_envelope IN ('rascunho', 'em_processamento', 'concluido', 'falha')),
  plataforma_id       text NOT NULL,
  meio_assinatura_id  text NOT NULL,
  poder               text NOT NULL,
  valor_centavos      bigint CHECK (valor_centavos >= 0),
  requisitante_id     text NOT NULL,
  tipo_requisitante   text NOT NULL CHECK (tipo_requisitante IN ('pessoa_fisica', 'pessoa_juridica')),
  numero_participantes integer NOT NULL CHECK (numero_participantes >= 1),
  coro_completo       boolean,
  motivo_falha        text,
  motivo_espera       text CHECK (motivo_espera IN ('waiting_partner', 'needs_review')),
  parceiro_esperado   text,
  tentativas          integer NOT NULL DEFAULT 0,
  pedido              jsonb NOT NULL,
  parametros          jsonb NOT NULL,
  prazo_decisao       timestamptz NOT NULL,
  decidido_em         timestamptz,
  data_criacao        timestamptz NOT NULL,
  criado_por          text NOT NULL,
  data_atualizacao    timestamptz NOT NULL,
  atualizado_por      text NOT NULL,
  CHECK ((status_envelope = 'falha') = (motivo_falha IS NOT NULL)),
  CHECK (status_envelope <> 'concluido' OR coro_completo)
);

-- Lists: one area, newest first, with or without a status.
CREATE INDEX envelopes_por_area ON envelopes (area_id, envelope_id DESC);
CREATE INDEX envelopes_por_area_status ON envelopes (area_id, status_envelope, envelope_id DESC);
-- What waits, for a partner that came back and for the area's time limit. Few rows at any time.
CREATE INDEX envelopes_em_espera ON envelopes (parceiro_esperado, envelope_id) WHERE motivo_espera IS NOT NULL;
CREATE INDEX envelopes_em_aberto ON envelopes (prazo_decisao) WHERE status_envelope IN ('rascunho', 'em_processamento');

-- The parties of an order with what was decided of each. `entrada` and `saida` are the quorum contract's.
CREATE TABLE partes (
  envelope_id   text COLLATE "C" NOT NULL REFERENCES envelopes ON DELETE CASCADE,
  parte         integer NOT NULL,
  papel         text NOT NULL CHECK (papel IN ('requisitante', 'garantidor')),
  tipo_pessoa   text NOT NULL CHECK (tipo_pessoa IN ('pessoa_fisica', 'pessoa_juridica')),
  documento     text NOT NULL,
  veredito      text NOT NULL CHECK (veredito IN ('quorum', 'no_quorum', 'undetermined')),
  motivo_falha  text,
  entrada       text,
  saida         text,
  certificado   text,
  PRIMARY KEY (envelope_id, parte)
);

-- Representatives. A reserved one stays a representative, but is not enabled for the order.
CREATE TABLE participantes (
  envelope_id   text COLLATE "C" NOT NULL,
  parte         integer NOT NULL,
  pessoa_id     text NOT NULL,
  documento     text NOT NULL,
  nome          text,
  email         text,
  telefone      text,
  reservado     boolean NOT NULL,
  habilitado    boolean NOT NULL,
  notificado_em timestamptz,
  PRIMARY KEY (envelope_id, parte, pessoa_id),
  FOREIGN KEY (envelope_id, parte) REFERENCES partes ON DELETE CASCADE
);

-- The timeline of an order.
CREATE TABLE eventos_envelope (
  envelope_id  text COLLATE "C" NOT NULL REFERENCES envelopes ON DELETE CASCADE,
  sequencia    bigint GENERATED ALWAYS AS IDENTITY,
  tipo_evento  text NOT NULL,
  data_evento  timestamptz NOT NULL,
  autor        text NOT NULL,
  detalhe      jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (envelope_id, sequencia)
);

-- What a partner answered, stored before it is used. A retried job continues from what is here and fresh.
CREATE TABLE evidencias (
  envelope_id  text COLLATE "C" NOT NULL REFERENCES envelopes ON DELETE CASCADE,
  parceiro     text NOT NULL,
  consulta     text NOT NULL,
  recebida_em  timestamptz NOT NULL,
  hash_sha256  text NOT NULL,
  corpo        text NOT NULL,
  PRIMARY KEY (envelope_id, parceiro, consulta, recebida_em)
);

-- A second person's settlement of what was uncertain.
CREATE TABLE revisoes (
  revisao_id   text PRIMARY KEY,
  envelope_id  text COLLATE "C" NOT NULL REFERENCES envelopes ON DELETE CASCADE,
  autor        text NOT NULL,
  motivo       text NOT NULL,
  evidencia    text NOT NULL,
  acertos      jsonb NOT NULL,
  data_revisao timestamptz NOT NULL
);
CREATE INDEX revisoes_por_envelope ON revisoes (envelope_id, revisao_id);

-- Answers kept for 24 hours, so that a repeated POST is answered, not done again.
CREATE TABLE chaves_idempotencia (
  cliente_id   text NOT NULL,
  chave        text NOT NULL,
  hash_corpo   text NOT NULL,
  status_http  integer NOT NULL,
  local_http   text,
  resposta     text NOT NULL,
  expira_em    timestamptz NOT NULL,
  PRIMARY KEY (cliente_id, chave)
);
CREATE INDEX chaves_idempotencia_expiradas ON chaves_idempotencia (expira_em);

-- Messages to other systems: written in the transaction that they tell of, pulled or delivered after it.
-- `transacao` orders them for readers: a number drawn earlier may commit later, so a reader that paged on
-- `sequencia` alone would step over it. A reader sees only transactions older than every open one.
CREATE TABLE mensagens (
  mensagem_id  text PRIMARY KEY,
  transacao    xid8 NOT NULL DEFAULT pg_current_xact_id(),
  sequencia    bigint GENERATED ALWAYS AS IDENTITY,
  area_id      text NOT NULL,
  envelope_id  text COLLATE "C" NOT NULL,
  tipo         text NOT NULL,
  corpo        text NOT NULL,
  data_criacao timestamptz NOT NULL
);
CREATE INDEX mensagens_por_area ON mensagens (area_id, transacao, sequencia);
CREATE INDEX mensagens_em_ordem ON mensagens (transacao, sequencia);
CREATE INDEX mensagens_por_data ON mensagens (data_criacao);

CREATE TABLE entregas (
  mensagem_id        text NOT NULL REFERENCES mensagens ON DELETE CASCADE,
  canal              text NOT NULL CHECK (canal IN ('webhook', 'sqs')),
  destino            text NOT NULL,
  status_entrega     text NOT NULL DEFAULT 'pendente' CHECK (status_entrega IN ('pendente', 'entregue', 'morta')),
  tentativas         integer NOT NULL DEFAULT 0,
  ultimo_erro        text,
  data_entrega       timestamptz,
  PRIMARY KEY (mensagem_id, canal)
);
CREATE INDEX entregas_pendentes ON entregas (mensagem_id) WHERE status_entrega <> 'entregue';

-- The audit trail: appended only, sealed in batches by `selos_auditoria`.
CREATE TABLE trilha_auditoria (
  transacao    xid8 NOT NULL DEFAULT pg_current_xact_id(),
  sequencia    bigint GENERATED ALWAYS AS IDENTITY,
  quando       timestamptz NOT NULL,
  quem         text NOT NULL,
  acao         text NOT NULL,
  recurso      text NOT NULL,
  area_id      text,
  requisicao   text,
  detalhe      text NOT NULL DEFAULT '{}',
  PRIMARY KEY (transacao, sequencia)
);

CREATE TABLE selos_auditoria (
  lote          bigint PRIMARY KEY,
  transacao_fim xid8 NOT NULL,
  sequencia_fim bigint NOT NULL,
  registros     integer NOT NULL,
  hash_lote     text NOT NULL,
  hash_anterior text NOT NULL,
  selo          text NOT NULL,
  selado_em     timestamptz NOT NULL,
  publicado_em  timestamptz
);

CREATE FUNCTION recusar_alteracao() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER trilha_somente_acrescimo BEFORE UPDATE OR DELETE OR TRUNCATE ON trilha_auditoria
  FOR EACH STATEMENT EXECUTE FUNCTION recusar_alteracao();

-- The dimensions of the exported fact.
CREATE TABLE areas (
  area_id      text PRIMARY KEY,
  sigla_area   text NOT NULL,
  centro_custo text NOT NULL,
  nome_area    text NOT NULL
);
CREATE TABLE plataformas (
  plataforma_id   text PRIMARY KEY,
  nome_plataforma text NOT NULL,
  tipo_plataforma text NOT NULL
);
CREATE TABLE meios_assinatura (
  meio_assinatura_id text PRIMARY KEY,
  tipo_assinatura    text NOT NULL
);
CREATE TABLE status_envelope (
  status_envelope  text PRIMARY KEY,
  descricao_status text NOT NULL
);
INSERT INTO status_envelope VALUES
  ('rascunho', 'Ordem recebida, montagem ainda não iniciada'),
  ('em_processamento', 'Parceiros em consulta, ou à espera de parceiro ou de revisão'),
  ('concluido', 'Coro completo: a ordem pode ser assinada'),
  ('falha', 'Sem coro, cancelada ou não decidida no prazo');

-- Evidence past its legal term: the decided orders, oldest first.
CREATE INDEX envelopes_decididos ON envelopes (decidido_em) WHERE decidido_em IS NOT NULL;
