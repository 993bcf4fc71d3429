/** The areas and domains that the sandbox knows, as the parametrizador and the domain service tell them. */

const creditPowers = [
  { poder: 'sign_credit_contract', consulta_poderes: true },
  { poder: 'sign_guarantee', consulta_poderes: true },
  { poder: 'release_collateral', consulta_poderes: true },
  // The area trusts what the request declares for this one: no powers are consulted.
  { poder: 'sign_receipt_term', consulta_poderes: false },
];

const day = 86_400;

const credit = {
  area_id: 'CRD01',
  sigla_area: 'CRD',
  nome_area: 'Crédito a Empresas',
  centro_custo: '10021',
  ativa: true,
  produto: 'credit',
  plataformas: ['bankline', 'mobile', 'web_portal'],
  meios_assinatura: ['digital', 'electronic'],
  tipos_requisitante: ['pessoa_juridica', 'pessoa_fisica'],
  poderes: creditPowers,
  valor: { obrigatorio: true, minimo: '1.00', maximo: '50000000.00' },
  garantidores: { minimo: 0, maximo: 5 },
  maximo_representantes: 20,
  idade_maxima_evidencia_segundos: 0,
  limite_indeterminado_segundos: 3 * day,
  retencao_rascunho_dias: 30,
  retencao_evidencia_dias: 3_650,
  permite_callback: true,
  notifica_participantes: true,
};

/**
 * `CRD01` has all the demo cases. `CRD02` is its neighbour, for what must stay apart; `CAM01` allows less;
 * `CTA01` needs no value and no product; `TST01` gives up what stays undetermined after two seconds;
 * `ENC01` is closed.
 */
export const areas: readonly (typeof credit | (Omit<typeof credit, 'produto'> & { produto: null }))[] = [
  credit,
  { ...credit, area_id: 'CRD02', sigla_area: 'CRP', nome_area: 'Crédito Rural', centro_custo: '10022' },
  {
    ...credit,
    area_id: 'CAM01',
    sigla_area: 'CAM',
    nome_area: 'Câmbio',
    centro_custo: '20010',
    produto: 'fx',
    plataformas: ['bankline'],
    meios_assinatura: ['digital'],
    tipos_requisitante: ['pessoa_juridica'],
    poderes: [{ poder: 'close_fx_contract', consulta_poderes: true }],
    garantidores: { minimo: 0, maximo: 0 },
    idade_maxima_evidencia_segundos: 300,
    permite_callback: false,
  },
  {
    ...credit,
    area_id: 'CTA01',
    sigla_area: 'CTA',
    nome_area: 'Abertura de Contas',
    centro_custo: '30005',
    produto: null,
    poderes: [{ poder: 'open_account', consulta_poderes: true }],
    valor: { obrigatorio: false, minimo: '0.00', maximo: '0.00' },
    notifica_participantes: false,
  },
  {
    ...credit,
    area_id: 'TST01',
    sigla_area: 'TST',
    nome_area: 'Homologação',
    centro_custo: '99001',
    limite_indeterminado_segundos: 2,
  },
  {
    ...credit,
    area_id: 'ENC01',
    sigla_area: 'ENC',
    nome_area: 'Consórcio (encerrada)',
    centro_custo: '10099',
    ativa: false,
  },
];

export const domains = {
  plataformas: [
    {
      plataforma_id: 'bankline',
      nome_plataforma: 'Bankline Empresas',
      tipo_plataforma: 'internet',
      exige_cadastro_unico: true,
    },
    {
      plataforma_id: 'mobile',
      nome_plataforma: 'Aplicativo',
      tipo_plataforma: 'mobile',
      exige_cadastro_unico: false,
    },
    {
      plataforma_id: 'web_portal',
      nome_plataforma: 'Portal de Assinaturas',
      tipo_plataforma: 'internet',
      exige_cadastro_unico: false,
    },
    {
      plataforma_id: 'branch',
      nome_plataforma: 'Agência',
      tipo_plataforma: 'presencial',
      exige_cadastro_unico: false,
    },
    {
      plataforma_id: 'phone',
      nome_plataforma: 'Central Telefônica',
      tipo_plataforma: 'telefone',
      exige_cadastro_unico: false,
      ativo: false,
    },
  ],
  meios_assinatura: [
    { meio_assinatura_id: 'digital', tipo_assinatura: 'Assinatura digital (ICP-Brasil)' },
    { meio_assinatura_id: 'electronic', tipo_assinatura: 'Assinatura eletrônica' },
    { meio_assinatura_id: 'handwritten', tipo_assinatura: 'Assinatura de próprio punho' },
  ],
  poderes: [
    { poder_id: 'sign_credit_contract', nome_poder: 'Contratar operação de crédito' },
    { poder_id: 'sign_guarantee', nome_poder: 'Prestar garantia' },
    { poder_id: 'release_collateral', nome_poder: 'Liberar garantia' },
    { poder_id: 'sign_receipt_term', nome_poder: 'Assinar termo de recebimento' },
    { poder_id: 'close_fx_contract', nome_poder: 'Fechar contrato de câmbio' },
    { poder_id: 'open_account', nome_poder: 'Abrir conta' },
  ],
};

/** Powers that generated companies have rules for. */
export const companyPowers = [
  'sign_credit_contract',
  'sign_guarantee',
  'release_collateral',
  'close_fx_contract',
  'open_account',
];
