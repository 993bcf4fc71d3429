import { type CliContext, UserError, write } from '../platform/cli.ts';
import { inRoomOf } from '../platform/plain-failure.ts';
import { type ArchiveRequest, archiveOrders } from './archive-run.ts';
import { type CommandRoom, openCommandRoom } from './command-room.ts';
import { parseAge } from './due.ts';
import { type ArchivePlan, defaultPrices, planArchive } from './plan.ts';
import { openProgress } from './progress.ts';
import type { Counts } from './runs.ts';

export type SelectOptions = { olderThan?: string; area?: string; json?: boolean };

/** Runs `work` with what commands need; what it can fail of by itself is told in its own words. */
export const inRoom = (context: CliContext, work: (room: CommandRoom) => Promise<void>): Promise<void> =>
  inRoomOf(() => openCommandRoom(context), work, {
    names: ['OrdersTableError', 'VerificationError'],
    stopped: 'stopped; the next run goes on from here',
  });

const requestOf = (
  context: CliContext,
  room: CommandRoom,
  { olderThan, area }: SelectOptions,
): ArchiveRequest => ({
  ...room.request,
  // An age that is given on the command line is meant for all: areas' own ages are longer for a reason, and stay.
  ...(olderThan === undefined ? {} : { olderThan: parseAge(olderThan) }),
  ...(area === undefined ? {} : { areaId: area }),
  signal: context.signal,
});

const price = (text: string | undefined, standard: number): number => {
  if (text === undefined) return standard;
  const value = Number(text);
  if (!(value >= 0)) throw new UserError(`expected a price in dollars, found ${JSON.stringify(text)}`);
  return value;
};

/** `lastro archive plan` */
export const planCommand = (
  context: CliContext,
  options: SelectOptions & { readPrice?: string; writePrice?: string },
): Promise<void> =>
  inRoom(context, async (room) => {
    const { config } = room;
    const plan = await planArchive(room, requestOf(context, room, options), {
      prices: {
        readUnits: price(options.readPrice, defaultPrices.readUnits),
        writeUnits: price(options.writePrice, defaultPrices.writeUnits),
      },
      pace: { readUnits: config.ARCHIVE_READ_UNITS, writeUnits: config.ARCHIVE_WRITE_UNITS },
    });
    await write(context.stdout, options.json ? `${JSON.stringify(plan)}\n` : planText(plan));
  });

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

const planText = ({ windows, total, bytes, objects, expected }: ArchivePlan): string => {
  const lines = windows.map(
    (each) =>
      `  ${each.areaId.padEnd(12)} ${each.month}  ${String(each.orders).padStart(9)} orders  ${megabytes(each.bytes).padStart(10)} → ${megabytes(each.expectedBytesOut)} in ${each.objects}`,
  );
  const stay = `${total.open} open, ${total.young} young, ${total.unfit} unfit, ${total.restored} put back lately, ${total.waiting} waiting for removal`;
  return `${total.due} of ${total.read} orders read are due, ${megabytes(bytes)}, in ${objects} objects; stay: ${stay}
${lines.join('\n')}${lines.length > 0 ? '\n' : ''}expected: ${Math.ceil(expected.readUnits)} read and ${expected.writeUnits} write units, US$ ${expected.dollars.toFixed(4)} on demand, at least ${expected.seconds} s at the pace set
`;
};

/** `lastro archive run` */
export const runCommand = async (
  context: CliContext,
  options: SelectOptions & { dryRun?: boolean; removeAfter?: string },
): Promise<void> => {
  if (options.dryRun) return planCommand(context, options);
  const delay = options.removeAfter === undefined ? undefined : Number(options.removeAfter);
  if (delay !== undefined && !(delay >= 0)) {
    throw new UserError(`expected hours for --remove-after, found ${JSON.stringify(options.removeAfter)}`);
  }
  await inRoom(context, async (room) => {
    const progress = openProgress(context.stderr);
    try {
      const { runId, counts } = await archiveOrders(
        { ...room, report: progress, ...(delay === undefined ? {} : { removeDelayMs: delay * 3_600_000 }) },
        requestOf(context, room, options),
      );
      progress.end();
      await write(
        context.stdout,
        options.json ? `${JSON.stringify({ runId, ...counts })}\n` : countsText(runId, counts),
      );
    } finally {
      progress.end();
    }
  });
};

const countsText = (runId: string, counts: Counts): string => {
  const stay = `${counts.open} open, ${counts.young} young, ${counts.unfit} unfit, ${counts.restored} put back lately, ${counts.waiting} waiting for removal`;
  return `${runId}: ${counts.archived} orders archived and proven in ${counts.batches} files (${megabytes(counts.bytes)}), ${counts.removed} removed, ${counts.changed} changed meanwhile and stay, ${counts.gone} gone before, ${counts.unprovable} cannot be proven unchanged and stay
${counts.read} orders read in ${counts.seconds.toFixed(1)} s; ${stay}
`;
};
