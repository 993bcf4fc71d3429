import { Link } from '../router.tsx';
import { useDesk } from '../session/session.tsx';
import { archiveAge } from '../words/archive-age.ts';

/**
 * Where the report that answers in the place of archived orders is asked for, filled in as far as is known. A client
 * of the bank, who sees no orders, asks for their own.
 */
export const reportLink = ({
  orderKey,
  areaId,
  isClient = false,
}: {
  orderKey?: string | undefined;
  areaId?: string | undefined;
  isClient?: boolean;
}): string => {
  if (isClient) return '/relatorios/novo?kind=client-orders';
  const known = orderKey
    ? { kind: 'order-participants', orderId: orderKey }
    : { kind: 'area-orders', ...(areaId ? { areaId } : {}) };
  return `/relatorios/novo?${new URLSearchParams(known)}`;
};

/** That old orders are available by report only, with the way to the report. */
export const ArchivedNotice = ({ orderKey, areaId }: { orderKey?: string; areaId?: string | undefined }) => {
  const { settings, may } = useDesk();
  return (
    <p className="archived">
      Ordens com mais de {archiveAge(settings.archiveOlderThan)} estão disponíveis{' '}
      <strong>só por relatório</strong>.{' '}
      {may('reports:write') && (
        <Link to={reportLink({ orderKey, areaId, isClient: !may('orders:read') })}>
          Pedir o relatório {orderKey ? 'desta ordem' : 'de ordens antigas'}
        </Link>
      )}
    </p>
  );
};
