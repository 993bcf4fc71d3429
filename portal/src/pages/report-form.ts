import type { Body } from '../api/client.ts';
import type { Report, ReportKind } from '../api/openapi.ts';
import { plainDocument, startOfDay } from '../format.ts';

type ReportBody = Body<'POST /v1/reports'>;
type ParameterName = ReportKind['parameters'][number]['name'];

/** The form as it is filled in. */
export type ReportState = {
  readonly kind: string;
  readonly parameters: Readonly<Partial<Record<ParameterName, string>>>;
  readonly from: string;
  readonly to: string;
  readonly status: string;
  readonly format: Report['request']['format'];
  readonly forExcel: boolean;
  readonly flat: boolean;
  readonly purpose: string;
  readonly unmasked: boolean;
  readonly email: string;
};

const parameterNames: readonly ParameterName[] = [
  'areaId',
  'contractId',
  'clientId',
  'requesterId',
  'participantId',
  'orderId',
];

/** What the form begins with: what the address of the page says, the rest empty. */
export const reportStateOf = (query: URLSearchParams): ReportState => ({
  kind: query.get('kind') ?? '',
  parameters: Object.fromEntries(
    parameterNames.flatMap((name) => (query.get(name) ? [[name, query.get(name)]] : [])),
  ),
  from: query.get('de') ?? '',
  to: query.get('ate') ?? '',
  status: '',
  format: 'xlsx',
  forExcel: true,
  flat: false,
  purpose: '',
  unmasked: false,
  email: '',
});

/** Clients are named by CPF or CNPJ, or by a key of the bank's own; punctuation is only taken out of the former. */
const parameterOf = (name: ParameterName, text: string): string => {
  const plain = plainDocument(text);
  const isClient = name === 'clientId' || name === 'requesterId' || name === 'participantId';
  return isClient && /^(\d{11}|[0-9A-Z]{12}\d{2})$/.test(plain) ? plain : text.trim();
};

/** The request that the form stands for; only parameters that the kind takes are sent. */
export const reportBody = (state: ReportState, kind: ReportKind | undefined): ReportBody => {
  const parameters = Object.fromEntries(
    (kind?.parameters ?? []).flatMap(({ name }) => {
      const value = parameterOf(name, state.parameters[name] ?? '');
      return value ? [[name, value]] : [];
    }),
  );
  const from = startOfDay(state.from);
  const to = startOfDay(state.to, 1);
  const hasJson = kind?.columns.some(({ type }) => type === 'json') ?? false;
  return {
    kind: state.kind as ReportBody['kind'],
    parameters,
    ...(from ? { from } : {}),
    ...(to ? { to } : {}),
    ...(state.status ? { status: state.status } : {}),
    format: state.format,
    options: {
      ...(state.format === 'csv' && state.forExcel ? { separator: ';', bom: true } : {}),
      ...(hasJson && state.flat ? { json: 'flat' } : {}),
    },
    purpose: state.purpose.trim(),
    ...(state.unmasked ? { unmasked: true } : {}),
    ...(state.email.trim() ? { notify: { email: state.email.trim() } } : {}),
  };
};
