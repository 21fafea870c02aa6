/** A shell of sorts: enough to type at. */

const esc = '\x1b[';

export class PretendShell {
  #line = '';
  readonly #prompt: string;

  constructor(
    private readonly node: string,
    private readonly print: (text: string) => void,
    private readonly exit: () => void,
  ) {
    this.#prompt = `${esc}32mssm-user@${node}${esc}0m:${esc}34m~${esc}0m$ `;
  }

  greet(): void {
    this.print(`${esc}2mLast login: Fri Nov 20 17:02:11 UTC 2026${esc}0m\r\n${this.#prompt}`);
  }

  type(data: string): void {
    for (const key of data.replaceAll(`${esc}200~`, '').replaceAll(`${esc}201~`, '')) {
      if (key === '\r') this.#run();
      else if (key === '\x7f') this.#erase();
      else if (key === '\x03') this.#fresh('^C\r\n');
      else if (key === '\x0c') this.print(`${esc}2J${esc}H${this.#prompt}${this.#line}`);
      else if (key === '\x04' && this.#line === '') this.exit();
      else if (key >= ' ') {
        this.#line += key;
        this.print(key);
      }
    }
  }

  #erase(): void {
    if (this.#line === '') return;
    this.#line = this.#line.slice(0, -1);
    this.print('\b \b');
  }

  #fresh(before: string): void {
    this.#line = '';
    this.print(before + this.#prompt);
  }

  #run(): void {
    const line = this.#line.trim();
    const [command = '', ...rest] = line.split(/\s+/);
    if (command === 'exit') {
      this.print('\r\nlogout\r\n');
      this.exit();
      return;
    }
    this.#fresh(`\r\n${this.#answer(command, rest)}`);
  }

  #answer(command: string, rest: string[]): string {
    const lines: Record<string, string[]> = {
      '': [],
      hostname: [this.node],
      whoami: ['ssm-user'],
      uptime: [' 09:14:02 up 1 day,  5:03,  1 user,  load average: 0.08, 0.03, 0.01'],
      bell: ['\x07rang'],
      link: ['see https://docs.aws.amazon.com/systems-manager/ for more'],
      systemctl: [
        `${esc}32m●${esc}0m shop.service - Shop front end`,
        '     Loaded: loaded (/etc/systemd/system/shop.service; enabled)',
        `     Active: ${esc}32mactive (running)${esc}0m since Fri 2026-11-20 04:11:09 UTC; 1 day ago`,
        '   Main PID: 1187 (shop)',
        '      Tasks: 18 (limit: 9370)',
        '     Memory: 212.4M',
      ],
      journalctl: [
        `Nov 21 09:13:58 ${this.node} shop[1187]: GET /cart 200 12ms`,
        `Nov 21 09:13:59 ${this.node} shop[1187]: ${esc}33mWARN${esc}0m slow query orders.find 412ms`,
        `Nov 21 09:14:00 ${this.node} shop[1187]: GET /health 200 1ms`,
        `Nov 21 09:14:02 ${this.node} shop[1187]: POST /orders 201 38ms`,
      ],
      seq: Array.from({ length: Math.min(200_000, Number(rest[0] ?? 10)) }, (_, i) => String(i + 1)),
      echo: [rest.join(' ')],
    };
    const answer = lines[command] ?? [`-bash: ${command}: command not found`];
    return answer.map((text) => `${text}\r\n`).join('');
  }
}
