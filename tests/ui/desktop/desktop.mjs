// A desktop for one test: its own home, screen, session bus, keyring, tray and notifications.
// It touches nothing of the user's, and ends with everything that runs in it.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Program, processesWith } from "./processes.mjs";
import { Services } from "./services.mjs";

/** No program is started by a name on the bus: what a test needs is started by name here. */
const busConfig = (folder) => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=${folder}/bus</listen>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
`;

/** Programs the window hands things to: they write down what they were given. */
const openers = ["xdg-open", "gio", "gnome-open", "kde-open", "wslview"];

const folders = new Set();

const remove = (folder) => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });

// However a test ends. The programs themselves are seen to where they are started.
process.on("exit", () => {
  for (const folder of folders) remove(folder);
});

export class Desktop {
  #programs = [];

  /** `keyring: false` leaves the keyring out, `tray: false` tray and notifications. */
  static async start({ keyring = true, tray = true, width = 1440, height = 900 } = {}) {
    const desktop = new Desktop();
    try {
      desktop.#makeFolders();
      await desktop.#startScreen(width, height);
      await desktop.#startBus();
      desktop.services = await Services.start(desktop.env, { bare: !tray });
      if (keyring) await desktop.#startKeyring();
      return desktop;
    } catch (error) {
      await desktop.close();
      throw error;
    }
  }

  #makeFolders() {
    // Short: a socket's path may have 107 characters.
    this.folder = mkdtempSync(join(tmpdir(), "adit-ui-"));
    folders.add(this.folder);
    const at = (name) => {
      mkdirSync(join(this.folder, name), { recursive: true, mode: 0o700 });
      return join(this.folder, name);
    };
    this.home = at("home");
    this.opened = join(this.folder, "opened");
    writeFileSync(this.opened, "");
    const programs = at("bin");
    for (const name of openers) {
      const path = join(programs, name);
      writeFileSync(path, `#!/bin/sh\nprintf '%s\\n' "$*" >> '${this.opened}'\n`);
      chmodSync(path, 0o755);
    }
    const foreign = /^(AWS_|XDG_|DBUS_|GNOME_|GTK_|QT_|DESKTOP_|WAYLAND|DISPLAY|XAUTHORITY|SESSION_|SSH_|LC_|ADIT_)/;
    this.env = {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name))),
      ADIT_TEST_DESKTOP: this.folder,
      HOME: this.home,
      PATH: `${programs}:${process.env.PATH}`,
      TMPDIR: at("tmp"),
      LANG: "C.UTF-8",
      SHELL: "/bin/bash",
      XDG_CONFIG_HOME: at("home/.config"),
      XDG_DATA_HOME: at("home/.local/share"),
      XDG_STATE_HOME: at("home/.local/state"),
      XDG_CACHE_HOME: at("home/.cache"),
      XDG_RUNTIME_DIR: at("run"),
      XDG_SESSION_TYPE: "x11",
      GDK_BACKEND: "x11",
      NO_AT_BRIDGE: "1",
      GTK_USE_PORTAL: "0",
      LIBGL_ALWAYS_SOFTWARE: "1",
    };
  }

  #run(name, command, args, options = {}) {
    const program = new Program(name, command, args, { env: this.env, cwd: this.folder, ...options });
    this.#programs.push(program);
    return program;
  }

  /** Starts another program in this desktop; it ends with it. */
  run(name, command, args, { env = {} } = {}) {
    return this.#run(name, command, args, { env: { ...this.env, ...env } });
  }

  async #startScreen(width, height) {
    const args = ["-displayfd", "3", "-screen", "0", `${width}x${height}x24`, "-nolisten", "tcp", "-noreset"];
    const screen = this.#run("Xvfb", "Xvfb", args, { extra: true });
    const [, number] = await screen.says(/^(\d+)\n/m, 60_000);
    this.env.DISPLAY = `:${number}`;
  }

  async #startBus() {
    const config = join(this.folder, "bus.conf");
    writeFileSync(config, busConfig(this.env.XDG_RUNTIME_DIR));
    const bus = this.#run("dbus-daemon", "dbus-daemon", [`--config-file=${config}`, "--nofork", "--print-address=1"]);
    const [, address] = await bus.says(/^(unix:\S+)/m);
    this.env.DBUS_SESSION_BUS_ADDRESS = address;
  }

  async #startKeyring() {
    const args = ["--foreground", "--unlock", "--components=secrets"];
    const keyring = this.#run("keyring", "gnome-keyring-daemon", args, { input: "pipe" });
    // An empty password, and with it the collection that everything goes to.
    keyring.stdin.end("\n");
    await this.services.owned("org.freedesktop.secrets");
  }

  /** All processes of this desktop. */
  processes() {
    return processesWith("ADIT_TEST_DESKTOP", this.folder);
  }

  /** What every program said that ran here, for a failure. */
  said() {
    const services = this.services === undefined ? [] : [this.services];
    return [...this.#programs, ...services]
      .filter(({ said }) => said?.trim())
      .map(({ name, said }) => `── ${name} said:\n${said.trimEnd().split("\n").slice(-120).join("\n")}`)
      .join("\n");
  }

  async close() {
    await this.services?.stop();
    for (const program of this.#programs.toReversed()) await program.stop();
    for (const { pid } of this.processes()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
    remove(this.folder);
    folders.delete(this.folder);
  }
}
