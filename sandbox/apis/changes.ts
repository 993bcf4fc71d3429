import { z } from 'zod';

export const sandboxApis = ['sgs', 'ptax', 'ibge', 'brasilapi'] as const;
export type SandboxApi = (typeof sandboxApis)[number];

/**
 * What a source says about one key from now on, in place of what it said before; null: it says nothing of it
 * (not published yet, or taken back). Keys: `sgs` `11/2024-01-02` with its value as text · `ptax` `2024-01-02`
 * with its quotes · `ibge` a municipality's code with its name · `brasilapi` a bank's ISPB with the bank, or a
 * day with its holiday.
 */
export const changeSchema = z.discriminatedUnion('api', [
  z.strictObject({
    api: z.literal('sgs'),
    key: z.string().regex(/^\d+\/\d{4}-\d\d-\d\d$/),
    value: z.string().nullable(),
  }),
  z.strictObject({
    api: z.literal('ptax'),
    key: z.iso.date(),
    value: z
      .array(
        z.strictObject({
          cotacaoCompra: z.string().regex(/^\d+\.\d+$/),
          cotacaoVenda: z.string().regex(/^\d+\.\d+$/),
          dataHoraCotacao: z.string(),
        }),
      )
      .nullable(),
  }),
  z.strictObject({
    api: z.literal('ibge'),
    key: z.string().regex(/^\d{7}$/),
    value: z.string().nullable(),
  }),
  z.strictObject({
    api: z.literal('brasilapi'),
    key: z.string(),
    value: z.record(z.string(), z.unknown()).nullable(),
  }),
]);

export type Change = z.output<typeof changeSchema>;
type ValueOf<Api extends SandboxApi> = Extract<Change, { api: Api }>['value'];

export type Changes = {
  add(change: Change): void;
  clear(): void;
  list(): Change[];
  /** undefined: nothing was changed. */
  get<Api extends SandboxApi>(api: Api, key: string): ValueOf<Api> | undefined;
  of<Api extends SandboxApi>(api: Api): [key: string, value: ValueOf<Api>][];
};

/** What tests and demos have the sources restate, publish late or take back. */
export const createChanges = (): Changes => {
  const byKey = new Map<string, Change>();
  return {
    add: (change) => {
      byKey.set(`${change.api} ${change.key}`, change);
    },
    clear: () => byKey.clear(),
    list: () => [...byKey.values()],
    get: <Api extends SandboxApi>(api: Api, key: string) =>
      byKey.get(`${api} ${key}`)?.value as ValueOf<Api> | undefined,
    of: <Api extends SandboxApi>(api: Api) =>
      [...byKey.values()]
        .filter((change) => change.api === api)
        .map((change): [string, ValueOf<Api>] => [change.key, change.value as ValueOf<Api>]),
  };
};
