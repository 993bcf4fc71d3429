import { createHash } from 'node:crypto';
import { isCnpj, isCpf } from '../src/shared/cpf-cnpj.ts';

/** What a client of the bank may ask for: reports of its own orders. */
export const finalClientScopes = ['reports:read', 'reports:write'];

/** The form parameter in which a token request names the documents that the token is to speak for. */
export const documentsParameter = 'clients';

/** The documents of such a parameter, sorted; undefined where one is neither a CPF nor a CNPJ. */
export const finalClientDocuments = (text: string): string[] | undefined => {
  const documents = [...new Set(text.split(/[\s,]+/).filter((part) => part !== ''))].sort();
  return documents.length > 0 && documents.every((one) => isCpf(one) || isCnpj(one)) ? documents : undefined;
};

/**
 * The issuer's client for some of the bank's clients. Its id is a hash: ids of clients are logged, and documents
 * are not. There is one for every set of documents, so none is stored.
 */
export const finalClientId = (documents: readonly string[]): string =>
  `client-${createHash('sha256').update(documents.join(',')).digest('hex').slice(0, 16)}`;

export const isFinalClientId = (id: string): boolean => /^client-[0-9a-f]{16}$/.test(id);

export const finalClientSecret = (id: string): string => `sandbox-${id}`;
