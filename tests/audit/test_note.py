"""c2sp.org/signed-note: its own example, those of Go's note package, and what must not be read as a note."""

import base64
import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit.tlog.note import Note, NoteInvalid, VerifierKey, sign, verified_by

# The example of the specification's text.
FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE = (
    "This is an example message.\n"
    "\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# Those of golang.org/x/mod/sumdb/note, example_test.go: the second key is made of 32 zero bytes.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETERS = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
ENOCHS = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
# The other note of the specification's text: it has an empty line, and its key is not given.
VERSES = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n"
    "\n"
    "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC"
    "+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)


def opened(raw: str, *keys: str) -> list[str]:
    return [str(key) for key in verified_by(Note.parse(raw.encode()), map(VerifierKey.parse, keys))]


def test_the_example_of_the_specification_is_verified():
    assert opened(FOO_NOTE, FOO) == [FOO]


def test_a_note_with_two_signatures_is_verified_by_each():
    both = f"{TEXT}\n{PETERS}{ENOCHS}"
    assert opened(both, PETER, ENOCH) == [PETER, ENOCH]
    assert opened(both, ENOCH) == [ENOCH]
    assert str(Note.parse(both.encode())) == both


def test_what_is_signed_here_is_what_others_sign():
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    assert sign(TEXT, key, "EnochRoot").line == ENOCHS
    assert str(VerifierKey("EnochRoot", key.public_key().public_bytes_raw())) == ENOCH


def test_the_text_goes_to_the_last_empty_line():
    note = Note.parse(VERSES.encode())
    assert note.text.endswith("\n\ned è subito sera.\n")
    assert [signature.name for signature in note.signatures] == ["quasimodo.example/salvatore"]


def test_a_key_of_the_same_name_or_the_same_id_only_is_not_the_key():
    other = VerifierKey("PeterNeumann", VerifierKey.parse(ENOCH).public)
    renamed = f"{TEXT}\n{PETERS.replace('PeterNeumann', 'CarmenSandiego')}"
    with pytest.raises(NoteInvalid, match="No key"):
        opened(f"{TEXT}\n{PETERS}", str(other))
    with pytest.raises(NoteInvalid, match="No key"):
        opened(renamed, PETER)


def test_one_bad_signature_of_a_known_key_spoils_the_note():
    bad = ENOCHS.replace("5n2tiOHp", "5n2tiOHq")
    with pytest.raises(NoteInvalid, match="EnochRoot does not fit"):
        opened(f"{TEXT}\n{PETERS}{bad}", PETER, ENOCH)
    assert opened(f"{TEXT}\n{PETERS}{bad}", PETER) == [PETER]


@pytest.mark.parametrize("place", range(0, len(FOO_NOTE.encode()), 3))
def test_no_flipped_bit_is_accepted(place):
    raw = bytearray(FOO_NOTE.encode())
    raw[place] ^= 1 << random.randrange(8)
    with pytest.raises(NoteInvalid):
        verified_by(Note.parse(bytes(raw)), [VerifierKey.parse(FOO)])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"text\n",
        b"text\n\n",
        f"{TEXT}\n{PETERS[:-1]}".encode(),  # the last newline is missing
        f"{TEXT}{PETERS}".encode(),  # no empty line
        f"{TEXT}\n{PETERS}\n".encode(),  # an empty line after the signatures
        f"{TEXT}\n{PETERS.replace('— ', '- ')}".encode(),
        f"{TEXT}\n{PETERS.replace(' x08', '  x08')}".encode(),
        f"{TEXT}\n{PETERS.replace('PeterNeumann', 'Peter+Neumann')}".encode(),
        f"{TEXT}\n{PETERS}".replace("PeterNeumann", "Peter\N{NO-BREAK SPACE}Neumann").encode(),
        f"{TEXT}\n{PETERS.replace('JnAM=', 'JnAN=')}".encode(),  # the same bytes in another spelling
        f"{TEXT}\n{PETERS.replace('JnAM=', 'JnAM')}".encode(),
        f"{TEXT}\n— PeterNeumann x08gow==\n".encode(),  # a key's id without a signature
        f"{TEXT}\r\n\n{PETERS}".encode(),
        f"{TEXT}\0\n\n{PETERS}".encode(),
        TEXT.encode() + b"\xff\n\n" + PETERS.encode(),
        f"{TEXT}\n{PETERS * 101}".encode(),
        b"x" * 1_000_001 + b"\n\n" + PETERS.encode(),
    ],
)
def test_what_is_no_note_is_refused(raw):
    with pytest.raises(NoteInvalid):
        Note.parse(raw)


def test_a_note_with_many_signatures_is_read():
    assert len(Note.parse(f"{TEXT}\n{PETERS * 16}".encode()).signatures) == 16
    assert opened(f"{TEXT}\n{PETERS * 16}", PETER) == [PETER]


# golang.org/x/mod/sumdb/note, note_test.go: keys with a wrong length or algorithm and the id that would be theirs.
@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("c74f20a3", "C74F20A3"),
        "",
        "PeterNeumann",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_what_is_no_key_is_refused(text):
    with pytest.raises(NoteInvalid):
        VerifierKey.parse(text)


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "return\r\n"])
def test_only_text_that_can_be_read_back_is_signed(text):
    with pytest.raises(NoteInvalid):
        sign(text, Ed25519PrivateKey.generate(), "EnochRoot")


@given(st.binary(max_size=300))
def test_whatever_comes_is_a_note_or_is_refused(raw):
    try:
        note = Note.parse(raw)
    except NoteInvalid:
        return
    assert str(note).encode() == raw


@given(st.text(max_size=100), st.text(max_size=100), st.binary(max_size=90))
def test_whatever_looks_like_a_note_is_one_or_is_refused(text, name, value):
    raw = f"{text}\n\n— {name} {base64.b64encode(value).decode()}\n"
    try:
        note = Note.parse(raw.encode("utf-8", "replace"))
    except NoteInvalid:
        return
    assert str(note) == raw
