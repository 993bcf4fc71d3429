import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bucket, lifecycleRules, openBucket } from './bucket.ts';

/** The two parts of S3's API that the stand-ins of this machine lack: lifecycle rules and versions. */
let server: Server;
let bucket: Bucket;
let config: string | undefined;
const deleted: string[] = [];

const versions = `<ListVersionsResult><IsTruncated>false</IsTruncated>
<Version><Key>lake/w/a.parquet</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest></Version>
<Version><Key>lake/w/a.parquet</Key><VersionId>v1</VersionId><IsLatest>false</IsLatest></Version>
<DeleteMarker><Key>lake/w/b.parquet</Key><VersionId>m1</VersionId><IsLatest>true</IsLatest></DeleteMarker>
<Version><Key>lake/w/b.parquet</Key><VersionId>v1</VersionId><IsLatest>false</IsLatest></Version></ListVersionsResult>`;

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://s3');
      response.setHeader('content-type', 'application/xml');
      if (url.searchParams.has('versions')) return response.end(versions);
      if (url.searchParams.has('delete')) {
        deleted.push(
          ...[...body.matchAll(/<Key>(.*?)<\/Key><VersionId>(.*?)<\/VersionId>/g)].map(
            (each) => `${each[1]} ${each[2]}`,
          ),
        );
        return response.end('<DeleteResult/>');
      }
      if (request.method === 'PUT') {
        config = body;
        return response.end();
      }
      response.statusCode = config === undefined ? 404 : 200;
      return response.end(config ?? '<Error><Code>NoSuchLifecycleConfiguration</Code></Error>');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  bucket = openBucket('s3://banco/lake', { region: 'sa-east-1', endpoint });
});
afterAll(async () => {
  bucket.close();
  await new Promise((resolve) => server.close(resolve));
});

const rules = lifecycleRules({
  ...{
    dataPrefix: 'warehouse/ordens/x/data/',
    tablePrefix: 'warehouse/ordens/x/',
    reportsPrefix: 'reports/',
  },
  ...{ coldDays: 30, coldClass: 'GLACIER_IR', noncurrentDays: 15, reportDays: 90 },
});

describe("a bucket's rules", () => {
  it('are set beside those of others, and the second time nothing changes', async () => {
    config = `<LifecycleConfiguration><Rule><ID>theirs</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>9</Days></Expiration></Rule></LifecycleConfiguration>`;
    expect((await bucket.plannedRules(rules)).changed).toBe(true);
    await bucket.applyRules(rules);
    expect(config).toContain('<ID>theirs</ID>');
    const { rules: planned, changed } = await bucket.plannedRules(rules);
    expect(planned.map(({ ID }) => ID)).toEqual([
      'theirs',
      'lastro-archive-cold',
      'lastro-archive-noncurrent',
      'lastro-archive-uploads',
      'lastro-archive-reports',
    ]);
    expect(changed).toBe(false);
  });

  it('never expire data files, and leave objects too small for the cold class where they are', async () => {
    config = undefined;
    const { rules: planned } = await bucket.plannedRules(rules);
    for (const rule of planned) {
      const prefix = rule.Filter?.And?.Prefix ?? rule.Filter?.Prefix ?? '';
      if ('lake/warehouse/ordens/x/data/'.startsWith(prefix)) expect(rule.Expiration).toBeUndefined();
    }
    expect(planned[0]).toMatchObject({
      Filter: { And: { Prefix: 'lake/warehouse/ordens/x/data/', ObjectSizeGreaterThan: 131_072 } },
      Transitions: [{ Days: 30, StorageClass: 'GLACIER_IR' }],
    });
  });

  it('are not for a directory', () => {
    expect(() => openBucket('file:///x', { region: 'r' })).toThrow(/expected an object store in S3/);
  });
});

describe('erasure in a bucket with versions', () => {
  it('removes every version that is not the current one, and delete markers', async () => {
    expect(await bucket.purgeVersions('w/')).toBe(3);
    expect(deleted.sort()).toEqual(['lake/w/a.parquet v1', 'lake/w/b.parquet m1', 'lake/w/b.parquet v1']);
  });
});
