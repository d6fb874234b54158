"""Registry packages that hold what training uses beside the repository's own sprites, with versions and licences."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """A registry package: its client (npm, pip or apt), name, pinned version and the licence of what is used of it."""

    client: str
    name: str
    version: str
    licence: str


NOTO = Package("apt", "fonts-noto-color-emoji", "2.042-0+deb12u1", "OFL-1.1")
RESVG = Package("pip", "resvg-py", "0.5.0", "MIT")
# Icon sets that name their pictures alike and hold all objects and the keycap digits.
EMOJI_FONTS = {
    "twemoji": Package("npm", "@iconify-json/twemoji", "1.2.5", "CC-BY-4.0"),
    "openmoji": Package("npm", "@iconify-json/openmoji", "1.2.29", "CC-BY-SA-4.0"),
    "fluent_flat": Package("npm", "@iconify-json/fluent-emoji-flat", "1.2.6", "MIT"),
    "fluent": Package("npm", "@iconify-json/fluent-emoji", "1.2.7", "MIT"),
}

TUXPAINT = Package("apt", "tuxpaint-data", "1:0.9.28-sdl2-1", "GPL-2.0+")
SCIKIT_IMAGE = Package("pip", "scikit-image", "0.26.0", "mostly CC0-1.0 or public domain")
# Photographs: per package which of its pictures are photographs, as patterns under its folder.
TRAIN_PHOTOS = {
    SCIKIT_IMAGE: (
        *("*/astronaut.png", "*/chelsea.png", "*/camera.png", "*/coins.png", "*/motorcycle_left.png"),
        *("*/hubble_deep_field.jpg", "*/moon.png", "*/brick.png", "*/page.png", "*/text.png"),
    ),
    Package("pip", "scikit-learn", "1.9.1", "CC-BY-2.0"): ("images/*.jpg",),
    Package("pip", "matplotlib", "3.11.2", "public domain"): ("grace_hopper.jpg",),
    Package("apt", "plasma-workspace-wallpapers", "4:5.27.5-2", "GPL-2.0+"): tuple(
        f"{name}/contents/images/*.jpg"
        for name in (
            *("BytheWater", "ColdRipple", "ColorfulCups", "DarkestHour", "EveningGlow", "FallenLeaf", "Grey"),
            *("Kite", "OneStandsOut", "Path", "Volna", "summer_1am"),
        )
    ),
    Package("apt", "mate-backgrounds", "1.26.0-1", "GPL-2.0+"): ("nature/*.jpg",),
    Package("apt", "lomiri-wallpapers-16.04", "20.04.0-2", "CC-BY-4.0, CC-BY-SA-4.0 or CC0-1.0"): (
        *("Bridge_*", "Dragonfly_*", "Picture_*", "Wine_*", "aitzgorri_*", "free_*", "friends_*", "greentock_*"),
        *("life_*", "picosdeeuropa_*", "seeding_*", "sunset_*"),
    ),
    Package("apt", "lomiri-wallpapers-20.04", "20.04.0-2", "CC-BY-SA-3.0"): ("Kleiber_*",),
    TUXPAINT: ("tuxpaint/templates/*.jpg",),
}
# Held out by source, so that these look like nothing of the training.
HELD_PHOTOS = {
    SCIKIT_IMAGE: ("*/coffee.png", "*/rocket.jpg"),
    Package("apt", "palapeli-data", "4:22.12.3-1", "GPL-2.0+"): ("palapeli/collection/*.jpg",),
    Package("apt", "lxqt-themes", "1.2.0-1", "LGPL-2.1+"): (
        *("Butterfly-*.jpg", "Valendas.png", "after-the-rain.jpg", "appleflower.png", "beam.png", "butterfly.png"),
        *("cloud.png", "drop.png", "flowers.png", "fog.jpg", "this-is-not-windows.jpg"),
    ),
}
PHOTO_SIDE = 1024  # longest side of a stored photograph at most, pixels

WORDNET = Package("apt", "wordnet-base", "1:3.0-37", "WordNet licence")
WORDFREQ = Package("pip", "wordfreq", "3.1.1", "CC-BY-SA-4.0")
MSGPACK = Package("pip", "msgpack", "1.2.4", "Apache-2.0")
CHATTERBOT = Package("pip", "chatterbot-corpus", "1.3.3", "BSD-3-Clause")
FORTUNES = Package("apt", "fortunes", "1:1.99.1-7.3", "BSD-4-Clause-UC, quotations")
FORTUNES_MIN = Package("apt", "fortunes-min", "1:1.99.1-7.3", "BSD-4-Clause-UC, quotations")
# Not ordinary sentences, or coarse ones.
UNUSED_FORTUNES = {"ascii-art", "drugs", "ethnic", "men-women", "perl", "translate-me", "zippy"}
FOREIGN_FORTUNES = {
    Package("apt", "fortunes-de", "0.35-1", "GPL-2.0+"): ("sprichworte", "quiz", "murphy", "kinderzitate", "zitate"),
    Package("apt", "fortunes-es", "1.36", "public domain"): ("refranes.fortunes", "sabiduria.fortunes"),
    Package("apt", "fortunes-it", "1.99-4.1", "public domain"): ("leggi", "luke"),
    Package("apt", "fortunes-pl", "0.0.20130525-3", "GPL-2.0+"): ("pratchett",),
    Package("apt", "fortunes-br", "20220821", "GPL-2.0+"): ("brasil",),
    Package("apt", "fortunes-cs", "2.0.9-1.1", "GPL-3.0+"): ("citat", "citace"),
    Package("apt", "fortunes-ru", "1.52-3.1", "GPL-2.0"): ("education", "knowledge"),
    Package("apt", "fortunes-bg", "1.4", "GPL-2.0+"): ("bgproverb", "intproverb"),
    Package("apt", "fortunes-eo", "20020729b-1.1", "GPL"): ("proverbaro",),
}
TUXPAINT_LANGUAGES = (
    *("de", "fr", "es", "it", "pt_BR", "nl", "pl", "sv", "da", "nb", "fi", "cs", "hu", "ro", "tr", "id", "vi"),
    *("ru", "uk", "el", "ja", "zh_CN", "ko", "ar", "he", "hi"),
)
FOREIGN_EACH = 500  # lines at most per language and source, so that no language outweighs the others
# Other words for the objects that WordNet does not relate to their names.
SAME_THINGS = {
    *("animal", "plane", "aircraft", "hamburger", "sandwich", "doughnut", "football", "soccer", "puppy", "kitten"),
    *("bike", "flower", "toadstool", "matryoshka"),
}
# Function words and coarse words that WordNet counts among the nouns.
NO_NOUNS = {
    *("will", "while", "might", "yes", "nothing", "something", "nobody", "somebody", "everything", "tomorrow", "today"),
    *("yesterday", "tonight", "shit", "whore", "sir", "playing", "giving"),
}
