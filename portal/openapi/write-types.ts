import { writeFile } from 'node:fs/promises';
import { openApiDocument } from './document.ts';
import { typesOf } from './types-of.ts';

const target = new URL('../src/api/openapi.ts', import.meta.url);
await writeFile(
  target,
  typesOf(await openApiDocument(), (path) => path.startsWith('/v1/')),
);
