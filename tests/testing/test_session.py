"""A session makes a testbed once for all that ask for the same, and never gives one to whoever asks for another."""

from dataclasses import dataclass

from fiducial.testing.session import Session


@dataclass(frozen=True)
class Config:
    n: int


class Alike:
    """Two of these look the same."""

    def __repr__(self):
        return "a game"


def counted(monkeypatch):
    made = []

    def make(*asked, **options):
        made.append((asked, options))
        return f"bed {len(made)}"

    monkeypatch.setattr("fiducial.testing.kept_testbed.kept_testbed", make)
    monkeypatch.setattr("fiducial.testing.kept_testbed.kept_world", make)
    return made


def test_the_same_is_made_once(monkeypatch):
    made, session, game = counted(monkeypatch), Session(), Alike()
    assert session.testbed("a", game=game, layer=1) == session.testbed("a", layer=1, game=game)
    assert session.world({"b": 1, "a": [1, 2]}) == session.world({"a": [1, 2], "b": 1})
    assert session.world(Config(3)) == session.world(Config(3)) != session.world(Config(4))
    assert len(made) == 4


def test_what_only_looks_the_same_is_another(monkeypatch):
    made, session = counted(monkeypatch), Session()
    beds = [session.testbed("a", game=Alike(), layer=1) for _ in range(20)]
    beds += [session.world(Alike()) for _ in range(20)]
    beds += [session.world("a"), session.testbed("a"), session.testbed("a", seed=1), session.testbed("a", games=9)]
    assert len(set(beds)) == len(made) == 44
