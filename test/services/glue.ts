import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type GlueStandIn = {
  readonly endpoint: string;
  /** What a call is answered with in place of its work: `'lost'` does the work and breaks the connection. */
  fault: (operation: string, count: number) => 'lost' | 'reset' | undefined;
  readonly close: () => Promise<void>;
};

type Json = Record<string, unknown>;
type StoredTable = Json & { VersionId: string };

/**
 * A small Glue Data Catalog: databases and tables in memory behind Glue's JSON 1.1 protocol, with the optimistic
 * lock of `UpdateTable` (VersionId), written from the API reference.
 */
export const startGlue = async (): Promise<GlueStandIn> => {
  const databases = new Map<string, Map<string, StoredTable>>();
  const standIn = { fault: (): 'lost' | 'reset' | undefined => undefined } as { fault: GlueStandIn['fault'] };
  let count = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const operation = String(request.headers['x-amz-target']).replace('AWSGlue.', '');
    const fault = standIn.fault(operation, ++count);
    if (fault === 'reset') {
      request.socket.destroy();
      return;
    }
    const answer = perform(databases, operation, JSON.parse(Buffer.concat(chunks).toString()) as Json);
    if (fault === 'lost') {
      request.socket.destroy();
      return;
    }
    response.writeHead('__type' in answer ? 400 : 200, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(standIn, {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: (): Promise<void> => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  });
};

const refuse = (type: string, message: string): Json => ({ __type: type, Message: message });

const perform = (databases: Map<string, Map<string, StoredTable>>, operation: string, input: Json): Json => {
  if (operation === 'GetDatabases') return { DatabaseList: [...databases.keys()].map((Name) => ({ Name })) };
  if (operation === 'CreateDatabase') {
    const name = String((input['DatabaseInput'] as Json)['Name']);
    if (databases.has(name)) return refuse('AlreadyExistsException', 'Database already exists.');
    databases.set(name, new Map());
    return {};
  }
  const tables = databases.get(String(input['DatabaseName']));
  if (!tables) return refuse('EntityNotFoundException', 'Database not found.');
  const given = (input['TableInput'] ?? {}) as Json;
  const name = String(input['Name'] ?? given['Name'] ?? '');
  const found = tables.get(name);
  switch (operation) {
    case 'GetTables':
      return { TableList: [...tables.values()] };
    case 'CreateTable':
      if (found) return refuse('AlreadyExistsException', 'Table already exists.');
      tables.set(name, { ...given, DatabaseName: input['DatabaseName'], VersionId: '0' });
      return {};
    case 'GetTable':
      return found ? { Table: found } : refuse('EntityNotFoundException', 'Entity Not Found');
    case 'UpdateTable':
      if (!found) return refuse('EntityNotFoundException', 'Entity Not Found');
      if (input['VersionId'] !== undefined && input['VersionId'] !== found.VersionId) {
        return refuse(
          'ConcurrentModificationException',
          'Update table failed due to concurrent modifications.',
        );
      }
      tables.set(name, { ...found, ...given, VersionId: String(Number(found.VersionId) + 1) });
      return {};
    case 'DeleteTable':
      return tables.delete(name) ? {} : refuse('EntityNotFoundException', 'Entity Not Found');
    default:
      return refuse('InvalidInputException', `the stand-in does not know ${operation}`);
  }
};
