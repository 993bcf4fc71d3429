import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBScalarFunction,
  type DuckDBVector,
  INTEGER,
  VARCHAR,
} from '@duckdb/node-api';
import { murmur3 } from './murmur3.ts';
import type { Type } from './schema.ts';
import { bucketFunction, hashInput } from './transforms.ts';
import { parseValue } from './values.ts';

/**
 * Adds `lastro_bucket(type, text, n)` to a connection: Iceberg's bucket transform, which DuckDB has not. The value
 * comes as DuckDB's own text of it, so that one function serves every type; distinct values only are worth sending.
 */
export const registerBucket = (connection: DuckDBConnection): void => {
  connection.registerScalarFunction(
    DuckDBScalarFunction.create({
      name: bucketFunction,
      parameterTypes: [VARCHAR, VARCHAR, INTEGER],
      returnType: INTEGER,
      mainFunction: (_info, input: DuckDBDataChunk, output: DuckDBVector) => {
        const [types, texts, counts] = [0, 1, 2].map((column) => input.getColumnValues(column));
        for (let row = 0; row < input.rowCount; row++) {
          if (texts?.[row] === null || texts?.[row] === undefined) {
            output.setItem(row, null);
            continue;
          }
          const [type, text, count] = [types?.[row] as Type, String(texts[row]), Number(counts?.[row])];
          const value = parseValue(type, text);
          if (value === null)
            throw new Error(`bucket: ${JSON.stringify(text)} is not a value of type ${String(type)}`);
          output.setItem(row, (murmur3(hashInput(type, value)) & 0x7fffffff) % count);
        }
        output.flush();
      },
    }),
  );
};
