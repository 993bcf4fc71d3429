import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import PDFDocument from 'pdfkit';
import type { OutputColumn } from '../../query.ts';
import { type FontName, type Line, newTypesetter, type Typesetter } from './cell-text.ts';
import { type Layout, layoutFor } from './page-layout.ts';

export type PdfHead = { readonly title: string; readonly lines: readonly string[]; readonly asOf: Date };

/** A table that flows over pages. */
export type Pages = {
  readonly row: (cells: readonly (string | null)[]) => void;
  readonly totals: (lines: readonly string[]) => void;
  /** The bytes that were drawn since it was asked last. */
  readonly drawn: () => Uint8Array;
  /** Closes the document. What it draws by that is still to be asked for. */
  readonly end: () => Promise<void>;
};

type Structure = ReturnType<PDFKit.PDFDocument['struct']>;

/** PDF/UA wants a heading cell to say what it heads; the typings lack the option. */
const columnHead: object = { scope: 'Column' };

const colours = { ink: '#1a1a1a', faint: '#666666', rule: '#c8c8c8', head: '#e6ebf2', band: '#f6f7f9' };

/**
 * Opens a tagged document: heading, paragraphs, and one table a page with its own head, so that a screen reader knows
 * the columns wherever it is, and so that a page's tags can leave the memory when it is full. Heads and feet of the
 * page are marked as decoration.
 */
export const openPages = (columns: readonly OutputColumn[], head: PdfHead): Pages => {
  const layout = layoutFor(columns);
  const document = new PDFDocument({
    size: 'A4',
    layout: layout.orientation,
    margin: layout.margin,
    autoFirstPage: false,
    pdfVersion: '1.7',
    tagged: true,
    displayTitle: true,
    lang: 'pt-BR',
    info: { Title: head.title, Producer: 'Lastro', Creator: 'Lastro', CreationDate: head.asOf },
  });
  document.registerFont('DejaVu', fileURLToPath(import.meta.resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf')));
  // pdfkit hands out its thousands of small pieces without ever waiting: piped to a file they would pile up in memory.
  const pieces: Uint8Array[] = [];
  document.on('data', (piece: Uint8Array) => pieces.push(piece));
  const root = document.struct('Document');
  document.addStructure(root);
  const state: State = {
    document,
    root,
    layout,
    columns,
    head,
    typeset: newTypesetter(document, layout.fontSize),
    table: undefined,
    page: 0,
    y: 0,
    rows: 0,
  };
  startPage(state);
  titleBlock(state);
  startTable(state);
  return {
    row: (cells) => drawRow(state, cells),
    totals: (lines) => drawTotals(state, lines),
    drawn: () => Buffer.concat(pieces.splice(0)),
    end: async () => {
      endTable(state);
      root.end();
      document.end();
      await once(document, 'end');
    },
  };
};

type State = {
  readonly document: PDFKit.PDFDocument;
  readonly root: Structure;
  readonly layout: Layout;
  readonly columns: readonly OutputColumn[];
  readonly head: PdfHead;
  readonly typeset: Typesetter;
  table: Structure | undefined;
  page: number;
  /** Where the next thing is drawn. */
  y: number;
  rows: number;
};

const bottomOf = ({ height, margin }: Layout): number => height - margin - 14;

/** A piece of text of the page; nothing of pdfkit's own flow, which would begin pages by itself. */
const put = (
  { document }: State,
  text: string,
  at: { x: number; y: number; font: FontName; size: number; colour?: string },
): void => {
  document
    .font(at.font)
    .fontSize(at.size)
    .fillColor(at.colour ?? colours.ink);
  document.text(text, at.x, at.y, { lineBreak: false });
};

/** What is no content: rules, bands, the heads and feet of pages. */
const decorate = ({ document }: State, draw: () => void): void => {
  document.markContent('Artifact', { type: 'Pagination' });
  draw();
  document.endMarkedContent();
};

const tagged = ({ document }: State, parent: Structure, type: string, draw: () => void): void => {
  const element = document.struct(type, {}, draw);
  parent.add(element);
  element.end();
};

const startPage = (state: State): void => {
  const { document, layout, head } = state;
  document.addPage();
  state.page++;
  state.y = layout.margin;
  const footY = layout.height - layout.margin - 4;
  decorate(state, () => {
    document.lineWidth(0.5).strokeColor(colours.rule);
    document
      .moveTo(layout.margin, footY - 4)
      .lineTo(layout.width - layout.margin, footY - 4)
      .stroke();
    const foot = { y: footY, font: 'Helvetica', size: 7, colour: colours.faint } as const;
    put(state, head.title, { ...foot, x: layout.margin });
    const number = `Página ${state.page.toLocaleString('pt-BR')}`;
    const width = document.font('Helvetica').fontSize(7).widthOfString(number);
    put(state, number, { ...foot, x: layout.width - layout.margin - width });
  });
};

const titleBlock = (state: State): void => {
  const { root, layout, head } = state;
  tagged(state, root, 'H1', () =>
    put(state, head.title, { x: layout.margin, y: state.y, font: 'Helvetica-Bold', size: 15 }),
  );
  state.y += 22;
  for (const text of head.lines) {
    for (const { text: line, font } of state.typeset(text, 'Helvetica', layout.width * 0.7)) {
      tagged(state, root, 'P', () =>
        put(state, line, { x: layout.margin, y: state.y, font, size: 8, colour: colours.faint }),
      );
      state.y += 11;
    }
  }
  state.y += 6;
};

const startTable = (state: State): void => {
  const { document, root, columns } = state;
  state.table = document.struct('Table');
  root.add(state.table);
  const cells = columns.map(({ title }, at) =>
    state.typeset(title, 'Helvetica-Bold', state.layout.widths[at] ?? 0),
  );
  drawLines(state, cells, { type: 'TH', fill: colours.head });
};

const endTable = (state: State): void => {
  state.table?.end();
  state.table = undefined;
};

const nextPage = (state: State): void => {
  endTable(state);
  startPage(state);
  startTable(state);
};

const linesOf = (cells: readonly (readonly Line[])[]): number =>
  cells.reduce((most, lines) => Math.max(most, lines.length), 1);

/** A row stays on one page; one that is taller than a page goes on on the next. */
const drawRow = (state: State, texts: readonly (string | null)[]): void => {
  const { layout, typeset } = state;
  let cells = texts.map((text, at) => typeset(text ?? '', 'Helvetica', layout.widths[at] ?? 0));
  const linesLeft = (): number =>
    Math.floor((bottomOf(layout) - state.y - 2 * layout.padding) / layout.lineHeight);
  const fill = state.rows % 2 === 1 ? colours.band : undefined;
  state.rows++;
  if (linesOf(cells) > linesLeft()) nextPage(state);
  while (linesOf(cells) > linesLeft()) {
    const room = Math.max(1, linesLeft());
    drawLines(
      state,
      cells.map((lines) => lines.slice(0, room)),
      { type: 'TD', fill },
    );
    cells = cells.map((lines) => lines.slice(room));
    nextPage(state);
  }
  drawLines(state, cells, { type: 'TD', fill });
};

const drawLines = (
  state: State,
  cells: readonly (readonly Line[])[],
  { type, fill }: { type: 'TH' | 'TD'; fill: string | undefined },
): void => {
  const { document, layout, table } = state;
  const { padding, lineHeight, fontSize, margin } = layout;
  const height = linesOf(cells) * lineHeight + 2 * padding;
  const top = state.y;
  decorate(state, () => {
    if (fill !== undefined) document.rect(margin, top + 0.4, layout.width - 2 * margin, height).fill(fill);
    document
      .lineWidth(0.4)
      .strokeColor(colours.rule)
      .moveTo(margin, top + height)
      .lineTo(layout.width - margin, top + height)
      .stroke();
  });
  const row = document.struct('TR');
  table?.add(row);
  let x = margin + padding;
  cells.forEach((lines, at) => {
    const left = x;
    const draw = (): void =>
      lines.forEach(({ text, font }, line) => {
        put(state, text, { x: left, y: top + padding + line * lineHeight, font, size: fontSize });
      });
    const cell = document.struct(type, type === 'TH' ? columnHead : {}, draw);
    row.add(cell);
    cell.end();
    x += (layout.widths[at] ?? 0) + 2 * padding;
  });
  row.end();
  state.y = top + height;
};

const drawTotals = (state: State, lines: readonly string[]): void => {
  const { layout } = state;
  endTable(state);
  const wrapped = lines.flatMap((text) =>
    state.typeset(text, 'Helvetica-Bold', layout.width - 2 * layout.margin),
  );
  if (state.y + 12 + wrapped.length * 12 > bottomOf(layout)) startPage(state);
  state.y += 10;
  for (const { text, font } of wrapped) {
    tagged(state, state.root, 'P', () => put(state, text, { x: layout.margin, y: state.y, font, size: 8 }));
    state.y += 12;
  }
};
