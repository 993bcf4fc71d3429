import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type OrdersStandIn, startOrdersTable } from '../../sandbox/orders-table.ts';
import { scheduledRun } from '../../src/archive/jobs.ts';
import { order as oldOrder } from '../../test/archive/room.ts';
import { chromiumMissing, openChromium } from '../../test/services/chromium.ts';
import { type Desk, demo, isWaiting, openDesk, orderOf } from '../../test/services/desk.ts';

const missing = chromiumMissing();

let desk: Desk;
let table: OrdersStandIn;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** What pages complained of: scripts that failed, and what the policy forbade. */
let complaints: string[];

const start = async (): Promise<void> => {
  await build({ root: fileURLToPath(new URL('..', import.meta.url)), logLevel: 'silent' });
  table = await startOrdersTable();
  desk = await openDesk({ env: { AWS_ENDPOINT_URL_DYNAMODB: table.url } });
  await table.load([oldOrder('ord_antiga', { area_id: { S: 'CRD01' } })]);
  await scheduledRun(desk.parts, new AbortController().signal);
  browser = await openChromium();
};

/** A person who has come to the portal, at a page of it. */
const as = async (name: RegExp, path = '/'): Promise<void> => {
  await page.goto(`${desk.url}/portal${path}`);
  await page.getByRole('button', { name: 'Entrar', exact: true }).click();
  await page.getByRole('button', { name }).click();
  await page.getByRole('button', { name: 'Sair' }).waitFor();
};

/** To another page without loading the portal anew, as a link in it would. */
const go = async (path: string): Promise<void> => {
  await page.evaluate((to) => {
    window.history.pushState(null, '', `/portal${to}`);
    window.dispatchEvent(new PopStateEvent('popstate'));
  }, path);
};

const heading = (name: string) => page.getByRole('heading', { level: 1, name });

const fillOrder = async (cnpj: string): Promise<void> => {
  await page.getByLabel('Ato', { exact: true }).selectOption('sign_credit_contract');
  await page.getByLabel('Plataforma').selectOption('bankline');
  await page.getByLabel('Meio de assinatura').selectOption('digital');
  await page.getByLabel('Valor').fill('125.000,00');
  await page.getByLabel('CNPJ').fill(cnpj);
};

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds wrong with the page by WCAG 2.2 AA, in a wide and in a narrow window; nor may it be wider than that. */
const inaccessible = async (): Promise<string[]> => {
  const found: string[] = [];
  for (const width of [1_280, 360]) {
    await page.setViewportSize({ width, height: 800 });
    await page.evaluate(axe);
    const violations = await page.evaluate(async () => {
      const { axe } = window as unknown as { axe: typeof import('axe-core') };
      const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
      const result = await axe.run(window.document, { runOnly: { type: 'tag', values: tags } });
      return result.violations.flatMap(({ id, nodes }) =>
        nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`),
      );
    });
    const overflow = await page.evaluate(
      () => window.document.documentElement.scrollWidth - window.document.documentElement.clientWidth,
    );
    found.push(
      ...violations.map((text) => `${width}: ${text}`),
      ...(overflow > 0 ? [`${width}: ${overflow} too wide`] : []),
    );
  }
  await page.setViewportSize({ width: 1_280, height: 800 });
  return found;
};

describe.skipIf(missing !== undefined)(
  `the portal in Chromium${missing ? `: left out, ${missing}` : ''}`,
  () => {
    beforeAll(start);
    afterAll(async () => {
      await browser?.close();
      await desk?.close();
      await table?.close();
    });
    beforeEach(async () => {
      context = await browser.newContext({
        locale: 'pt-BR',
        viewport: { width: 1_280, height: 800 },
        // Half-way between two colours a button has too little contrast: pages are looked at when they rest.
        reducedMotion: 'reduce',
      });
      // Far more than any step needs, for machines that are busy.
      context.setDefaultTimeout(60_000);
      page = await context.newPage();
      complaints = [];
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('console', (message) => {
        if (/Content.Security.Policy|Trusted/i.test(message.text())) complaints.push(message.text());
      });
    });
    afterEach(async () => {
      await context.close();
      expect(complaints).toEqual([]);
    });

    it('signs a person in, back to the page they came for, and keeps no token', async () => {
      await as(/Ana Moreira/, '/ordens?situacao=failed');
      await heading('Ordens').waitFor();
      expect(page.url()).toBe(`${desk.url}/portal/ordens?situacao=failed`);
      const kept = await page.evaluate(() =>
        JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie]),
      );
      expect(kept).not.toMatch(/eyJ/);
      // Loaded anew: the issuer knows the person, and asks nothing.
      await page.reload();
      await page.getByRole('button', { name: 'Sair' }).waitFor();
      expect(page.url()).toBe(`${desk.url}/portal/ordens?situacao=failed`);
      await page.getByRole('button', { name: 'Sair' }).click();
      await page.getByRole('button', { name: 'Sair', exact: true }).click();
      await page.getByRole('button', { name: 'Entrar', exact: true }).waitFor();
      expect(await inaccessible()).toEqual([]);
    });

    it('refuses an answer of the issuer that it did not ask for, and one with another state', async () => {
      await page.goto(
        `${desk.url}/portal/entrar?code=stolen&state=x&iss=${encodeURIComponent(desk.sandbox.issuer)}`,
      );
      await page.getByText('Esta entrada não começou nesta aba').waitFor();
      expect(page.url()).toBe(`${desk.url}/portal/`);
      await page.getByRole('button', { name: 'Entrar', exact: true }).click();
      await page.getByRole('button', { name: /Ana Moreira/ }).waitFor();
      await page.goto(
        `${desk.url}/portal/entrar?code=stolen&state=x&iss=${encodeURIComponent(desk.sandbox.issuer)}`,
      );
      await page.getByText('A resposta do serviço de identidade não foi aceita').waitFor();
      await page.route(`${desk.sandbox.issuer}/**`, (route) => route.abort());
      await page.getByRole('button', { name: 'Entrar', exact: true }).click();
      await page.getByText('O serviço de identidade não respondeu').waitFor();
    });

    it('takes an order from the form to its verdict: every mistake at its field, and one order for two clicks', async () => {
      await as(/Ana Moreira/, '/ordens/nova');
      await page.getByLabel('Ato', { exact: true }).waitFor();
      await page.getByRole('button', { name: 'Simular' }).click();
      await page.getByText('Corrija 5 pontos').waitFor();
      const wrong = page.locator('[aria-invalid="true"]');
      expect(await wrong.count()).toBe(5);
      expect(await page.getByRole('button', { name: 'Enviar ordem' }).isDisabled()).toBe(true);
      await page.getByRole('link', { name: 'Valor' }).click();
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('campo-amountCents');
      expect(await inaccessible()).toEqual([]);

      await fillOrder('12.abc.345/01de-35');
      await page.getByRole('button', { name: 'Simular' }).click();
      await page.getByRole('heading', { name: /Resultado da simulação.*Há coro/ }).waitFor();
      expect(await inaccessible()).toEqual([]);
      const before = await desk.db.query('SELECT 1 FROM envelopes');
      await page.getByRole('button', { name: 'Enviar ordem' }).dblclick();
      await heading('Ordem').waitFor();
      await page.getByText('As pessoas por trás da ordem podem assiná-la.').waitFor();
      expect((await desk.db.query('SELECT 1 FROM envelopes')).rowCount).toBe((before.rowCount ?? 0) + 1);
      await page.getByText('Ana Beatriz Moraes e Carla Nogueira').waitFor();
      const shown = await page.getByRole('main').textContent();
      expect(shown).toContain('***.000.000-**');
      expect(shown).not.toMatch(/\b\d{11}\b/);
      expect(shown).toMatch(/R\$\s125\.000,00/);
      expect(await inaccessible()).toEqual([]);
    });

    it('sends an order that could not be simulated, again after a lost answer, and there is one', async () => {
      await as(/Ana Moreira/, '/ordens/nova');
      await fillOrder(demo('alone').company.cnpj);
      await page.route('**/v1/orders/simulate', (route) =>
        route.fulfill({
          status: 503,
          contentType: 'application/problem+json',
          body: '{"type":"/problems/partner-unavailable"}',
        }),
      );
      await page.getByRole('button', { name: 'Simular' }).click();
      await page.getByText('é uma falha técnica, não uma resposta sobre a ordem').waitFor();
      await page.getByText('Enviar grava a ordem').waitFor();
      const before = await desk.db.query('SELECT 1 FROM envelopes');
      await page.route('**/v1/orders', async (route) => {
        await route.fetch();
        await route.abort();
      });
      await page.getByRole('button', { name: 'Enviar ordem' }).click();
      await page.getByText('Sem resposta do Lastro').waitFor();
      await page.unroute('**/v1/orders');
      await page.getByRole('button', { name: 'Enviar ordem' }).click();
      await heading('Ordem').waitFor();
      expect((await desk.db.query('SELECT 1 FROM envelopes')).rowCount).toBe((before.rowCount ?? 0) + 1);
    });

    it('keeps a filled form over a session that ends in the middle', async () => {
      await as(/Ana Moreira/, '/ordens/nova');
      await fillOrder('12ABC34501DE35');
      await page.route('**/v1/orders/simulate', (route) =>
        route.fulfill({
          status: 401,
          contentType: 'application/problem+json',
          body: '{"type":"/problems/unauthenticated"}',
        }),
      );
      await page.getByRole('button', { name: 'Simular' }).click();
      await page.getByText('Entre de novo para continuar. O que você preencheu').waitFor();
      expect(await inaccessible()).toEqual([]);
      await page.unroute('**/v1/orders/simulate');
      await page.getByRole('button', { name: 'Entrar de novo' }).click();
      await page.getByText('Entre de novo para continuar').waitFor({ state: 'detached' });
      await heading('Nova ordem').waitFor();
      expect(await page.getByLabel('CNPJ').inputValue()).toBe('12ABC34501DE35');
      expect(await page.getByLabel('Valor').inputValue()).toBe('125.000,00');
      expect(await page.evaluate(() => Object.keys({ ...sessionStorage }))).toEqual(['lastro.was-signed-in']);
      await page.getByRole('button', { name: 'Simular' }).click();
      await page.getByRole('heading', { name: /Resultado da simulação/ }).waitFor();
    });

    it('lets a second person settle a doubt, but not who created the order', async () => {
      const waiting = await desk.until((await desk.place(orderOf('other_reservation'))).orderKey, isWaiting);
      await as(/Bruno Tavares/, '/revisao');
      await page.getByRole('link', { name: waiting.orderKey }).click();
      await page.locator('blockquote').getByText('Depende de autorização prévia do conselho').waitFor();
      await page.getByLabel('O que você leu').selectOption('does_not_apply');
      await page.getByRole('button', { name: 'Registrar revisão' }).click();
      await page.getByText('Corrija 2 pontos').waitFor();
      expect(await inaccessible()).toEqual([]);
      await page.getByLabel('Motivo').fill('A ata do conselho autoriza esta operação.');
      await page.getByLabel('Evidência').fill('Ata de 10/11/2026, protocolo 4711');
      await page.getByRole('button', { name: 'Registrar revisão' }).click();
      await page.getByText('As pessoas por trás da ordem podem assiná-la.').waitFor();
      await page.getByText('A ata do conselho autoriza esta operação.').waitFor();

      await go('/ordens/nova');
      // A field for a code until the areas are known, then a list: the list is waited for.
      await page.getByLabel('Área').and(page.locator('select')).selectOption('CRD01');
      await fillOrder(demo('unread_rule').company.cnpj);
      await page.getByRole('button', { name: 'Simular' }).click();
      await page.getByRole('heading', { name: /Resultado da simulação.*Indeterminado/ }).waitFor();
      await page.getByRole('button', { name: 'Enviar ordem' }).click();
      await page.getByRole('link', { name: 'Revisar' }).click();
      await page.getByText('Outra pessoa precisa revisar esta ordem').waitFor();
    });

    it('cancels an order after asking', async () => {
      const waiting = await desk.until((await desk.place(orderOf('unread_restriction'))).orderKey, isWaiting);
      await as(/Ana Moreira/, `/ordens/${waiting.orderKey}`);
      await page.getByRole('button', { name: 'Cancelar ordem' }).click();
      await page.keyboard.press('Escape');
      expect((await desk.order(waiting.orderKey)).status).toBe('processing');
      await page.getByRole('button', { name: 'Cancelar ordem' }).click();
      expect(await inaccessible()).toEqual([]);
      await page.getByRole('button', { name: 'Cancelar a ordem' }).click();
      await page.getByText('A ordem foi cancelada.').waitFor();
      expect((await desk.order(waiting.orderKey)).failureReason).toBe('cancelada');
    });

    it('says that an archived order is available by report only, and leads to the file', async () => {
      await as(/Ana Moreira/, '/ordens');
      await page.getByText('Ordens com mais de seis meses estão disponíveis').waitFor();
      expect(await inaccessible()).toEqual([]);
      await page.getByLabel('Número da ordem').fill('ord_antiga');
      await page.keyboard.press('Enter');
      await page.getByText('Esta ordem está arquivada').waitFor();
      expect(await inaccessible()).toEqual([]);
      await page.getByRole('link', { name: 'Pedir o relatório desta ordem' }).click();
      expect(await page.getByLabel('Número da ordem').inputValue()).toBe('ord_antiga');
      await page.getByLabel('Finalidade').fill('Pedido do cliente');
      await page.getByLabel('Formato').selectOption('csv');
      expect(await inaccessible()).toEqual([]);
      await page.getByRole('button', { name: 'Pedir relatório' }).click();
      await page.getByText(/O relatório está completo: \d+ linha/).waitFor();
      expect(await inaccessible()).toEqual([]);
      await go('/relatorios');
      await page.getByText('1 relatório terminou').waitFor({ state: 'attached' });
      expect(await inaccessible()).toEqual([]);
      await page.getByRole('main').getByRole('link', { name: 'Participantes da ordem' }).click();
      const downloading = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Baixar' }).click();
      const download = await downloading;
      expect(download.suggestedFilename()).toMatch(/^order-participants-.*\.csv$/);
      expect(await readFile(await download.path(), 'utf8')).toContain('ord_antiga');
      await page.getByText('1 vez').waitFor();
      await go('/relatorios');
      await page.getByText('Terminados e não vistos (0)').waitFor();
    });

    it('shows a client of the bank reports alone, and the server decides which', async () => {
      await as(/Davi Pacheco/);
      await heading('Relatórios').waitFor();
      expect(
        await page.getByRole('navigation', { name: 'Principal' }).getByRole('link').allInnerTexts(),
      ).toEqual(['Relatórios']);
      await go('/ordens');
      await heading('Sem permissão').waitFor();
      await go('/relatorios/novo?kind=client-orders');
      await page.getByLabel('Finalidade').fill('Conferir minhas ordens');
      await page.getByLabel('Cliente (CPF ou CNPJ)').fill(demo('alone').company.cnpj);
      await page.getByRole('button', { name: 'Pedir relatório' }).click();
      await page.getByText('Você não tem permissão para isto').waitFor();
      await page.getByLabel('Cliente (CPF ou CNPJ)').fill('12.ABC.345/01DE-35');
      await page.getByRole('button', { name: 'Pedir relatório' }).click();
      await page.getByText('O relatório está completo: 0 linhas.').waitFor();
    });

    it('shows what others wrote as text, and says when the API is away', async () => {
      const contractId = '<img src=x onerror="document.title=1">';
      const { orderKey } = await desk.decide(orderOf('alone', { contractId }));
      await as(/Ana Moreira/, `/ordens/${orderKey}`);
      await page.getByText(contractId).waitFor();
      await page.route('**/v1/**', (route) => route.abort());
      await go('/ordens');
      await page.getByText('Sem resposta do Lastro').waitFor();
      await page.unroute('**/v1/**');
      await page.getByRole('button', { name: 'Tentar de novo' }).click();
      await page.getByRole('link', { name: orderKey }).waitFor();
    });
  },
);
