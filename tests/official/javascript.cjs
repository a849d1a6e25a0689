// Everything that the official JavaScript client can do, against the address that is the only argument.
"use strict";

const assert = require("node:assert/strict");
const http = require("node:http");
const { once } = require("node:events");
const Replicate = require("replicate");
const { validateWebhook } = Replicate;

const url = process.argv[2];
const client = new Replicate({ auth: "r8_official", baseUrl: `${url}/v1` });
const PNG = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), Buffer.alloc(64)]);

const firstVersion = async () => (await client.models.versions.list("judge", "writer")).results[0].id;

async function runsAndStreams() {
  const version = await firstVersion();
  assert.deepEqual(await client.run(`judge/writer:${version}`, { input: { prompt: "a b c" } }), ["a ", "b ", "c "]);
  const polled = await client.run("judge/writer", { input: { prompt: "a b" }, wait: { mode: "poll", interval: 50 } });
  assert.deepEqual(polled, ["a ", "b "]);
  const events = [];
  for await (const event of client.stream("judge/writer", { input: { prompt: "a b", pause: 0.05 } })) {
    events.push(event);
  }
  assert.equal(events.map(String).join(""), "a b ");
  assert.equal(events.at(-1).event, "done");
  const picture = await client.run("judge/painter", { input: { prompt: "x" } });
  assert.equal(picture.constructor.name, "FileOutput");
  const content = Buffer.from(await (await picture.blob()).arrayBuffer());
  assert.ok(content.equals(Buffer.concat([PNG, Buffer.from("x")])));
  assert.equal(await client.run("judge/reader", { input: { file: Buffer.from("12345") } }), 5);
  await assert.rejects(client.run("judge/breaker", { input: { prompt: "stand" } }), /cannot stand/);
}

async function predictions() {
  const version = await firstVersion();
  const held = await client.predictions.create({ version, input: { prompt: "a" }, wait: 10 });
  assert.deepEqual([held.status, held.output], ["processing", ["a "]]);
  assert.equal((await client.predictions.get(held.id)).status, "succeeded");
  const long = await client.predictions.create({ model: "judge/writer", input: { prompt: "a", pause: 60 } });
  assert.equal((await client.predictions.cancel(long.id)).status, "canceled");
  const made = await client.predictions.create({ version, input: { prompt: "a b" } });
  assert.deepEqual((await client.wait(made, { interval: 50 })).output, ["a ", "b "]);
  const ids = [];
  for await (const page of client.paginate(client.predictions.list)) ids.push(...page.map((each) => each.id));
  for (const { id } of [held, long, made]) assert.ok(ids.includes(id));
}

async function models() {
  const names = (await client.models.list()).results.map((model) => model.name);
  for (const name of ["writer", "painter", "reader", "breaker"]) assert.ok(names.includes(name));
  assert.equal((await client.models.search("picture")).results[0].name, "painter");
  await client.models.create("judge", "new", { visibility: "private", hardware: "cpu", description: "A model" });
  assert.equal((await client.models.get("judge", "new")).description, "A model");
  const version = await client.models.versions.get("judge", "writer", await firstVersion());
  assert.deepEqual(version.openapi_schema.components.schemas.Input.required, ["prompt"]);
}

async function deployments() {
  const config = { model: "judge/writer", version: await firstVersion(), hardware: "cpu", min_instances: 0 };
  for (const name of ["app", "unused"]) await client.deployments.create({ ...config, name, max_instances: 2 });
  assert.equal((await client.deployments.update("local", "app", { max_instances: 3 })).current_release.number, 2);
  assert.equal((await client.deployments.get("local", "app")).current_release.configuration.max_instances, 3);
  const made = await client.deployments.predictions.create("local", "app", { input: { prompt: "a b" }, wait: 10 });
  assert.deepEqual(made.output, ["a ", "b "]);
  assert.equal(await client.deployments.delete("local", "unused"), true);
  assert.deepEqual((await client.deployments.list()).results.map((each) => each.name), ["app"]);
}

async function trainings() {
  const options = { destination: "judge/trained", input: { steps: 3 } };
  const training = await client.trainings.create("judge", "writer", await firstVersion(), options);
  let seen = training;
  while (seen.status !== "succeeded") seen = await client.trainings.get(training.id);
  assert.deepEqual(await client.run(seen.output.version, { input: { prompt: "a b" } }), ["a ", "b "]);
  const other = await client.trainings.create("judge", "writer", await firstVersion(), options);
  await client.trainings.cancel(other.id);
  assert.deepEqual((await client.trainings.list()).results.map((each) => each.id), [other.id, training.id]);
}

async function files() {
  const file = await client.files.create(Buffer.from("12345678"), { customer: 3 });
  assert.deepEqual([file.size, file.metadata], [8, { customer: 3 }]);
  assert.deepEqual((await client.files.get(file.id)).checksums, file.checksums);
  assert.equal((await client.files.list()).results[0].id, file.id);
  assert.equal(await client.run("judge/reader", { input: { file: file.urls.get } }), 8);
  assert.equal(await client.files.delete(file.id), true);
}

async function theRest() {
  assert.equal((await client.accounts.current()).username, "local");
  assert.ok((await client.hardware.list()).map((each) => each.sku).includes("cpu"));
  assert.ok((await client.collections.list()).results.map((each) => each.slug).includes("super-resolution"));
  const { models } = await client.collections.get("text-to-image");
  assert.ok(models.map((each) => each.name).includes("painter"));
}

async function webhooks() {
  const { key } = await client.webhooks.default.secret.get();
  const received = [];
  const server = http.createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => (body += piece));
    request.on("end", () => {
      received.push({ headers: request.headers, body });
      response.writeHead(204).end();
      if (JSON.parse(body).status === "succeeded") server.emit("completed");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const completed = once(server, "completed");
  await client.predictions.create({
    model: "judge/writer",
    input: { prompt: "a b c", pause: 0.3 },
    webhook: `http://127.0.0.1:${server.address().port}/`,
    webhook_events_filter: ["start", "completed"],
  });
  await completed;
  server.close();
  assert.equal(received.length, 2);
  for (const { headers, body } of received) {
    const signed = { id: headers["webhook-id"], timestamp: headers["webhook-timestamp"], body, secret: key };
    assert.ok(await validateWebhook({ ...signed, signature: headers["webhook-signature"] }));
    assert.ok(!(await validateWebhook({ ...signed, body: `${body} `, signature: headers["webhook-signature"] })));
  }
}

(async () => {
  for (const check of [runsAndStreams, predictions, models, deployments, trainings, files, theRest, webhooks]) {
    await check();
    console.log(`  ${check.name}: passed`);
  }
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
