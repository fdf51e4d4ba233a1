"""The pages for browsers: `unblur page` writes one that stands by itself, `unblur web` serves one that restores.

    compare   the slider between two pictures, as HTML; used by both       compare.js, compare.css, page.html: what it consists of

Nothing here loads anything from another host.
"""
