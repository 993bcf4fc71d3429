import { readFileSync } from 'node:fs';

/** The lines of a file in `fixtures/`, each cut at its tabs. */
export const fixture = (name: string): string[][] =>
  readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
