import { describe, expect, it } from 'vitest';
import { parseReportRequest } from './request.ts';

const ask = (change: object = {}) =>
  parseReportRequest({
    kind: 'participant-events',
    parameters: { participantId: '52998224725', orderId: 'ord-1' },
    format: 'csv',
    ...change,
  });

const pointers = (change: object): string[] => ask(change).violations.map(({ pointer }) => pointer);

describe('a request for a report', () => {
  it('is read with instants in UTC and nothing that was not said', () => {
    const { request } = ask({ from: '2026-01-01T00:00:00-03:00', status: 'concluida' });
    expect(request).toEqual({
      kind: 'participant-events',
      parameters: { participantId: '52998224725', orderId: 'ord-1' },
      from: '2026-01-01T03:00:00.000Z',
      status: 'concluida',
      format: 'csv',
      options: {},
    });
  });

  it.each([
    ['a line end at its end', 'ord-1\r'],
    ['a line feed', 'ord\n1'],
    ['a tab', '\tord-1'],
    ['U+0000', 'ord\u0000'],
    ['a control character of Latin-1', 'ord\u0085'],
    ['half a surrogate pair', 'ord\ud800'],
    ['nothing', ''],
  ])('is refused where a value has %s, with a pointer to it', (_, value) => {
    expect(pointers({ parameters: { participantId: '52998224725', orderId: value } })).toContain(
      '/parameters/orderId',
    );
  });

  it('may name what is odd and still an id', () => {
    const odd = "=cmd|' /C calc'!A0 שלום 👨‍👩‍👧";
    expect(ask({ parameters: { participantId: odd } }).request?.parameters).toEqual({ participantId: odd });
  });

  it('is told all that is wrong at once', () => {
    const wrong = {
      parameters: { areaId: 'ARE01', contractId: 'CT1', owner: 'x' },
      from: '2026-02-01T00:00:00Z',
      to: '2026-01-01T00:00:00Z',
      format: 'json',
      options: { bom: true },
    };
    expect(pointers(wrong).sort()).toEqual([
      '/options/bom',
      '/parameters/contractId',
      '/parameters/owner',
      '/parameters/participantId',
      '/to',
    ]);
  });
});
