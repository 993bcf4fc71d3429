import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hashBytes } from './item.ts';
import type { OrderRow } from './row.ts';

/**
 * What is known of staged orders besides their lines, by position. Lists and blocks, not an object for each: a run
 * holds two rounds of them.
 */
export type StagedOrders = {
  readonly ids: readonly string[];
  /** Hashes of the versions, 32 bytes each. */
  readonly hashes: Buffer;
  readonly versions: readonly (bigint | null)[];
};

/** Orders of one area and month, as lines of a file that DuckDB reads. */
export type Stage = {
  readonly areaId: string;
  /** First instant of the month of creation. */
  readonly month: Date;
  readonly path: string;
  readonly orders: StagedOrders;
  readonly bytes: number;
  readonly longestLine: number;
};

/** Columns in the order of the staged line; `plain` says that the line's texts are written as they are. */
export const stagedColumns = [
  'plain',
  'ordem_id',
  'area_id',
  'contrato_id',
  'cliente_requisitante_id',
  'cliente_participante_id',
  'data_criacao',
  'status_ordem',
  'regras_ordem',
  'metadados_ordem',
  'notificacoes_ordem',
  'logs_eventos_ordem',
  'metadados_participante',
  'logs_eventos_participante',
  'versao',
  'hash_versao',
  'arquivado_em',
] as const;

/** Control characters: JSON text never has them raw, and texts that do are percent-encoded. */
export const separator = '\u001f';
export const nullMark = '\u001e';

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what the line format must not meet inside a text.
const special = /[\u0000-\u001f%]/;

const lineOf = (row: OrderRow, hash: string, archivedAt: Date | null): string => {
  const texts = [row.ordem_id, row.area_id, row.contrato_id, row.cliente_requisitante_id, row.status_ordem];
  const isPlain = !texts.some((text) => text !== null && special.test(text));
  const text = (value: string | null): string =>
    value === null ? nullMark : isPlain ? value : encodeURIComponent(value);
  const json = (value: string | null): string => value ?? nullMark;
  return [
    isPlain ? '1' : '0',
    text(row.ordem_id),
    text(row.area_id),
    text(row.contrato_id),
    text(row.cliente_requisitante_id),
    row.cliente_participante_id === null ? nullMark : JSON.stringify(row.cliente_participante_id),
    String(row.data_criacao.getTime()),
    text(row.status_ordem),
    json(row.regras_ordem),
    json(row.metadados_ordem),
    json(row.notificacoes_ordem),
    json(row.logs_eventos_ordem),
    json(row.metadados_participante),
    json(row.logs_eventos_participante),
    row.versao === null ? nullMark : String(row.versao),
    hash,
    archivedAt === null ? nullMark : String(archivedAt.getTime()),
  ].join(separator);
};

/** An order as it is staged. */
export type StagedOrder = {
  readonly orderId: string;
  readonly hash: string;
  readonly versao: bigint | null;
  readonly line: string;
};

/** `archivedAt` is of a row that is written again; null: it gets the time of its batch. */
export const stagedOrder = (row: OrderRow, hash: string, archivedAt: Date | null = null): StagedOrder => ({
  orderId: row.ordem_id,
  hash,
  versao: row.versao,
  line: lineOf(row, hash, archivedAt),
});

export type Stager = {
  readonly add: (order: StagedOrder) => void;
  readonly orders: () => number;
  readonly bytes: () => number;
  readonly close: () => Stage;
};

/** Of each open window: a table of many areas over three years has hundreds. */
const flushBytes = 128 * 1024;

/** Hashes in one block, which grows by doubling. */
const openHashes = (): { add: (hex: string) => void; close: () => Buffer } => {
  let block = Buffer.allocUnsafe(64 * hashBytes);
  let length = 0;
  return {
    add: (hex) => {
      if (length + hashBytes > block.length) block = Buffer.concat([block], block.length * 2);
      length += block.write(hex, length, 'hex');
    },
    close: () => block.subarray(0, length),
  };
};

/** Opens the stage of an area and month in a folder that the run empties. Memory: ids and hashes, and 128 KB. */
export const openStage = (folder: string, areaId: string, month: Date, part: number): Stager => {
  const name = createHash('sha256').update(`${areaId}\n${month.toISOString()}\n${part}`).digest('hex');
  const path = join(folder, `${name.slice(0, 32)}.stage`);
  const file = openSync(path, 'w');
  const ids: string[] = [];
  const hashes = openHashes();
  const versions: (bigint | null)[] = [];
  let lines: string[] = [];
  let waiting = 0;
  let bytes = 0;
  let longestLine = 0;
  const flush = (): void => {
    if (lines.length === 0) return;
    const chunk = Buffer.from(`${lines.join('\n')}\n`);
    for (let written = 0; written < chunk.length; ) written += writeSync(file, chunk, written);
    bytes += chunk.length;
    lines = [];
    waiting = 0;
  };
  return {
    add: ({ orderId, hash, versao, line }) => {
      // Bytes, at most: a UTF-16 unit is three in UTF-8.
      longestLine = Math.max(longestLine, line.length * 3);
      lines.push(line);
      waiting += line.length;
      ids.push(orderId);
      hashes.add(hash);
      versions.push(versao);
      if (waiting > flushBytes) flush();
    },
    orders: () => ids.length,
    bytes: () => bytes + waiting,
    close: () => {
      flush();
      closeSync(file);
      const orders = { ids, hashes: hashes.close(), versions };
      return { areaId, month, path, orders, bytes, longestLine };
    },
  };
};

export const removeStage = (stage: Stage): Promise<void> => rm(stage.path, { force: true });
