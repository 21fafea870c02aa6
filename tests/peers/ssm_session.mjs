// ssm-session, an independent client in JavaScript, against the emulator's gateway and agent.
//
// It is one of the odd ones: its digests are half a hexadecimal text, it pads message types in
// front, marks acknowledgements with a payload type, and names no client version.

import { createRequire } from "node:module";
import { ssm as api } from "./ssm_api.mjs";

const require = createRequire(`${process.env.ADIT_PEERS_MODULES}/`);
const { ssm } = require("ssm-session");
const WebSocket = require("ws");

const OUTPUT = 1;
const closing = (socket) => new Promise((resolve) => socket.once("close", resolve));

/** A shell held by ssm-session alone. */
class Shell {
  #said = "";
  #sequence = 0;
  #heard = () => {};
  #ended = "";

  static async open(name, size) {
    const { InstanceInformationList: nodes } = await api("DescribeInstanceInformation", {
      Filters: [{ Key: "tag:Name", Values: [name] }],
    });
    const { StreamUrl, TokenValue, SessionId } = await api("StartSession", {
      Target: nodes[0].InstanceId,
    });
    const shell = new Shell();
    shell.size = size;
    shell.id = SessionId;
    shell.socket = new WebSocket(StreamUrl);
    shell.socket.binaryType = "arraybuffer";
    shell.socket.on("open", () => shell.socket.send(ssm.buildTokenMessage(TokenValue)));
    shell.socket.on("message", (data) => shell.#take(ssm.decode(data)));
    shell.socket.on("close", () => shell.#end("the websocket closed"));
    shell.socket.on("error", (error) => shell.#end(error.message));
    return shell;
  }

  /** Its own count of messages is shared by all shells, so each shell keeps one. */
  type(text) {
    this.#sequence += 1;
    ssm.sendText(this.socket, new TextEncoder().encode(text), this.#sequence);
  }

  /** Waits for a pattern in the output, and forgets all up to its end. */
  expect(pattern, seconds = 15) {
    return new Promise((resolve, reject) => {
      const fail = (why) => {
        clearTimeout(late);
        this.#heard = () => {};
        reject(new Error(`${why}, no ${pattern}; last words: ${this.#said.slice(-300)}`));
      };
      const late = setTimeout(fail, seconds * 1000, "waited in vain");
      this.#heard = () => {
        const match = this.#said.match(pattern);
        if (!match) return this.#ended ? fail(this.#ended) : undefined;
        clearTimeout(late);
        this.#heard = () => {};
        this.#said = this.#said.slice(match.index + match[0].length);
        resolve(match);
      };
      this.#heard();
    });
  }

  #take(message) {
    // The word may be padded in front or behind.
    const type = message.messageType.replace(/\0/g, "").trim();
    if (type === "output_stream_data") {
      ssm.sendACK(this.socket, message);
      // It says everything once only, and an agent takes nothing before its shell is there: the
      // size, its message 0, has to wait for the shell's first word.
      if (message.sequenceNumber === 0) ssm.sendInitMessage(this.socket, this.size);
      if (message.payloadType === OUTPUT) this.#said += new TextDecoder().decode(message.payload);
    }
    if (type === "channel_closed") this.socket.close();
    this.#heard();
  }

  #end(reason) {
    this.#ended ||= reason;
    this.#heard();
  }
}

let failed = false;

async function check(title, work) {
  try {
    await work();
    console.log(`ok - ${title}`);
  } catch (error) {
    console.log(`not ok - ${title}: ${error.message.replace(/\s+/g, " ")}`);
    failed = true;
  }
}

await check("a shell is typed into and left", async () => {
  const shell = await Shell.open("prod-storefront-01", { cols: 91, rows: 27 });
  await shell.expect(/[$#] /);
  shell.type("stty size\r");
  await shell.expect(/27 91\r?\n/);
  shell.type("echo is-$((40+2))\r");
  await shell.expect(/is-42\r?\n/);
  shell.type("exit\r");
  await closing(shell.socket);
});

await check("a long output comes whole and in order", async () => {
  const shell = await Shell.open("prod-storefront-01", { cols: 80, rows: 24 });
  await shell.expect(/[$#] /);
  shell.type("seq 1 20000 | cksum; seq 1 20000; echo the-$((0))-end\r");
  const [whole] = await shell.expect(/\d+ \d+\r?\n1\r?\n[^]*the-0-end/);
  const lines = whole.match(/^\d+(?=\r?$)/gm).map(Number);
  lines.forEach((line, index) => {
    if (line !== index + 1) throw new Error(`line ${index + 1} is ${line}`);
  });
  if (lines.length !== 20_000) throw new Error(`${lines.length} lines`);
  await api("TerminateSession", { SessionId: shell.id });
  await closing(shell.socket);
});
process.exit(failed ? 1 : 0);
