const units: Record<string, [one: string, many: string]> = {
  d: ['dia', 'dias'],
  mo: ['mês', 'meses'],
  y: ['ano', 'anos'],
};

const small = ['', 'um', 'dois', 'três', 'quatro', 'cinco', 'seis', 'sete', 'oito', 'nove', 'dez'];

/** The age from which orders are archived, in words: `6mo` is "seis meses". */
export const archiveAge = (text: string): string => {
  const [, digits = '', unit = ''] = /^(\d+)(d|mo|y)$/.exec(text) ?? [];
  const [one, many] = units[unit] ?? [];
  if (!one || !many) return text;
  const count = Number(digits);
  return `${small[count] ?? digits} ${count === 1 ? one : many}`;
};
