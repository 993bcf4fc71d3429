import { setImmediate } from 'node:timers/promises';
import { canonicalJson } from '../shared/canonical-json.ts';
import { readJsonText } from '../shared/json-text.ts';
import type { Violation } from './contract.ts';
import { decide } from './engine.ts';
import { parseInput } from './input.ts';

/** The answer to a request's body: RFC 8785 text, or why the body as a whole is none. */
export type BodyAnswer = { text: string } | { refused: Violation[] } | { unreadable: string };

const mostCases = 1_000;

/** Cases may take long together; other requests get their turn between two of them after this many ms. */
const turnMs = 10;

/**
 * A decision, or the decisions of a batch of at most 1,000 cases. Refused with all violations when the body is
 * neither.
 * @param isGone whether nobody waits for the answer any more: the rest of a batch is then left undecided.
 */
export const answerBody = async (body: Uint8Array, isGone: () => boolean): Promise<BodyAnswer> => {
  const text = textOf(body);
  if (text === undefined) return { unreadable: 'The body is not UTF-8.' };
  const { value, violations, readable } = readJsonText(text);
  if (!readable) return { refused: violations };
  if (isBatch(value)) return decideBatch(value, violations, isGone);
  return decideCase(value, violations);
};

/** Replacing bad bytes, as decoders do by default, would give two different bodies one hash. */
const textOf = (body: Uint8Array): string | undefined => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return undefined;
  }
};

const isBatch = (value: unknown): value is { cases: unknown } =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, 'cases');

const decideBatch = async (
  batch: { cases: unknown },
  read: readonly Violation[],
  isGone: () => boolean,
): Promise<BodyAnswer> => {
  const { cases } = batch;
  const { outside, byCase } = sortByCase(read);
  const refused = [...outside, ...violationsOf(batch)];
  if (!Array.isArray(cases) || refused.length > 0) return { refused };
  const answers: string[] = [];
  let turnEnds = performance.now() + turnMs;
  for (const [index, input] of cases.entries()) {
    if (isGone()) break;
    const answer = decideCase(input, byCase.get(index) ?? []);
    answers.push('text' in answer ? answer.text : canonicalJson({ error: { violations: answer.refused } }));
    if (performance.now() < turnEnds) continue;
    await setImmediate();
    turnEnds = performance.now() + turnMs;
  }
  return { text: `{"decisions":[${answers.join(',')}]}` };
};

const violationsOf = (batch: { cases: unknown }): Violation[] => {
  const violations: Violation[] = [];
  for (const key of Object.keys(batch))
    if (key !== 'cases')
      violations.push({ pointer: `/${key}`, message: 'expected only "cases" in a batch, found another key' });
  const { cases } = batch;
  if (!Array.isArray(cases)) violations.push({ pointer: '/cases', message: 'expected an array of inputs' });
  else if (cases.length > mostCases)
    violations.push({
      pointer: '/cases',
      message: `expected at most ${mostCases} cases, found ${cases.length}`,
    });
  return violations;
};

/** What the reading of the text found: of the batch itself, and inside each case, with pointers that start there. */
const sortByCase = (
  read: readonly Violation[],
): { outside: Violation[]; byCase: ReadonlyMap<number, Violation[]> } => {
  const outside: Violation[] = [];
  const byCase = new Map<number, Violation[]>();
  for (const { pointer, message } of read) {
    const [, index, inside = ''] = /^\/cases\/(\d+)(\/.*)$/s.exec(pointer) ?? [];
    if (index === undefined) {
      outside.push({ pointer, message });
      continue;
    }
    const own = byCase.get(Number(index)) ?? [];
    own.push({ pointer: inside, message });
    byCase.set(Number(index), own);
  }
  return { outside, byCase };
};

/** @param read what the reading of the text found wrong in it already. */
const decideCase = (input: unknown, read: Violation[]): { text: string } | { refused: Violation[] } => {
  // A string is a case's JSON text to the parser, but here it is a case that is no object.
  const parsed = parseInput(typeof input === 'string' ? JSON.stringify(input) : input);
  if (parsed.ok && read.length === 0) return { text: canonicalJson(decide(parsed.input)) };
  return { refused: [...read, ...(parsed.ok ? [] : parsed.violations)] };
};
