import { useDesk } from '../session/session.tsx';
import { useLoad } from './load.ts';

export type AreaChoice = { readonly value: string; readonly name: string };

/** The areas that the person may use. `all`: any area, of which those that the desk has seen are listed. */
export const useAreas = (): { choices: readonly AreaChoice[]; all: boolean; loaded: boolean } => {
  const { call, may } = useDesk();
  const { data } = useLoad(may('orders:read') ? 'areas' : null, (signal) =>
    call('GET /v1/areas', { signal }),
  );
  const choices = (data?.items ?? []).map(({ areaId, name }) => ({
    value: areaId,
    name: name ? `${areaId} · ${name}` : areaId,
  }));
  return { choices, all: data?.all ?? false, loaded: data !== undefined };
};
