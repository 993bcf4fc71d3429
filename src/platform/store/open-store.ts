import { fileURLToPath } from 'node:url';
import { openDirectoryStore } from './directory.ts';
import { type LinkKeys, linkSigner } from './links.ts';
import { openMemoryStore } from './memory.ts';
import type { S3Options } from './s3.ts';
import type { OpenedStore } from './store.ts';

export type StoreDeps = {
  readonly s3?: S3Options;
  /** For links to a directory's objects, which our API serves at `baseUrl`. Absent: asking for one is an error. */
  readonly links?: LinkKeys & { readonly baseUrl: string };
};

/**
 * Opens the object store at `file:///folder`, `s3://bucket/prefix` or `memory:`.
 * @throws Error for any other URL
 */
export const openStore = async (url: string, deps: StoreDeps = {}): Promise<OpenedStore> => {
  if (url === 'memory:') return openMemoryStore();
  if (url.startsWith('file://')) {
    const store = await openDirectoryStore(fileURLToPath(url));
    const { links } = deps;
    const noLinks = async (): Promise<never> => {
      throw new Error(`links to ${store.url} need a link secret and the API's address; none were given`);
    };
    return { store, signedUrl: links ? linkSigner(links) : noLinks, close: async () => {} };
  }
  if (url.startsWith('s3://')) {
    if (!deps.s3) throw new Error(`opening ${url} needs a region; none was given`);
    // The AWS SDK takes a quarter of a second to load: only who uses S3 pays for it.
    const { openS3Store } = await import('./s3.ts');
    return openS3Store(url, deps.s3);
  }
  throw new Error(`expected an object store as file:///folder, s3://bucket/prefix or memory:, found ${url}`);
};
