import { expect, it } from 'vitest';
import { newCase } from '../../test/quorum/case.ts';
import { largeCase } from '../../test/quorum/large-case.ts';
import { newRandom } from '../../test/quorum/random.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import { openDecisionThread } from './decision-thread.ts';
import { decide } from './engine.ts';

const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const small = newCase();
const decided = { text: canonicalJson(decide(small)) };
const hard = largeCase(newRandom(1), { people: 40, groups: 6, overlap: 0.3, rules: 2, pairs: 30 });
const stays = new AbortController().signal;

it('gives small requests their turn between the cases of a batch', async () => {
  await using thread = closing();
  const order: string[] = [];
  const batch = thread
    .answer(bytesOf({ cases: new Array(40).fill(hard) }), stays)
    .then((answer) => order.push('text' in answer ? 'batch' : 'refused'));
  const one = thread.answer(bytesOf(small), stays).then((answer) => {
    order.push('one');
    expect(answer).toEqual(decided);
  });
  await Promise.all([batch, one]);
  expect(order).toEqual(['one', 'batch']);
});

it('leaves the rest of a batch that nobody waits for', async () => {
  await using thread = closing();
  const gone = new AbortController();
  const batch = thread.answer(bytesOf({ cases: new Array(400).fill(hard) }), gone.signal);
  expect(await thread.answer(bytesOf(small), stays)).toEqual(decided);
  gone.abort();
  const answer = await batch;
  const { decisions } = JSON.parse('text' in answer ? answer.text : '{}');
  expect(decisions.length).toBeGreaterThan(0);
  expect(decisions.length).toBeLessThan(400);
});

it('rejects what was open when the thread ends, and starts another for the next', async () => {
  await using thread = closing();
  const batch = thread.answer(bytesOf({ cases: new Array(400).fill(hard) }), stays);
  const rejected = expect(batch).rejects.toThrow('the thread of quorum decisions ended');
  await thread.close();
  await rejected;
  expect(await thread.answer(bytesOf(small), stays)).toEqual(decided);
});

const closing = () => {
  const thread = openDecisionThread();
  return { ...thread, [Symbol.asyncDispose]: thread.close };
};
