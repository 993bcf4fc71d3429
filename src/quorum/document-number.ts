/**
 * Whether a text is a CPF or a CNPJ with valid check digits, plain or with the usual punctuation; the CNPJ
 * may be alphanumeric (Receita Federal, IN RFB 2.229/2024). Ids of the quorum contract must be opaque: they
 * travel in certificates and logs, where a document number has no place.
 */
export const isDocumentNumber = (text: string): boolean => {
  if (text.length < 11 || text.length > 18) return false;
  if (CPF.test(text)) return isCpf(text.replace(/[.-]/g, ''));
  if (CNPJ.test(text)) return isCnpj(text.replace(/[./-]/g, ''));
  return false;
};

const CPF = /^(?:\d{11}|\d{3}\.\d{3}\.\d{3}-\d{2})$/;
const CNPJ = /^(?:[0-9A-Z]{12}\d{2}|[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}\/[0-9A-Z]{4}-\d{2})$/;

const isOneCharacter = (text: string): boolean => text === (text[0] ?? '').repeat(text.length);

const checkDigit = (text: string, weightAt: (fromTheRight: number) => number): number => {
  let sum = 0;
  for (let i = 0; i < text.length; i++) sum += (text.charCodeAt(i) - 48) * weightAt(text.length - 1 - i);
  const rest = sum % 11;
  return rest < 2 ? 0 : 11 - rest;
};

const hasCheckDigits = (text: string, weightAt: (fromTheRight: number) => number): boolean => {
  const first = checkDigit(text.slice(0, -2), weightAt);
  const second = checkDigit(text.slice(0, -1), weightAt);
  return text.endsWith(`${first}${second}`);
};

const isCpf = (digits: string): boolean =>
  !isOneCharacter(digits) && hasCheckDigits(digits, (fromTheRight) => fromTheRight + 2);

const isCnpj = (characters: string): boolean =>
  !isOneCharacter(characters) && hasCheckDigits(characters, (fromTheRight) => (fromTheRight % 8) + 2);
