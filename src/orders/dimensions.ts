import type { AreaParameters, Domains } from '../partners/partners.ts';
import type { Db } from '../platform/postgres.ts';

/**
 * Keeps the dimensions of the exported fact as the partners last told them. Called when an answer did not
 * come from the cache, so a few times an hour; a dimension is never removed, orders of the past point to it.
 */
export const rememberDimensions = async (db: Db, area: AreaParameters, domains: Domains): Promise<void> => {
  await db.query(
    `WITH area AS (
       INSERT INTO areas (area_id, sigla_area, centro_custo, nome_area) VALUES ($1, $2, $3, $4)
       ON CONFLICT (area_id) DO UPDATE
         SET sigla_area = excluded.sigla_area, centro_custo = excluded.centro_custo, nome_area = excluded.nome_area
         WHERE (areas.sigla_area, areas.centro_custo, areas.nome_area)
           IS DISTINCT FROM (excluded.sigla_area, excluded.centro_custo, excluded.nome_area)
     ), plataforma AS (
       INSERT INTO plataformas (plataforma_id, nome_plataforma, tipo_plataforma)
       SELECT * FROM unnest($5::text[], $6::text[], $7::text[]) v ORDER BY 1
       ON CONFLICT (plataforma_id) DO UPDATE
         SET nome_plataforma = excluded.nome_plataforma, tipo_plataforma = excluded.tipo_plataforma
         WHERE (plataformas.nome_plataforma, plataformas.tipo_plataforma)
           IS DISTINCT FROM (excluded.nome_plataforma, excluded.tipo_plataforma)
     )
     INSERT INTO meios_assinatura (meio_assinatura_id, tipo_assinatura)
     SELECT * FROM unnest($8::text[], $9::text[]) v ORDER BY 1
     ON CONFLICT (meio_assinatura_id) DO UPDATE SET tipo_assinatura = excluded.tipo_assinatura
       WHERE meios_assinatura.tipo_assinatura IS DISTINCT FROM excluded.tipo_assinatura`,
    [
      area.areaId,
      area.sigla,
      area.costCentre,
      area.name,
      domains.platforms.map(({ key }) => key),
      domains.platforms.map(({ name }) => name),
      domains.platforms.map(({ kind }) => kind),
      domains.signatureMethods.map(({ key }) => key),
      domains.signatureMethods.map(({ name }) => name),
    ],
  );
};
