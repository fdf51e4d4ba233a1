"""The pages for browsers: `unblur page` writes one that stands by itself, `unblur web` serves one that restores.

    command ── server ─┬─ guard                              who may use it
                       └─ layout ── events ─┬─ views         Gradio's components; what happens; what is shown
                                            └─ sessions ── session ─┬─ worker ── engine    the work, in one thread
                                                                    └─ region, film        mixes of photos; moments of clips
    compare, chart, expectation, messages    the slider, lines over time, what to expect, words of errors
    *.js, *.css, *.html                      what these consist of in the browser

`layout` and `server` alone know Gradio. Nothing here loads anything from another host.
"""
