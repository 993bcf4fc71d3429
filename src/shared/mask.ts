/**
 * Masks personal data for logs and pages. What stays is enough to recognise a person that one already
 * knows, and not enough to find out: the middle of a CPF, the first letter of a mailbox, the last digits of
 * a phone.
 */
export const maskCpf = (cpf: string): string =>
  cpf.length === 11 ? `***.${cpf.slice(3, 6)}.${cpf.slice(6, 9)}-**` : '***';

export const maskEmail = (email: string): string => {
  const at = email.lastIndexOf('@');
  return at < 1 ? '***' : `${email.slice(0, 1)}***${email.slice(at)}`;
};

export const maskPhone = (phone: string): string => `***${phone.slice(-4)}`;

const patterns: readonly [RegExp, (found: string) => string][] = [
  [/(?<![\w])\d{3}\.\d{3}\.\d{3}-\d{2}(?![\w])/g, (found) => maskCpf(found.replace(/\D/g, ''))],
  [/(?<!\w)\+55\s?\(?\d{2}\)?\s?9?\d{4}-?\d{4}(?!\w)/g, maskPhone],
  [/\(\d{2}\)\s?9?\d{4}-?\d{4}(?!\w)/g, maskPhone],
  [/(?<!\w)\d{11}(?!\w)/g, maskCpf],
];

/**
 * Takes each run of a mailbox's characters whole, whether a domain follows or not. Looking only for those with one
 * would try again from every character of the run: minutes for a text of some hundred thousand (a file in Base64url).
 */
const mailboxes = /[\w.+-]+(@[\w-]+(?:\.[\w-]+)+)?/g;

const maskEmails = (text: string): string =>
  text.includes('@')
    ? text.replace(mailboxes, (found, domain?: string) => (domain === undefined ? found : maskEmail(found)))
    : text;

/** Masks every CPF, e-mail and Brazilian phone inside free text (an error's message, a partner's answer). */
export const maskText = (text: string): string =>
  patterns.reduce((masked, [pattern, mask]) => masked.replace(pattern, mask), maskEmails(text));

const jsonEscape = /(\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))/;

/** The letter of an escape (`\n`) is none of the word that follows it. */
const maskJsonString = (json: string): string =>
  json.includes('\\')
    ? json
        .split(jsonEscape)
        .map((part, at) => (at % 2 === 0 ? maskText(part) : part))
        .join('')
    : maskText(json);

/** The place behind a string that begins at `open`: behind the first quote that no backslash escapes. */
const endOfString = (json: string, open: number): number => {
  for (let quote = json.indexOf('"', open + 1); quote >= 0; quote = json.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (json[quote - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return quote + 1;
  }
  return json.length;
};

const jsonNumber = /-?\d[\d.eE+-]*/g;

/** A number that is masked is none any more, and stands in quotes. */
const maskNumbers = (json: string): string =>
  json.replace(jsonNumber, (number) => {
    const masked = maskText(number);
    return masked === number ? number : `"${masked}"`;
  });

/** The same for JSON text, which stays JSON: each name, text and number is masked by itself. */
export const maskJsonText = (json: string): string => {
  if (!/\d{11}/.test(json)) return maskJsonString(json);
  let masked = '';
  let at = 0;
  while (at < json.length) {
    const quote = json.indexOf('"', at);
    const open = quote < 0 ? json.length : quote;
    const end = quote < 0 ? open : endOfString(json, open);
    masked += maskNumbers(json.slice(at, open)) + maskJsonString(json.slice(open, end));
    at = end;
  }
  return masked;
};
