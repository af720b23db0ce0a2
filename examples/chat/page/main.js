// The page: logging in, and what happens between the connection, the rooms and the screen.

import { Connection } from "./connection.js";
import { Rooms, load, store } from "./rooms.js";
import * as view from "./view.js";

const $ = (id) => document.getElementById(id);
const TYPING = 2_000; // milliseconds between two words that one types

let current = load(localStorage, "current", "lobby");
let others = [];
let typed = 0;
let isConnected = false;

const connection = new Connection({
    state(state, words, seconds) {
        if (isConnected && state !== "open") rooms.lost();
        isConnected = state === "open";
        view.showState(state, words, seconds);
    },
    message(event) {
        if (event.type === "welcome") others = event.rooms;
        if (event.type === "welcome") showStorage(event.stored);
        if (event.type === "storage") showStorage(event.stored);
        rooms.receive(event);
        if (event.type === "welcome") showRooms();
    },
    // The server has another secret than before its restart: the name may be free.
    unauthorized: () => logIn(load(localStorage, "name", "")),
});

const rooms = new Rooms((object) => connection.send(object), {
    changed(room, what, detail) {
        if (what === "refused") refused(detail);
        if (room && room.name === current) {
            if (what === "all") view.showMessages(room, rooms.me);
            if (what === "added") view.addMessages(room, detail, rooms.me);
            if (what === "people") view.showPeople(room, rooms.me);
            if (what === "typing" || what === "added" || what === "people") view.showTyping(room);
            view.showTail(room, rooms.outbox, rooms.me, discard);
            look();
        }
        if (what !== "typing") showRooms();
    },
});

// --- logging in -----------------------------------------------------------------------------------------------------

// Takes a name; returns whether that went well. Otherwise the form says what is wrong.
async function logIn(name) {
    let problem = "";
    if (name !== "") {
        try {
            const answer = await fetch("login", {
                method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name }),
            });
            if (answer.ok) {
                start((await answer.json()).name);
                return true;
            }
            problem = await answer.text();
        } catch {
            problem = "The server is not running, or cannot be reached from here.";
        }
    }
    $("name").value = name;
    $("login-error").textContent = problem;
    view.show("login");
    $("name").focus();
    return false;
}

function start(name) {
    store(localStorage, "name", name);
    rooms.me = name;
    $("my-name").textContent = name;
    view.show("chat");
}

$("login").onsubmit = async (event) => {
    event.preventDefault();
    if (await logIn($("name").value.trim())) {
        pick(current);
        connection.connect();
    }
};

$("logout").onclick = async () => {
    connection.stop();
    await fetch("logout", { method: "POST" }).catch(() => {});
    for (const storage of [localStorage, sessionStorage]) storage.clear();
    location.reload();
};

// --- rooms ----------------------------------------------------------------------------------------------------------

// Shows a room, and enters it first if need be.
function pick(name) {
    current = name;
    store(localStorage, "current", name);
    view.showBanner("");
    if (!rooms.get(name)) rooms.enter(name);
    const room = rooms.get(name);
    view.showMessages(room, rooms.me);
    view.showTail(room, rooms.outbox, rooms.me, discard);
    view.showPeople(room, rooms.me);
    view.showTyping(room);
    view.toEnd();
    look();
    showRooms();
    closePanels();
    $("text").focus();
}

function leave(name) {
    rooms.leave(name);
    if (name === current) pick([...rooms.rooms.keys()][0] ?? "lobby");
    showRooms();
}

function refused(why) {
    const name = [...rooms.rooms.keys()][0];
    if (!rooms.get(current) && name) pick(name);
    view.showBanner(why);
}

function discard(key) {
    rooms.discard(key);
    view.showTail(rooms.get(current), rooms.outbox, rooms.me, discard);
}

function showRooms() {
    const more = others.filter((name) => !rooms.get(name));
    view.showRooms([...rooms.rooms.values()], more, current, pick, leave);
}

// What is on the screen is read.
function look() {
    const room = rooms.get(current);
    if (room && !document.hidden && view.isAtEnd()) rooms.seen(room);
}

function showStorage(stored) {
    view.showBanner(stored ? "" : "The server has lost its storage. What you write is seen on this server only, and by everybody once the storage is back.");
}

$("add-room").onsubmit = (event) => {
    event.preventDefault();
    const name = $("room-name").value.trim().toLowerCase();
    $("room-name").value = "";
    if (name !== "") pick(name);
};

// --- writing --------------------------------------------------------------------------------------------------------

function say() {
    const room = rooms.get(current);
    if (!room) return; // the server refused it, and said why
    const problem = rooms.say(room, $("text").value);
    view.showBanner(problem);
    if (problem !== "") return;
    $("text").value = "";
    typed = 0;
    view.toEnd();
    grow();
}

// The field is as high as its text, up to a bound of the style.
function grow() {
    const field = $("text");
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
}

$("say").onsubmit = (event) => {
    event.preventDefault();
    say();
    $("text").focus();
};

$("text").onkeydown = (event) => {
    // Enter that ends a composition of characters is no end of a message.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        say();
    }
};

$("text").oninput = () => {
    grow();
    if ($("text").value !== "" && Date.now() - typed > TYPING && rooms.get(current)?.isLive) {
        typed = Date.now();
        connection.send({ type: "typing", room: current });
    }
};

// --- the rest of the screen -----------------------------------------------------------------------------------------

function closePanels() {
    for (const name of ["rooms", "people"]) {
        $(`${name}-panel`).classList.remove("shown");
        $(`show-${name}`).setAttribute("aria-expanded", "false");
    }
}

for (const name of ["rooms", "people"]) {
    $(`show-${name}`).onclick = () => {
        const isShown = $(`${name}-panel`).classList.contains("shown");
        closePanels();
        $(`${name}-panel`).classList.toggle("shown", !isShown);
        $(`show-${name}`).setAttribute("aria-expanded", String(!isShown));
        if (!isShown) $(`${name}-panel`).querySelector("button, input")?.focus();
    };
}

$("retry").onclick = () => connection.connect();
$("newer").onclick = () => { view.toEnd(); look(); showRooms(); };
$("scroll").onscroll = () => { if (view.isAtEnd()) { $("newer").hidden = true; look(); } };
document.addEventListener("visibilitychange", () => { look(); showRooms(); });
addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
        closePanels();
        if (!$("chat").hidden) $("text").focus();
    }
    if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
        event.preventDefault();
        const names = [...rooms.rooms.keys()];
        const step = event.key === "ArrowUp" ? names.length - 1 : 1;
        pick(names[(names.indexOf(current) + step) % names.length]);
    }
});

// --- the start ------------------------------------------------------------------------------------------------------

async function begin() {
    let answer = null;
    try {
        answer = await fetch("me");
    } catch {
        // The page is there and the server is not: the connection says so.
    }
    const name = load(localStorage, "name", "");
    if (answer?.ok) start((await answer.json()).name);
    else if (answer === null && name !== "") start(name);
    else if (!await logIn(name)) return;
    for (const name of load(localStorage, "rooms", [])) rooms.enter(name);
    pick(current);
    connection.connect();
}

begin();
