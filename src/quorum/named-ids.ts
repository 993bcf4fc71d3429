/**
 * The texts that stand under one of the given keys, at any depth, each once: whom or what unchecked rules and
 * groups name. Rules can then be parsed on their own, with everyone they name taken to exist.
 */
export const namesIn = (value: unknown, keys: readonly string[]): string[] => {
  const names = new Set<string>();
  const collect = (node: unknown, isNamed: boolean): void => {
    if (typeof node === 'string') {
      if (isNamed) names.add(node);
    } else if (Array.isArray(node)) {
      for (const item of node) collect(item, isNamed);
    } else if (typeof node === 'object' && node !== null) {
      for (const [key, member] of Object.entries(node)) collect(member, keys.includes(key));
    }
  };
  collect(value, false);
  return [...names];
};
