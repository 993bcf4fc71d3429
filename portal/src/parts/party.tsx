import type { OrderParty, OrderPerson } from '../api/openapi.ts';
import { counted, document } from '../format.ts';
import { failureReason, personReason, personStatus, role, verdictReason } from '../words/words.ts';
import { VerdictBadge } from './badge.tsx';

const shown = 20;

/** What was decided of one party: the verdict, why, who may sign and in which combinations. */
export const PartyCard = ({ party }: { party: OrderParty }) => {
  const { decision, people } = party;
  const name = (id: string): string => people.find((person) => person.id === id)?.name ?? id;
  return (
    <section className="card">
      <h2>
        {role[party.role]} · {document(party.document)} <VerdictBadge verdict={party.verdict} />
      </h2>
      {party.failureReason && <p>{failureReason[party.failureReason]}</p>}
      {decision.reasons.length > 0 && (
        <p>Motivos: {decision.reasons.map((reason) => verdictReason[reason] ?? reason).join('; ')}.</p>
      )}
      {people.length > 0 && <People people={people} />}
      {decision.coalitions.minimal.length > 0 && (
        <Combinations sets={decision.coalitions.minimal} total={decision.coalitions.total} name={name} />
      )}
      <details>
        <summary>Explicação completa</summary>
        <pre className="explanation">{party.explanation}</pre>
      </details>
    </section>
  );
};

const People = ({ people }: { people: readonly OrderPerson[] }) => (
  <table className="cards">
    <caption>Representantes</caption>
    <thead>
      <tr>
        <th scope="col">Nome</th>
        <th scope="col">CPF</th>
        <th scope="col">Contato</th>
        <th scope="col">Situação</th>
        <th scope="col">Por quê</th>
      </tr>
    </thead>
    <tbody>
      {people.map((person) => (
        <tr key={person.id}>
          <th scope="row" data-label="Nome">
            {person.name ?? 'Nome não informado'}
          </th>
          <td data-label="CPF" className="fixed">
            {document(person.document)}
          </td>
          <td data-label="Contato">{[person.email, person.phone].filter(Boolean).join(' · ') || '–'}</td>
          <td data-label="Situação">{personStatus[person.status]}</td>
          <td data-label="Por quê">
            {person.reasons.map(({ code }) => personReason[code] ?? code).join(', ') || '–'}
          </td>
        </tr>
      ))}
    </tbody>
  </table>
);

/** `Ana, Bruno e Carla`: by name, since the order of the ids says nothing. */
const inWords = (names: readonly string[]): string =>
  new Intl.ListFormat('pt-BR').format(names.toSorted((one, other) => one.localeCompare(other, 'pt-BR')));

const Combinations = ({
  sets,
  total,
  name,
}: {
  sets: readonly (readonly string[])[];
  total: number;
  name: (id: string) => string;
}) => (
  <>
    <h3>Quem pode assinar</h3>
    <ul>
      {sets.slice(0, shown).map((set) => (
        <li key={set.join(' ')}>{inWords(set.map(name))}</li>
      ))}
    </ul>
    {total > Math.min(shown, sets.length) && (
      <p className="quiet">{counted(total, 'combinação', 'combinações')} ao todo.</p>
    )}
  </>
);
