import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

export type Spark = {
  /** Runs one statement; rows as JSON objects. Tables are `lastro.namespace.name`. */
  readonly sql: (statement: string) => Promise<Record<string, unknown>[]>;
  readonly close: () => Promise<void>;
};

/** Packages that Spark reaches into on Java 17, as its own launcher opens them. */
const opened = [
  'java.base/java.lang',
  'java.base/java.lang.invoke',
  'java.base/java.lang.reflect',
  'java.base/java.io',
  'java.base/java.net',
  'java.base/java.nio',
  'java.base/java.util',
  'java.base/java.util.concurrent',
  'java.base/java.util.concurrent.atomic',
  'java.base/sun.nio.ch',
  'java.base/sun.nio.cs',
  'java.base/sun.security.action',
  'java.base/sun.util.calendar',
];

/** A local Spark with Iceberg on the same JDBC catalog; its jars are fetched by Maven at the first use (Java 17). */
export const openSpark = async (databaseUrl: string, warehouse: string): Promise<Spark> => {
  const folder = join(tmpdir(), 'lastro-peers', 'spark-3.5.6-iceberg-1.9.2');
  const file = (name: string): string => fileURLToPath(new URL(`../peers/${name}`, import.meta.url));
  const isThere = await access(join(folder, 'installed')).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    await mkdir(folder, { recursive: true });
    const goal = [
      '-q',
      '-B',
      '-f',
      file('spark-pom.xml'),
      'dependency:copy-dependencies',
      `-DoutputDirectory=${folder}`,
    ];
    await run('mvn', goal);
    await run('touch', [join(folder, 'installed')]);
  }
  const url = new URL(databaseUrl);
  const jdbc = `jdbc:postgresql://${url.host}${url.pathname}`;
  const [user, password] = [url.username, url.password].map(decodeURIComponent);
  const flags = opened.flatMap((name) => ['--add-opens', `${name}=ALL-UNNAMED`]);
  const call = [
    '-Xmx1g',
    ...flags,
    '-cp',
    `${folder}/*`,
    file('SparkPeer.java'),
    jdbc,
    user ?? '',
    password ?? '',
    warehouse,
  ];
  const child = spawn('java', call, { stdio: ['pipe', 'pipe', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-20_000);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    sql: async (statement) => {
      child.stdin.write(`${statement.replaceAll('\n', ' ')}\n`);
      for (let next = await lines.next(); !next.done; next = await lines.next()) {
        if (next.value.startsWith('ROWS ')) return JSON.parse(next.value.slice(5));
        if (next.value.startsWith('ERROR ')) throw new Error(`Spark: ${next.value.slice(6)}`);
      }
      throw new Error(`Spark ended:\n${log}`);
    },
    close: async () => {
      if (child.exitCode !== null) return;
      child.stdin.end();
      await once(child, 'exit');
    },
  };
};
