// One signed SSM call, for clients that bring no AWS SDK.

import { createHash, createHmac } from "node:crypto";

const hash = (text) => createHash("sha256").update(text).digest("hex");
const mac = (key, text) => createHmac("sha256", key).update(text).digest();

/** Calls `operation` at the emulator as its default account; answers its JSON. */
export async function ssm(operation, members) {
  const { AWS_ENDPOINT_URL: endpoint, AWS_DEFAULT_REGION: region } = process.env;
  const { ADIT_SANDBOX_KEY: key, ADIT_SANDBOX_SECRET: secret } = process.env;
  const body = JSON.stringify(members);
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${now.slice(0, 8)}/${region}/ssm/aws4_request`;
  const headers = {
    "content-type": "application/x-amz-json-1.1",
    host: new URL(endpoint).host,
    "x-amz-date": now,
    "x-amz-target": `AmazonSSM.${operation}`,
  };
  const names = Object.keys(headers).join(";");
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const request = ["POST", "/", "", lines.join(""), names, hash(body)].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", now, scope, hash(request)].join("\n");
  const signing = scope.split("/").reduce(mac, `AWS4${secret}`);
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${key}/${scope}, SignedHeaders=${names}, ` +
    `Signature=${mac(signing, toSign).toString("hex")}`;
  const answer = await fetch(endpoint, {
    method: "POST",
    headers: { ...headers, authorization },
    body,
    signal: AbortSignal.timeout(10_000),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(`${operation}: ${JSON.stringify(said)}`);
  return said;
}
