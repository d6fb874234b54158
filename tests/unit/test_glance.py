"""The first look at an uploaded picture: what is said is said of the picture that is shown."""

from page.glance import NOTE, note_of


def test_a_note_is_of_the_picture_that_was_looked_at_and_of_no_other():
    assert note_of(("a.png", NOTE), "a.png") == NOTE
    assert note_of(("a.png", NOTE), "b.png") == note_of(("a.png", NOTE), None) == ""
    assert note_of(("a.png", ""), "a.png") == note_of((None, ""), None) == ""
