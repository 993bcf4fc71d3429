import fc from 'fast-check';
import { type AttributeValue, type Item, setAttribute } from '../../src/archive/item.ts';

/** Names that have tripped someone: of prototypes, of our own marks, empty, long, with quotes and accents. */
const names = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    'papel',
    'metadados',
    '__proto__',
    'constructor',
    '$map',
    '$binary',
    '$stringSet',
    '$number',
    '$numberSet',
    '$x',
    '_atributos',
    '',
    'ç"\\\n',
    '😀',
    '0',
    '10',
  ),
  fc.string({ maxLength: 6, unit: 'binary' }),
);

const numbers = fc.oneof(
  fc.constantFrom(
    '0',
    '-1',
    '1E+126',
    '-9.9999999999999999999999999999999999999E+125',
    '1E-130',
    '12345678901234567890123456789012345678',
    '0.00000000000000000000000000000000000001',
    '.5',
    '+1',
    '00',
  ),
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
);

const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('', '\0', '\u2028', '{"$map":{}}', '😀é', '\\"'),
);
const bytes = fc.uint8Array({ maxLength: 12 }).map((array) => Buffer.from(array));

const mapOf = (
  values: fc.Arbitrary<AttributeValue>,
  maxKeys: number,
): fc.Arbitrary<Record<string, AttributeValue>> =>
  fc.array(fc.tuple(names, values), { maxLength: maxKeys }).map((entries) => {
    const map: Record<string, AttributeValue> = {};
    for (const [name, value] of entries) setAttribute(map, name, value);
    return map;
  });

/** Any value of any type of DynamoDB, nested. */
export const anyValue: fc.Arbitrary<AttributeValue> = fc.letrec<{ value: AttributeValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small', withCrossShrink: true },
    texts.map((S) => ({ S })),
    numbers.map((N) => ({ N })),
    bytes.map((B) => ({ B })),
    fc.boolean().map((BOOL) => ({ BOOL })),
    fc.constant({ NULL: true as const }),
    fc.uniqueArray(texts, { minLength: 1, maxLength: 4 }).map((SS) => ({ SS })),
    fc.uniqueArray(numbers, { minLength: 1, maxLength: 4 }).map((NS) => ({ NS })),
    fc
      .uniqueArray(bytes, { minLength: 1, maxLength: 3, selector: (each) => each.toString('hex') })
      .map((BS) => ({ BS })),
    fc.array(tie('value'), { maxLength: 4 }).map((L) => ({ L })),
    mapOf(tie('value'), 4).map((M) => ({ M })),
  ),
})).value;

const ids = fc.oneof(
  fc.stringMatching(/^[a-z0-9]{1,10}$/),
  fc.constantFrom('área 1', 'a\nb', 'a\u001fb', '"', "o'x", '\u001e'),
);

const instants = fc.oneof(
  fc
    .date({ min: new Date('2020-01-01'), max: new Date('2026-01-01'), noInvalidDate: true })
    .map((at) => at.toISOString()),
  fc.constantFrom(
    '2024-02-29T12:00:00Z',
    '2024-02-29T12:00:00.123456Z',
    '2024-02-29T12:00:00-03:00',
    '2024-02-29T23:59:59.999+0000',
  ),
);

const participant: fc.Arbitrary<AttributeValue> = fc
  .record(
    {
      cliente_participante_id: fc.oneof(
        ids.map((S) => ({ S })),
        fc.constant({ N: '1' }),
      ),
      papel: anyValue,
      metadados: anyValue,
      logs_eventos: anyValue,
      outro: anyValue,
    },
    { requiredKeys: [] },
  )
  .map((M) => ({ M: M }));

/** An order with what the table requires, and anything at all besides. */
export const anyOrder: fc.Arbitrary<Item> = fc
  .tuple(
    fc.record({
      ordem_id: ids,
      area_id: ids,
      cliente_requisitante_id: ids,
      data_criacao: instants,
      status_ordem: fc.constantFrom('concluida', 'cancelada'),
    }),
    fc.record(
      {
        contrato_id: fc.oneof(
          ids.map((S) => ({ S })),
          anyValue,
        ),
        participantes: fc.oneof(
          fc.array(participant, { maxLength: 4 }).map((L) => ({ L })),
          anyValue,
        ),
        regras: anyValue,
        metadados: fc.oneof(
          mapOf(anyValue, 4).map((M) => ({ M })),
          anyValue,
        ),
        notificacoes: anyValue,
        logs_eventos: anyValue,
        versao: fc.oneof(
          fc
            .constantFrom('1', '0', '-5', '999999999999999999', '12345678901234567890', '1.5', '1E+2')
            .map((N) => ({ N })),
          anyValue,
        ),
        data_atualizacao: instants.map((S) => ({ S })),
      },
      { requiredKeys: [] },
    ),
    mapOf(anyValue, 4),
  )
  .map(([required, optional, unknown]) => {
    const item: Record<string, AttributeValue> = {};
    Object.assign(item, optional);
    for (const name of Object.keys(unknown))
      if (!Object.hasOwn(item, name)) setAttribute(item, name, unknown[name] as AttributeValue);
    for (const [name, text] of Object.entries(required)) item[name] = { S: text };
    return item;
  });
