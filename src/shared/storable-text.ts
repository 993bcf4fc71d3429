/**
 * Whether PostgreSQL can keep a text: it refuses U+0000 and, in UTF-8, surrogates without their half. JSON can
 * carry both, so what comes from outside is asked before it is stored.
 */
export const isStorableText = (text: string): boolean => text.isWellFormed() && !text.includes('\0');
