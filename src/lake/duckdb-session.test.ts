import { join } from 'node:path';
import { expect, it } from 'vitest';
import { allRows, openDuckDb, quoteText } from './duckdb-session.ts';

it('describes a file that is written again under its name, with as many bytes in the same second, as it is now', async () => {
  const session = await openDuckDb();
  try {
    const file = quoteText(join(session.folder, 'again.parquet'));
    for (let value = 10; value < 30; value++) {
      await session.connection.run(`COPY (SELECT '${value}' AS a) TO ${file} (FORMAT parquet)`);
      const rows = await allRows(
        session.connection,
        `SELECT stats_min_value AS least FROM parquet_metadata(${file})`,
      );
      expect(rows).toEqual([{ least: String(value) }]);
    }
  } finally {
    await session.close();
  }
});
