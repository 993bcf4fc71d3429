/** What the API finds wrong with a field, in Portuguese. Each pattern is a message of the API's own checks. */
const patterns: readonly [RegExp, (...parts: string[]) => string][] = [
  [/^expected a CPF or a CNPJ/, () => 'Informe um CPF ou um CNPJ válido.'],
  [/^expected a CPF/, () => 'Informe um CPF válido, com 11 dígitos.'],
  [/^expected a CNPJ/, () => 'Informe um CNPJ válido, com 14 caracteres.'],
  [/^expected a value: the area takes no order without one/, () => 'A área exige o valor da ordem.'],
  [/^expected at least (.+), the area's limit/, (least) => `O mínimo da área é ${least}.`],
  [/^expected at most (.+), the area's limit/, (most) => `O máximo da área é ${most}.`],
  [/^not an amount/, () => 'Escreva o valor como 125.000,00.'],
  [/^expected a key of the domain/, () => 'Esta opção não existe nos domínios.'],
  [/^expected one of the area's/, () => 'A área não permite esta opção.'],
  [/^expected an area of the bank/, () => 'Esta área não existe.'],
  [/^expected an active area/, () => 'Esta área está encerrada.'],
  [
    /^expected (\d+) to (\d+) guarantors, found (\d+)/,
    (least, most, found) => `A área pede de ${least} a ${most} garantidores; há ${found}.`,
  ],
  [/^expected a party that is not in the order yet/, () => 'Esta parte já está na ordem.'],
  [/^expected none: the area consults powers/, () => 'A área consulta os poderes: não declare quem assina.'],
  [
    /^expected the representatives/,
    () => 'Declare os representantes: a área não consulta os poderes deste ato.',
  ],
  [/^expected groups and rules/, () => 'Declare quem assina: a área não consulta os poderes deste ato.'],
  [/^expected at most (\d+), found (\d+)/, (most, found) => `São no máximo ${most}; há ${found}.`],
  [/^expected a company of this order/, () => 'Escolha uma empresa desta ordem.'],
  [/^expected each representative of a company once/, () => 'Este representante já está na lista.'],
  [/^expected none: the area does not take callbacks/, () => 'A área não aceita endereço de retorno.'],
  [/^expected 10 to 15 digits/, () => 'Informe o telefone com DDD: de 10 a 15 dígitos.'],
  [
    /^expected why the data is needed/,
    () => 'Diga para que os dados são necessários, em 5 a 500 caracteres.',
  ],
  [/^expected an e-mail address|^Invalid email/, () => 'Informe um e-mail válido.'],
  [/^this installation sends no e-mail/, () => 'Esta instalação não envia e-mail.'],
  [/^Invalid URL/, () => 'Informe um endereço que comece com https://.'],
  [/^expected an instant after/, () => 'O fim do período precisa vir depois do início.'],
  [/^expected one of (.+), found none/, () => 'Preencha pelo menos um dos campos abaixo.'],
  [/^expected, for .+; found nothing/, () => 'Preencha este campo.'],
  [/^expected a status of the data model/, () => 'Escolha uma situação da lista.'],
  [/^expected a person and a reservation that are uncertain/, () => 'Esta ressalva não está mais em dúvida.'],
  [/^expected a rule that could not be read/, () => 'Esta regra não está mais em dúvida.'],
  [/^expected what the text of the rule says/, () => 'Diga quem assina segundo a regra.'],
  [/^expected text without/, () => 'O texto tem caracteres que não podem ser gravados.'],
  [/^Too small: expected array to have >=(\d+) items/, (least) => `Inclua pelo menos ${least}.`],
  [
    /^Too small: expected string to have >=(\d+) characters/,
    (least) => `Escreva pelo menos ${least} caracteres.`,
  ],
  [/^Too big: expected string to have <=(\d+) characters/, (most) => `Escreva no máximo ${most} caracteres.`],
  [/found nothing$|received undefined|^expected 1 to 64 letters/, () => 'Preencha este campo.'],
  [/^Invalid input|^Invalid option/, () => 'Este valor não é aceito aqui.'],
];

/** A violation in words; one that is not known here is shown as the API says it. */
export const violationWords = (message: string): string => {
  for (const [pattern, words] of patterns) {
    const found = pattern.exec(message);
    if (found) return words(...found.slice(1).map((part) => part ?? ''));
  }
  return `Valor não aceito (${message}).`;
};
