"""Words of the IOI prompts: names, objects and places, each one token of GPT-2 when a space stands before it.

The first words of every list are the tiny vocabulary, all of them the full one. The lists were written for this project
and checked against the byte-pair vocabulary of GPT-2: every word here is one of its 50,257 entries with the leading
space. `check_single_tokens` repeats the check with any tokenizer, and every world with a tokenizer is guarded by it.

No word stands in two lists, so a word says what slot it fills.
"""

from collections.abc import Iterable
from typing import Any


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_TINY_NAMES = _words("""
    Alice Brian Clara David Emma Frank Grace Henry Jack Karen Louis Maria Nathan Olivia Paul Rachel Simon Tina
    Victor Wendy Adam Bella Carl Diana Eric Fiona George Helen Ivan Julia Kevin Laura Martin Nina Oscar Paula
    Robert Sarah Thomas Vincent Anna Ben Chloe Daniel Eva Felix Gina Hugo Iris James Kate Leo Molly Neil Peter
    Rosa Stephen Tara Walter Amy Bruce Cathy Dennis Ellen Fred Gloria Howard Jane Keith Linda Mark Nancy Oliver
    Patricia Richard Susan Timothy Vera William Abby Albert Andrea Arthur Barbara Bernard Betty Caroline Charles
    Christine Colin Dan Dorothy Douglas Edward Eleanor Elizabeth Evan Frances Gary Gordon Hannah Harold Heather
    Ian Jacob Janet Jason Jennifer Jessica Joan Joel John Jordan Joseph Joyce Judith Katherine Kelly Kenneth Kim
""")

_MORE_NAMES = _words("""
    Kyle Lisa Logan Lucy Luke Lynn Marcus Margaret Marie Marilyn Mary Matthew Megan Michael Michelle Mike Monica
    Natalie Nicholas Nick Nicole Noah Norman Pamela Patrick Philip Ralph Ray Rebecca Roger Ronald Roy Russell
    Ruth Ryan Sally Samantha Samuel Sandra Scott Sean Sharon Shirley Sophia Stanley Steven Stuart Teresa Terry
    Tom Tony Tracy Tyler Valerie Vanessa Veronica Victoria Virginia Warren Wayne Zach Zoe Alan Alex Alexander
    Alfred Allen Amanda Amber Andrew Angela Anthony Antonio Ashley Austin Barry Benjamin Bob Brad Brandon Brenda
    Bryan Carol Catherine Chad Charlotte Cheryl Chris Christian Christopher Cindy Claire Connor Craig Crystal
    Curtis Cynthia Dale Danielle Darren Dave Dean Deborah Debbie Derek Diane Don Donald Donna Doug Duncan Dustin
    Dylan Earl Eddie Edgar Edwin Elaine Elena Elliott Emily Eugene Floyd Francis Fernando Francisco Gabriel
    Gavin Gerald Gilbert Glen Glenn Greg Gregory Harry Harvey Herbert Holly Isaac Isabel Jackie Jake Jamie Jeff
    Jeffrey Jeremy Jerome Jerry Jim Jimmy Joe Johnny Jonathan Jose Josh Joshua Juan Julian Julie Justin Karl
    Katie Kathleen Kathy Ken Kirk Kurt Larry Lauren Lawrence Leonard Leslie Lewis Lily Lloyd Lois Lou Luis
    Madison Manuel Marc Marco Marion Marshall Martha Max Melissa Miguel Milton Mitchell Morgan Nathaniel Ned
    Nelson Nora Pablo Pat Pedro Penny Perry Phil Phillip Rafael Randy Raymond Ricardo Rick Ricky Rita Rob Robin
    Rodney Rose Ross Ruby Sam Sara Sebastian Seth Shane Shannon Shawn Sidney Stella Steve Sue Ted Theodore
    Theresa Todd Travis Trevor Troy Vernon Violet Wade Wesley Xavier
""")

NAMES: tuple[str, ...] = (*_TINY_NAMES, *_MORE_NAMES)
"""Given names."""

_TINY_OBJECTS = _words("""
    lamp ring book hammer camera guitar bottle basket ticket letter blanket map coin knife key mirror candle
    jacket radio brush sword helmet bicycle phone pencil box clock hat drum plate scarf puzzle wallet rope
    ladder shovel bag cup pillow necklace
""")

_MORE_OBJECTS = _words("""
    bracelet bell bucket chair table doll shirt watch pen spoon fork flag card magazine violin piano umbrella
    tent glove shoe belt towel painting poster statue mug kettle pan bowl tray jar cake sandwich apple orange
    banana pie cookie pizza telescope compass battery cable laptop tablet keyboard printer screen disk tape
    envelope stamp notebook newspaper diary calendar document photo ball bat net rack toy balloon trophy medal
    badge cap coat dress sweater robe rug curtain broom sponge bulb torch lantern match lighter razor comb
    needle thread button ribbon lace chain lock wrench drill saw nail screw wire pipe hose rake axe spear bow
    arrow shield crown crystal pearl diamond
""")

OBJECTS: tuple[str, ...] = (*_TINY_OBJECTS, *_MORE_OBJECTS)
"""Things that can be handed over."""

_TINY_PLACES = _words("""
    park station market library museum hotel beach garden school theater hospital bakery castle harbor bridge
    airport cafe church farm forest office restaurant stadium river lake bar zoo bank gym mall temple tower
    square village factory studio prison palace port valley
""")

_MORE_PLACES = _words("""
    mountain island desert cinema pub kitchen cemetery chapel courthouse warehouse garage barn cottage mansion
    apartment university college campus laboratory clinic pharmacy grocery salon arena casino lodge inn monument
    fountain plaza cathedral monastery shrine fort embassy parliament pier dock shore cliff cave canyon
    waterfall pond creek ranch mill mine quarry shelter camp playground pool gallery boutique store shop
    supermarket diner tavern gate wall road corner
""")

PLACES: tuple[str, ...] = (*_TINY_PLACES, *_MORE_PLACES)
"""Where people meet."""

TINY_SIZES: dict[str, int] = {"names": 120, "objects": 40, "places": 40}
"""How many words of each list the tiny vocabulary has."""


def token_ids(tokenizer: Any, text: str) -> list[int]:
    """Ids of a text without special tokens, from a Hugging Face tokenizer."""
    return [int(token) for token in tokenizer.encode(text, add_special_tokens=False)]


def check_single_tokens(tokenizer: Any, words: Iterable[str]) -> dict[str, int]:
    """Ids of words that must be one token each when a space stands before them.

    Args:
        tokenizer: a Hugging Face tokenizer: `encode(text, add_special_tokens=False)` gives ids.
        words: without the space.

    Returns:
        Id of every word, in order.

    Raises:
        ValueError: a word is several tokens, or two words are the same token; names them.
    """
    found = {word: token_ids(tokenizer, f" {word}") for word in words}
    if split := [f"{word} ({len(ids)} tokens)" for word, ids in found.items() if len(ids) != 1]:
        some = ", ".join(split[:8]) + (", ..." if len(split) > 8 else "")
        raise ValueError(f"{len(split)} of {len(found)} words are not one token after a space: {some}")
    owner: dict[int, str] = {}
    for word, (token,) in found.items():
        if token in owner:
            raise ValueError(
                f"{owner[token]!r} and {word!r} are the same token, {token}; is it a word of the tokenizer?"
            )
        owner[token] = word
    return {word: ids[0] for word, ids in found.items()}
