-- Reports on demand: requests, their queue, and where the finished file is.

CREATE TABLE relatorios (
  relatorio_id      text COLLATE "C" PRIMARY KEY,
  -- Whose it is: the token's client and subject. Nobody else learns that it is there.
  cliente_id        text NOT NULL,
  solicitante       text NOT NULL,
  origem            text NOT NULL CHECK (origem IN ('api', 'terminal')),
  finalidade        text NOT NULL CHECK (finalidade <> ''),
  pedido            jsonb NOT NULL,
  -- The rights that the file is made with: areas, clients, masking.
  visao             jsonb NOT NULL,
  -- Of client, request and rights: equal ones may share a file.
  impressao_digital text NOT NULL,
  -- Where the end is told: e-mail, callback.
  avisar            jsonb NOT NULL DEFAULT '{}',
  status_relatorio  text NOT NULL DEFAULT 'na_fila'
    CHECK (status_relatorio IN ('na_fila', 'em_andamento', 'concluido', 'falha', 'cancelado', 'expirado')),
  motivo_falha      text,
  mensagem_falha    text,
  -- Fencing token: raised by each claim, shown at the commit. The row is its own lease: one in `leases` would stay
  -- for ever, and a report ends.
  execucao          bigint NOT NULL DEFAULT 0,
  executor          text,
  prazo_execucao    timestamptz,
  tentativas        integer NOT NULL DEFAULT 0,
  nao_antes         timestamptz NOT NULL,
  linhas_feitas     bigint,
  linhas_previstas  bigint,
  linhas            bigint,
  bytes             bigint,
  hash_sha256       text,
  tipo_conteudo     text,
  objeto            text,
  snapshot_id       text,
  aproveitado_de    text COLLATE "C",
  downloads         integer NOT NULL DEFAULT 0,
  criado_em         timestamptz NOT NULL,
  iniciado_em       timestamptz,
  terminado_em      timestamptz,
  expira_em         timestamptz,
  aviso_lido_em     timestamptz,
  CHECK ((status_relatorio = 'falha') = (motivo_falha IS NOT NULL)),
  CHECK (status_relatorio <> 'em_andamento' OR (executor IS NOT NULL AND prazo_execucao IS NOT NULL)),
  -- Complete, or not done: whichever code writes it.
  CHECK (status_relatorio <> 'concluido' OR (objeto IS NOT NULL AND hash_sha256 IS NOT NULL AND bytes IS NOT NULL
    AND expira_em IS NOT NULL AND linhas IS NOT NULL AND linhas = linhas_previstas))
);
CREATE INDEX relatorios_por_dono ON relatorios (cliente_id, solicitante, relatorio_id DESC);
CREATE INDEX relatorios_por_dia ON relatorios (cliente_id, criado_em);
CREATE INDEX relatorios_abertos ON relatorios (cliente_id, relatorio_id)
  WHERE status_relatorio IN ('na_fila', 'em_andamento');
CREATE INDEX relatorios_aproveitaveis ON relatorios (impressao_digital, terminado_em)
  WHERE status_relatorio = 'concluido';
CREATE INDEX relatorios_a_expirar ON relatorios (expira_em) WHERE status_relatorio = 'concluido';
CREATE INDEX relatorios_por_objeto ON relatorios (objeto) WHERE status_relatorio = 'concluido';
CREATE INDEX relatorios_terminados ON relatorios (terminado_em) WHERE terminado_em IS NOT NULL;

-- When each client had its last turn in the queue.
CREATE TABLE vez_relatorios (
  cliente_id text PRIMARY KEY,
  ultima_vez timestamptz NOT NULL
);

-- Rights that the bank has withdrawn before the tokens that carry them expire. NULL: of every subject; every right.
CREATE TABLE direitos_retirados (
  retirada_id   text PRIMARY KEY,
  cliente_id    text NOT NULL,
  solicitante   text,
  tipo_direito  text CHECK (tipo_direito IN ('scope', 'area', 'client')),
  valor_direito text,
  motivo        text NOT NULL,
  retirado_por  text NOT NULL,
  retirado_em   timestamptz NOT NULL,
  devolvido_por text,
  devolvido_em  timestamptz,
  CHECK ((tipo_direito IS NULL) = (valor_direito IS NULL))
);
CREATE INDEX direitos_retirados_por_cliente ON direitos_retirados (cliente_id) WHERE devolvido_em IS NULL;

-- E-mail to be sent: written in the transaction that it tells of, sent by a job after it. The id is the Message-ID.
CREATE TABLE emails (
  email_id     text PRIMARY KEY,
  destinatario text NOT NULL,
  assunto      text NOT NULL,
  corpo        text NOT NULL,
  status_envio text NOT NULL DEFAULT 'pendente' CHECK (status_envio IN ('pendente', 'enviado', 'morto')),
  tentativas   integer NOT NULL DEFAULT 0,
  ultimo_erro  text,
  criado_em    timestamptz NOT NULL,
  enviado_em   timestamptz
);
CREATE INDEX emails_por_data ON emails (criado_em);

-- A message that is for one webhook alone has no area: nobody pulls it.
ALTER TABLE mensagens ALTER COLUMN area_id DROP NOT NULL;
