import { z } from 'zod';
import type { Channel } from './channel.ts';
import type { Answer, AreaParameters, Call } from './contract.ts';
import { centsOf } from './money.ts';

/** Where the parametrizador keeps an area's standards and limits. */
export const healthPath = '/parametrizador/v1/saude';

const amount = z.string().transform((text, context) => {
  const cents = centsOf(text);
  if (cents !== undefined) return cents;
  context.addIssue('expected an amount in BRL as text, such as "200000.00"');
  return z.NEVER;
});

const days = z.int().min(0).max(36_500);
const partyTypes = { pessoa_juridica: 'company', pessoa_fisica: 'person' } as const;
const partyType = z
  .enum(['pessoa_juridica', 'pessoa_fisica'])
  .transform((name): 'company' | 'person' => partyTypes[name]);

/** The parametrizador's answer. Its limits of value are inclusive, like ours. */
export const areaSchema = z
  .object({
    area_id: z.string().min(1),
    sigla_area: z.string(),
    nome_area: z.string(),
    centro_custo: z.string(),
    ativa: z.boolean(),
    produto: z.string().nullable().default(null),
    plataformas: z.array(z.string()),
    meios_assinatura: z.array(z.string()),
    tipos_requisitante: z.array(partyType),
    poderes: z.array(z.object({ poder: z.string().min(1), consulta_poderes: z.boolean() })),
    valor: z.object({
      obrigatorio: z.boolean(),
      minimo: amount.nullable().default(null),
      maximo: amount.nullable().default(null),
    }),
    garantidores: z.object({ minimo: z.int().min(0), maximo: z.int().min(0) }),
    maximo_representantes: z.int().min(1),
    idade_maxima_evidencia_segundos: z.int().min(0).default(0),
    limite_indeterminado_segundos: z.int().min(1),
    retencao_rascunho_dias: days,
    retencao_evidencia_dias: days,
    permite_callback: z.boolean(),
    notifica_participantes: z.boolean(),
  })
  .transform(
    (area): AreaParameters => ({
      areaId: area.area_id,
      sigla: area.sigla_area,
      name: area.nome_area,
      costCentre: area.centro_custo,
      active: area.ativa,
      product: area.produto,
      platforms: area.plataformas,
      signatureMethods: area.meios_assinatura,
      requesterTypes: area.tipos_requisitante,
      powers: area.poderes.map(({ poder, consulta_poderes }) => ({
        power: poder,
        consultsPowers: consulta_poderes,
      })),
      amount: {
        required: area.valor.obrigatorio,
        minCents: area.valor.minimo,
        maxCents: area.valor.maximo,
      },
      guarantors: { min: area.garantidores.minimo, max: area.garantidores.maximo },
      maxRepresentatives: area.maximo_representantes,
      evidenceMaxAgeSeconds: area.idade_maxima_evidencia_segundos,
      undeterminedLimitSeconds: area.limite_indeterminado_segundos,
      draftRetentionDays: area.retencao_rascunho_dias,
      evidenceRetentionDays: area.retencao_evidencia_dias,
      callbackAllowed: area.permite_callback,
      notifyParticipants: area.notifica_participantes,
    }),
  );

/** Asks for one area; null where the partner says that there is none. */
export const askParameters = (
  channel: Channel,
  areaId: string,
  call: Call,
): Promise<Answer<AreaParameters | null>> =>
  channel.ask(
    'area',
    {
      method: 'GET',
      path: `/parametrizador/v1/areas/${encodeURIComponent(areaId)}`,
      notFound: 'AREA_NAO_ENCONTRADA',
    },
    call,
    ({ found, json }) => {
      if (!found) return null;
      const area = areaSchema.parse(json);
      if (area.areaId !== areaId) throw new Error('it is about another area than the one asked for');
      return area;
    },
  );
