import type { OutputColumn } from '../../query.ts';

export type Layout = {
  readonly orientation: 'portrait' | 'landscape';
  readonly width: number;
  readonly height: number;
  readonly margin: number;
  /** Of each column, without the padding. */
  readonly widths: readonly number[];
  readonly fontSize: number;
  readonly lineHeight: number;
  readonly padding: number;
};

/** A4 in points. */
const [shortSide, longSide] = [595.28, 841.89];

const weights: { readonly [Type in OutputColumn['type']]: number } = {
  integer: 0.7,
  timestamp: 1.5,
  text: 2,
  flat: 1.8,
  list: 2.4,
  json: 5,
};

/** The columns that are long or short whatever their type. */
const byName: Readonly<Record<string, number>> = {
  area_id: 0.9,
  status_ordem: 1.2,
  ordem_id: 2.3,
  posicao: 0.8,
  versao: 0.8,
};

/** A4, upright for few columns and across for more; the width is shared by what columns usually hold. */
export const layoutFor = (columns: readonly OutputColumn[]): Layout => {
  const isWide = columns.length > 5 || columns.some(({ type }) => type === 'json');
  const [width, height] = isWide ? [longSide, shortSide] : [shortSide, longSide];
  const [margin, padding] = [34, 3];
  const shares = columns.map(({ name, type }) => byName[name] ?? weights[type]);
  const whole = shares.reduce((sum, share) => sum + share, 0);
  const fontSize = columns.length > 14 ? 5 : columns.length > 9 ? 6 : 7;
  return {
    orientation: isWide ? 'landscape' : 'portrait',
    width,
    height,
    margin,
    padding,
    fontSize,
    lineHeight: fontSize * 1.28,
    widths: shares.map((share) => ((width - 2 * margin) * share) / whole - 2 * padding),
  };
};
