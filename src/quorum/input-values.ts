import { toldPointer } from '../shared/json-pointer.ts';
import { MAX_DEPTH } from '../shared/json-text.ts';
import type { Violation } from './contract.ts';
import { isDocumentNumber } from './document-number.ts';

/**
 * Checks every value at any depth, `context` included, since all of it is hashed: strings and keys are
 * well-formed Unicode, numbers are exact (no integer beyond 2^53 − 1, no infinity), nothing but JSON.
 * Answers false when the value is nested too deep to look at any further.
 */
export const checkValues = (value: unknown, violations: Violation[]): boolean => {
  const path: (string | number)[] = [];
  const add = (message: string): void => {
    violations.push({ pointer: toldPointer(path), message });
  };
  const walk = (node: unknown): boolean => {
    if (typeof node === 'string') {
      if (!node.isWellFormed()) add(`expected well-formed Unicode, found a lone surrogate in ${show(node)}`);
      return true;
    }
    if (typeof node === 'number') {
      if (!(Math.abs(node) <= Number.MAX_SAFE_INTEGER)) {
        add(`expected a number of at most 2^53 - 1 (9007199254740991), found ${node}`);
      }
      return true;
    }
    if (node === null || typeof node === 'boolean') return true;
    if (typeof node !== 'object') {
      add(`expected a JSON value, found ${typeof node}`);
      return true;
    }
    if (path.length > MAX_DEPTH) {
      add(`expected at most ${MAX_DEPTH} levels of nesting, found more`);
      return false;
    }
    if (Array.isArray(node)) {
      for (let i = 0; i < node.length; i++) {
        path.push(i);
        const goOn = walk(node[i]);
        path.pop();
        if (!goOn) return false;
      }
      return true;
    }
    return walkRecord(node as Record<string, unknown>);
  };
  const walkRecord = (record: Record<string, unknown>): boolean => {
    for (const key of Object.keys(record)) {
      path.push(key);
      if (!key.isWellFormed()) add(`expected a key of well-formed Unicode, found a lone surrogate`);
      const goOn = walk(record[key]);
      path.pop();
      if (!goOn) return false;
    }
    return true;
  };
  return walk(value);
};

/** What was found, short enough for a message; never a document number, since messages are logged. */
export const show = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'string' && isDocumentNumber(value)) return 'a CPF or a CNPJ';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return (text.length <= 60 ? text : `${text.slice(0, 57)}...`).toWellFormed();
};
