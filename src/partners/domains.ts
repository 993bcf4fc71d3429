import { z } from 'zod';
import type { Channel } from './channel.ts';
import type { Answer, Call, Domains } from './contract.ts';

export const healthPath = '/dominios/v1/saude';

const entry = { ativo: z.boolean().default(true) };
const key = z.string().min(1);

/** The valid keys, in the column names of the domain's data models. */
export const domainsSchema = z
  .object({
    plataformas: z.array(
      z.object({
        ...entry,
        plataforma_id: key,
        nome_plataforma: z.string(),
        tipo_plataforma: z.string(),
        exige_cadastro_unico: z.boolean(),
      }),
    ),
    meios_assinatura: z.array(z.object({ ...entry, meio_assinatura_id: key, tipo_assinatura: z.string() })),
    poderes: z.array(z.object({ ...entry, poder_id: key, nome_poder: z.string() })),
  })
  .transform(
    ({ plataformas, meios_assinatura, poderes }): Domains => ({
      platforms: plataformas
        .filter(({ ativo }) => ativo)
        .map((platform) => ({
          key: platform.plataforma_id,
          name: platform.nome_plataforma,
          kind: platform.tipo_plataforma,
          requiresRegistry: platform.exige_cadastro_unico,
        })),
      signatureMethods: meios_assinatura
        .filter(({ ativo }) => ativo)
        .map((method) => ({ key: method.meio_assinatura_id, name: method.tipo_assinatura })),
      powers: poderes
        .filter(({ ativo }) => ativo)
        .map((power) => ({ key: power.poder_id, name: power.nome_poder })),
    }),
  );

/** Asks for all domains at once: they are small and change rarely. */
export const askDomains = (channel: Channel, call: Call): Promise<Answer<Domains>> =>
  channel.ask('all', { method: 'GET', path: '/dominios/v1/dominios' }, call, ({ json }) =>
    domainsSchema.parse(json),
  );
