import { parseArgs } from 'node:util';
import { startSandbox } from './sandbox.ts';

/**
 * The sandbox as a process of its own: `node sandbox/main.ts --port 8081 --home .lastro [--latency-ms 20]`.
 * Writes one line of JSON with its addresses to standard output when it listens, and sends the same to a
 * parent that forked it. Ends on SIGINT, SIGTERM and when that parent is gone.
 */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8081' },
    host: { type: 'string', default: '127.0.0.1' },
    home: { type: 'string', default: './.lastro' },
    seed: { type: 'string' },
    companies: { type: 'string', default: '1000' },
    'latency-ms': { type: 'string', default: '0' },
  },
});

const sandbox = await startSandbox({
  port: Number(values.port),
  host: values.host,
  home: values.home,
  ...(values.seed !== undefined && { seed: Number(values.seed) }),
  companies: Number(values.companies),
  latencyMs: Number(values['latency-ms']),
}).catch((error: unknown) => {
  process.stderr.write(`lastro sandbox: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});

const stop = (): void => {
  void sandbox.close().then(() => process.exit(0));
};
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
// A parent killed for good can't send a signal; its end of the channel closes.
process.once('disconnect', stop);

const addresses = { url: sandbox.url, issuer: sandbox.issuer, smtp: sandbox.smtp };
process.send?.(addresses);
process.stdout.write(`${JSON.stringify(addresses)}\n`);
