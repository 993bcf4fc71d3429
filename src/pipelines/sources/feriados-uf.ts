import { csvFile } from '../csv-file.ts';
import { definePipeline } from '../define.ts';

const states = 'AC AL AM AP BA CE DF ES GO MA MG MS MT PA PB PE PI PR RJ RN RO RR RS SC SE SP TO'.split(' ');

/**
 * Holidays of the states, from a CSV file of the user's own: `uf,dia,nome,desde,ate`. `dia` is `07-09` (every year, from
 * `desde` to `ate` where these are given) or `2024-07-09` (once). None is built in: no API that may be asked freely has
 * them, and states move them by law. Without a file there are none.
 */
export default definePipeline({
  name: 'feriados_uf',
  about: 'holidays of the states, from a file of your own',
  source: csvFile({ pathFrom: 'LASTRO_STATE_HOLIDAYS', optional: true }),
  // The file is its owner's: also an empty one is believed.
  windows: { full: true, every: 'day', guard: { minShare: 0, minRows: 0 } },
  silver: {
    columns: {
      uf: { type: 'string', required: true },
      dia: { type: 'string', required: true, doc: 'MM-DD, each year; or YYYY-MM-DD, once' },
      nome: { type: 'string', required: true },
      desde: { type: 'int', doc: 'First year' },
      ate: { type: 'int', doc: 'Last year' },
    },
    key: ['uf', 'dia', 'nome'],
    schema: {
      properties: {
        uf: { enum: states },
        dia: { type: 'string', pattern: '^(\\d{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$' },
      },
    },
    // A typing error in the file is to be mended, not left out.
    budget: { rows: 0 },
  },
});
