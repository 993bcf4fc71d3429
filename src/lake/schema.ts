/** Schemas of Iceberg tables, in the JSON form of the table spec (its appendix C), so that nothing is lost on the way. */

export type PrimitiveType =
  | 'boolean'
  | 'int'
  | 'long'
  | 'float'
  | 'double'
  | 'date'
  | 'time'
  | 'timestamp'
  | 'timestamptz'
  | 'string'
  | 'uuid'
  | 'binary'
  | `decimal(${string})`
  | `fixed[${string}]`;

export type StructType = { type: 'struct'; fields: Field[] };

export type ListType = { type: 'list'; 'element-id': number; element: Type; 'element-required': boolean };

export type MapType = {
  type: 'map';
  'key-id': number;
  key: Type;
  'value-id': number;
  value: Type;
  'value-required': boolean;
};

export type Type = PrimitiveType | StructType | ListType | MapType;

export type Field = { id: number; name: string; required: boolean; type: Type; doc?: string };

export type Schema = StructType & { 'schema-id': number; 'identifier-field-ids'?: number[] };

/** A column as a person writes it: ids are given when the table is created. */
export type ColumnType =
  | PrimitiveType
  | { readonly list: ColumnType }
  | { readonly map: readonly [key: ColumnType, value: ColumnType] }
  | { readonly struct: readonly Column[] };

export type Column = {
  readonly name: string;
  readonly type: ColumnType;
  /** Null is refused. Default false. */
  readonly required?: boolean;
  readonly doc?: string;
};
