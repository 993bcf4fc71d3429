import { createServer } from 'node:http';

// A local API for bench/pipelines.ts: pages of records by offset. Prints its address when it is ready.

const record = (id: number): string =>
  `{"id":${id},"data":"2024-01-${String(1 + (id % 28)).padStart(2, '0')}","conta":"c${id % 9973}","valor":${((id % 100_000) / 100 + 0.01).toFixed(2)},"moeda":"BRL","descricao":"lancamento ${id}"}`;

const server = createServer((request, response) => {
  const { searchParams } = new URL(request.url ?? '', 'http://x');
  const [offset, limit, total] = ['offset', 'limit', 'total'].map((name) => Number(searchParams.get(name)));
  const rows: string[] = [];
  const end = Math.min((offset ?? 0) + (limit ?? 0), total ?? 0);
  for (let id = offset ?? 0; id < end; id++) rows.push(record(id));
  const body = `{"items":[${rows.join(',')}]}`;
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${JSON.stringify({ port: typeof address === 'object' ? address?.port : 0 })}\n`);
});
