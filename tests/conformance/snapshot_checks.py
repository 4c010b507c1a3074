"""19 snapshot.json: snapshots, the checkpoint file and the questions over the network."""

import copy
import json

from borsh import borsh
from canonical import canonical_bytes, read_json
from checkpoint_file import checkpoint_text, integrity, read_checkpoint_file
from checkpoints import changes_registered, checkpoint_registered, next_registered, shows_registered
from genesis import read_genesis
from json_forms import from_json
from receipts import read_receipt
from snapshots import read_snapshot, snapshot_file
from state import genesis_settings
from vectors import is_refused
from words import from_hex, require


def check_snapshot(v):
    """snapshot.json, sections 20 and 21."""
    genesis = v["genesis"].typed("Genesis")
    v["genesis"].holds(read_genesis(json.dumps(v["genesis"].value).encode()) == genesis, "5.4 takes the document")
    snapshots = [check_file(item, genesis) for item in v["files"]]
    for item in v["changed"]:
        item["what"].label()
        data, at, out = v["files"][item["of"].use()]["file"].hex(), item["at"].use(), item["out"].use()
        require(0 <= at <= at + out <= len(data), "a change beyond the file")
        changed = data[:at] + item["put"].hex() + data[at + out:]
        item["put"].holds(changed != data, "it changes the file")
        item["is_taken"].check(not is_refused(lambda data: read_snapshot(data, genesis), changed))
    check_checkpoint_file(v["checkpoint_file"], v["files"], genesis)
    for item in v["queries"]:
        check_query(item)


def check_file(v, genesis):
    """20.5, 20.7 A snapshot file that is taken."""
    snapshot = read_snapshot(v["file"].hex(), genesis)
    v["file"].check(snapshot_file(snapshot["manifest"], snapshot["parts"]))
    v["height"].check(snapshot["manifest"]["header"]["height"])
    v["entries"].check(len(snapshot["entries"]))
    v["receipts"].check(len(snapshot["receipts"]))
    v["app_hash"].check(snapshot["manifest"]["header"]["app_hash"])
    check_registered(v, snapshot, genesis)
    return snapshot


def check_registered(v, snapshot, genesis):
    """15.6, 16.2 `registered` of the snapshot's beat. Only this beat can change it since the last checkpoint (16.1)."""
    checkpoint, height = snapshot["manifest"]["checkpoint"], snapshot["manifest"]["header"]["height"]
    before = checkpoint_registered(checkpoint) if checkpoint else genesis_settings(genesis)["registered"]
    changes = [receipt for receipt in map(read_receipt, snapshot["receipts"])
               if receipt["kind"][0] == "validators_registered"]
    next_hash = from_hex(changes[0]["data"]["next_set"], 32) if changes else before["next"]
    registered = next_registered(before, next_hash)
    v["file"].holds(snapshot["settings"]["registered"] == registered, "the registered set of 16.2")
    v["file"].holds(len(changes) == changes_registered(registered), "a receipt of each change of the registered set")
    v["file"].holds(all(receipt["beat"] == height and shows_registered(receipt, registered) for receipt in changes),
                    "what changed the registered set")


def check_checkpoint_file(v, files, genesis):
    """21 The checkpoint file and its changes."""
    text = v["text"].use()
    file = files[v["of"].use()]["file"].hex()
    v["text"].check(checkpoint_text({**read_checkpoint_file(text.encode(), genesis), "snapshot": file.hex()}).decode())
    for item in v["changed"]:
        item["what"].label()
        j = with_member(read_json(text.encode()), item["member"].use(), item["to"].use())
        if item["is_resealed"].use():
            j["integrity"] = integrity(j)
        item["is_taken"].check(not is_refused(lambda data: read_checkpoint_file(data, genesis), canonical_bytes(j)))


def with_member(j, pointer, value):
    """The object in which the member at a JSON pointer (RFC 6901) has another value."""
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")][1:]
    inner = changed = copy.deepcopy(j)
    for part in way:
        inner = inner[int(part) if isinstance(inner, list) else part]
    inner[int(last) if isinstance(inner, list) else last] = value
    return changed


def check_query(v):
    """20.6 A question."""
    height, chunk, first = (from_json(t, v[member].use())
                            for member, t in (("height", "u64"), ("chunk", "u32"), ("first", "u64")))
    questions = {"manifest": ("manifest", None),
                 "state": ("part", {"height": height, "part": ("state", chunk)}),
                 "receipts": ("part", {"height": height, "part": ("receipts", first)})}
    question = borsh("Query", questions[v["what"].use()])
    v["borsh"].check(question)
    v["borsh"].holds(len(question) <= 64, "at most 64 bytes")
