import { type Random, random } from './random.ts';

/** A value as DynamoDB writes it; the sandbox knows nothing of src/. */
type Value = { [type: string]: unknown };
export type SandboxOrder = Record<string, Value>;

const areas = ['CRD01', 'CRD02', 'CAMB1', 'GARAN', 'CONTA'];
const finals = ['concluida', 'concluida', 'concluida', 'concluida', 'cancelada', 'expirada', 'recusada'];
const open = ['rascunho', 'em_assinatura', 'pendente'];
const day = 86_400_000;

const text = (S: string): Value => ({ S });
const number = (N: number | string): Value => ({ N: String(N) });
const map = (M: Record<string, Value>): Value => ({ M });
const list = (L: Value[]): Value => ({ L });

const id = (prefix: string, value: number, width = 8): string =>
  `${prefix}_${value.toString(36).padStart(width, '0')}`;

const events = (chance: Random, from: number, names: readonly string[]): Value => {
  let at = from;
  return list(
    names.map((name) => {
      at += chance.int(30_000, 3 * 3_600_000);
      return map({
        evento: text(name),
        quando: text(new Date(at).toISOString()),
        canal: text(chance.pick(['bankline', 'app', 'agencia'])),
      });
    }),
  );
};

const participant = (chance: Random, created: number, role: string): Value =>
  map({
    cliente_participante_id: text(id('cli', chance.int(1, 40_000))),
    papel: text(role),
    metadados: map({
      poder: text(chance.pick(['assina_contrato', 'assina_garantia'])),
      ordem: number(chance.int(1, 9)),
    }),
    logs_eventos: events(chance, created, ['convidado', 'visualizou', 'assinou'].slice(0, chance.int(1, 3))),
  });

/** What other services have written at some time, and what trips those who move orders: each has its reason to be here. */
const oddities: ((order: SandboxOrder, chance: Random) => unknown)[] = [
  // Old services wrote no version.
  (order) => Reflect.deleteProperty(order, 'versao'),
  (order) => Object.assign(order, { etiquetas: { SS: ['urgente', 'agro', 'ção', '😀'] } }),
  (order) =>
    Object.assign(order, { valores: { NS: ['1', '2.5', '-0.00000000000000000000000000000000000001'] } }),
  (order) => Object.assign(order, { valor_exato: number('12345678901234567890123456789012345678') }),
  (order) => Object.assign(order, { assinatura: { B: new Uint8Array([0, 1, 2, 253, 254, 255]) } }),
  (order) => Object.assign(order, { anexos: { BS: [new Uint8Array([1]), new Uint8Array([2, 3])] } }),
  (order) => Object.assign(order, { observacao: text('') }),
  (order) =>
    Object.assign(order, {
      aninhado: list([{ NULL: true }, list([{ NULL: true }, map({ vazio: { NULL: true } })])]),
    }),
  (order) => Object.assign(order, { emoji: text('👩‍⚖️ assinado ✅ \u2028 fim') }),
  (order) => Object.assign(order, { $set: map({ $binary: text('not binary') }) }),
  (order) => Object.assign(order, { metadados: { NULL: true } }),
  (order) => Object.assign(order, { participantes: list([]) }),
  (order) => Reflect.deleteProperty(order, 'contrato_id'),
  (order) => Object.assign(order, { migrado: { BOOL: true } }),
  // Seconds without a fraction, as one service writes them.
  (order) =>
    Object.assign(order, { data_criacao: text(String(order.data_criacao?.S).replace(/\.\d+Z$/, 'Z')) }),
  (order, chance) => Object.assign(order, { documento: text('x'.repeat(chance.int(20_000, 60_000))) }),
];

/**
 * The nth order of a table of `count` over the three years before `until`: the same for the same arguments. About one
 * in 25 is odd in some way, one in twelve is still open, however old.
 */
export const sandboxOrder = (
  index: number,
  { count, until, seed = 1 }: { count: number; until: Date; seed?: number },
): SandboxOrder => {
  const chance = random(seed * 1_000_003 + index);
  const span = 3 * 365 * day;
  const created = until.getTime() - span + Math.floor((span * index) / count) + chance.int(0, 60_000);
  const updated = Math.min(created + chance.int(0, 20 * day), until.getTime());
  const company = id('cli', chance.int(1, 8_000));
  const order: SandboxOrder = {
    ordem_id: text(id('ord', index, 10)),
    area_id: text(chance.pick(areas)),
    contrato_id: text(id('ctr', chance.int(1, 30_000))),
    cliente_requisitante_id: text(company),
    participantes: list(
      Array.from({ length: chance.int(1, 3) }, (_, at) =>
        participant(chance, created, at === 0 ? 'representante' : 'avalista'),
      ),
    ),
    data_criacao: text(new Date(created).toISOString()),
    data_atualizacao: text(new Date(updated).toISOString()),
    status_ordem: text(chance.chance(1 / 12) ? chance.pick(open) : chance.pick(finals)),
    regras: map({ minimo: number(chance.int(1, 3)), grupos: list([text('A'), text('B')]) }),
    metadados: map({
      canal: text(chance.pick(['bankline', 'app'])),
      valor_centavos: number(chance.int(1_000, 900_000_000)),
    }),
    notificacoes: list([
      map({
        meio: text('email'),
        enviada: { BOOL: true },
        quando: text(new Date(created + 60_000).toISOString()),
      }),
    ]),
    logs_eventos: events(chance, created, ['criada', 'montada', 'enviada', 'encerrada']),
    versao: number(chance.int(1, 12)),
  };
  if (chance.chance(1 / 25)) chance.pick(oddities)(order, chance);
  return order;
};
