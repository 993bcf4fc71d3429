import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decide } from './engine.ts';
import { parseInput } from './input.ts';

const document = readFileSync(new URL('../../docs/quorum.md', import.meta.url), 'utf8');

/** Title, case and decision of each worked example of the document. */
const examples = [
  ...document.matchAll(
    /^### (.+)$[\s\S]*?^```json case\n([\s\S]*?)^```[\s\S]*?^```json decision\n([\s\S]*?)^```/gm,
  ),
].map(([, title = '', input = '', decision = '']) => ({ title, input, decision }));

describe('the worked examples of docs/quorum.md', () => {
  it('are ten', () => {
    expect(examples).toHaveLength(10);
  });

  it.each(examples)('$title', ({ input, decision }) => {
    const parsed = parseInput(input);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.violations));
    const decided: Record<string, unknown> = decide(parsed.input);
    const expected: Record<string, unknown> = JSON.parse(decision);
    for (const [field, value] of Object.entries(expected)) expect(decided[field], field).toEqual(value);
  });
});
