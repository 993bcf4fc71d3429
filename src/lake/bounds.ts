import { decimalOf, fixedOf, type Type } from './schema.ts';
import type { Value } from './values.ts';

/** The single-value binary form of the Iceberg spec, appendix D. */
export const encodeValue = (type: Type, value: Value): Uint8Array => {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string') return Buffer.from(value);
  if (typeof value === 'boolean') return Uint8Array.of(value ? 1 : 0);
  if (decimalOf(type)) return bigEndianTwosComplement(BigInt(value));
  const bytes = Buffer.alloc(type === 'int' || type === 'date' || type === 'float' ? 4 : 8);
  if (type === 'float') bytes.writeFloatLE(Number(value));
  else if (type === 'double') bytes.writeDoubleLE(Number(value));
  else if (bytes.length === 4) bytes.writeInt32LE(Number(value));
  else bytes.writeBigInt64LE(BigInt(value));
  return bytes;
};

/**
 * Reads a bound. A column that was widened (int → long, float → double) keeps the short bounds of its old files.
 * Null when the bytes fit no form of the type: the bound then says nothing.
 */
export const decodeValue = (type: Type, bytes: Uint8Array): Value | null => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (decimalOf(type)) return buffer.length === 0 ? null : fromBigEndianTwosComplement(buffer);
  if (type === 'uuid' || type === 'binary' || fixedOf(type) !== null) return buffer;
  if (type === 'string') return buffer.toString();
  if (type === 'boolean') return buffer.length === 1 ? buffer[0] !== 0 : null;
  if (type === 'int' || type === 'date') return buffer.length === 4 ? buffer.readInt32LE() : null;
  if (type === 'float') return buffer.length === 4 ? buffer.readFloatLE() : null;
  if (type === 'double') {
    return buffer.length === 8 ? buffer.readDoubleLE() : buffer.length === 4 ? buffer.readFloatLE() : null;
  }
  return buffer.length === 8
    ? buffer.readBigInt64LE()
    : buffer.length === 4
      ? BigInt(buffer.readInt32LE())
      : null;
};

/** The shortest big-endian two's complement of an integer: decimals' unscaled values. */
export const bigEndianTwosComplement = (value: bigint): Buffer => {
  let length = 1;
  while (BigInt.asIntN(length * 8, value) !== value) length++;
  return Buffer.from(
    BigInt.asUintN(length * 8, value)
      .toString(16)
      .padStart(length * 2, '0'),
    'hex',
  );
};

export const fromBigEndianTwosComplement = (bytes: Buffer): bigint =>
  BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`));

const boundLength = 16;

/** A lower bound of at most 16 code points (or bytes), as Java writes it: a prefix is never above the value. */
export const lowerBound = (type: Type, value: Value): Uint8Array => {
  if (typeof value === 'string') return Buffer.from([...value].slice(0, boundLength).join(''));
  if (type === 'binary' && value instanceof Uint8Array) return value.slice(0, boundLength);
  // Zero has two signs in IEEE 754 and the spec orders -0 before +0.
  return encodeValue(type, (type === 'float' || type === 'double') && value === 0 ? -0 : value);
};

/** An upper bound of at most 16 code points (or bytes), its last one raised; null when none can be raised. */
export const upperBound = (type: Type, value: Value): Uint8Array | null => {
  if (typeof value === 'string') {
    const points = [...value].map((character) => character.codePointAt(0) ?? 0);
    if (points.length <= boundLength) return Buffer.from(value);
    return raiseText(points.slice(0, boundLength));
  }
  if (type === 'binary' && value instanceof Uint8Array && value.length > boundLength) {
    return raiseBytes(value.slice(0, boundLength));
  }
  return encodeValue(type, (type === 'float' || type === 'double') && value === 0 ? 0 : value);
};

const raiseText = (points: number[]): Uint8Array | null => {
  for (let at = points.length - 1; at >= 0; at--) {
    let next = (points[at] ?? 0) + 1;
    if (next >= 0xd800 && next <= 0xdfff) next = 0xe000;
    if (next <= 0x10ffff) return Buffer.from(String.fromCodePoint(...points.slice(0, at), next));
  }
  return null;
};

const raiseBytes = (bytes: Uint8Array): Uint8Array | null => {
  for (let at = bytes.length - 1; at >= 0; at--) {
    const next = (bytes[at] ?? 0) + 1;
    if (next <= 0xff) return Uint8Array.of(...bytes.subarray(0, at), next);
  }
  return null;
};
