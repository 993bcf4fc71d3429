import { cnpj } from 'cpf-cnpj-validator';

// Documents are text, upper-cased, never stripped of what is not a digit: since 2026 a CNPJ may carry
// letters in its first twelve places (Receita Federal, IN RFB 2.229/2024), and a number would lose zeros.
const cpfShape = /^\d{11}$/;
const cnpjShape = /^[0-9A-Z]{12}\d{2}$/;

/** The next check digit: modulo 11 with weights that fall to 2 (Receita Federal, IN RFB 2.172/2024). */
const checkDigit = (digits: string): number => {
  const sum = [...digits].reduce(
    (total, digit, place) => total + Number(digit) * (digits.length + 1 - place),
    0,
  );
  return ((sum * 10) % 11) % 10;
};

/**
 * Whether the text is a CPF: eleven digits, no punctuation, valid check digits, not one digit repeated.
 * Not the library's check: that one also refuses 12345678909, which is as valid as any.
 */
export const isCpf = (text: string): boolean =>
  cpfShape.test(text) &&
  !/^(\d)\1*$/.test(text) &&
  checkDigit(text.slice(0, 9)) === Number(text[9]) &&
  checkDigit(text.slice(0, 10)) === Number(text[10]);

/** Whether the text is a CNPJ: fourteen characters, upper-case, no punctuation, valid check digits. */
export const isCnpj = (text: string): boolean => cnpjShape.test(text) && cnpj.isValid(text);
