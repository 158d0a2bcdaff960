"""Verifies an exported log with software that shares nothing with Rollcall: jwcrypto, pymerkle, cryptography.

usage: verify.py FOLDER        (an exported log, or an exported class; docs/evidence.md describes the files)
exit code 0: it verifies, 1: it does not
"""

import base64
import hashlib
import json
import pathlib
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwcrypto import jwk, jws
from pymerkle import InmemoryTree

ED25519, COSIGNATURE_V1 = 0x01, 0x04


def unbase64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def fail(message):
    print(f"DOES NOT VERIFY: {message}")
    sys.exit(1)


def record(line, seq, key, kid, device):
    """Checks one record's signature and place."""
    token = jws.JWS()
    token.deserialize(line)
    header = json.loads(unbase64url(line.split(".")[0]))
    if header != {"alg": "EdDSA", "kid": kid}:
        fail(f"record {seq}: header {header}")
    try:
        token.verify(key)
    except jws.InvalidJWSSignature:
        fail(f"record {seq}: bad signature")
    payload = json.loads(token.payload)
    seq = payload["seq"] if seq is None else seq
    if (payload["v"], payload["seq"], payload["device"]) != (1, seq, device):
        fail(f"record {seq}: says that it is record {payload['seq']} of {payload['device']}")
    return payload


def notes(text):
    """The signed notes of checkpoint.txt: (text, [(name, blob)])."""
    lines, body, signatures, found = text.split("\n"), [], [], []
    for line in lines + [""]:
        if line.startswith("\u2014 "):
            name, blob = line[2:].rsplit(" ", 1)
            signatures.append((name, base64.b64decode(blob)))
        elif signatures:
            found.append(("\n".join(body).strip("\n") + "\n", signatures))
            body, signatures = ([line] if line else []), []
        elif line or body:
            body.append(line)
    return found


def is_signed(note, signatures, name, kind, key):
    """Whether `name` has signed the note with `key`; tells the time of a cosignature, or 0."""
    wanted = hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + key).digest()[:4]
    for signer, blob in signatures:
        if signer != name or blob[:4] != wanted:
            continue
        message, signature, time = note.encode(), blob[4:], 0
        if kind == COSIGNATURE_V1:
            (time,) = struct.unpack(">Q", blob[4:12])
            message, signature = f"cosignature/v1\ntime {time}\n".encode() + message, blob[12:]
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
            return time
        except InvalidSignature:
            fail(f"the signature of {name} on a checkpoint is wrong")
    return None


def main(folder):
    about = json.loads((folder / "appliance.json").read_text())
    public = unbase64url(about["key"])
    device = "rollcall-" + base64.b32encode(hashlib.sha256(public).digest()).decode().lower()[:16]
    if device != about["device"]:
        fail(f"the key is that of {device}, not of {about['device']}")
    key = jwk.JWK(kty="OKP", crv="Ed25519", x=about["key"])
    lines = (folder / "records.jws").read_text().splitlines()
    if (folder / "class.json").exists():
        a_class(folder, about, lines, key, public, device)
    else:
        a_log(folder, about, lines, key, public, device)


def checkpoints(folder, about, public, device):
    """The checkpoints of checkpoint.txt, every signature checked: (size, root, whether the bureau has countersigned)."""
    for text, signatures in notes((folder / "checkpoint.txt").read_text()):
        origin, size, root = text.split("\n")[:3]
        if origin != device:
            fail(f"a checkpoint is of {origin}")
        if is_signed(text, signatures, device, ED25519, public) is None:
            fail("a checkpoint is not signed by the appliance")
        bureau = about.get("bureau_key")
        by_bureau = bureau and is_signed(text, signatures, about["bureau"], COSIGNATURE_V1, unbase64url(bureau))
        yield int(size), base64.b64decode(root), bool(by_bureau)


def a_log(folder, about, lines, key, public, device):
    tree, roots = InmemoryTree(algorithm="sha256"), {}
    roots[0] = hashlib.sha256(b"").digest()
    for seq, line in enumerate(lines):
        record(line, seq, key, key.thumbprint(), device)
        tree.append_entry(line.encode())
        roots[seq + 1] = tree.get_state()
    countersigned, has_receipt = 0, False
    for size, root, by_bureau in checkpoints(folder, about, public, device):
        if size not in roots:
            fail(f"a checkpoint is over {size} records")
        if roots[size] != root:
            fail(f"the root over the first {size} records is not the checkpoint's")
        countersigned, has_receipt = max(countersigned, size if by_bureau else 0), has_receipt or by_bureau
    if not has_receipt:
        fail("the bureau has countersigned nothing of this")
    print(f"VERIFIED: {len(lines)} records, {countersigned} countersigned, root {roots[len(lines)].hex()}")


def path_root(leaf, seq, size, path):
    """The root that an audit path leads to (RFC 9162 section 2.1.3.2), or None."""
    at, last, node = seq, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        at, last = at >> 1, last >> 1
    return node if last == 0 else None


def a_class(folder, about, lines, key, public, device):
    name = json.loads((folder / "class.json").read_text())["class"]
    known = {}
    for size, root, by_bureau in checkpoints(folder, about, public, device):
        other, before = known.get(size, (root, False))
        if other != root:
            fail(f"two different roots over {size} records")
        known[size] = root, by_bureau or before
    receipts = [size for size, (_, by_bureau) in known.items() if by_bureau]
    if not receipts:
        fail("the bureau has countersigned nothing of this")
    proofs = (folder / "proofs.txt").read_text().splitlines()
    if not lines or len(lines) != len(proofs):
        fail(f"{len(lines)} records, but {len(proofs)} proofs")
    countersigned, before = 0, -1
    for line, proof in zip(lines, proofs):
        payload = record(line, None, key, key.thumbprint(), device)
        seq, size, *path = proof.split(" ")
        seq, size, path = int(seq), int(size), [base64.b64decode(hash) for hash in path]
        about_class = payload["data"].get("class") == name or payload["data"].get("what") == f"class {name}"
        if payload["seq"] != seq or seq <= before or seq >= size or not about_class:
            fail(f"record {payload['seq']} is out of place, or not of class {name}")
        root, by_bureau = known.get(size, (None, False))
        if root is None or path_root(hashlib.sha256(b"\x00" + line.encode()).digest(), seq, size, path) != root:
            fail(f"record {seq} is not in the log of {size} records")
        if seq < max(receipts) and not by_bureau:
            fail(f"record {seq} is covered by a receipt, but proven under a checkpoint that is none")
        countersigned, before = countersigned + by_bureau, seq
    print(f"VERIFIED: {len(lines)} records of class {name}, {countersigned} countersigned")


main(pathlib.Path(sys.argv[1]))
