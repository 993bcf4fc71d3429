import { cnpj, cpf } from 'cpf-cnpj-validator';
import { describe, expect, it } from 'vitest';
import { localDays } from '../src/partners/local-days.ts';
import { readPowers } from '../src/partners/powers.ts';
import { demoCompanies } from './demo-companies.ts';
import { generateCompanies } from './generated-companies.ts';

const { companies, people } = generateCompanies(7, 1_000);

describe('generated companies', () => {
  it('are the same for the same seed', () => {
    expect(generateCompanies(7, 50)).toEqual(generateCompanies(7, 50));
    expect(generateCompanies(8, 50)).not.toEqual(generateCompanies(7, 50));
  });

  it('have valid documents of their own, a third of the CNPJs with letters', () => {
    expect(companies.filter((company) => !cnpj.isValid(company.cnpj))).toEqual([]);
    expect(people.filter((person) => !cpf.isValid(person.cpf))).toEqual([]);
    const demos = [...demoCompanies().values()];
    const cnpjs = [...companies, ...demos.map(({ company }) => company)].map((company) => company.cnpj);
    const cpfs = [...people, ...demos.flatMap((demo) => demo.people)].map((person) => person.cpf);
    expect(new Set(cnpjs).size).toBe(cnpjs.length);
    expect(new Set(cpfs).size).toBe(cpfs.length);
    const lettered = companies.filter((company) => /[A-Z]/.test(company.cnpj)).length;
    expect(lettered).toBeGreaterThan(200);
    expect(lettered).toBeLessThan(500);
  });

  it('tell their powers in a form that can be read', () => {
    const days = localDays('America/Sao_Paulo');
    const power = 'sign_credit_contract';
    const read = companies.map((company) =>
      readPowers(
        days,
        {
          cnpj: company.cnpj,
          poder: power,
          representantes: company.representantes,
          grupos: company.grupos,
          regras: company.regras.filter(({ poder }) => poder === power),
        },
        { company: company.cnpj, power },
      ),
    );
    expect(read.every(({ representatives, rules }) => representatives.length > 0 && rules.length >= 3)).toBe(
      true,
    );
    expect(read.some(({ rules }) => rules.some(({ coverage }) => coverage === 'unknown'))).toBe(true);
    expect(
      read.some(({ representatives }) => representatives.some(({ reservations }) => reservations.length > 0)),
    ).toBe(true);
  });

  it('share some people', () => {
    const seats = companies.reduce((sum, { representantes }) => sum + representantes.length, 0);
    expect(seats).toBeGreaterThan(people.length * 1.05);
  });
});
