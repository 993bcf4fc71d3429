import { Link } from '../router.tsx';
import { useDesk } from '../session/session.tsx';
import { archiveAge } from '../words/archive-age.ts';

/** Where the report that answers in the place of an archived order is asked for, filled in as far as is known. */
export const reportLink = ({ orderKey, areaId }: { orderKey?: string; areaId?: string }): string => {
  const known = orderKey
    ? { kind: 'order-participants', orderId: orderKey }
    : { kind: 'area-orders', ...(areaId ? { areaId } : {}) };
  return `/relatorios/novo?${new URLSearchParams(known)}`;
};

/** That old orders are available by report only, with the way to the report. */
export const ArchivedNotice = ({ orderKey, areaId }: { orderKey?: string; areaId?: string }) => {
  const { settings, may } = useDesk();
  return (
    <p className="archived">
      Ordens com mais de {archiveAge(settings.archiveOlderThan)} estão disponíveis{' '}
      <strong>só por relatório</strong>.{' '}
      {may('reports:write') && (
        <Link to={reportLink({ ...(orderKey ? { orderKey } : {}), ...(areaId ? { areaId } : {}) })}>
          Pedir o relatório {orderKey ? 'desta ordem' : 'de ordens antigas'}
        </Link>
      )}
    </p>
  );
};
