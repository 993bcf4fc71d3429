import { readdirSync, statSync } from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { Client, type Dispatcher } from 'undici';

// The floor of reading many objects: bare GETs of all files under <folder> from <origin>/bucket by undici's dispatch in
// <threads> threads of <connections> connections each. Nothing is signed, checked or kept; what to ask for is known.
type Share = { readonly origin: string; readonly paths: readonly string[]; readonly connections: number };

const fetchAll = async ({ origin, paths, connections }: Share): Promise<void> => {
  let next = 0;
  const lane = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const client = new Client(origin);
      const ask = (): void => {
        const path = paths[next++];
        if (path !== undefined) client.dispatch({ path, method: 'GET' }, handler);
        else client.close().then(resolve, reject);
      };
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart: () => {},
        onResponseStart: (_, status) => {
          if (status !== 200) reject(new Error(`expected 200, found ${status}`));
        },
        onResponseData: () => {},
        onResponseEnd: ask,
        onResponseError: (_, error) => reject(error),
      };
      ask();
    });
  await Promise.all(Array.from({ length: connections }, lane));
};

if (isMainThread) {
  const [origin = '', folder = '', threads = '2', connections = '96'] = process.argv.slice(2);
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((key) => statSync(`${folder}/${key}`).isFile())
    .map((key) => `/bucket/${key.replaceAll('+', '%2B').replaceAll('=', '%3D')}`);
  for (let thread = 0; thread < Number(threads); thread++) {
    const share: Share = {
      origin,
      paths: paths.filter((_, index) => index % Number(threads) === thread),
      connections: Number(connections),
    };
    new Worker(new URL(import.meta.url), { workerData: share }).on('error', (error) => {
      throw error;
    });
  }
} else await fetchAll(workerData as Share);
