export type FontName = 'Helvetica' | 'Helvetica-Bold' | 'DejaVu';

/** A line of a cell as it is drawn. */
export type Line = { readonly text: string; readonly font: FontName };

/** Measures and breaks the texts of cells. */
export type Typesetter = (text: string, font: 'Helvetica' | 'Helvetica-Bold', width: number) => Line[];

/** The characters of WinAnsi, which the fonts that every reader has can draw without being embedded. */
const winAnsi = /^[\x20-\x7e\xa0-\xff€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]*$/;

/** Controls, joiners, marks of direction and all else without a picture: shown, so that no text looks like another. */
const invisible = /[\p{Cc}\p{Default_Ignorable_Code_Point}\p{Zl}\p{Zp}]/u;

const rightToLeft = /[\p{Script=Hebrew}\p{Script=Arabic}]+(?: [\p{Script=Hebrew}\p{Script=Arabic}]+)+/gu;

type EmbeddedFont = { readonly font: { readonly hasGlyphForCodePoint: (code: number) => boolean } };

/**
 * Texts in Helvetica; those with other characters in DejaVu Sans; a character that neither has, or that cannot be
 * seen, as its code point `‹U+1F468›`: nothing is lost without a sign. Lines break at spaces, else anywhere.
 */
export const newTypesetter = (document: PDFKit.PDFDocument, size: number): Typesetter => {
  document.font('DejaVu');
  const unicode = (document as unknown as { _font: EmbeddedFont })._font.font;
  const widths = new Map<string, number>();
  const widthOf = (character: string, font: FontName): number => {
    const key = `${font}${character}`;
    const known = widths.get(key);
    if (known !== undefined) return known;
    const width = document.font(font).fontSize(size).widthOfString(character);
    widths.set(key, width);
    return width;
  };
  const drawable = (text: string): string => {
    let drawn = '';
    for (const character of text) {
      const code = character.codePointAt(0) ?? 0;
      const visible = !invisible.test(character) && unicode.hasGlyphForCodePoint(code);
      drawn += visible ? character : `‹U+${code.toString(16).toUpperCase().padStart(4, '0')}›`;
    }
    // The font's shaper turns each word of a right-to-left script; their order on the line is turned here.
    return drawn.replace(rightToLeft, (run) => run.split(' ').reverse().join(' '));
  };
  const breakLine = (text: string, font: FontName, width: number): Line[] => {
    const lines: Line[] = [];
    let from = 0;
    let used = 0;
    let space = -1;
    const characters = [...text];
    for (let at = 0; at < characters.length; at++) {
      const character = characters[at] ?? '';
      if (character === ' ') space = at;
      used += widthOf(character, font);
      if (used <= width || at === from) continue;
      // Back to the last space of this line, which is left out; without one, the line ends before this character.
      const end = space > from ? space : at;
      lines.push({ text: characters.slice(from, end).join(''), font });
      from = space > from ? space + 1 : at;
      space = -1;
      used = 0;
      at = from - 1;
    }
    lines.push({ text: characters.slice(from).join(''), font });
    return lines;
  };
  return (text, wanted, width) =>
    text.split(/\r\n|\r|\n/).flatMap((line) => {
      const spaced = line.replaceAll('\t', '    ');
      return winAnsi.test(spaced)
        ? breakLine(spaced, wanted, width)
        : breakLine(drawable(spaced), 'DejaVu', width);
    });
};
