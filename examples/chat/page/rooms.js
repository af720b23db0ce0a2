// The rooms that one is in: messages in their order, who is here, and what is still to be sent.
//
// Invariant: of each room every id is kept once, in order; what one writes is kept until it comes back with an id.

const KEPT = 2_000;             // messages of a room
const TYPES = 4_000;            // milliseconds that somebody counts as typing
const AGAIN = 5_000;            // milliseconds until the server is asked again that was too busy

export class Rooms {
    // `send(object)` returns false while there is no connection. `on` has `changed(room, what, detail)`.
    constructor(send, on) {
        this.send = send;
        this.on = on;
        this.rooms = new Map();
        this.limits = { text: 4_096, rate: 10, burst: 40 };
        this.outbox = load(sessionStorage, "outbox", []);
        for (const entry of this.outbox) entry.isSent = false;
        this.tokens = 0;
        this.me = "";
    }

    get(name) {
        return this.rooms.get(name);
    }

    // Enters a room, now or with the next connection.
    enter(name) {
        if (!this.rooms.has(name)) {
            this.rooms.set(name, {
                name, epoch: null, last: 0, messages: [], unstored: [], here: new Set(), typing: new Map(),
                isLive: false, unread: 0, read: load(localStorage, `read ${name}`, null),
            });
            // On the first visit nothing is unread.
            this.rooms.get(name).isFirst = this.rooms.get(name).read === null;
            this.save();
        }
        this.ask(this.rooms.get(name));
    }

    leave(name) {
        this.rooms.delete(name);
        this.send({ type: "leave", room: name });
        this.save();
    }

    save() {
        store(localStorage, "rooms", [...this.rooms.keys()]);
    }

    ask(room) {
        const after = room.epoch === null ? undefined : { epoch: room.epoch, id: room.last };
        this.send({ type: "enter", room: room.name, after });
    }

    // The connection is gone: nothing is known of who is here.
    lost() {
        for (const room of this.rooms.values()) {
            room.isLive = false;
            room.here.clear();
            room.typing.clear();
            this.on.changed(room, "people");
        }
        for (const entry of this.outbox) entry.isSent = false;
    }

    receive(event) {
        const room = event.room === undefined ? null : this.rooms.get(event.room);
        switch (event.type) {
        case "welcome":
            this.me = event.you;
            this.limits = event.limits;
            // Some are left for typing and entering.
            this.tokens = event.limits.burst / 2;
            for (const room of this.rooms.values()) this.ask(room);
            break;
        case "messages":
            if (room) this.add(room, event);
            break;
        case "unstored":
            if (room && !room.unstored.some((message) => isSame(message, event.message))) {
                room.unstored.push(event.message);
                this.on.changed(room, "tail");
            }
            break;
        case "entered":
            if (!room) break;
            room.isLive = true;
            if (room.isFirst) this.seen(room);
            room.isFirst = false;
            room.here = new Set(event.here);
            this.on.changed(room, "people");
            this.flush();
            break;
        case "here":
            if (!room) break;
            for (const name of event.joined) room.here.add(name);
            for (const name of event.left) room.here.delete(name);
            this.on.changed(room, "people");
            break;
        case "typing":
            if (room && event.name !== this.me) this.types(room, event.name);
            break;
        case "refused":
            this.refused(event, room);
            break;
        }
    }

    add(room, event) {
        if (event.reset) {
            room.messages = [];
            room.last = 0;
        } else if (event.epoch !== room.epoch) {
            return; // of a room that has started anew since: what is right comes next
        }
        room.epoch = event.epoch;
        if (room.read === null || room.read.epoch !== event.epoch) {
            room.read = { epoch: event.epoch, id: 0 };
        }
        const added = [];
        for (const message of event.messages) {
            this.settle(room, message);
            if (message.id <= room.last) continue; // a copy
            room.last = message.id;
            room.messages.push(message);
            room.typing.delete(message.from);
            added.push(message);
        }
        room.messages.splice(0, room.messages.length - KEPT);
        this.count(room);
        this.on.changed(room, event.reset ? "all" : "added", added);
    }

    // A message has its id: it is neither unstored nor to be sent any more.
    settle(room, message) {
        room.unstored = room.unstored.filter((other) => !isSame(other, message));
        if (message.from === this.me) {
            this.outbox = this.outbox.filter((entry) => entry.key !== message.key);
            store(sessionStorage, "outbox", this.outbox);
        }
    }

    count(room) {
        const isUnread = (message) => message.id > room.read.id && message.from !== this.me;
        room.unread = room.isFirst ? 0 : room.messages.filter(isUnread).length;
    }

    // Somebody has seen all of the room.
    seen(room) {
        if (room.epoch === null) return;
        room.read = { epoch: room.epoch, id: room.last };
        room.unread = 0;
        store(localStorage, `read ${room.name}`, room.read);
    }

    types(room, name) {
        clearTimeout(room.typing.get(name));
        room.typing.set(name, setTimeout(() => {
            room.typing.delete(name);
            this.on.changed(room, "typing");
        }, TYPES));
        this.on.changed(room, "typing");
    }

    // Says something, now or when there is a connection. It returns what is wrong with it, if something is.
    say(room, text) {
        const bytes = new TextEncoder().encode(text).length;
        if (text.trim() === "") return "";
        if (bytes > this.limits.text) return `That is too long: ${bytes} bytes of at most ${this.limits.text}.`;
        const random = crypto.getRandomValues(new Uint32Array(2));
        const key = `${Date.now().toString(36)}-${[...random].map((n) => n.toString(36)).join("-")}`;
        this.outbox.push({ room: room.name, key, text, at: Date.now(), isSent: false, problem: null });
        store(sessionStorage, "outbox", this.outbox);
        this.flush();
        this.on.changed(room, "tail");
        return "";
    }

    // Sends what waits, as fast as the server allows.
    flush() {
        clearTimeout(this.flushing);
        const waits = (entry) => !entry.isSent && entry.problem === null && this.rooms.get(entry.room)?.isLive;
        for (const entry of this.outbox.filter(waits)) {
            if (this.tokens < 1) break;
            const { room, key, text } = entry;
            if (!this.send({ type: "say", room, key, text })) return;
            entry.isSent = true;
            this.tokens -= 1;
        }
        if (this.tokens < this.limits.burst / 2) {
            this.flushing = setTimeout(() => {
                this.tokens += 1;
                this.flush();
            }, 1_300 / this.limits.rate);
        }
    }

    refused(event, room) {
        const entry = this.outbox.find((entry) => entry.key === event.key);
        if (entry && event.code === "busy") {
            setTimeout(() => { entry.isSent = false; this.flush(); }, AGAIN);
        } else if (entry && event.code === "not_entered") {
            entry.isSent = false; // it goes out after entering
        } else if (entry) {
            entry.problem = event.why;
        } else if (room && event.code !== "not_entered") {
            this.rooms.delete(event.room);
            this.save();
        }
        this.on.changed(room, entry ? "tail" : "refused", event.why);
    }

    // Throws away what cannot be sent.
    discard(key) {
        this.outbox = this.outbox.filter((entry) => entry.key !== key);
        store(sessionStorage, "outbox", this.outbox);
    }
}

function isSame(one, other) {
    return one.key === other.key && one.from === other.from;
}

export function load(storage, key, otherwise) {
    try {
        return JSON.parse(storage.getItem(key)) ?? otherwise;
    } catch {
        return otherwise; // not ours, or not allowed
    }
}

export function store(storage, key, value) {
    try {
        storage.setItem(key, JSON.stringify(value));
    } catch {
        // full, or not allowed: it lasts as long as the page
    }
}
