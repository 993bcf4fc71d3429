import { isUtf8 } from 'node:buffer';
import { readJsonText } from '../shared/json-text.ts';
import { mostViolations, Problem } from './problem.ts';

/** Deeper than any honest body, and far from where a walk over it would run out of stack. */
export const deepestBody = 64;

/**
 * Reads the body of a request. Stricter than `JSON.parse`, which takes the last of two members with one name, rounds
 * 1.00000000000000000001 to 1 and, after a decoder that replaces bad bytes, reads what nobody sent: two readers of such
 * a body may see two different orders. No text of the body is in what a caller, and so a log, is told.
 * @throws Problem `malformed-body`; `validation-failed` with the pointer of each such member
 */
export const readJsonBody = (body: Uint8Array): unknown => {
  if (body.length === 0)
    throw new Problem('malformed-body', 'The body is empty; a JSON object was expected.');
  if (!isUtf8(body)) throw new Problem('malformed-body', 'The body is not UTF-8.');
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const { value, violations, fault } = readJsonText(bytes.toString('utf8').replace(/^\uFEFF/, ''), {
    maxDepth: deepestBody,
    mostViolations,
    // Copied member by member it would become the prototype of the copy.
    refusedKey: '__proto__',
  });
  if (fault)
    throw new Problem(
      'malformed-body',
      `The body is not JSON: expected ${fault.expected} at character ${fault.character}.`,
    );
  if (violations.length > 0)
    throw new Problem('validation-failed', 'The body can be read in more than one way; see violations.', {
      violations,
    });
  return value;
};
