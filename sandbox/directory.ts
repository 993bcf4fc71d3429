import type { Company, Person } from './company.ts';
import { demoCompanies } from './demo-companies.ts';
import { generateCompanies } from './generated-companies.ts';

export type Directory = {
  company(cnpj: string): Company | undefined;
  person(cpf: string): Person | undefined;
  /** `demo` names the demo companies' branch. */
  list(): { cnpj: string; nome: string; demo: string | null; representantes: number }[];
};

/** All companies and people of the sandbox: the named ones and those generated from the seed. */
export const openDirectory = (seed: number, generated: number): Directory => {
  const demos = [...demoCompanies().values()];
  const { companies, people } = generateCompanies(seed, generated);
  const keyOf = new Map(demos.map(({ key, company }) => [company.cnpj, key]));
  const byCnpj = new Map(
    [...demos.map(({ company }) => company), ...companies].map((one) => [one.cnpj, one]),
  );
  const byCpf = new Map([...demos.flatMap((demo) => demo.people), ...people].map((one) => [one.cpf, one]));
  return {
    company: (cnpj) => byCnpj.get(cnpj),
    person: (cpf) => byCpf.get(cpf),
    list: () =>
      [...byCnpj.values()].map(({ cnpj, nome, representantes }) => ({
        cnpj,
        nome,
        demo: keyOf.get(cnpj) ?? null,
        representantes: representantes.length,
      })),
  };
};
