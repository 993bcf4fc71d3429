import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBScalarFunction,
  type DuckDBVector,
  VARCHAR,
} from '@duckdb/node-api';
import { maskCpf, maskText } from '../shared/mask.ts';
import { exactJsonFunction } from './masking.ts';

export type ExactJson = {
  readonly masked: boolean;
  /** Stands before the digits of a number that became a text. Random, so that no document can contain it. */
  readonly marker: string;
};

const tokens = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/gs;

/**
 * JSON text with the same values, masked where asked, in which each number that a double would change stands as the
 * text of its digits behind the marker. Names of members are masked too: a map may be keyed by CPF.
 */
export const exactJson = (json: string, { masked, marker }: ExactJson): string =>
  json.replace(tokens, (token) => {
    if (token.startsWith('"')) return masked ? maskedString(token) : token;
    if (masked && /^\d{11}$/.test(token)) return `"${maskCpf(token)}"`;
    return token.length > 15 || /[eE]/.test(token) || String(Number(token)) !== token
      ? `"${marker}${token}"`
      : token;
  });

const maskedString = (token: string): string => {
  const text: unknown = JSON.parse(token);
  const masked = maskText(String(text));
  return masked === text ? token : JSON.stringify(masked);
};

/** Adds `lastro_exact_json(text)` to a connection. */
export const registerExactJson = (connection: DuckDBConnection, how: ExactJson): void => {
  connection.registerScalarFunction(
    DuckDBScalarFunction.create({
      name: exactJsonFunction,
      parameterTypes: [VARCHAR],
      returnType: VARCHAR,
      mainFunction: (_info, input: DuckDBDataChunk, output: DuckDBVector) => {
        const texts = input.getColumnValues(0);
        for (let row = 0; row < input.rowCount; row++) {
          const text = texts[row];
          output.setItem(row, typeof text === 'string' ? exactJson(text, how) : null);
        }
        output.flush();
      },
    }),
  );
};

/** JSON text with the marked numbers as numbers again. */
export const unmarkedJson = (json: string, marker: string): string =>
  `CASE WHEN contains(${json}, '${marker}') THEN regexp_replace(${json}, '"${marker}([0-9.eE+-]+)"', '\\1', 'g') ELSE ${json} END`;

/** A member that was taken out of a document as text: a text or a number, or a list that may have numbers in it. */
export const unmarkedText = (text: string, marker: string): string =>
  `CASE WHEN starts_with(${text}, '${marker}') THEN substr(${text}, ${marker.length + 1}) ELSE ${unmarkedJson(text, marker)} END`;
