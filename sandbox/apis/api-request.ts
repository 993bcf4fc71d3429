import type { HttpAnswer } from '../http-answer.ts';
import type { Day } from './calendar.ts';
import type { Changes } from './changes.ts';

export type ApiRequest = {
  /** Below the API's own base address. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly changes: Changes;
  /** The last day that the sources know of. */
  readonly today: Day;
};

/** undefined: the API has no such path. */
export type AnswerApi = (request: ApiRequest) => HttpAnswer | undefined;
