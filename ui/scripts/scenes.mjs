// What is done before each picture.
const palette = (page, text) => page.keyboard.press('Control+k').then(() => page.keyboard.type(text));
const row = (page, name) => page.locator('[role=row]', { hasText: name }).first();

async function connect(page, name) {
  await page.locator('[data-filter=nodes]').fill(name);
  await row(page, name).dblclick();
  await page.waitForSelector('.terminal-host .xterm');
  await page.waitForTimeout(500);
}

async function typeIn(page, text) {
  for (const line of text.split('\n')) {
    await page.keyboard.type(line);
    await page.keyboard.press('Enter');
  }
  await page.waitForTimeout(200);
}

export const scenes = {
  'nodes-first-run': { play: async () => {} },
  nodes: {
    query: 'own&nodes=9800',
    play: async (page) => {
      await page.locator('[data-filter=nodes]').fill('tag:Env=prod platform:linux web');
      await row(page, 'web-1').click();
      await row(page, 'web-3').hover();
    },
  },
  'nodes-completion': {
    query: 'own',
    play: async (page) => {
      await page.locator('[data-filter=nodes]').click();
      await page.keyboard.type('tag:Env=prod tag:App=');
    },
  },
  'nodes-picked': {
    query: 'own&all',
    play: async (page) => {
      await row(page, 'api-1').click();
      await page.keyboard.press('Shift+ArrowDown');
      await page.keyboard.press('Shift+ArrowDown');
      await page.keyboard.press('Shift+ArrowDown');
    },
  },
  'nodes-diagnosis': {
    query: 'own',
    play: async (page) => {
      await page.locator('[data-filter=nodes]').fill('ping:offline ');
      await page.getByRole('button', { name: 'Why?' }).first().click();
      await page.waitForTimeout(200);
    },
  },
  'nodes-menu': {
    query: 'own',
    play: async (page) => {
      await row(page, 'api-2').click({ button: 'right' });
    },
  },
  'nodes-sign-in': {
    query: 'own',
    play: async (page) => {
      await page.getByRole('button', { name: 'acme-dev', exact: true }).click();
    },
  },
  'nodes-run': {
    query: 'own',
    play: async (page) => {
      await row(page, 'api-1').click();
      await page.keyboard.press('Shift+ArrowDown');
      await page.getByRole('button', { name: 'Run a command…' }).click();
      await page.keyboard.type('uptime');
      await page.keyboard.press('Enter');
      await page.waitForTimeout(900);
    },
  },
  terminal: {
    query: 'own',
    play: async (page) => {
      await connect(page, 'web-1');
      await typeIn(page, 'systemctl status shop --no-pager\njournalctl -u shop -n 4 --no-pager');
    },
  },
  'terminal-split': {
    query: 'own',
    play: async (page) => {
      await connect(page, 'web-1');
      await typeIn(page, 'uptime');
      await page.keyboard.press('Control+Shift+D');
      await page.waitForTimeout(500);
      await typeIn(page, 'hostname');
      await page.keyboard.press('Control+Shift+E');
      await page.waitForTimeout(500);
      await page.keyboard.press('Control+Shift+B');
      await typeIn(page, 'whoami');
    },
  },
  'terminal-reconnecting': {
    query: 'own',
    play: async (page) => {
      await connect(page, 'web-1');
      await typeIn(page, 'uptime');
      await page.evaluate(() =>
        window.pretend.terminals.changeAll({
          state: 'reconnecting',
          attempt: 2,
          retryMs: Date.now() + 3400,
          cause: 'Network changed',
        }),
      );
      await page.keyboard.press('Control+Shift+F');
      await page.keyboard.type('load');
    },
  },
  'terminal-ended': {
    query: 'own',
    play: async (page) => {
      await connect(page, 'web-1');
      await typeIn(page, 'uptime');
      await page.evaluate(() =>
        window.pretend.terminals.changeAll({ state: 'ended', reason: { kind: 'idleTimeout', minutes: 20 } }),
      );
    },
  },
  'terminal-failed': {
    query: 'own',
    play: async (page) => {
      await page.locator('[data-filter=nodes]').fill('ping:lost ');
      await page.locator('[role=row][id^=node]').first().dblclick();
      await page.waitForTimeout(700);
      await page.getByText('Details').click();
    },
  },
  'terminal-paste': {
    query: 'own',
    play: async (page) => {
      await connect(page, 'web-1');
      await page.evaluate(() => window.pretend.setClipboard('cd /var/log\nsudo rm -r old\nls\n'));
      await page.keyboard.press('Control+Shift+V');
      await page.waitForTimeout(200);
    },
  },
  tunnels: {
    query: 'own',
    play: async (page) => {
      await page.getByRole('tab', { name: /Tunnels/ }).click();
      await page.waitForTimeout(4200);
      await page.getByRole('button', { name: 'More for search' }).hover();
    },
  },
  'tunnels-form': {
    query: 'own',
    play: async (page) => {
      await page.getByRole('tab', { name: /Tunnels/ }).click();
      await page.getByRole('button', { name: 'Add tunnel' }).click();
      await page.keyboard.type('db-j');
      await page.keyboard.press('Enter');
      await page.getByLabel('Remote host').fill('orders.cluster-c1.eu-west-1.rds.amazonaws.com');
      await page.getByLabel('Remote port').fill('5432');
      await page.getByLabel('Local port').fill('5432');
      await page.waitForTimeout(200);
    },
  },
  'tunnels-log': {
    query: 'own',
    play: async (page) => {
      await page.getByRole('tab', { name: /Tunnels/ }).click();
      await page.getByRole('switch', { name: 'redis' }).click();
      await page.waitForTimeout(400);
      await page.getByRole('button', { name: 'More for redis' }).click();
      await page.getByRole('menuitemcheckbox', { name: 'Log' }).click();
    },
  },
  palette: {
    query: 'own',
    play: async (page) => {
      await palette(page, 'web1');
    },
  },
  'palette-empty': { query: 'own', play: async (page) => page.keyboard.press('Control+k') },
  settings: { query: 'own', play: async (page) => page.keyboard.press('Control+,') },
  shortcuts: { query: 'own', play: async (page) => page.keyboard.press('F1') },
  'account-add': {
    play: async (page) => page.getByRole('button', { name: 'Sign in with IAM Identity Center' }).click(),
  },
  'account-edit': {
    query: 'own',
    play: async (page) => {
      await page.getByRole('button', { name: 'acme-prod', exact: true }).click({ button: 'right' });
      await page.getByRole('menuitem', { name: 'Edit account…' }).click();
    },
  },
  'sidebar-collapsed': { query: 'own', play: async (page) => page.keyboard.press('Control+b') },
  notice: {
    query: 'own',
    play: async (page) => {
      await page.evaluate(() =>
        window.pretend.emit('noticeEvent', {
          id: 'n1',
          severity: 'warn',
          text: '',
          profileId: null,
          error: {
            code: 'fileSetAside',
            message: 'settings.toml did not parse at line 12 and was set aside as settings.toml.bad-1.',
            detail: 'expected `=`, found newline at line 12 column 8',
          },
        }),
      );
    },
  },
};
