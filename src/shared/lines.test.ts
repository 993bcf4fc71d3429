import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { linesOf } from './lines.ts';

const read = async (...chunks: string[]): Promise<string[]> => {
  const lines: string[] = [];
  for await (const line of linesOf(Readable.from(chunks.map((chunk) => Buffer.from(chunk))))) {
    lines.push(Buffer.from(line).toString('utf8'));
  }
  return lines;
};

describe('lines of a stream', () => {
  it('gives the lines however the chunks cut them, and a last one without line feed', async () => {
    expect(await read('a\nbc\n', 'd')).toEqual(['a', 'bc', 'd']);
    expect(await read('a', 'b', 'c\nd', '\n')).toEqual(['abc', 'd']);
    expect(await read('\n\n')).toEqual(['', '']);
    expect(await read()).toEqual([]);
  });

  it('does not tear characters apart', async () => {
    const bytes = Buffer.from('é\u{1f600}\n');
    const lines: string[] = [];
    for await (const line of linesOf(Readable.from([...bytes].map((byte) => Buffer.from([byte]))))) {
      lines.push(Buffer.from(line).toString('utf8'));
    }
    expect(lines).toEqual(['é\u{1f600}']);
  });
});
