// What one sees. Texts of users go into `textContent`, and nowhere else.
//
// Invariant: nothing here remembers anything but what is on the screen.

const $ = (id) => document.getElementById(id);
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const TOGETHER = 5 * 60_000; // milliseconds between two messages under one name
const STATES = { connecting: "connecting", open: "open", offline: "offline", stopped: "not connected" };

function element(name, { text, ...properties } = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    if (text !== undefined) made.textContent = text;
    made.append(...children);
    return made;
}

export function show(id) {
    for (const part of ["login", "chat"]) $(part).hidden = part !== id;
}

export function showState(state, words, seconds) {
    $("dot").className = state;
    $("state").dataset.state = state;
    const text = state === "waiting" ? `reconnecting in ${seconds} s` : STATES[state];
    if ($("state-text").textContent !== text) $("state-text").textContent = text;
    // While another try is made, what went wrong before stays. A screen reader would read a new text each time.
    if (words !== null && $("problem-text").textContent !== words) $("problem-text").textContent = words;
    $("problem").hidden = $("problem-text").textContent === "";
    $("retry").hidden = state === "connecting" || state === "open";
}

export function showBanner(words) {
    $("banner").hidden = words === "";
    $("banner").textContent = words;
}

// The list of rooms; `current` is the one on the screen.
export function showRooms(rooms, others, current, onPick, onLeave) {
    const items = rooms.map((room) => {
        const isCurrent = room.name === current;
        const button = element("button", { className: "room" }, element("span", { className: "room-name", text: room.name }));
        if (isCurrent) button.setAttribute("aria-current", "true");
        if (room.unread > 0) button.append(unreadBadge(room.unread));
        button.onclick = () => onPick(room.name);
        const leave = element("button", { className: "leave", text: "×" });
        leave.setAttribute("aria-label", `Leave ${room.name}`);
        leave.onclick = () => onLeave(room.name);
        return element("li", {}, button, leave);
    });
    const more = others.map((name) => {
        const button = element("button", { className: "room other" }, element("span", { className: "room-name", text: name }));
        button.setAttribute("aria-label", `Enter ${name}`);
        button.onclick = () => onPick(name);
        return element("li", {}, button);
    });
    keepFocus($("rooms"), () => $("rooms").replaceChildren(...items, ...more));
    const unread = rooms.reduce((sum, room) => sum + room.unread, 0);
    $("all-unread").textContent = unread || "";
    document.title = `${unread ? `(${unread}) ` : ""}${current} – Chat`;
}

function unreadBadge(count) {
    const badge = element("span", { className: "badge", text: count > 99 ? "99+" : count });
    badge.append(element("span", { className: "hidden", text: " unread" }));
    return badge;
}

// A list that is made anew keeps the focus where it was.
function keepFocus(list, change) {
    const index = [...list.querySelectorAll("button")].indexOf(document.activeElement);
    change();
    if (index >= 0) (list.querySelectorAll("button")[index] ?? $("text")).focus();
}

export function showPeople(room, me) {
    const names = [...room.here].sort((one, other) => one.localeCompare(other));
    $("people-count").textContent = names.length;
    $("people").replaceChildren(...names.map((name) => element("li", {}, face(name),
        element("span", { text: name === me ? `${name} (you)` : name }))));
}

export function showTyping(room) {
    const names = [...room.typing.keys()];
    $("typing").textContent = names.length === 0 ? ""
        : names.length === 1 ? `${names[0]} is typing …`
        : names.length === 2 ? `${names[0]} and ${names[1]} are typing …`
        : `${names.length} people are typing …`;
}

// All messages of a room.
export function showMessages(room, me) {
    $("room-title").textContent = room.name;
    $("messages").replaceChildren();
    let before = null;
    const lines = room.messages.flatMap((message) => {
        const made = line(message, before, me);
        before = message;
        return made;
    });
    $("messages").append(...lines);
    if (room.messages.length === 0) $("messages").append(element("li", { className: "empty", text: "Nobody has said anything here yet." }));
    toEnd();
}

export function addMessages(room, added, me) {
    const list = $("messages");
    if (list.firstElementChild?.className === "empty") list.replaceChildren();
    let before = room.messages.at(-added.length - 1) ?? null;
    const wasAtEnd = isAtEnd();
    for (const message of added) {
        list.append(...line(message, before, me));
        before = message;
        announce(`${message.from}: ${message.text}`);
    }
    if (wasAtEnd) toEnd();
    else if (added.length > 0) $("newer").hidden = false;
}

// What has no id yet: unstored, or not sent.
export function showTail(room, outbox, me, onDiscard) {
    const wasAtEnd = isAtEnd();
    const unstored = room.unstored.filter((message) => !(message.from === me && outbox.some((entry) => entry.key === message.key)));
    const mine = outbox.filter((entry) => entry.room === room.name).map((entry) => {
        const isSeen = room.unstored.some((message) => message.from === me && message.key === entry.key);
        return { ...entry, from: me, note: entry.problem ?? (isSeen ? "not stored yet" : "waiting to be sent") };
    });
    const all = [...unstored.map((message) => ({ ...message, note: "not stored yet" })), ...mine];
    $("tail").replaceChildren(...all.map((message) => {
        const [item] = line(message, { from: null, at: message.at }, me);
        const note = element("p", { className: "note", text: message.note });
        item.classList.add("pending");
        if (message.problem) {
            item.classList.add("failed");
            const discard = element("button", { text: "Discard" });
            discard.onclick = () => onDiscard(message.key);
            note.append(" ", discard);
        }
        item.querySelector(".body").append(note);
        return item;
    }));
    if (wasAtEnd) toEnd();
}

// The items of one message: a new day, and the message.
function line(message, before, me) {
    const at = new Date(message.at);
    const items = [];
    const isNewDay = before === null || DAY.format(new Date(before.at)) !== DAY.format(at);
    if (isNewDay) items.push(element("li", { className: "day" }, element("time", { text: DAY.format(at), dateTime: at.toISOString().slice(0, 10) })));
    const isTogether = !isNewDay && before.from === message.from && message.at - before.at < TOGETHER;
    const time = element("time", { text: TIME.format(at), dateTime: at.toISOString() });
    const head = element("p", { className: "head" }, element("b", { text: message.from }), " ", time);
    const body = element("div", { className: "body" }, head, element("p", { className: "text", text: message.text, dir: "auto" }));
    const item = element("li", { className: "message" }, face(message.from), body);
    item.classList.toggle("together", isTogether);
    item.classList.toggle("mine", message.from === me);
    items.push(item);
    return items;
}

// A picture of a name: its first letter, in a color of its own.
function face(name) {
    const made = element("span", { className: "face", text: [...name][0].toUpperCase() });
    made.setAttribute("aria-hidden", "true");
    let hash = 0;
    for (const character of name) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
    made.style.setProperty("--hue", Math.round(hash * 137.508) % 360);
    return made;
}

// For screen readers: what has just been said, and nothing of the history.
function announce(text) {
    const list = $("announce");
    list.append(element("p", { text }));
    while (list.children.length > 10) list.firstElementChild.remove();
}

export function isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = $("scroll");
    return scrollHeight - scrollTop - clientHeight < 60;
}

export function toEnd() {
    $("scroll").scrollTop = $("scroll").scrollHeight;
    $("newer").hidden = true;
}
