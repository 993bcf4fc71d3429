import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

// A bucket over <folder>, each answer after <latency> ms: LIST in pages and GET, nothing else. Objects lie in memory with
// their headers, so that an answer costs what node:http costs. Prints its port.
const [folder = '', latency = '10'] = process.argv.slice(2);
const page = 1_000;

type Stored = {
  readonly key: string;
  readonly body: Buffer;
  readonly head: string[];
  readonly listed: string;
};

const objects = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((key) => statSync(`${folder}/${key}`).isFile())
  .sort()
  .map((key): Stored => {
    const body = readFileSync(`${folder}/${key}`);
    const etag = createHash('md5').update(body).digest('hex');
    const head = [
      'ETag',
      `"${etag}"`,
      'Content-Type',
      'binary/octet-stream',
      'Content-Length',
      String(body.length),
    ];
    const listed = `<Contents><Key>${key}</Key><Size>${body.length}</Size><ETag>&quot;${etag}&quot;</ETag><LastModified>2026-11-21T00:00:00.000Z</LastModified><StorageClass>STANDARD</StorageClass></Contents>`;
    return { key, body, head, listed };
  });
/** By the path that a GET asks for: `+` and `=` are the only characters of these keys that are encoded. */
const encoded = (key: string): string => `/bucket/${key.replaceAll('+', '%2B').replaceAll('=', '%3D')}`;
const byPath = new Map(objects.map((object) => [encoded(object.key), object]));

/** What a listing shows, in order: each made once. */
const shown = new Map<string, string[]>();
const entriesOf = (prefix: string, delimiter: string | null): string[] => {
  const name = `${delimiter ?? ''} ${prefix}`;
  let entries = shown.get(name);
  if (!entries) {
    const found = new Set<string>();
    for (const { key, listed } of objects) {
      if (!key.startsWith(prefix)) continue;
      const slash = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length);
      const folder = `<CommonPrefixes><Prefix>${key.slice(0, slash + 1)}</Prefix></CommonPrefixes>`;
      found.add(slash < 0 ? listed : folder);
    }
    entries = [...found];
    shown.set(name, entries);
  }
  return entries;
};

const listing = (query: URLSearchParams): string => {
  const from = Number(query.get('continuation-token') ?? 0);
  const entries = entriesOf(query.get('prefix') ?? '', query.get('delimiter'));
  const more = from + page < entries.length;
  const token = more ? `<NextContinuationToken>${from + page}</NextContinuationToken>` : '';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>${more}</IsTruncated>${token}${entries.slice(from, from + page).join('')}</ListBucketResult>`;
};

const answer = (path: string, response: ServerResponse): void => {
  const object = byPath.get(path);
  if (object) response.writeHead(200, object.head).end(object.body);
  else if (path.includes('list-type=2')) response.end(listing(new URL(path, 'http://stand-in').searchParams));
  else response.writeHead(404).end();
};

const server = createServer((request, response) => {
  setTimeout(answer, Number(latency), request.url ?? '/', response);
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
