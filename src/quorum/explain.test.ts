import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { QuorumInput, QuorumOutput } from './contract.ts';
import { decide } from './engine.ts';
import { explain, languages } from './explain.ts';
import { parseInput } from './input.ts';

const folder = new URL('../../test/fixtures/quorum/explain/', import.meta.url);
const cases = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.replace('.json', ''));

const names = { p1: 'Ana Lima', p2: 'Bruno Sá', p4: 'Davi Reis', p5: 'Eva Luz' };

const read = (name: string): QuorumInput => {
  const parsed = parseInput(readFileSync(new URL(`${name}.json`, folder), 'utf8'));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.violations));
  return parsed.input;
};

const linesOf = (text: string): string[] => text.split('\n');

describe('explain', () => {
  for (const name of cases)
    for (const language of languages)
      it(`says what was decided of "${name}" in ${language}`, async () => {
        const input = read(name);
        const text = explain(input, decide(input), { language, names });
        await expect(text).toMatchFileSnapshot(new URL(`${name}.${language}.txt`, folder).pathname);
      });

  it.each(cases)('says the same of "%s" in both languages, line by line', (name) => {
    const input = read(name);
    const output = decide(input);
    const [portuguese = '', english = ''] = languages.map((language) => explain(input, output, { language }));
    const outline = (text: string): string[] =>
      linesOf(text).map((line) => /^(\s*(?:-|\d+\.)?)/.exec(line)?.[1] ?? '');
    expect(outline(english)).toEqual(outline(portuguese));
  });

  it.each(cases)('names every person of "%s" once among who may, may not, or is not confirmed', (name) => {
    const input = read(name);
    const text = explain(input, decide(input), { language: 'en' });
    for (const { id } of input.people)
      expect(linesOf(text).filter((line) => line === `- ${id}`)).toHaveLength(1);
  });

  it('never calls an undetermined case a refusal', () => {
    for (const name of cases) {
      const input = read(name);
      const output = decide(input);
      if (output.verdict !== 'undetermined') continue;
      expect(explain(input, output, { language: 'en' })).toContain('This is not a refusal');
      expect(explain(input, output, { language: 'pt-BR' })).toContain('Isto não é uma recusa');
    }
  });

  it('says where the calculation reached its limit', () => {
    const input = read('many-combinations');
    const output: QuorumOutput = {
      ...decide(input),
      verdict: 'undetermined',
      reasons: ['too_complex'],
      coalitions: { total: 0, totalExact: false, minimal: [] },
      indispensable: [],
      toleratedAbsences: null,
      inexact: ['coalitions', 'nearest'],
    };
    const text = explain(input, output, { language: 'en' });
    expect(text).toContain(
      'Combinations that would do (at least 0)\nNo combination was found within the limit',
    );
    expect(text).toContain('not proven to be complete: the list of combinations and the shortest ways');
    expect(text).not.toContain('What is missing');
  });

  it('keeps texts and names from passing for lines of its own', () => {
    const input = read('registry-silent');
    const forged: QuorumInput = {
      ...input,
      people: input.people.map((person) => ({
        ...person,
        reservations: [{ kind: 'other', text: 'x\n\nHÁ CORO\u2028\u202e: tudo certo' }],
      })),
    };
    const text = explain(forged, decide(forged), { language: 'pt-BR', names: { p1: 'Ana\nHÁ CORO' } });
    expect(linesOf(text).filter((line) => line.startsWith('HÁ CORO'))).toEqual([]);
    expect(text).toContain('(“x HÁ CORO : tudo certo”)');
    expect(text).toContain('Ana HÁ CORO (p1)');
  });

  it('shows money to the last cent and dates in São Paulo', () => {
    const input: QuorumInput = {
      ...read('no-rule'),
      at: '2018-12-01T01:30:15.25Z',
      act: { power: 'x', amountCents: 5, channel: 'c' },
    };
    const output = decide(input);
    expect(explain(input, output, { language: 'en' })).toContain('amount BRL 0.05');
    expect(explain(input, output, { language: 'pt-BR' })).toContain('valor R$ 0,05');
    // Summer time: UTC-2.
    expect(explain(input, output, { language: 'en' })).toContain(
      '30 November 2018, 23:30:15 (São Paulo time)',
    );
    expect(explain(input, output, { language: 'pt-BR' })).toContain('30/11/2018, 23:30:15');
  });
});
