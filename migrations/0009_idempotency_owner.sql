-- An idempotency key belongs to its client and, where the client's token speaks for a person, to that person: then
-- `cliente_id` is both, with a line end between. The form of the table stays, for processes of before run on beside
-- newer ones. Keys that are there belong to who made what they answered.
COMMENT ON COLUMN chaves_idempotencia.cliente_id IS 'client; or client, line end, subject, where they differ';

UPDATE chaves_idempotencia k SET cliente_id = k.cliente_id || E'\n' || e.criado_por
FROM envelopes e
WHERE position(E'\n' IN k.cliente_id) = 0 AND k.local_http LIKE '/v1/orders/%'
  AND e.envelope_id = substr(k.local_http, 12) COLLATE "C" AND e.criado_por <> k.cliente_id;

UPDATE chaves_idempotencia k SET cliente_id = k.cliente_id || E'\n' || r.solicitante
FROM relatorios r
WHERE position(E'\n' IN k.cliente_id) = 0 AND k.local_http LIKE '/v1/reports/%'
  AND r.relatorio_id = substr(k.local_http, 13) COLLATE "C" AND r.solicitante <> k.cliente_id;
