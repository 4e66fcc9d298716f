"""c2sp.org/tlog-checkpoint and c2sp.org/tlog-proof: the examples of their texts, and what must not be read as one."""

import base64
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit.tlog.checkpoint import Checkpoint, CheckpointInvalid, origin_of
from audit.tlog.note import Note, VerifierKey, sign, verified_by
from audit.tlog.proof import InclusionProof, ProofInvalid
from audit.tlog.tree import leaf_hash, node_hash

# The example of the specification's text; its key is not given.
SOFA = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/behind-the-sofa"
    " Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
ROOT = base64.b64encode(bytes(range(32))).decode()
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ORIGIN = origin_of("msplex.example", UUID("01890000-0000-7000-8000-000000000001"), 1)


def test_the_example_of_the_specification_is_read():
    note = Note.parse(SOFA.encode())
    head = Checkpoint.parse(note.text)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert head.root.hex() == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    assert str(head) == note.text


def test_an_origin_names_installation_tenant_and_epoch():
    assert ORIGIN == "msplex.example/audit/01890000-0000-7000-8000-000000000001/e1"


def test_extension_lines_are_read_over():
    assert Checkpoint.parse(f"log\n7\n{ROOT}\nextension\n") == Checkpoint("log", 7, bytes(range(32)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"log\n7\n{ROOT}",  # no last newline
        "log\n7\n",
        f"\n7\n{ROOT}\n",  # no origin
        f"log\n07\n{ROOT}\n",
        f"log\n-7\n{ROOT}\n",
        f"log\n\N{ARABIC-INDIC DIGIT SEVEN}\n{ROOT}\n",
        f"log\n 7\n{ROOT}\n",
        f"log\n\n{ROOT}\n",
        f"log\n7\n{ROOT[:-4]}\n",
        f"log\n7\n{ROOT[:-2]}9=\n",  # the same bytes in another spelling
        f"log\n7\n{ROOT}é\n",
        f"log\n7\n{ROOT}\n\n",  # an extension line that is empty
    ],
)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(CheckpointInvalid):
        Checkpoint.parse(text)


@given(st.text(max_size=120))
def test_whatever_comes_is_a_checkpoint_or_is_refused(text):
    for candidate in (text, f"log\n{text}\n{ROOT}\n", f"{text}\n7\n{ROOT}\n"):
        try:
            head = Checkpoint.parse(candidate)
        except CheckpointInvalid:
            continue
        assert candidate.startswith(str(head))


def a_proof() -> tuple[bytes, InclusionProof]:
    """The middle one of three leaves."""
    leaves = [leaf_hash(each) for each in (b"a", b"b", b"c")]
    head = Checkpoint(ORIGIN, 3, node_hash(node_hash(leaves[0], leaves[1]), leaves[2]))
    note = Note(str(head), (sign(str(head), KEY, ORIGIN),))
    return leaves[1], InclusionProof(1, (leaves[0], leaves[2]), note)


def test_a_proof_goes_out_and_comes_back_and_holds():
    leaf, proof = a_proof()
    back = InclusionProof.parse(str(proof).encode())
    assert back == proof
    assert str(proof).startswith("c2sp.org/tlog-proof@v1\nindex 1\n")
    assert verified_by(back.note, [VerifierKey(ORIGIN, KEY.public_key().public_bytes_raw())])
    assert back.holds(leaf)
    assert not back.holds(leaf_hash(b"z"))


# Its signature and its hashes are shortened in the specification's text; here they are filled up again.
EXAMPLE = (
    "c2sp.org/tlog-proof@v1\n"
    "index 73894\n"
    "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n"
    "B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n"
    "EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=\n"
    "RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=\n"
    "AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=\n"
    "\n"
    "example.com/fancylog\n109482\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n"
    "\n"
    f"— example.com/fancylog {base64.b64encode(bytes(68)).decode()}\n"
)


def test_the_form_of_the_specification_is_read():
    proof = InclusionProof.parse(EXAMPLE.encode())
    assert (proof.index, len(proof.hashes), proof.checkpoint.size) == (73894, 5, 109482)
    assert str(proof) == EXAMPLE


def test_a_tree_of_one_has_a_proof_without_hashes():
    text = EXAMPLE.replace("73894", "0").splitlines(keepends=True)
    assert InclusionProof.parse("".join([*text[:2], *text[7:]]).encode()).hashes == ()


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("@v1", "@v2"),
        ("index 73894\n", ""),
        ("index 73894", "index 073894"),
        ("index 73894", "extra YQ==\nindex 73894"),
        ("PlQ=", "PlR="),
        ("PlQ=\n", "\n"),
        ("PlQ=", "PlQ"),
        ("109482", "0109482"),
        ("\n\nexample", "\nexample"),
        ("— ", "- "),
    ],
)
def test_what_is_no_proof_is_refused(there, instead):
    assert there in EXAMPLE
    with pytest.raises(ProofInvalid):
        InclusionProof.parse(EXAMPLE.replace(there, instead, 1).encode())


@pytest.mark.parametrize("place", range(0, 700, 7))
def test_no_flipped_bit_in_a_proof_is_accepted(place):
    leaf, proof = a_proof()
    raw = bytearray(str(proof).encode())
    raw[place % len(raw)] ^= 1
    try:
        back = InclusionProof.parse(bytes(raw))
        verified_by(back.note, [VerifierKey(ORIGIN, KEY.public_key().public_bytes_raw())])
    except ValueError:
        return
    assert not back.holds(leaf)
