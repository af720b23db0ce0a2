//! What is done inside Redis, at once or not at all.
//!
//! Invariant: the ids of a room's stream are 0-1, 0-2 and so on without a gap, and that is the order of the room.

use crate::limits;
use crate::protocol::{Draft, to_json};
use redis::{Cmd, FromRedisValue, RedisResult, Value, cmd};

/// Everything of a room is gone so many seconds after its last message.
const KEPT: u64 = 7 * 24 * 3600;

/// Stores a message, unless it is there: returns its epoch and id, and whether it is new.
///
/// KEYS: the epoch, the stream, the ids by key, the channel. ARGV: a new epoch, the message's key, the message, how many are
/// kept, and for how long.
const SAY: &str = r#"
local known = redis.call("HGET", KEYS[3], ARGV[2])
redis.call("SET", KEYS[1], ARGV[1], "NX")
local epoch = redis.call("GET", KEYS[1])
if known then return {epoch, known, 0} end
local id = string.sub(redis.call("XADD", KEYS[2], "0-*", "m", ARGV[3], "k", ARGV[2]), 3)
redis.call("HSET", KEYS[3], ARGV[2], id)
while redis.call("XLEN", KEYS[2]) > tonumber(ARGV[4]) do
    local old = redis.call("XRANGE", KEYS[2], "-", "+", "COUNT", 1)[1]
    redis.call("HDEL", KEYS[3], old[2][4])
    redis.call("XDEL", KEYS[2], old[1])
end
for i = 1, 3 do redis.call("EXPIRE", KEYS[i], ARGV[5]) end
redis.call("PUBLISH", KEYS[4],
    '{"is":"message","epoch":"' .. epoch .. '","id":' .. id .. ',"draft":' .. ARGV[3] .. '}')
return {epoch, id, 1}
"#;

/// Returns the epoch and what comes after an id; all of it in another epoch. A stream that ends before this id has lost
/// something: that is another epoch.
///
/// KEYS: the epoch, the stream, the ids by key. ARGV: a new epoch, the epoch and the id that the server has, how long it is kept.
const LOAD: &str = r#"
redis.call("SET", KEYS[1], ARGV[1], "NX", "EX", ARGV[4])
local epoch = redis.call("GET", KEYS[1])
local from = "-"
if epoch == ARGV[2] and ARGV[3] ~= "0" then
    local last = redis.call("XREVRANGE", KEYS[2], "+", "-", "COUNT", 1)[1]
    if last and tonumber(string.sub(last[1], 3)) >= tonumber(ARGV[3]) then
        from = "(0-" .. ARGV[3]
    else
        epoch = ARGV[1]
        redis.call("SET", KEYS[1], epoch, "EX", ARGV[4])
    end
end
return {epoch, redis.call("XRANGE", KEYS[2], from, "+")}
"#;

/// Takes a name back from its owner. KEYS: the name. ARGV: the owner.
const RELEASE: &str = r#"
if redis.call("GET", KEYS[1]) == ARGV[1] then redis.call("DEL", KEYS[1]) end
"#;

/// The answer to [`say`]: the epoch, the id, and 1 if the message is new.
pub(super) type Stored = (String, u64, u8);

/// The braces keep what belongs to a room in one place of a Redis cluster.
fn key(room: &str, what: &str) -> String {
    format!("chat:{{{room}}}:{what}")
}

fn script(text: &str, keys: usize) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg(text).arg(keys);
    command
}

pub(super) fn say(room: &str, channel: &str, epoch: &str, draft: &Draft) -> Cmd {
    let mut command = script(SAY, 4);
    command
        .arg(key(room, "epoch"))
        .arg(key(room, "log"))
        .arg(key(room, "keys"))
        .arg(channel)
        .arg(epoch)
        .arg(format!("{} {}", draft.key, &*draft.from))
        .arg(to_json(draft))
        .arg(limits::HISTORY)
        .arg(KEPT);
    command
}

pub(super) fn load(room: &str, new: &str, epoch: &str, last: u64) -> Cmd {
    let mut command = script(LOAD, 3);
    command
        .arg(key(room, "epoch"))
        .arg(key(room, "log"))
        .arg(key(room, "keys"))
        .arg(new)
        .arg(epoch)
        .arg(last)
        .arg(KEPT);
    command
}

pub(super) fn release(name: &str, owner: &str) -> Cmd {
    let mut command = script(RELEASE, 1);
    command.arg(name).arg(owner);
    command
}

/// The answer to [`load`].
pub(super) fn loaded(answer: Value) -> RedisResult<(String, Vec<(u64, Draft)>)> {
    type Entry = (String, Vec<Vec<u8>>);
    let (epoch, entries): (String, Vec<Entry>) = FromRedisValue::from_redis_value(answer)?;
    let message = |(id, fields): Entry| {
        let id = id.strip_prefix("0-")?.parse().ok()?;
        Some((id, serde_json::from_slice(fields.get(1)?).ok()?))
    };
    // What is no message of ours is left out: the gap is seen, and starts the room anew.
    Ok((epoch, entries.into_iter().filter_map(message).collect()))
}
