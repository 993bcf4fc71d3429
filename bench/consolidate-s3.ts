import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

// A bucket over <folder>, each answer after <latency> ms: LIST in pages and GET, nothing else. Objects lie in memory.
const [folder = '', latency = '10'] = process.argv.slice(2);
const keys = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((key) => statSync(`${folder}/${key}`).isFile())
  .sort();
const objects = new Map(keys.map((key) => [`/bucket/${key}`, readFileSync(`${folder}/${key}`)]));
const page = 1_000;

const listing = (from: number): string => {
  const contents = keys.slice(from, from + page).map((key) => {
    const size = objects.get(`/bucket/${key}`)?.length ?? 0;
    return `<Contents><Key>${key}</Key><Size>${size}</Size><ETag>"${size}-${key.length}"</ETag><LastModified>2026-11-21T00:00:00Z</LastModified></Contents>`;
  });
  const more = from + page < keys.length;
  const token = more ? `<NextContinuationToken>${from + page}</NextContinuationToken>` : '';
  return `<ListBucketResult><IsTruncated>${more}</IsTruncated>${token}${contents.join('')}</ListBucketResult>`;
};

const server = createServer(async (request, response) => {
  const url = new URL(request.url ?? '/', 'http://stand-in');
  await sleep(Number(latency));
  if (url.searchParams.has('list-type')) {
    return response.end(listing(Number(url.searchParams.get('continuation-token') ?? 0)));
  }
  const object = objects.get(decodeURIComponent(url.pathname));
  return object ? response.end(object) : response.writeHead(404).end();
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
