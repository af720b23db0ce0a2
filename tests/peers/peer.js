// The peer in JavaScript: clients and a server made with `ws`, started by `run` beside this file.
//
//   node peer.js server      echoes; prints where it listens, then the code of each Close
//   node peer.js CHECK URL   one of the checks below, against an echo server; exit status 0 if ok
'use strict';

const assert = require('assert');
const { once } = require('events');
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

const checks = {
  async deflate(url) {
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

function serve() {
  const server = new WebSocket.Server({
    host: '127.0.0.1', port: 0, perMessageDeflate: true,
    handleProtocols: (offered) => (offered.has('chat') ? 'chat' : false),
  });
  server.on('listening', () => {
    console.log(`listening on ws://127.0.0.1:${server.address().port}/`);
  });
  server.on('connection', (ws) => {
    ws.ping('are you there?');
    ws.on('pong', (payload) => console.log(`pong ${payload}`));
    ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
    ws.on('close', (code) => console.log(`closed ${code} ${ws.protocol}`.trim()));
    ws.on('error', (error) => console.log(`error ${error.message}`));
  });
}

const [mode, url] = process.argv.slice(2);
if (mode === 'server') {
  serve();
} else {
  checks[mode](url).catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
}
