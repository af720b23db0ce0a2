// The WebSocket: it connects, says in words why it cannot, and comes back by itself.
//
// Invariant: there is one connection at most, and whatever was lost with the last one is asked for on the next.

const FIRST_WAIT = 500, LONGEST_WAIT = 30_000; // milliseconds
const OPENING = 10_000;                         // for the opening handshake
const SILENCE = 25_000, ANSWER = 10_000;        // then a ping, and for its answer
const STABLE = 10_000;                          // after this the next wait is a short one again
const GONE = [1003, 1008, 1009];                // it was our fault: trying again would not help

export class Connection {
    // `on` has `state(state, words, seconds)` (no words: those of before), `message(object)` and `unauthorized()`, which returns whether to try again.
    constructor(on) {
        this.on = on;
        this.ws = null;
        this.wait = FIRST_WAIT;
        this.timers = {};
        addEventListener("online", () => this.retry());
        addEventListener("offline", () => this.lose("Your device is offline.", "offline"));
        document.addEventListener("visibilitychange", () => { if (!document.hidden) this.check(); });
    }

    get isOpen() {
        return this.ws !== null && this.ws.readyState === WebSocket.OPEN;
    }

    // Sends an object; false if it has to wait for the next connection.
    send(object) {
        if (!this.isOpen) return false;
        this.ws.send(JSON.stringify(object));
        return true;
    }

    connect() {
        this.stop();
        if (navigator.onLine === false) {
            this.on.state("offline", "Your device is offline.");
            return;
        }
        this.on.state("connecting", null);
        let ws, isOpened = false;
        try {
            // A page that came over https: must use wss:, or the browser throws.
            const scheme = location.protocol === "https:" ? "wss:" : "ws:";
            ws = new WebSocket(`${scheme}//${location.host}/ws`, "chat.v1");
        } catch (error) {
            this.on.state("stopped", `The browser does not allow this connection: a page that came over https: may only open wss:. (${error.message})`);
            return;
        }
        this.ws = ws;
        const isCurrent = () => this.ws === ws;
        this.timers.opening = setTimeout(() => this.lose("The server does not answer."), OPENING);
        ws.onopen = () => {
            if (!isCurrent()) return;
            isOpened = true;
            clearTimeout(this.timers.opening);
            this.timers.stable = setTimeout(() => { this.wait = FIRST_WAIT; }, STABLE);
            this.on.state("open", "");
            this.listen();
        };
        ws.onmessage = (event) => {
            if (!isCurrent()) return;
            this.listen();
            this.on.message(JSON.parse(event.data));
        };
        ws.onclose = (event) => {
            if (!isCurrent()) return;
            if (isOpened) this.closed(event);
            else this.refused();
        };
    }

    // After this much silence, asks whether the server is there: a network that is gone tells nobody.
    listen() {
        clearTimeout(this.timers.silence);
        this.timers.silence = setTimeout(() => this.check(), SILENCE);
    }

    check() {
        if (!this.send({ type: "ping" })) return;
        clearTimeout(this.timers.silence);
        this.timers.silence = setTimeout(() => this.lose("The connection was lost: the server does not answer any more."), ANSWER);
    }

    closed({ code, reason }) {
        if (GONE.includes(code)) {
            this.stop();
            this.on.state("stopped", `The server ended the connection: ${reason || "no reason given"} (${code}).`);
        } else if (code === 1012 || code === 1001) {
            this.lose("The server restarts.", "waiting", Math.random() * 2_000);
        } else if (code === 1013) {
            this.lose("This connection was too slow for the room. What you missed comes now.", "waiting", Math.random() * 2_000);
        } else if (code === 1006) {
            this.lose("The connection was lost, without a goodbye from the server.");
        } else {
            this.lose(`The server closed the connection: ${reason || "no reason given"} (${code}).`);
        }
    }

    // A browser does not tell why there is no WebSocket, so that a page asks by HTTP.
    async refused() {
        const ws = this.ws;
        let words;
        try {
            const answer = await fetch("me", { signal: AbortSignal.timeout(OPENING) });
            if (this.ws !== ws) return;
            if (answer.status === 401) {
                this.stop();
                this.on.state("connecting", "You are not logged in any more (401).");
                if (await this.on.unauthorized()) this.lose("You were logged in again.", "waiting", 0);
                return;
            }
            words = answer.ok
                ? "The server is there, but opens no WebSocket at /ws. A proxy in between may not let it through."
                : `The server answers with ${answer.status}: there is no chat at this address.`;
        } catch {
            words = "The server is not running, or cannot be reached from here.";
        }
        if (this.ws === ws) this.lose(words);
    }

    // Ends this connection, if there is one, and comes back after a while.
    lose(words, state = "waiting", wait = this.wait * (0.5 + Math.random() / 2)) {
        this.stop();
        if (state !== "waiting") {
            this.on.state(state, words);
            return;
        }
        this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
        const until = Date.now() + wait;
        const count = () => {
            const left = until - Date.now();
            if (left <= 0) {
                this.connect();
                return;
            }
            this.on.state("waiting", words, Math.ceil(left / 1_000));
            this.timers.again = setTimeout(count, Math.min(left, 1_000));
        };
        count();
    }

    // Somebody does not want to wait.
    retry() {
        if (this.ws === null) this.connect();
    }

    stop() {
        Object.values(this.timers).forEach(clearTimeout);
        const ws = this.ws;
        this.ws = null;
        if (ws) ws.close();
    }
}
