import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { openApiDocument } from './document.ts';
import { type Schema, typeOf, typesOf } from './types-of.ts';

/** Without what the formatter decides: blanks, brackets, a leading bar, the last semicolon. */
const plain = (text: string): string =>
  text
    .replaceAll(/[\s()]+/g, '')
    .replaceAll(/([=:<])\|/g, '$1')
    .replaceAll(/;\}/g, '}');

describe('the types of the API in the portal', () => {
  it('are those of the OpenAPI document (npm run api --workspace portal)', async () => {
    const written = await readFile(new URL('../src/api/openapi.ts', import.meta.url), 'utf8');
    const document = await openApiDocument();
    expect(plain(written)).toBe(plain(typesOf(document, (path) => path.startsWith('/v1/'))));
  });

  it.each<[Schema, string]>([
    [{ type: 'integer' }, 'number'],
    [{ type: ['string', 'null'] }, 'string | null'],
    [{ anyOf: [{ type: 'number' }, { type: 'integer' }, { type: 'null' }] }, 'number | null'],
    [{ enum: ['a', "it's", 1, null] }, "'a' | 'it\\'s' | 1 | null"],
    [{ const: 'x' }, "'x'"],
    [{ type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'number' }] } }, '(string | number)[]'],
    [{ type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }] }, '[string, number]'],
    [
      {
        type: 'object',
        properties: { a: { type: 'string' }, 'b-c': { type: 'boolean' } },
        required: ['a'],
      },
      "{ a: string; 'b-c'?: boolean }",
    ],
    [{ type: 'object', additionalProperties: { type: 'number' } }, 'Record<string, number>'],
    [{ type: 'object' }, 'Record<string, unknown>'],
    [{}, 'unknown'],
  ])('say %j', (schema, expected) => {
    expect(typeOf(schema)).toBe(expected);
  });

  it('name a schema by its title, once', () => {
    const one: Schema = { title: 'One', type: 'object', properties: { id: { type: 'string' } } };
    const named = new Map<string, string>();
    expect(typeOf({ type: 'array', items: one }, named)).toBe('(One)[]');
    expect(named.get('One')).toBe('{ id?: string }');
    expect(() => typeOf({ title: 'One', type: 'string' }, named)).toThrow('two that differ');
  });
});
