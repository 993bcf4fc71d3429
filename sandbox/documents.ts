/** The check digit by modulo 11, as for CPF and CNPJ: weights from the right, starting at 2. */
const checkDigit = (values: readonly number[], highestWeight: number): number => {
  let sum = 0;
  for (let index = 0; index < values.length; index++) {
    const fromRight = values.length - 1 - index;
    sum += (values[index] ?? 0) * (2 + (fromRight % (highestWeight - 1)));
  }
  const rest = sum % 11;
  return rest < 2 ? 0 : 11 - rest;
};

const complete = (base: string, highestWeight: number): string => {
  // A letter counts as its ASCII code less 48 (Receita Federal, alphanumeric CNPJ of 2026); digits as themselves.
  const values = [...base].map((character) => character.charCodeAt(0) - 48);
  const first = checkDigit(values, highestWeight);
  return `${base}${first}${checkDigit([...values, first], highestWeight)}`;
};

/** A valid CPF of a number below 10^9. */
export const cpfOf = (number: number): string => complete(String(number).padStart(9, '0'), 11);

/** A valid CNPJ of twelve characters, digits or upper-case letters. */
export const cnpjOf = (base: string): string => complete(base, 9);
