import { describe, expect, it } from 'vitest';
import { resolveTable } from './table-names.ts';

const names = ['ordens.ordens_arquivadas', 'kconnect.events', 'other.events', 'a.b.Ordens', 'a.b.ordens'];
const resolve = (namespace: string, table: string): string => resolveTable(names, { namespace, table });

describe('the table that a query means', () => {
  it('goes by namespace and name, without case where that is clear', () => {
    expect(resolve('kconnect', 'events')).toBe('kconnect.events');
    expect(resolve('KConnect', 'EVENTS')).toBe('kconnect.events');
    expect(resolve('a.b', 'Ordens')).toBe('a.b.Ordens');
    expect(() => resolve('a.b', 'ORDENS')).toThrow('is not clear: found a.b.Ordens, a.b.ordens');
  });

  it('takes a name alone where one table has it, and says which there are where several have it', () => {
    expect(resolve('', 'ordens_arquivadas')).toBe('ordens.ordens_arquivadas');
    expect(resolve('', 'Ordens_Arquivadas')).toBe('ordens.ordens_arquivadas');
    expect(resolve('', 'ordens')).toBe('a.b.ordens');
    expect(() => resolve('', 'events')).toThrow('found kconnect.events, other.events; write one of these');
  });

  it.each([
    ['', 'nothing', '`lastro tables` lists them'],
    ['', '/etc/passwd', 'found none named /etc/passwd'],
    ['', 'https://example.com/x.parquet', 'found none named'],
    ['main', 'sqlite_master', 'found none named'],
    ['x', 'events', 'did you mean kconnect.events, other.events?'],
  ])('%s %s is refused', (namespace, table, message) => {
    expect(() => resolve(namespace, table)).toThrow(message);
  });
});
