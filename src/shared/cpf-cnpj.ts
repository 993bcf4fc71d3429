import { cnpj, cpf } from 'cpf-cnpj-validator';

// Documents are text, upper-cased, never stripped of what is not a digit: since 2026 a CNPJ may carry
// letters in its first twelve places (Receita Federal, IN RFB 2.229/2024), and a number would lose zeros.
const cpfShape = /^\d{11}$/;
const cnpjShape = /^[0-9A-Z]{12}\d{2}$/;

/** Whether the text is a CPF: eleven digits, no punctuation, valid check digits, not one digit repeated. */
export const isCpf = (text: string): boolean => cpfShape.test(text) && cpf.isValid(text);

/** Whether the text is a CNPJ: fourteen characters, upper-case, no punctuation, valid check digits. */
export const isCnpj = (text: string): boolean => cnpjShape.test(text) && cnpj.isValid(text);
