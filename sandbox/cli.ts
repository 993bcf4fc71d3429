import type { Command } from 'commander';
import { type CliContext, type RegisterCommands, UserError, write } from '../src/platform/cli.ts';
import { registerArchivedOrders } from './archived-orders-command.ts';
import { sandboxCases, undeterminedCases } from './cases.ts';
import { type Fault, type FaultInput, faultKinds, sandboxTargets } from './faults.ts';
import { registerOrders } from './orders-cli.ts';
import { sandboxAddress } from './sandbox-address.ts';

const caseExamples = `
Examples:
  $ npx lastro sandbox cases
  $ npx lastro sandbox cases --json | jq '.[0].request'`;

const faultExamples = `
Examples:
  $ npx lastro sandbox faults add powers error --times 3
  $ npx lastro sandbox faults add registry outage
  $ npx lastro sandbox faults add ptax type_change --field cotacaoVenda
  $ npx lastro sandbox faults add "*" latency --ms 250
  $ npx lastro sandbox faults
  $ npx lastro sandbox faults clear`;

const line = (context: CliContext, text: string): Promise<void> => write(context.stdout, `${text}\n`);

/** Asks the running sandbox. @throws UserError where none runs, or it refuses. */
const ask = async (context: CliContext, method: string, path: string, body?: unknown): Promise<unknown> => {
  const url = `${sandboxAddress(context)}${path}`;
  const response = await fetch(url, {
    method,
    ...(body !== undefined && {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }),
  }).catch(() => {
    throw new UserError(`no sandbox answers at ${url}: start one with "npm start" (or "lastro up")`, 1);
  });
  const text = await response.text();
  if (!response.ok) throw new UserError(`the sandbox refused (status ${response.status}): ${text}`);
  return text === '' ? undefined : JSON.parse(text);
};

const registerCases = (sandbox: Command, context: CliContext): void => {
  sandbox
    .command('cases')
    .description('list a ready request for every branch of an order, with what it must end as')
    .option('--undetermined', 'those that wait for a reviewer or a partner instead')
    .option('--json', 'print the requests as JSON')
    .addHelpText('after', caseExamples)
    .action(async ({ undetermined, json }: { undetermined?: boolean; json?: boolean }) => {
      const cases = undetermined ? undeterminedCases() : sandboxCases();
      if (json) return line(context, JSON.stringify(cases, null, 2));
      for (const one of cases) {
        const end = 'expect' in one ? Object.values(one.expect).join(': ') : `processing: ${one.reason}`;
        await line(context, `${one.name.padEnd(62)} ${end}`);
      }
    });
};

const describe = ({ id, partner, kind, company, times }: Fault): string =>
  [`#${id}`, partner, kind, company && `for ${company}`, times !== undefined && `${times} more times`]
    .filter((part) => part)
    .join(' ');

type AddOptions = { company?: string; field?: string; times?: string; ms?: string; status?: string };

const faultOf = (partner: string, kind: string, options: AddOptions): FaultInput => {
  const number = (name: keyof AddOptions): number | undefined => {
    const text = options[name];
    if (text === undefined) return undefined;
    if (!/^\d+$/.test(text)) throw new UserError(`expected a whole number for --${name}, found ${text}`);
    return Number(text);
  };
  const foundPartner = [...sandboxTargets, '*' as const].find((name) => name === partner);
  if (!foundPartner)
    throw new UserError(`expected one of ${sandboxTargets.join(', ')} or "*", found ${partner}`);
  const foundKind = faultKinds.find((name) => name === kind);
  if (!foundKind) throw new UserError(`expected one of ${faultKinds.join(', ')}, found ${kind}`);
  const [times, ms, status] = [number('times'), number('ms'), number('status')];
  return {
    partner: foundPartner,
    kind: foundKind,
    ...(options.company !== undefined && { company: options.company }),
    ...(options.field !== undefined && { field: options.field }),
    ...(times !== undefined && { times }),
    ...(ms !== undefined && { ms }),
    ...(status !== undefined && { status }),
  };
};

const registerFaults = (sandbox: Command, context: CliContext): void => {
  const faults = sandbox
    .command('faults')
    .description('list the faults that are on in the running sandbox')
    .option('--json', 'print them as JSON')
    .addHelpText('after', faultExamples)
    .action(async ({ json }: { json?: boolean }) => {
      const found = (await ask(context, 'GET', '/sandbox/faults')) as Fault[];
      if (json) return line(context, JSON.stringify(found));
      await line(context, found.length === 0 ? 'no faults' : found.map(describe).join('\n'));
    });
  faults
    .command('add')
    .description(`spoil the answers of a partner or of a public API: ${faultKinds.join(', ')}`)
    .argument('<partner>', `${sandboxTargets.join(', ')}, or "*"`)
    .argument('<kind>', 'what goes wrong')
    .option('--company <cnpj>', 'only requests about this company')
    .option('--field <name>', 'which field, for type_change, dropped_field and added_field')
    .option('--times <n>', 'only this many requests, then the partner is well again')
    .option('--ms <n>', 'how long, for latency')
    .option('--status <n>', 'which status, for error')
    .action(async (partner: string, kind: string, options: AddOptions) => {
      const fault = (await ask(context, 'POST', '/sandbox/faults', faultOf(partner, kind, options))) as Fault;
      await line(context, describe(fault));
    });
  faults
    .command('clear')
    .description('take one fault away, or all')
    .argument('[id]', 'number of the fault')
    .action(async (id?: string) => {
      await ask(context, 'DELETE', id === undefined ? '/sandbox/faults' : `/sandbox/faults/${id}`);
    });
};

/** `lastro sandbox …`: what the stand-ins hold, and how to break them. */
export const register: RegisterCommands = (program, context) => {
  const sandbox = program.command('sandbox').description('stand-ins for the partners: cases, faults, calls');
  registerCases(sandbox, context);
  registerFaults(sandbox, context);
  registerArchivedOrders(sandbox, context);
  registerOrders(sandbox, context);
  sandbox
    .command('calls')
    .description('count what the partners were asked')
    .option('--company <cnpj>', 'also the requests about this company')
    .addHelpText('after', '\nExamples:\n  $ npx lastro sandbox calls --company 12ABC34501DE35')
    .action(async ({ company }: { company?: string }) => {
      const query = company === undefined ? '' : `?company=${encodeURIComponent(company)}`;
      await line(context, JSON.stringify(await ask(context, 'GET', `/sandbox/calls${query}`), null, 2));
    });
};
