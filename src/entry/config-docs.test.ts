import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../platform/config.ts';
import { configurationDocs, effectiveSettings } from './config-docs.ts';

describe('docs/configuration.md', () => {
  it('is what the list of settings says (npx lastro config docs > docs/configuration.md)', async () => {
    const written = await readFile(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    expect(written).toBe(configurationDocs());
  });

  it('tells each kind of value and its default', () => {
    const docs = configurationDocs();
    expect(docs).toContain('| integer, 0 to 65535 | `8080` |');
    expect(docs).toContain('| integer, 1 or more |');
    expect(docs).toContain('a URL with postgres:// or postgresql:// (secret) | – |');
    expect(docs).toContain('| `0`, `1`, `true`, `false` | `false` |');
  });
});

describe('effectiveSettings', () => {
  it('hides secrets and says where a value came from', () => {
    const env = {
      DATABASE_URL: 'postgres://lastro:hush@db/lastro',
      LASTRO_PORT: '9090',
      LASTRO_HOST: '',
      PARTNERS_URL: 'http://me:pss@x/',
    };
    const rows = effectiveSettings(parseConfig(env), env);
    expect(JSON.stringify(rows)).not.toMatch(/hush|pss/);
    const of = (name: string) => rows.find((row) => row.name === name);
    expect(of('DATABASE_URL')).toEqual({ name: 'DATABASE_URL', value: '(hidden)', source: 'environment' });
    expect(of('LASTRO_PORT')).toEqual({ name: 'LASTRO_PORT', value: '9090', source: 'environment' });
    expect(of('LASTRO_HOST')).toEqual({ name: 'LASTRO_HOST', value: '127.0.0.1', source: 'default' });
    expect(of('REDIS_URL')).toEqual({ name: 'REDIS_URL', value: null, source: 'unset' });
  });
});
