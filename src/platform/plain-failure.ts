import { UserError } from './cli.ts';
import { diskFull } from './disk-full.ts';

/** What any long work on the lake can meet. */
const common = ['LeaseHeldError', 'FenceLostError', 'StoreFullError'];

/**
 * A failure that says all by its message – one that any long work can meet, or of a class in `names` – for the person
 * at the terminal (exit code 1); `stopped` is said where work was stopped early. Others are our own mistakes and come
 * back as they are, with their stack trace.
 */
export const plainFailure = (
  error: unknown,
  { names = [], stopped }: { names?: readonly string[]; stopped: string },
): unknown => {
  if (!(error instanceof Error)) return error;
  if (error.name === 'AbortError') return new UserError(stopped, 1);
  const full = diskFull(error);
  if (full) return full;
  return common.includes(error.name) || names.includes(error.name) ? new UserError(error.message, 1) : error;
};

/** Opens what a command works with, and closes it whatever comes; what it can fail of by itself is told as `plainFailure` does. */
export const inRoomOf = async <Room extends { readonly close: () => Promise<void> }>(
  open: () => Promise<Room>,
  work: (room: Room) => Promise<void>,
  told: Parameters<typeof plainFailure>[1],
): Promise<void> => {
  const room = await open();
  try {
    await work(room);
  } catch (error) {
    throw plainFailure(error, told);
  } finally {
    await room.close();
  }
};
