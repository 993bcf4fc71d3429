import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';

// A process that holds on to the embedded PostgreSQL of the home in its first argument until SIGTERM.
// Prints one JSON line when it has it, or the error and exit code 1.
const home = process.argv[2] ?? '';
try {
  const server = await startEmbeddedPostgres({ home, durable: false });
  process.once('SIGTERM', () => void server.stop().then(() => process.exit(0)));
  process.stdout.write(`${JSON.stringify({ url: server.url, reused: server.reused })}\n`);
  setInterval(() => {}, 60_000);
} catch (error) {
  process.stdout.write(
    `${JSON.stringify({ error: error instanceof Error ? error.message : String(error) })}\n`,
  );
  process.exit(1);
}
