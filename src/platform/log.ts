import { type DestinationStream, type Logger, pino } from 'pino';
import { maskJsonText } from '../shared/mask.ts';

export type Log = Logger;

/**
 * JSON logs on standard error. Every line is masked as text before it is written: a CPF, an e-mail or a
 * phone can reach a log by many ways (a partner's error, a database's detail), and a list of fields to
 * redact would miss the next one.
 */
export const openLog = ({
  level,
  service,
  destination,
}: {
  level: string;
  service: string;
  destination?: DestinationStream;
}): Log => {
  const sink = destination ?? pino.destination({ dest: 2, sync: false });
  return pino(
    {
      level,
      base: { service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: ['req.headers.authorization', '*.authorization', '*.token', '*.secret', '*.password'],
    },
    { write: (line: string) => sink.write(maskJsonText(line)) },
  );
};

/** A log that writes nothing, for tests and for commands whose answer is all that matters. */
export const silentLog = (): Log => pino({ level: 'silent' });
