import { type Command, InvalidArgumentError } from 'commander';
import { type CliContext, write } from '../platform/cli.ts';
import { nameOf, readSource, refuseInput } from './command-source.ts';
import { parseInstant } from './instant.ts';
import { type Finding, lintRules, parseLintSubject } from './lint.ts';

type Options = { days: number; at?: string; json?: boolean };

const parseDays = (text: string): number => {
  const days = Number(text);
  if (!/^\d+$/.test(text) || days > 36_500)
    throw new InvalidArgumentError('expected whole days, 0 to 36500.');
  return days;
};

const parseAt = (text: string): string => {
  if (parseInstant(text)) return text;
  throw new InvalidArgumentError('expected an RFC 3339 instant, like 2026-11-22T12:00:00-03:00.');
};

/** Adds `quorum lint`: what is wrong, or soon will be, in the rules and groups of a party. */
export const addLintCommand = (quorum: Command, context: CliContext): void => {
  quorum
    .command('lint')
    .description('Find mistakes in rules and groups, and quorums that will be lost.')
    .argument('[file]', 'JSON with "groups" and "rules"; standard input when absent or "-"')
    .option('--days <days>', 'how far ahead to look for endings', parseDays, 90)
    .option('--at <instant>', "instant to check at (default: the file's own, else now)", parseAt)
    .option('--json', 'the findings as JSON')
    .addHelpText('after', HELP)
    .action(async (file: string | undefined, { days, at, json }: Options) => {
      const text = await readSource(context, file);
      const now = new Date().toISOString();
      const parsed = parseLintSubject(text, { now, ...(at === undefined ? {} : { at }) });
      if (!parsed.ok) return refuseInput(parsed.violations, file);
      const findings = lintRules(parsed.subject, { days });
      await write(
        context.stdout,
        json
          ? `${JSON.stringify({ at: parsed.subject.at, days, findings })}\n`
          : reportOf(findings, nameOf(file)),
      );
      if (findings.some(({ severity }) => severity === 'error')) process.exitCode = 1;
    });
};

const HELP = `
FILE holds { "groups": […], "rules": […], "people"?: […], "at"?: … } in the form of the quorum contract, or a
whole input of "quorum decide". Without "people", everyone named is taken to be free of reservations.

Exit codes: 0 no errors (there may be warnings), 1 errors were found, 2 the file was refused or could not be read.

Examples:
  lastro quorum lint rules.json
  lastro quorum lint --days 30 --at 2026-11-22T00:00:00-03:00 --json < case.json`;

const reportOf = (findings: readonly Finding[], name: string): string => {
  const count = (severity: Finding['severity']): number =>
    findings.filter((finding) => finding.severity === severity).length;
  const lines = findings.map(
    ({ severity, code, pointer, message, remedy }) =>
      `${severity} ${code} ${pointer}\n  ${message}\n  remedy: ${remedy}\n`,
  );
  return `${lines.join('')}${name}: ${count('error')} errors, ${count('warning')} warnings, ${count('info')} notes\n`;
};
