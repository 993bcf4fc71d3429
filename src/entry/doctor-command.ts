import type { RegisterCommands } from '../platform/cli.ts';
import { write } from '../platform/cli.ts';
import type { Diagnosis } from './doctor.ts';
import { diagnose } from './doctor.ts';

const groups = ['installed', 'data', 'reachable'] as const;

/** The findings as lines for a terminal, grouped, with what to do under each that is not ok. */
const report = (diagnoses: Diagnosis[]): string =>
  groups
    .map((group) => {
      const lines = diagnoses
        .filter((diagnosis) => diagnosis.group === group)
        .flatMap(({ status, name, found, advice }) => [
          `  ${status.padEnd(4)}  ${name.padEnd(18)} ${found}`,
          ...(advice ? [`        ${' '.repeat(18)} → ${advice}`] : []),
        ]);
      return `${group}\n${lines.join('\n')}\n`;
    })
    .join('\n');

export const register: RegisterCommands = (program, context) => {
  program
    .command('doctor')
    .description('say what is installed, reachable and missing, and what to do about it')
    .option('--json', 'for machines: a list of { group, name, status, found, advice? }')
    .addHelpText(
      'after',
      `
Exit code 1 where something fails; warnings alone are 0. Nothing is started.

Examples:
  lastro doctor
  lastro doctor --json | jq '.[] | select(.status != "ok")'`,
    )
    .action(async ({ json }: { json?: boolean }) => {
      const diagnoses = await diagnose(context.config());
      await write(context.stdout, json ? `${JSON.stringify(diagnoses)}\n` : report(diagnoses));
      if (diagnoses.some(({ status }) => status === 'fail')) process.exitCode = 1;
    });
};
