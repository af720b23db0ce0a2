// The peer in JavaScript: clients and a server made with `ws`, started by node.py beside this file.
//
//   node peer.js server                      echoes; prints where it listens, then the code of
//                                            each Close and what was agreed on
//   node peer.js CHECK URL                   one of the checks below, against an echo server;
//                                            exit status 0 if ok
//   node peer.js exchange URL OPTIONS FILE   sends the messages in FILE to an echo server
//   node peer.js server OPTIONS FILE         sends them to autobahn_client, as its only case
//
// OPTIONS are ws's own for permessage-deflate, in JSON. Both that have them print a line of JSON:
// the response's Sec-WebSocket-Extensions, and of how many bytes each echo was on the wire.
'use strict';

const assert = require('assert');
const { once } = require('events');
const { readFileSync } = require('fs');
const WebSocket = require('ws');

// A connected client with ws's defaults, which offer permessage-deflate.
async function connect(url) {
  const ws = new WebSocket(url);
  await once(ws, 'open');
  return ws;
}

async function echo(ws, message, options) {
  const reply = once(ws, 'message');
  ws.send(message, options);
  const [data, isBinary] = await reply;
  assert.strictEqual(isBinary, typeof message !== 'string');
  assert.ok(data.equals(Buffer.from(message)), `${message.length} went out, ${data.length} came`);
}

async function close(ws, code, reason) {
  const closed = once(ws, 'close');
  ws.close(code, reason);
  const [gotCode, gotReason] = await closed;
  assert.deepStrictEqual([gotCode, gotReason.toString()], [code, reason]);
}

// Sends each message in the file, which must come back; returns the bytes of each echo.
async function exchange(ws, socket, file) {
  const ended = once(ws, 'close').then(([code]) => assert.fail(`closed with ${code}`));
  ended.catch(() => {}); // after the exchange it is not a failure
  const lengths = [];
  for (const [binary, fragments] of JSON.parse(readFileSync(file))) {
    const parts = fragments.map((fragment) => Buffer.from(fragment, 'base64'));
    const before = socket.bytesRead;
    const reply = once(ws, 'message');
    parts.forEach((part, i) => {
      if (i > 0) ws.ping();
      ws.send(part, { binary, fin: i === parts.length - 1 });
    });
    const [data, isBinary] = await Promise.race([reply, ended]);
    const message = Buffer.concat(parts);
    assert.strictEqual(isBinary, binary);
    assert.ok(data.equals(message), `${message.length} went out, ${data.length} came`);
    lengths.push(socket.bytesRead - before);
  }
  return lengths;
}

async function exchangeAsClient(url, options, file) {
  const ws = new WebSocket(url, { perMessageDeflate: { threshold: 0, ...JSON.parse(options) } });
  const upgraded = once(ws, 'upgrade');
  await once(ws, 'open');
  const [response] = await upgraded;
  const lengths = await exchange(ws, response.socket, file);
  console.log(JSON.stringify([response.headers['sec-websocket-extensions'], lengths]));
  await close(ws, 1000, '');
}

const checks = {
  async declined(url) {
    const ws = await connect(url);
    assert.strictEqual(ws.extensions, '', 'the server took an extension');
    await echo(ws, 'a'.repeat(5000), { compress: true });
    await close(ws, 1000, '');
  },

  async messages(url) {
    const ws = await connect(url);
    await echo(ws, 'æ → 日本語 😀 \u0000');
    for (const size of [0, 1, 125, 126, 127, 65535, 65536, 1 << 20]) {
      await echo(ws, 'x'.repeat(size));
      await echo(ws, Buffer.alloc(size, 0xff));
    }
    await close(ws, 1000, '');
  },

  async fragments(url) {
    const ws = await connect(url);
    const reply = once(ws, 'message');
    ws.send('one, ', { fin: false });
    ws.ping('between');
    ws.send('', { fin: false });
    ws.send('two', { fin: true });
    assert.strictEqual((await reply)[0].toString(), 'one, two');
    await close(ws, 1000, '');
  },

  async ping(url) {
    const ws = await connect(url);
    for (const payload of ['', 'payload', 'x'.repeat(125)]) {
      const pong = once(ws, 'pong');
      ws.ping(payload);
      assert.strictEqual((await pong)[0].toString(), payload);
    }
    await close(ws, 1000, '');
  },

  async close(url) {
    for (const [code, reason] of [[1000, 'bye'], [1001, ''], [3000, 'å'], [4999, 'x'.repeat(123)]]) {
      await close(await connect(url), code, reason);
    }
  },
};

function serve(options, respond) {
  const server = new WebSocket.Server({ host: '127.0.0.1', port: 0, ...options });
  server.on('listening', () => {
    console.log(`listening on ws://127.0.0.1:${server.address().port}/`);
  });
  server.on('connection', respond);
  return server;
}

function serveEchoes() {
  const options = {
    perMessageDeflate: true,
    handleProtocols: (offered) => (offered.has('chat') ? 'chat' : false),
  };
  serve(options, (ws) => {
    ws.ping('are you there?');
    ws.on('pong', (payload) => console.log(`pong ${payload}`));
    ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
    ws.on('close', (code) => {
      console.log(['closed', code, ws.protocol, ws.extensions].filter(Boolean).join(' '));
    });
    ws.on('error', (error) => console.log(`error ${error.message}`));
  });
}

function serveExchange(options, file) {
  let header;
  const perMessageDeflate = { threshold: 0, ...JSON.parse(options) };
  const server = serve({ perMessageDeflate }, async (ws, request) => {
    if (request.url === '/getCaseCount') ws.send('1');
    if (request.url.startsWith('/runCase?')) {
      try {
        console.log(JSON.stringify([header, await exchange(ws, request.socket, file)]));
      } catch (error) {
        console.log(`error ${error.message}`);
      }
    }
    ws.close(1000);
  });
  server.on('headers', (lines) => {
    const line = lines.find((field) => field.startsWith('Sec-WebSocket-Extensions: '));
    header = line && line.slice(line.indexOf(' ') + 1);
  });
}

async function main(mode, ...parameters) {
  if (mode === 'exchange') return exchangeAsClient(...parameters);
  if (mode !== 'server') return checks[mode](...parameters);
  return parameters.length > 0 ? serveExchange(...parameters) : serveEchoes();
}

// A failure unless the end is reached: after a lost connection there may be nothing to wait for.
process.exitCode = 1;
main(...process.argv.slice(2)).then(
  () => { process.exitCode = 0; },
  (error) => { console.error(error.message); process.exit(1); },
);
