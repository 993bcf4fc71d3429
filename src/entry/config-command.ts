import type { RegisterCommands } from '../platform/cli.ts';
import { write } from '../platform/cli.ts';
import { configurationDocs, effectiveSettings } from './config-docs.ts';

export const register: RegisterCommands = (program, context) => {
  const config = program
    .command('config')
    .description('show the settings in effect, with secrets hidden')
    .option('--json', 'for machines')
    .addHelpText(
      'after',
      `
Examples:
  lastro config                                 every setting, its value and where it came from
  lastro config --json | jq '.[] | select(.source == "environment")'
  lastro config docs > docs/configuration.md    write the table of settings anew`,
    )
    .action(async ({ json }: { json?: boolean }) => {
      const rows = effectiveSettings(context.config(), context.env);
      const text = rows.map(
        ({ name, value, source }) => `${name.padEnd(30)} ${(value ?? '–').padEnd(36)} ${source}`,
      );
      await write(context.stdout, json ? `${JSON.stringify(rows)}\n` : `${text.join('\n')}\n`);
    });
  config
    .command('docs')
    .description('print docs/configuration.md')
    .action(() => write(context.stdout, configurationDocs()));
};
