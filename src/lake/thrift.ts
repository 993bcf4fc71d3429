/**
 * Thrift's compact protocol, as far as Parquet's headers and footers need it (thrift-compact-protocol.md of Apache
 * Thrift). Writing only.
 */
export type Thrift =
  | { readonly i32: number }
  | { readonly i64: number | bigint }
  | { readonly bool: boolean }
  | { readonly bytes: Uint8Array | string }
  | { readonly list: readonly Thrift[] }
  /** By field id; undefined: absent. */
  | { readonly struct: Readonly<Record<number, Thrift | undefined>> };

const codeOf = (value: Thrift): number => {
  if ('bool' in value) return value.bool ? 1 : 2;
  if ('i32' in value) return 5;
  if ('i64' in value) return 6;
  if ('bytes' in value) return 8;
  return 'list' in value ? 9 : 12;
};

export const varint = (value: bigint): number[] => {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
};

const zigzag = (value: bigint): bigint => (value >= 0n ? value << 1n : ((-value - 1n) << 1n) | 1n);

const write = (value: Thrift, out: number[]): void => {
  if ('i32' in value) out.push(...varint(zigzag(BigInt(value.i32))));
  else if ('i64' in value) out.push(...varint(zigzag(BigInt(value.i64))));
  else if ('bytes' in value) {
    const bytes = Buffer.from(value.bytes);
    out.push(...varint(BigInt(bytes.length)));
    for (const byte of bytes) out.push(byte);
  } else if ('list' in value) {
    const [first] = value.list;
    const code = first === undefined ? 12 : codeOf(first);
    const { length } = value.list;
    if (length < 15) out.push((length << 4) | code);
    else out.push(0xf0 | code, ...varint(BigInt(length)));
    for (const each of value.list) write(each, out);
  } else if ('struct' in value) {
    let last = 0;
    for (const [key, field] of Object.entries(value.struct)) {
      if (field === undefined) continue;
      const id = Number(key);
      const step = id - last;
      if (step <= 15) out.push((step << 4) | codeOf(field));
      else out.push(codeOf(field), ...varint(zigzag(BigInt(id))));
      last = id;
      // A boolean's value is in its header.
      if (!('bool' in field)) write(field, out);
    }
    out.push(0);
  }
};

/** A struct as bytes. Its keys are ascending numbers, which is the order in which JavaScript gives them. */
export const encodeThrift = (struct: Thrift): Buffer => {
  const out: number[] = [];
  write(struct, out);
  return Buffer.from(out);
};
