import {
  DeleteObjectsCommand,
  GetBucketLifecycleConfigurationCommand,
  type LifecycleRule,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { UserError } from '../platform/cli.ts';
import { canonicalJson } from '../shared/canonical-json.ts';

export type BucketOptions = { readonly region: string; readonly endpoint?: string };

export type LifecycleRequest = {
  /** Keys of the archive's data files: `warehouse/ordens/ordens_arquivadas-1a2b3c4d/data/`. */
  readonly dataPrefix: string;
  /** Of the whole table: old metadata too. */
  readonly tablePrefix: string;
  /** Of issued reports. */
  readonly reportsPrefix: string;
  /** Age at which data files go to the colder class. */
  readonly coldDays: number;
  /** A class that is read at once: Iceberg readers do not wait for a restore. */
  readonly coldClass: 'GLACIER_IR' | 'STANDARD_IA';
  readonly noncurrentDays: number;
  readonly reportDays: number;
};

const ours = 'lastro-archive-';

/**
 * The rules: data files to a cold class with instant access, never expired (rows leave through Iceberg alone); versions
 * that were overwritten or deleted, and uploads that were broken off, removed; issued reports expired.
 */
export const lifecycleRules = (request: LifecycleRequest): LifecycleRule[] => [
  {
    ID: `${ours}cold`,
    Status: 'Enabled',
    // S3 would not move smaller objects by itself either; said, so that it stays so.
    Filter: { And: { Prefix: request.dataPrefix, ObjectSizeGreaterThan: 128 * 1024 } },
    Transitions: [{ Days: request.coldDays, StorageClass: request.coldClass }],
  },
  {
    ID: `${ours}noncurrent`,
    Status: 'Enabled',
    Filter: { Prefix: request.tablePrefix },
    NoncurrentVersionExpiration: { NoncurrentDays: request.noncurrentDays },
  },
  {
    ID: `${ours}uploads`,
    Status: 'Enabled',
    Filter: { Prefix: '' },
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
  },
  {
    ID: `${ours}reports`,
    Status: 'Enabled',
    Filter: { Prefix: request.reportsPrefix },
    Expiration: { Days: request.reportDays },
  },
];

/** Rules as one text, whatever the order of their members, and of the members that the service adds as undefined. */
const textOf = (rules: readonly LifecycleRule[]): string => canonicalJson(JSON.parse(JSON.stringify(rules)));

export type Bucket = {
  /** The bucket's rules as they would be: those of others stay, in their order, and ours are behind them. */
  readonly plannedRules: (
    rules: readonly LifecycleRule[],
  ) => Promise<{ rules: LifecycleRule[]; changed: boolean }>;
  readonly applyRules: (rules: readonly LifecycleRule[]) => Promise<void>;
  /** Removes all versions that are not the current one, and delete markers, under a prefix. Answers how many. */
  readonly purgeVersions: (prefix: string) => Promise<number>;
  readonly close: () => void;
};

/** @throws UserError for a store that is no bucket */
export const openBucket = (storeUrl: string, options: BucketOptions): Bucket => {
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(storeUrl);
  if (!match)
    throw new UserError(
      `expected an object store in S3, found ${storeUrl}: a directory has no lifecycle rules`,
    );
  const [, Bucket = '', path = ''] = match;
  const under = path === '' ? '' : `${path}/`;
  const client = new S3Client({
    region: options.region,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(options.endpoint ? { endpoint: options.endpoint, forcePathStyle: true } : {}),
  });
  const current = async (): Promise<LifecycleRule[]> => {
    try {
      return (await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).Rules ?? [];
    } catch (error) {
      if (error instanceof S3ServiceException && error.name === 'NoSuchLifecycleConfiguration') return [];
      throw error;
    }
  };
  const inBucket = (rule: LifecycleRule): LifecycleRule => {
    const { Filter } = rule;
    if (Filter?.And)
      return { ...rule, Filter: { And: { ...Filter.And, Prefix: `${under}${Filter.And.Prefix ?? ''}` } } };
    return { ...rule, Filter: { Prefix: `${under}${Filter?.Prefix ?? ''}` } };
  };
  const plannedRules: Bucket['plannedRules'] = async (rules) => {
    const before = await current();
    const others = before.filter(({ ID }) => !ID?.startsWith(ours));
    const planned = [...others, ...rules.map(inBucket)];
    return { rules: planned, changed: textOf(planned) !== textOf(before) };
  };
  return {
    plannedRules,
    // The API replaces the whole configuration, so the others' rules are sent back with ours.
    applyRules: async (rules) => {
      const { rules: planned } = await plannedRules(rules);
      await client.send(
        new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: planned } }),
      );
    },
    purgeVersions: (prefix) => purge(client, Bucket, `${under}${prefix}`),
    close: () => client.destroy(),
  };
};

const purge = async (client: S3Client, Bucket: string, Prefix: string): Promise<number> => {
  let [count, key, version]: [number, string | undefined, string | undefined] = [0, undefined, undefined];
  do {
    const page: {
      Versions?: { Key?: string; VersionId?: string; IsLatest?: boolean }[] | undefined;
      DeleteMarkers?: { Key?: string; VersionId?: string }[] | undefined;
      NextKeyMarker?: string | undefined;
      NextVersionIdMarker?: string | undefined;
      IsTruncated?: boolean | undefined;
    } = (await client.send(
      new ListObjectVersionsCommand({ Bucket, Prefix, KeyMarker: key, VersionIdMarker: version }),
    )) as never;
    const old = [...(page.Versions ?? []).filter(({ IsLatest }) => !IsLatest), ...(page.DeleteMarkers ?? [])];
    // A bucket without versioning lists its objects with the version "null", as the latest: none of them is touched.
    const Objects = old.flatMap(({ Key, VersionId }) =>
      Key !== undefined && VersionId !== undefined ? [{ Key, VersionId }] : [],
    );
    if (Objects.length > 0) {
      const { Errors = [] } = await client.send(
        new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }),
      );
      if (Errors[0])
        throw new Error(
          `a version of ${Errors[0].Key} could not be removed: ${Errors[0].Message ?? Errors[0].Code}`,
        );
    }
    count += Objects.length;
    [key, version] = page.IsTruncated
      ? [page.NextKeyMarker, page.NextVersionIdMarker]
      : [undefined, undefined];
  } while (key !== undefined);
  return count;
};
