import type { DuckSession } from '../lake/duckdb-session.ts';
import type { FileCache } from '../lake/file-cache.ts';
import { planFiles, scanLocations } from '../lake/scan.ts';
import { findTable, type Lake } from '../lake/tables.ts';
import { bronzeTable, readBodies } from './bronze.ts';
import type { IndexedCapture } from './sets.ts';
import type { Body } from './typing.ts';

/** Bodies in memory at once. */
const groupBytes = 24 * 1024 * 1024;

/**
 * The bodies of captures from bronze, a group at a time. Each distinct body of a request is read once for every
 * capture that has it: that it was seen again counts.
 */
export async function* bodiesOf(
  deps: { lake: Lake; session: DuckSession; files: FileCache },
  pipeline: string,
  captures: readonly IndexedCapture[],
): AsyncGenerator<Body> {
  const live = await liveFiles(deps.lake, pipeline);
  for (const group of groupsOf(captures, live)) {
    const found = new Map<string, Uint8Array>();
    for (const [location, members] of Map.groupBy(group, ({ file }) => file)) {
      const ids = [...new Set(members.map(({ bodyOf }) => bodyOf))];
      // A file that is live no more was compacted: its rows lie in one of the others.
      for (const place of live.has(location) ? [location] : live) {
        for (const [id, bytes] of await readBodies(deps, place, ids)) found.set(id, bytes);
      }
    }
    for (const capture of group) {
      const bytes = found.get(capture.bodyOf);
      if (!bytes) {
        throw new Error(
          `${bronzeTable(pipeline)}: expected the body of ${capture.bodyOf}, found none; was the table changed by hand?`,
        );
      }
      const { captureId, setId, fetchedAt, slice, rangeFrom, rangeTo } = capture;
      yield { captureId, setId, fetchedAt, slice, rangeFrom, rangeTo, bytes };
    }
  }
}

const liveFiles = async (lake: Lake, pipeline: string): Promise<Set<string>> => {
  const table = await findTable(lake, bronzeTable(pipeline));
  return new Set(table ? scanLocations(await planFiles(lake, table)) : []);
};

/** Neighbours that fit into memory together; captures of one file stay together as far as that goes. */
const groupsOf = (captures: readonly IndexedCapture[], live: ReadonlySet<string>): IndexedCapture[][] => {
  const groups: IndexedCapture[][] = [];
  let group: IndexedCapture[] = [];
  let bytes = 0;
  const order = [...Map.groupBy(captures, ({ file }) => (live.has(file) ? file : ''))].flatMap(
    ([, members]) => members,
  );
  for (const capture of order) {
    if (bytes + capture.bytes > groupBytes && group.length > 0) {
      groups.push(group);
      group = [];
      bytes = 0;
    }
    group.push(capture);
    bytes += capture.bytes;
  }
  if (group.length > 0) groups.push(group);
  return groups;
};
