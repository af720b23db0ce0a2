// The echo server of Bun, whose WebSockets are uWebSockets: a rival that is not a crate. It keeps to the invariant of
// rivals.rs; its limits allow all scenarios, and it does not compress.

const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request, server) {
        if (!server.upgrade(request)) {
            return new Response("This is for WebSockets.\n", { status: 426 });
        }
    },
    websocket: {
        message(ws, message) {
            ws.send(message);
        },
        perMessageDeflate: false,
        maxPayloadLength: 16 << 20,
        backpressureLimit: 64 << 20,
    },
});

// The line for which the generator waits.
console.log(`listening on ws://${server.hostname}:${server.port}/`);
