// The cases of gRPC's interoperability test descriptions, called by Node's grpc-js.
//
//     NODE_PATH=... node client.js HOST:PORT PROTO CASE...
//
// Runs the cases that are named, one after the other. Prints one JSON object: case name -> "ok" or what went wrong.
"use strict";

const assert = require("node:assert");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, proto, ...named] = process.argv.slice(2);
const { testing } = grpc.loadPackageDefinition(loader.loadSync(proto, { keepCase: true })).grpc;
const credentials = grpc.credentials.createInsecure();
const options = { "grpc.max_receive_message_length": -1 };
const client = new testing.TestService(address, credentials, options);
const gzip = new testing.TestService(address, credentials, {
  ...options,
  "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip,
});
const unserved = new testing.UnimplementedService(address, credentials, options);

const NO_COMPRESS = 2; // a flag of a message that is written
const INPUTS = [27182, 8, 1828, 45904];
const OUTPUTS = [31415, 9, 2653, 58979];
const payload = (size) => ({ body: Buffer.alloc(size) });
const outputs = (sizes, body) => ({ response_parameters: sizes.map((size) => ({ size })), payload: payload(body || 0) });

// A unary call; resolves with its answer, status and initial metadata, whatever the status is.
function unary(of, method, request, metadata, callOptions) {
  return new Promise((resolve) => {
    const done = {};
    const call = of[method](request, metadata || new grpc.Metadata(), callOptions || {}, (error, answer) => {
      done.error = error;
      done.answer = answer;
      if (done.status) resolve(done);
    });
    call.on("metadata", (initial) => (done.initial = initial));
    call.on("status", (status) => {
      done.status = status;
      if ("error" in done) resolve(done);
    });
  });
}

// Everything that a stream of answers brings, and its status.
function collected(call, onMessage) {
  return new Promise((resolve) => {
    const got = { messages: [] };
    call.on("metadata", (initial) => (got.initial = initial));
    call.on("data", (message) => {
      got.messages.push(message);
      if (onMessage) onMessage(got.messages.length);
    });
    call.on("error", () => {});
    call.on("status", (status) => resolve({ ...got, status }));
  });
}

// A request stream of messages [message, flags]; resolves as `unary` does.
function streamed(of, messages) {
  return new Promise((resolve) => {
    const call = of.StreamingInputCall((error, answer) => resolve({ error, answer }));
    messages.forEach(([message, flags]) => call.write(message, flags));
    call.end();
  });
}

// Twice: the first call is sent together with what was done before, and may be answered before that takes effect.
async function answersStill() {
  for (let calls = 0; calls < 2; calls += 1) {
    const { error } = await unary(client, "EmptyCall", {});
    assert.ifError(error);
  }
}

const code = grpc.status;
const cases = {
  async empty_unary() {
    const { error, answer } = await unary(client, "EmptyCall", {});
    assert.ifError(error);
    assert.deepStrictEqual({ ...answer }, {});
  },
  async large_unary() {
    const { error, answer } = await unary(client, "UnaryCall", { response_size: 314159, payload: payload(271828) });
    assert.ifError(error);
    assert.strictEqual(answer.payload.body.length, 314159);
  },
  async compressed_probe() {
    const probe = { payload: payload(271828), expect_compressed: { value: true } };
    const { status } = await unary(client, "UnaryCall", probe);
    assert.strictEqual(status.code, code.INVALID_ARGUMENT);
    const { error } = await streamed(client, [[{ payload: payload(27182), expect_compressed: { value: true } }]]);
    assert.strictEqual(error.code, code.INVALID_ARGUMENT);
  },
  async client_compressed_unary() {
    for (const [of, value] of [[gzip, true], [client, false]]) {
      const asked = { response_size: 314159, payload: payload(271828), expect_compressed: { value } };
      const { error, answer } = await unary(of, "UnaryCall", asked);
      assert.ifError(error);
      assert.strictEqual(answer.payload.body.length, 314159);
    }
  },
  async client_compressed_streaming() {
    const { error, answer } = await streamed(gzip, [
      [{ payload: payload(27182), expect_compressed: { value: true } }],
      [{ payload: payload(45904), expect_compressed: { value: false } }, NO_COMPRESS],
    ]);
    assert.ifError(error);
    assert.strictEqual(answer.aggregated_payload_size, 73086);
  },
  async server_compressed_unary() {
    for (const value of [true, false]) {
      const asked = { response_size: 314159, payload: payload(271828), response_compressed: { value } };
      const { error, answer } = await unary(client, "UnaryCall", asked);
      assert.ifError(error);
      assert.strictEqual(answer.payload.body.length, 314159);
    }
  },
  async server_compressed_streaming() {
    for (const value of [true, false]) {
      const response_parameters = [31415, 92653].map((size) => ({ size, compressed: { value } }));
      const { messages, status } = await collected(client.StreamingOutputCall({ response_parameters }));
      assert.deepStrictEqual(messages.map((message) => message.payload.body.length), [31415, 92653]);
      assert.strictEqual(status.code, code.OK);
    }
  },
  async client_streaming() {
    const { error, answer } = await streamed(client, INPUTS.map((size) => [{ payload: payload(size) }]));
    assert.ifError(error);
    assert.strictEqual(answer.aggregated_payload_size, 74922);
  },
  async server_streaming() {
    const { messages, status } = await collected(client.StreamingOutputCall(outputs(OUTPUTS)));
    assert.deepStrictEqual(messages.map((message) => message.payload.body.length), OUTPUTS);
    assert.strictEqual(status.code, code.OK);
  },
  async ping_pong() {
    const call = client.FullDuplexCall();
    const next = (count) =>
      count < OUTPUTS.length ? call.write(outputs([OUTPUTS[count]], INPUTS[count])) : call.end();
    const done = collected(call, next);
    next(0);
    const { messages, status } = await done;
    assert.deepStrictEqual(messages.map((message) => message.payload.body.length), OUTPUTS);
    assert.strictEqual(status.code, code.OK);
  },
  async empty_stream() {
    const call = client.FullDuplexCall();
    call.end();
    const { messages, status } = await collected(call);
    assert.deepStrictEqual(messages, []);
    assert.strictEqual(status.code, code.OK);
  },
  async custom_metadata() {
    const sent = new grpc.Metadata();
    sent.set("x-grpc-test-echo-initial", "test_initial_metadata_value");
    sent.set("x-grpc-test-echo-trailing-bin", Buffer.from([0xab, 0xab, 0xab]));
    const check = ({ initial, status }) => {
      assert.strictEqual(status.code, code.OK);
      assert.deepStrictEqual(initial.get("x-grpc-test-echo-initial"), ["test_initial_metadata_value"]);
      const [trailing] = status.metadata.get("x-grpc-test-echo-trailing-bin");
      assert.deepStrictEqual([...trailing], [0xab, 0xab, 0xab]);
    };
    check(await unary(client, "UnaryCall", { response_size: 314159, payload: payload(271828) }, sent));
    const call = client.FullDuplexCall(sent);
    const done = collected(call);
    call.write(outputs([314159], 271828));
    call.end();
    check(await done);
  },
  async status_code_and_message() {
    const asked = { response_status: { code: 2, message: "test status message" } };
    const { status } = await unary(client, "UnaryCall", asked);
    assert.deepStrictEqual([status.code, status.details], [code.UNKNOWN, "test status message"]);
    const call = client.FullDuplexCall();
    const done = collected(call);
    call.write(asked);
    call.end();
    const ended = await done;
    assert.deepStrictEqual([ended.status.code, ended.status.details], [code.UNKNOWN, "test status message"]);
  },
  async special_status_message() {
    const message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    const { status } = await unary(client, "UnaryCall", { response_status: { code: 2, message } });
    assert.deepStrictEqual([status.code, status.details], [code.UNKNOWN, message]);
  },
  async unimplemented_method() {
    const { status } = await unary(client, "UnimplementedCall", {});
    assert.strictEqual(status.code, code.UNIMPLEMENTED);
  },
  async unimplemented_service() {
    const { status } = await unary(unserved, "UnimplementedCall", {});
    assert.strictEqual(status.code, code.UNIMPLEMENTED);
  },
  async cancel_after_begin() {
    const failed = await new Promise((resolve) => {
      const call = client.StreamingInputCall((error) => resolve(error));
      setTimeout(() => call.cancel(), 50);
    });
    assert.strictEqual(failed.code, code.CANCELLED);
    await answersStill();
  },
  async cancel_after_first_response() {
    const call = client.FullDuplexCall();
    const done = collected(call, () => call.cancel());
    // A cancel ends the requests first: a server that had nothing more to send would be through before it knew.
    const later = { size: 1, interval_us: 60000000 };
    call.write({ response_parameters: [{ size: 31415 }, later], payload: payload(27182) });
    const { messages, status } = await done;
    assert.deepStrictEqual([messages.length, status.code], [1, code.CANCELLED]);
    await answersStill();
  },
  async timeout_on_sleeping_server() {
    const call = client.FullDuplexCall(new grpc.Metadata(), { deadline: Date.now() + 100 });
    const done = collected(call);
    call.write({ response_parameters: [{ size: 1, interval_us: 5000000 }], payload: payload(27182) });
    assert.strictEqual((await done).status.code, code.DEADLINE_EXCEEDED);
    await answersStill();
  },
  async per_call_limits() {
    const { status } = await unary(client, "UnaryCall", { payload: payload(8 * 1024 * 1024 + 1) });
    assert.strictEqual(status.code, code.RESOURCE_EXHAUSTED);
    await answersStill();
  },
  async many_at_once() {
    const sizes = [...Array(200).keys()].map((n) => 1 + n * 500);
    const answers = await Promise.all(sizes.map((size) => unary(client, "UnaryCall", { response_size: size })));
    assert.deepStrictEqual(answers.map(({ answer }) => answer.payload.body.length), sizes);
  },
};

(async () => {
  const results = {};
  for (const name of named) {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error("no end within 20 s")), 20000).unref());
    try {
      await Promise.race([cases[name](), late]);
      results[name] = "ok";
    } catch (error) {
      results[name] = String(error && error.stack || error);
    }
  }
  console.log(JSON.stringify(results));
  client.close();
  gzip.close();
  unserved.close();
})();
