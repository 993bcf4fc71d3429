import { type CliContext, UserError, write } from '../platform/cli.ts';
import { operatorOf } from './command-room.ts';
import type { Right } from './rights.ts';
import { type KeptWithdrawal, listWithdrawals, restoreRight, withdrawRight } from './withdrawals.ts';

export type WithdrawOptions = {
  subject?: string;
  scope?: string;
  area?: string;
  document?: string;
  reason: string;
  json?: boolean;
};

const operator = () => {
  const { principal, requestId } = operatorOf();
  return { subject: principal.subject, requestId };
};

const clock = (): Date => new Date();

const line = ({ id, clientId, subject, right, reason, by, at }: KeptWithdrawal): string =>
  [
    id,
    subject === null ? clientId : `${clientId} (${subject})`,
    right === null ? 'every right' : `${right.type} ${right.value}`,
    `${at.toISOString()} ${by}: ${reason}`,
  ].join('  ');

/** `lastro report rights` */
export const listRightsCommand = async (context: CliContext, options: { json?: boolean }): Promise<void> => {
  const found = await listWithdrawals(await context.postgres());
  const text = options.json ? JSON.stringify(found) : found.map(line).join('\n') || '(nothing is withdrawn)';
  await write(context.stdout, `${text}\n`);
};

/** `lastro report rights withdraw` */
export const withdrawCommand = async (
  context: CliContext,
  clientId: string,
  { subject, scope, area, document, reason, json }: WithdrawOptions,
): Promise<void> => {
  const given: [Right['type'], string | undefined][] = [
    ['scope', scope],
    ['area', area],
    ['client', document],
  ];
  const rights = given.flatMap(([type, value]): Right[] => (value === undefined ? [] : [{ type, value }]));
  if (rights.length > 1) throw new UserError('expected one of --scope, --area and --document, found several');
  const withdrawn = await withdrawRight({ db: await context.postgres(), clock }, operator(), {
    clientId,
    subject,
    right: rights[0] ?? null,
    reason,
  });
  await write(context.stdout, `${json ? JSON.stringify(withdrawn) : line(withdrawn)}\n`);
};

/** `lastro report rights restore` */
export const restoreCommand = async (context: CliContext, id: string): Promise<void> => {
  if (!(await restoreRight({ db: await context.postgres(), clock }, operator(), id)))
    throw new UserError(`${id} is not withdrawn now; \`lastro report rights\` lists what is`, 1);
  await write(context.stdout, `${id} is given back\n`);
};
