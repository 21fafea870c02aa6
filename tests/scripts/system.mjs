// The system packages this project needs, why, and how they get there.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { ask, Failure } from "./run.mjs";

/** Debian and Ubuntu packages by purpose. The one list: a new need is a new line here. */
export const packages = {
  build: {
    gcc: "links every program and compiles ring's assembly",
    "libc6-dev": "the C library's headers and start files, for the same",
    "pkg-config": "finds the libraries the window is linked with",
    "libwebkit2gtk-4.1-dev": "shows the page in the window (brings GTK 3)",
    "libdbus-1-dev": "speaks to the desktop: dark or light, the tray",
    "libayatana-appindicator3-1": "the tray; opened at run time",
  },
  test: {
    python3: "runs boto3, the aws command and pyssm-client against us",
    "python3-venv": "keeps those out of the system's own Python",
    xvfb: "a screen of its own for each window that is tested",
    "webkit2gtk-driver": "clicks and types in the window",
    dbus: "a session bus of its own for each of them",
    "gnome-keyring": "a keyring, the same way",
    "python3-dbus": "a tray and a notification daemon for the window to use",
    "python3-gi": "the loop those run in",
    "python3-xlib": "closes windows, and sees what is on the screen",
    "fonts-dejavu-core": "letters for that screen",
    "openssh-client": "ssh, scp and sftp, which reach a node by adit proxy",
    "openssh-server": "the server they reach, on a port of its own and only while tests run",
  },
  bridge: {
    "libssl-dev": "what aws-ssm-bridge speaks TLS with; only its figures need it",
    "pkg-config": "tells its build where that is",
  },
};

/** What to install where we do not install anything ourselves. */
const elsewhere = {
  fedora:
    "sudo dnf install gcc glibc-devel pkgconf webkit2gtk4.1-devel dbus-devel libayatana-appindicator-gtk3 python3 openssh-clients openssh-server",
  arch: "sudo pacman -S --needed gcc pkgconf webkit2gtk-4.1 libayatana-appindicator python openssh",
  suse: "sudo zypper install gcc glibc-devel pkgconf webkit2gtk3-devel dbus-1-devel libayatana-appindicator3-1 python3 openssh-clients openssh-server",
  alpine: "sudo apk add build-base pkgconf webkit2gtk-4.1-dev dbus-dev libayatana-appindicator python3 openssh",
  darwin: "xcode-select --install        (compiler, linker and Python 3)",
  win32:
    "winget install Microsoft.VisualStudio.2022.BuildTools Python.Python.3.12\n" +
    "  (in the build tools: the workload \"Desktop development with C++\")",
};

/** Installs what is missing on Debian and Ubuntu; elsewhere says what to install and stops. */
export function ensureSystem(purposes = ["build", "test"]) {
  const wanted = Object.assign({}, ...purposes.map((purpose) => packages[purpose]));
  const family = systemFamily();
  if (family === "debian") return installOnDebian(wanted);
  const commands = { cc: purposes.includes("build"), python3: purposes.includes("test") };
  if (family !== "win32") commands.ssh = commands.sshd = purposes.includes("test");
  const missing = Object.keys(commands).filter((name) => commands[name] && !isThere(name));
  const drawsWithGtk = process.platform === "linux" && purposes.includes("build");
  if (drawsWithGtk && ask("pkg-config", ["--exists", "webkit2gtk-4.1"]) === null) {
    missing.push("webkit2gtk-4.1");
  }
  if (missing.length === 0) return "nothing missing";
  throw new Failure(
    `not found: ${missing.join(", ")}. Install them, then run this again:\n  ` +
      (elsewhere[family] ?? "a C compiler and linker, WebKitGTK 4.1 with its headers, and Python 3.11 or newer with venv"),
  );
}

function installOnDebian(wanted) {
  const missing = Object.keys(wanted).filter((name) => !isInstalled(name));
  if (missing.length === 0) return "nothing missing";
  console.error("missing system packages:");
  for (const name of missing) console.error(`  ${name.padEnd(16)} ${wanted[name]}`);
  const apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"];
  const install = [...apt, "install", "--no-install-recommends", ...missing];
  const prefix = asRoot(install);
  asIs([...prefix, ...apt, "update"]);
  asIs([...prefix, ...install]);
  return `installed ${missing.join(" ")}`;
}

/** Runs a command on the user's own terminal, where sudo may ask for a password. */
function asIs([command, ...args]) {
  console.error(`$ ${[command, ...args].join(" ")}`);
  const input = process.stdin.isTTY ? "inherit" : "ignore";
  const done = spawnSync(command, args, {
    stdio: [input, 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if (done.status !== 0) throw new Failure(`${command} ended with ${done.status ?? done.error.message}`);
}

/** How to become root: already, or through sudo where it can ask or need not. */
function asRoot(install) {
  if (process.getuid() === 0) return [];
  const askless = ask("sudo", ["-n", "true"]) !== null;
  if (askless || (process.stdin.isTTY && isThere("sudo"))) {
    return ["sudo", "--preserve-env=DEBIAN_FRONTEND"];
  }
  throw new Failure(`These need root. Run once, then this again:\n  sudo ${install.join(" ")}`);
}

function isInstalled(name) {
  return ask("dpkg-query", ["-W", "-f=${db:Status-Status}", name]) === "installed";
}

function isThere(command) {
  const others = {
    python3: ["python3", "python"],
    cc: ["cc", "gcc", "clang"],
    sshd: ["sshd", "/usr/sbin/sshd"],
  };
  const names = others[command] ?? [command];
  const finder = process.platform === "win32" ? "where" : "which";
  if (process.platform === "win32" && command === "cc") return true; // cargo finds MSVC itself
  return names.some((name) => ask(finder, [name]) !== null);
}

function systemFamily() {
  if (process.platform !== "linux") return process.platform;
  let text = "";
  try {
    text = readFileSync("/etc/os-release", "utf8");
  } catch {
    return "linux";
  }
  const value = (key) => text.match(new RegExp(`^${key}="?([^"\\n]*)"?$`, "m"))?.[1] ?? "";
  const ids = `${value("ID")} ${value("ID_LIKE")}`;
  const known = { ubuntu: "debian", debian: "debian", rhel: "fedora" };
  for (const id of ids.split(" ")) {
    if (id in known || id in elsewhere) return known[id] ?? id;
  }
  return "linux";
}
