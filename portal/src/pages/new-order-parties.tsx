import { document, plainDocument } from '../format.ts';
import { SelectField, TextField } from '../parts/field.tsx';
import { partyType } from '../words/words.ts';
import { companiesOf, type NewOrderState, nextId, type PartyState } from './new-order-form.ts';

type Change = (part: Partial<NewOrderState>) => void;

/** One item of a list put in the place of the one with its id. */
const replaced = <T extends { id: number }>(items: readonly T[], item: T): T[] =>
  items.map((one) => (one.id === item.id ? item : one));

const without = <T extends { id: number }>(items: readonly T[], { id }: T): T[] =>
  items.filter((one) => one.id !== id);

export const PartyFields = ({
  pointer,
  party,
  types,
  onChange,
}: {
  pointer: string;
  party: PartyState;
  types: readonly PartyState['type'][];
  onChange: (party: PartyState) => void;
}) => (
  <div className="form">
    <SelectField
      label="Tipo"
      pointer={`${pointer}/type`}
      value={party.type}
      onChange={(type) => onChange({ ...party, type: type === 'person' ? 'person' : 'company' })}
      options={types.map((type) => ({ value: type, name: partyType[type] }))}
    />
    <TextField
      label={party.type === 'company' ? 'CNPJ' : 'CPF'}
      pointer={`${pointer}/document`}
      required
      maxLength={24}
      value={party.document}
      onChange={(text) => onChange({ ...party, document: text })}
    />
  </div>
);

export const Guarantors = ({
  state: { guarantors },
  limits,
  change,
}: {
  state: NewOrderState;
  limits: { min: number; max: number };
  change: Change;
}) => (
  <section className="card" id="campo-guarantors" tabIndex={-1}>
    <h2>Garantidores</h2>
    <p className="hint">
      {limits.min > 0 ? `De ${limits.min} a ${limits.max}` : `Até ${limits.max}, se houver`}
    </p>
    {guarantors.map((party, index) => (
      <fieldset className="item" key={party.id}>
        <legend>Garantidor {index + 1}</legend>
        <PartyFields
          pointer={`/guarantors/${index}`}
          party={party}
          types={['company', 'person']}
          onChange={(changed) => change({ guarantors: replaced(guarantors, changed) })}
        />
        <div>
          <button type="button" onClick={() => change({ guarantors: without(guarantors, party) })}>
            Remover garantidor {index + 1}
          </button>
        </div>
      </fieldset>
    ))}
    <button
      type="button"
      disabled={guarantors.length >= limits.max}
      onClick={() =>
        change({ guarantors: [...guarantors, { id: nextId(guarantors), type: 'company', document: '' }] })
      }
    >
      Incluir garantidor
    </button>
  </section>
);

/** Where the area does not consult powers for the act: who represents each company, and how many of them sign. */
export const DeclaredSigning = ({
  state,
  most,
  change,
}: {
  state: NewOrderState;
  most: number;
  change: Change;
}) => {
  const { representatives, signers } = state;
  const companies = companiesOf(state);
  const set = (item: (typeof representatives)[number]): void =>
    change({ representatives: replaced(representatives, item) });
  const numberOf = (company: string): number =>
    representatives.filter(({ party }) => (plainDocument(party) || companies[0]) === company).length;
  return (
    <section className="card">
      <h2>Quem assina</h2>
      <p>A área não consulta os poderes deste ato: diga quem representa cada empresa e quantos assinam.</p>
      {representatives.map((one, index) => (
        <fieldset className="item" key={one.id}>
          <legend>Representante {index + 1}</legend>
          {companies.length > 1 && (
            <SelectField
              label="Empresa"
              pointer={`/representatives/${index}/party`}
              value={plainDocument(one.party) || (companies[0] ?? '')}
              onChange={(party) => set({ ...one, party })}
              options={companies.map((company) => ({ value: company, name: document(company) }))}
            />
          )}
          <TextField
            label="CPF"
            pointer={`/representatives/${index}/document`}
            required
            maxLength={20}
            value={one.document}
            onChange={(text) => set({ ...one, document: text })}
          />
          <TextField
            label="Nome"
            pointer={`/representatives/${index}/name`}
            required
            maxLength={200}
            value={one.name}
            onChange={(name) => set({ ...one, name })}
          />
          <TextField
            label="E-mail"
            pointer={`/representatives/${index}/email`}
            type="email"
            required={false}
            value={one.email}
            onChange={(email) => set({ ...one, email })}
          />
          <TextField
            label="Telefone"
            pointer={`/representatives/${index}/phone`}
            required={false}
            value={one.phone}
            onChange={(phone) => set({ ...one, phone })}
          />
          <div>
            <button type="button" onClick={() => change({ representatives: without(representatives, one) })}>
              Remover representante {index + 1}
            </button>
          </div>
        </fieldset>
      ))}
      <p>
        <button
          type="button"
          disabled={representatives.length >= most}
          onClick={() =>
            change({
              representatives: [
                ...representatives,
                { id: nextId(representatives), party: '', document: '', name: '', email: '', phone: '' },
              ],
            })
          }
        >
          Incluir representante
        </button>
      </p>
      <div className="form">
        {companies.map((company, index) => (
          <SelectField
            key={company}
            label={`Quantos assinam por ${document(company)}`}
            pointer={`/signing/${index}`}
            value={signers[company] ?? '1'}
            onChange={(count) => change({ signers: { ...signers, [company]: count } })}
            options={[
              { value: '1', name: 'Qualquer um, sozinho' },
              ...Array.from({ length: Math.max(0, numberOf(company) - 2) }, (_, extra) => ({
                value: String(extra + 2),
                name: `Pelo menos ${extra + 2}, juntos`,
              })),
              { value: 'all', name: 'Todos juntos' },
            ]}
          />
        ))}
      </div>
    </section>
  );
};
