"""Ids nobody can guess, in whichever process they are made."""

import os
import uuid

from short_drama.random_ids import random_uuid


def test_ids_are_random_uuids_and_never_the_same() -> None:
    made = [random_uuid() for _ in range(2000)]
    assert len(set(made)) == 2000
    assert {(one.version, one.variant) for one in made} == {(4, uuid.RFC_4122)}


def test_a_child_does_not_make_the_ids_of_its_parent() -> None:
    random_uuid()  # others are ready now
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(theirs, random_uuid().bytes)
        os._exit(0)
    os.waitpid(child, 0)
    from_child = uuid.UUID(bytes=os.read(ours, 16))
    os.close(ours)
    os.close(theirs)
    assert from_child not in {random_uuid() for _ in range(300)}
