import { defineConfig } from 'vitest/config';

// A test's file name says what it needs: `x.test.ts` nothing, `x.pg.test.ts` PostgreSQL (embedded),
// `x.s3.test.ts` the local S3 stand-in. `x.crash.test.ts` and `x.peers.test.ts` are long or need foreign
// programs and have their own commands.
const everyday = [
  'src/**/*.test.ts',
  'sandbox/**/*.test.ts',
  'test/**/*.test.ts',
  'bench/**/*.test.ts',
  'portal/**/*.test.ts',
];
const apart = ['**/*.crash.test.ts', '**/*.peers.test.ts'];

const suite = process.env.LASTRO_TEST_SUITE ?? 'everyday';
const include =
  suite === 'crash' ? ['**/*.crash.test.ts'] : suite === 'peers' ? ['**/*.peers.test.ts'] : everyday;

export default defineConfig({
  test: {
    include,
    exclude: ['**/node_modules/**', ...(suite === 'everyday' ? apart : [])],
    globalSetup: ['test/services/postgres-setup.ts'],
    // Far more than any test needs: the limit is for tests that hang, not for machines that are busy.
    testTimeout: suite === 'everyday' ? 180_000 : 1_800_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
    reporters: process.env.CI === 'true' ? ['verbose'] : ['default'],
  },
});
